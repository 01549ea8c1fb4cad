package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/internal/fault"
	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
)

// receiptVerb makes a verb that fetches the verified account of a job.
func receiptVerb(use, short, long, example string, run func(*cobra.Command, *agentFlags, *api.Receipt) error) *cobra.Command {
	var f agentFlags
	var pins []string
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long, Example: "  " + example, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			job, err := parseDigest(args[0])
			if err != nil {
				return err
			}
			in := api.JobRef{Job: job}
			if in.Pins, err = parseFingerprints(pins); err != nil {
				return err
			}
			c, err := f.client()
			if err != nil {
				return err
			}
			var r api.Receipt
			if err := c.Call(cmd.Context(), api.PathReceipt, in, &r); err != nil {
				return err
			}
			return run(cmd, &f, &r)
		},
	}
	f.add(cmd)
	cmd.Flags().StringArrayVar(&pins, "pin", nil, "fingerprint of a party to rely on beyond the contract's (repeatable)")
	return cmd
}

func newReceiptShow() *cobra.Command {
	return receiptVerb("show JOB", "Show the account of a job, verified",
		`Show the account of a job: which columns were in clear, how many bytes, for how long by
the enclave's clock and by each owner's, behind which perimeter (SIMULATED in capitals
where no hardware vouches for it), on whose authority, and who answers for which layer.
It is verified first, under the fingerprints of the contract.

Exit codes: 0 done, 2 usage, 4 it does not verify, 6 there is none for this party,
7 agent or exchange do not answer.`,
		"cordon receipt show sha256:…",
		func(cmd *cobra.Command, f *agentFlags, r *api.Receipt) error {
			if f.json {
				return printJSON(cmd.OutOrStdout(), json.RawMessage(r.JSON))
			}
			_, err := io.WriteString(cmd.OutOrStdout(), r.Text)
			return err
		})
}

func writeBundle(w io.Writer, bundle []byte) error {
	if _, err := w.Write(bundle); err != nil {
		return fault.New(fault.LocalStorage, "can't write the bundle", "check free space", err)
	}
	return nil
}

func newReceiptExport() *cobra.Command {
	var output string
	cmd := receiptVerb("export JOB -o FILE", "Write the account of a job as a bundle that anyone can verify offline",
		`Write the account of a job as a bundle. 'cordon receipt verify' checks it anywhere,
with nothing but the bundle and pinned fingerprints.

Exit codes: 0 done, 2 usage, 4 it does not verify, 6 there is none for this party,
7 agent or exchange do not answer, 8 the file can't be written.`,
		"cordon receipt export sha256:… -o job.bundle.json",
		func(cmd *cobra.Command, f *agentFlags, r *api.Receipt) error {
			if output == "" {
				return fault.New(fault.Usage, "no file given", "give -o FILE", nil)
			}
			if err := writeWhole(output, func(file *os.File) error { return writeBundle(file, r.Bundle) }); err != nil {
				return err
			}
			if f.json {
				return printJSON(cmd.OutOrStdout(), struct {
					Receipt string `json:"receipt"`
					File    string `json:"file"`
					Bytes   int    `json:"bytes"`
				}{string(r.Digest), output, len(r.Bundle)})
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "receipt %s in %s, %d bytes\n", r.Digest, output, len(r.Bundle))
			return err
		})
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to write (required)")
	return cmd
}
