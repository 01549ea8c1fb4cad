package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/exhibit"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/collateral"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/internal/party/machines"
)

func newReceiptFind() *cobra.Command {
	var f agentFlags
	var tcb []string
	var q machines.Query
	cmd := &cobra.Command{
		Use:   "find",
		Short: "List the past jobs that ran on a machine or a build",
		Long: `List the past jobs of this party whose enclaves ran on a machine that a vendor warns
of, or were of a build or kind. It reads the ledger and the evidence that the home
keeps of each release and each receipt read; it needs no agent and dials nobody.

--tcb is a date (the machine's TCB level is of an earlier day), a status of Intel's
(OutOfDate), an advisory (INTEL-SA-00615), or a TCB of AMD's in 16 hex digits (a
component of the machine's is lower); of several, one must hold. Machines of Intel's
are judged as their collateral said then, and as this party's collateral says now:
'cordon evidence collateral fetch' first. Jobs of which it can't be told are listed as
unknown.

Exit codes: 0 done, 2 usage, 3 no party in the folder, 4 the ledger was tampered with,
8 the home can't be read.`,
		Example: `  cordon receipt find --home ./delta --tcb INTEL-SA-00837 --tcb OutOfDate
  cordon receipt find --home ./delta --tcb 2024-03-13 --kind sgx
  cordon receipt find --home ./delta --kind simulated --build sha256:0f3a…`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, s := range tcb {
				c, err := machines.ParseCriterion(s)
				if err != nil {
					return fault.New(fault.Usage, err.Error(), "write --tcb 2024-03-13, OutOfDate, INTEL-SA-00615 or 16 hex digits", nil)
				}
				q.TCB = append(q.TCB, c)
			}
			if err := checkQuery(&q); err != nil {
				return err
			}
			return findReceipts(cmd, &f, q)
		},
	}
	f.add(cmd)
	cmd.Flags().StringArrayVar(&tcb, "tcb", nil, "what the machine's TCB was or is: date, status, advisory, AMD TCB (repeatable)")
	cmd.Flags().StringSliceVar(&q.Kinds, "kind", nil, "kind of the evidence (repeatable): "+strings.Join(exhibit.Kinds(), ", ")+", tpm-software, or as contracts name it")
	cmd.Flags().StringSliceVar(&q.Builds, "build", nil, "digest of the build, or the hardware's measurement in hex (repeatable)")
	cmd.Flags().StringSliceVar(&q.Forms, "perimeter", nil, "form of the perimeter, as process (repeatable)")
	return cmd
}

// otherNames of kinds, as contracts, policies and receipts write them.
var otherNames = map[string]exhibit.Kind{
	evidence.SGX: exhibit.SGX, evidence.TDX: exhibit.TDX, evidence.TPMSoftware: exhibit.TPMSoftware,
	evidence.AzureSNP: exhibit.TPMAzure, evidence.AzureTDX: exhibit.TPMAzure,
}

var (
	perimeterForm = regexp.MustCompile(`^(process(-shared-pid|-no-userns)?(\+swap)?|vm|gramine|snp|tdx|nitro)$`)
	measuredForm  = regexp.MustCompile(`^(sha256:)?([0-9a-f]{2}){16,64}$`)
)

// checkQuery refuses what nothing can match: that no job is found must not be a slip of the pen.
func checkQuery(q *machines.Query) error {
	for i, k := range q.Kinds {
		if other, ok := otherNames[k]; ok {
			q.Kinds[i] = string(other)
		} else if !slices.Contains(exhibit.Kinds(), k) {
			return fault.New(fault.Usage, fmt.Sprintf("not a kind of evidence: %q", k), "give one of "+strings.Join(exhibit.Kinds(), ", ")+", tpm-software", nil)
		}
	}
	for _, b := range q.Builds {
		if !measuredForm.MatchString(b) {
			return fault.New(fault.Usage, fmt.Sprintf("not a build: %q", b), "give sha256: and 64 hex digits, as contracts list it, or the hardware's measurement in hex", nil)
		}
	}
	for _, p := range q.Forms {
		if !perimeterForm.MatchString(p) {
			return fault.New(fault.Usage, fmt.Sprintf("not a form of perimeter: %q", p), "give one as 'cordon host serve --help' lists them", nil)
		}
	}
	return nil
}

// foundJSON is what find prints.
type foundJSON struct {
	Jobs []*machines.Ran `json:"jobs"`
}

func findReceipts(cmd *cobra.Command, f *agentFlags, q machines.Query) error {
	dir, c, err := openHome(f.home)
	if err != nil {
		return err
	}
	entries, _, err := ledger.VerifyFile(dir.Ledger(), c.Fingerprint)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a party that never released has no file
		return err
	}
	cache, err := collateral.Open(dir, collateral.Anchors{})
	if err != nil {
		return err
	}
	list, err := machines.Find(machines.Past{Home: dir, Entries: entries, Cache: cache, Now: time.Now()}, q)
	if err != nil {
		return err
	}
	return show(cmd, f, &foundJSON{append([]*machines.Ran{}, list...)}, writeFound)
}

func writeFound(w io.Writer, f *foundJSON) error {
	if len(f.Jobs) == 0 {
		_, err := io.WriteString(w, "no job of the past matches\n")
		return err
	}
	t := newTable(w, "JOB", "AT", "KEYS", "EVIDENCE", "BUILD", "MACHINE", "MATCH")
	for _, r := range f.Jobs {
		keys := "asked only"
		switch {
		case r.Open:
			keys = "released, OPEN"
		case r.Release != "":
			keys = "released"
		}
		match := r.Match
		if r.Why != "" {
			match = "UNKNOWN: " + ascii(r.Why)
		}
		kind, build := "", ""
		if r.Then != nil {
			kind, build = strings.ToUpper(string(r.Then.Kind)), r.Then.Build
			if r.Then.Kind != exhibit.Simulated {
				kind = string(r.Then.Kind)
			}
			if r.Then.Debug {
				kind += " DEBUG"
			}
		}
		t.row(string(r.Job), at(r.AtMS), keys, kind, ascii(build), ascii(machineText(r)), match)
	}
	return t.end()
}

// machineText says how current a machine was, and is.
func machineText(r *machines.Ran) string {
	text := func(f *exhibit.Facts) string {
		switch {
		case f == nil || f.Unknown != "":
			return ""
		case f.TCB != "":
			return fmt.Sprintf("%s TCB %s", f.Line, f.TCB)
		}
		return strings.TrimSpace(fmt.Sprintf("%s %s %s", f.Status, f.Date, strings.Join(f.Advisories, " ")))
	}
	then, now := text(r.Then), text(r.Now)
	if now != "" && now != then {
		return then + "; now " + now
	}
	return then
}
