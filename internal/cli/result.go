package cli

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/internal/fault"
	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
	"github.com/cordon-exchange/cordon/result"
	"github.com/cordon-exchange/cordon/result/parquetfile"
)

// NewResultCommand makes `cordon result` with its verbs.
func NewResultCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "result", Short: "Open results"}
	cmd.AddCommand(newResultOpen())
	return cmd
}

// resultFlags say in which form a result is written, and where to.
type resultFlags struct {
	format string
	output string
}

func (f *resultFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.format, "format", "", "table, csv, json or parquet; default table, or json with --json")
	cmd.Flags().StringVarP(&f.output, "output", "o", "", "write to this file; default standard output")
}

func newResultOpen() *cobra.Command {
	var f agentFlags
	var out resultFlags
	var pins []string
	var beside string
	in := api.JobRef{}
	cmd := &cobra.Command{
		Use:   "open JOB",
		Short: "Open a result: only with a valid receipt for a job that this party signed",
		Long: `Open a result. First the whole account of the job is verified: its receipt, every
signature, the evidence, the acknowledgement of every owner; then the ciphertext must
be the one that the receipt names. Suppressed cells show as "suppressed".

--beside puts another result next to it, joined on the leading columns that both have:
one's own figures beside the market's. A key that only one of them has gives NULL.

A warning names owners whose acknowledgements contradict those of earlier accounts: they
went on with an old copy of their ledger. With --json it is among the notes.

Exit codes: 0 done, 2 usage, 3 the results can't be joined, 4 the account or the result
is not genuine, 6 there is none for this party, 7 agent or exchange do not answer, 8 the
output can't be written.`,
		Example: `  cordon result open sha256:…
  cordon result open sha256:… --format parquet -o market.parquet
  cordon result open sha256:MARKET --beside sha256:OWN --prefix own_`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if in.Job, err = parseDigest(args[0]); err != nil {
				return err
			}
			if beside != "" {
				if in.Beside, err = parseDigest(beside); err != nil {
					return err
				}
			}
			if in.Pins, err = parseFingerprints(pins); err != nil {
				return err
			}
			return openResult(cmd, &f, in, out)
		},
	}
	f.add(cmd)
	out.add(cmd)
	cmd.Flags().StringVar(&beside, "beside", "", "digest of another job whose result stands beside")
	cmd.Flags().StringVar(&in.Prefix, "prefix", "", "prefix of the columns beside; default beside_")
	cmd.Flags().StringArrayVar(&pins, "pin", nil, "fingerprint of a party to rely on beyond the contract's (repeatable)")
	return cmd
}

func openResult(cmd *cobra.Command, f *agentFlags, in api.JobRef, out resultFlags) error {
	write, err := out.writer(f.json)
	if err != nil {
		return err
	}
	c, err := f.client()
	if err != nil {
		return err
	}
	var r api.Result
	if err := c.Call(cmd.Context(), api.PathResult, in, &r); err != nil {
		return err
	}
	t, err := result.Decode(r.Table)
	if err != nil {
		return fault.New(fault.Internal, "the agent gave a malformed table", "command line and agent must be of one version", err)
	}
	warn(cmd, t, r.Warnings, f.json)
	return out.write(cmd, t, write)
}

// warn prints beside whatever the format, and puts what it prints into the notes that programs read. A table takes no more than so many.
func warn(cmd *cobra.Command, t *result.Table, list []string, asJSON bool) {
	for _, w := range list {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning:", w)
		if asJSON && len(t.Notes) < result.MaxNotes {
			t.Notes = append(t.Notes, w)
		}
	}
}

type writeTable func(io.Writer, *result.Table) error

func (f *resultFlags) writer(asJSON bool) (writeTable, error) {
	format := f.format
	if format == "" && asJSON {
		format = "json"
	}
	switch format {
	case "", "table":
		return func(w io.Writer, t *result.Table) error { return t.WriteText(w) }, nil
	case "csv":
		return func(w io.Writer, t *result.Table) error { return t.WriteCSV(w) }, nil
	case "json":
		return func(w io.Writer, t *result.Table) error { return t.WriteJSON(w) }, nil
	case "parquet":
		if f.output == "" {
			return nil, fault.New(fault.Usage, "parquet needs a file", "give -o FILE", nil)
		}
		return parquetfile.Write, nil
	}
	return nil, fault.New(fault.Usage, "no such format: "+format, "use table, csv, json or parquet", nil)
}

func (f *resultFlags) write(cmd *cobra.Command, t *result.Table, write writeTable) error {
	if f.output == "" {
		return write(cmd.OutOrStdout(), t)
	}
	err := writeWhole(f.output, func(file *os.File) error {
		if err := write(file, t); err != nil {
			return fault.New(fault.LocalStorage, "can't write the output", "check free space", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.ErrOrStderr(), "%d rows in %s\n", len(t.Rows), f.output)
	return err
}
