package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/internal/fault"
	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
)

func newReceiptBundle() *cobra.Command {
	var f agentFlags
	var pins []string
	var output string
	cmd := &cobra.Command{
		Use:   "bundle JOB -o FILE",
		Short: "Write the account of a job with proofs that the witnessed log has it",
		Long: `Write the account of a job as 'cordon receipt export' does, with proofs that receipt,
job, contract and grants are in the exchange's log, and the checkpoint that the contract's
quorum of witnesses cosigned. 'cordon receipt verify --offline' checks it anywhere. It
waits up to half a minute for the witnesses: the agents of requester and owners must run.

The file holds the salts of the commitments: who has it can find these entries in the log.

Exit codes: 0 done, 2 usage, 4 it does not verify, 6 there is no receipt for this party, or
the contract names no log, 7 agent, exchange or witnesses do not answer, 8 the file can't
be written.`,
		Example: "  cordon receipt bundle sha256:… -o job.logged.json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			job, err := parseDigest(args[0])
			if err != nil {
				return err
			}
			if output == "" {
				return fault.New(fault.Usage, "no file given", "give -o FILE", nil)
			}
			in := api.JobRef{Job: job}
			if in.Pins, err = parseFingerprints(pins); err != nil {
				return err
			}
			c, err := f.client()
			if err != nil {
				return err
			}
			var l api.Logged
			if err := c.Call(cmd.Context(), api.PathLogged, in, &l); err != nil {
				return err
			}
			if err := writeWhole(output, func(file *os.File) error { return writeBundle(file, l.File) }); err != nil {
				return err
			}
			if f.json {
				return printJSON(cmd.OutOrStdout(), struct {
					Receipt string `json:"receipt"`
					File    string `json:"file"`
					Bytes   int    `json:"bytes"`
				}{string(l.Receipt), output, len(l.File)})
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "receipt %s with proofs of the log in %s, %d bytes\n", l.Receipt, output, len(l.File))
			return err
		},
	}
	f.add(cmd)
	cmd.Flags().StringArrayVar(&pins, "pin", nil, "fingerprint of a party to rely on beyond the contract's (repeatable)")
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to write (required)")
	return cmd
}
