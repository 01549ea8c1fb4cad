package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/kinds"
	"github.com/cordon-exchange/cordon/evidence/remembered"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/receipt"
	"github.com/cordon-exchange/cordon/receipt/logged"
	"github.com/cordon-exchange/cordon/statement"
)

// verifiers are those of every kind of evidence, under the vendors' own roots. held finds collateral that the party holds itself; nil
// where there is none. What verified of what vendors publish is remembered for as long as it holds and the process lives.
func verifiers(held kinds.Held) (evidence.Verifiers, error) {
	anchors, err := kinds.Vendors()
	if err != nil {
		return nil, err
	}
	return kinds.Verifiers(kinds.Options{Anchors: anchors, Held: held, Memory: remembered.New()}), nil
}

// maxPins bounds a file of fingerprints, in bytes.
const maxPins = 1 << 20

type verifyFlags struct {
	pins    []string
	pinFile string
	json    bool
	offline bool
}

// NewReceiptVerifyCommand checks a receipt bundle offline: no agent, no network.
func NewReceiptVerifyCommand() *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify BUNDLE",
		Short: "Check a receipt bundle offline, with nothing but pinned fingerprints",
		Long: `Check a receipt bundle offline. It dials nobody and needs no agent: everything
is in the bundle but the fingerprints of the parties that you rely on, which you
got from them on another way. A party of the account without a pin fails the check.

With --offline the file is one of 'cordon receipt bundle': the same, and proofs that
receipt, job, contract and grants are in the exchange's log, under a checkpoint that the
contract's quorum of witnesses cosigned.

Exit codes: 0 verified, 2 usage, 3 malformed bundle, 4 does not verify.`,
		Example: `  cordon receipt verify job.bundle.json --pins fingerprints.txt
  cordon receipt verify job.bundle.json --pin cordon1ab…12 --pin cordon1cd…34 --json
  cordon receipt verify --offline job.logged.json --pins fingerprints.txt`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runReceiptVerify(cmd, args[0], f) },
	}
	cmd.Flags().StringArrayVar(&f.pins, "pin", nil, "fingerprint of a party you rely on (repeatable)")
	cmd.Flags().StringVar(&f.pinFile, "pins", "", "file with a fingerprint a line; text behind it is a comment")
	cmd.Flags().BoolVar(&f.json, "json", false, "print the verified account as JSON")
	cmd.Flags().BoolVar(&f.offline, "offline", false, "the file has proofs of the log, which must hold, too")
	return cmd
}

func runReceiptVerify(cmd *cobra.Command, path string, f verifyFlags) error {
	pins, err := readPins(f)
	if err != nil {
		return err
	}
	most, verify := int64(receipt.MaxBundle), receipt.Verify
	if f.offline {
		most, verify = logged.MaxFile, logged.Verify
	}
	src, err := readBounded(path, most)
	if err != nil {
		return fault.New(fault.Input, "can't read the bundle", "name a file made by 'cordon receipt export'", err)
	}
	known, err := verifiers(nil) // what the receipt brings is judged, at the time of the releases
	if err != nil {
		return err
	}
	report, err := verify(cmd.Context(), src, receipt.Options{Pins: pins, Verifiers: known})
	if err != nil {
		return verifyFault(err)
	}
	if f.json {
		e := json.NewEncoder(cmd.OutOrStdout())
		e.SetIndent("", "  ")
		return e.Encode(report.Summary())
	}
	if err := report.WriteText(cmd.OutOrStdout()); err != nil {
		return err
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), "\nreceipt verified")
	return err
}

func verifyFault(err error) error {
	if errors.Is(err, logged.ErrMalformed) {
		return fault.New(fault.Input, "not an account with proofs of a log", "make one with 'cordon receipt bundle JOB -o FILE', or leave --offline away", err)
	}
	if errors.Is(err, logged.ErrUnlogged) {
		return fault.New(fault.Untrusted, "the account is not shown to be in the witnessed log", "do not rely on it; ask the parties named for their own copies", err)
	}
	if errors.Is(err, receipt.ErrMalformed) {
		return fault.New(fault.Input, "not a receipt bundle", "export one with 'cordon receipt export JOB -o FILE'", err)
	}
	return fault.New(fault.Untrusted, "the receipt does not verify", "do not rely on it; ask the parties named for their own copies", err)
}

func readBounded(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("larger than %d bytes", limit)
	}
	return b, err
}

// readPins collects fingerprints from flags and file. None at all is an error: absence refuses.
func readPins(f verifyFlags) ([]statement.Fingerprint, error) {
	words := append([]string{}, f.pins...)
	if f.pinFile != "" {
		src, err := readBounded(f.pinFile, maxPins)
		if err != nil {
			return nil, fault.New(fault.Input, "can't read the pins", "a file with a fingerprint a line", err)
		}
		for line := range strings.Lines(string(src)) {
			if fields := strings.Fields(line); len(fields) > 0 && !strings.HasPrefix(fields[0], "#") {
				words = append(words, fields[0])
			}
		}
	}
	var out []statement.Fingerprint
	for _, w := range words {
		fp := statement.Fingerprint(w)
		if !fp.Valid() {
			return nil, fault.New(fault.Usage, fmt.Sprintf("not a fingerprint: %.80q", w), "a fingerprint is cordon1 and 64 hex digits; 'cordon party show' prints yours", nil)
		}
		out = append(out, fp)
	}
	if len(out) == 0 {
		return nil, fault.New(fault.Usage, "no fingerprints pinned", "give --pin or --pins: without them a receipt proves nothing", nil)
	}
	return out, nil
}
