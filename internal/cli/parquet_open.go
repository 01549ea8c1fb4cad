package cli

import (
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/pme"
)

type parquetOpenFlags struct {
	keys, output    string
	columns         []string
	unauthenticated bool
	json            bool
}

func newParquetOpenCommand() *cobra.Command {
	var f parquetOpenFlags
	cmd := &cobra.Command{
		Use:   "open FILE --keys KEYS -o PLAIN",
		Short: "Decrypt columns of a sealed Parquet file into a plain one",
		Long: `Decrypt columns of a sealed Parquet file into a plain one that holds only those.
Every byte of them is authenticated first, unless the file leaves it without.

Without --columns, all columns whose keys are in the keys file are opened. The
output is complete or not there at all.
` + parquetExitCodes,
		Example: `  cordon parquet open sealed.parquet --keys keys.json --columns airport,cost -o plain.parquet`,
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return runParquetOpen(cmd, args[0], f) },
	}
	cmd.Flags().StringVar(&f.keys, "keys", "", "keys file (required)")
	cmd.Flags().StringVarP(&f.output, "output", "o", "", "plain file to write (required)")
	cmd.Flags().StringSliceVar(&f.columns, "columns", nil, "columns to open, by dotted path; a group stands for all in it")
	cmd.Flags().BoolVar(&f.unauthenticated, "unauthenticated", false, "also open what the format does not authenticate: AES_GCM_CTR_V1 pages, plain columns")
	cmd.Flags().BoolVar(&f.json, "json", false, "print what was opened as JSON")
	requireFlags(cmd, "keys", "output")
	return cmd
}

// requireFlags marks flags that must be set; a name that does not exist is a bug of ours.
func requireFlags(cmd *cobra.Command, names ...string) {
	for _, n := range names {
		if err := cmd.MarkFlagRequired(n); err != nil {
			panic(err)
		}
	}
}

func runParquetOpen(cmd *cobra.Command, path string, f parquetOpenFlags) error {
	keys, err := readParquetKeys(f.keys)
	if err != nil {
		return err
	}
	src, size, err := parquetSource(path)
	if err != nil {
		return err
	}
	defer src.Close()
	plan, err := pme.ReadPlan(src, size, pme.OpenOptions{
		Keys: keys.keys, AADPrefix: keys.aadPrefix,
		Columns: f.columns, AllWithKeys: len(f.columns) == 0,
		PlaintextParts: true, Unauthenticated: f.unauthenticated,
	})
	if err != nil {
		return parquetFault("can't open "+path, err)
	}
	var res *pme.Opened
	err = writeWhole(f.output, func(out *os.File) (err error) {
		if res, err = plan.RunTo(cmd.Context(), src, out); err != nil {
			return parquetFault("can't open "+path, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return printOpened(cmd.OutOrStdout(), res, f)
}

type openedJSON struct {
	Output    string             `json:"output"`
	Size      int64              `json:"size"`
	Rows      int64              `json:"rows"`
	RowGroups int                `json:"row_groups"`
	Columns   []openedColumnJSON `json:"columns"`
}

type openedColumnJSON struct {
	Path     string `json:"path"`
	Bytes    int64  `json:"bytes_in_clear"`
	Physical string `json:"physical_type"`
	Logical  string `json:"logical_type,omitempty"`
}

func printOpened(w io.Writer, res *pme.Opened, f parquetOpenFlags) error {
	if f.json {
		out := openedJSON{Output: f.output, Size: res.Size, Rows: res.Rows, RowGroups: res.RowGroups}
		for _, c := range res.Columns {
			out.Columns = append(out.Columns, openedColumnJSON(c))
		}
		return printJSON(w, out)
	}
	fmt.Fprintf(w, "opened %d columns, %d rows, %d bytes in clear: %s\n", len(res.Columns), res.Rows, res.Size, f.output)
	t := tabwriter.NewWriter(w, 2, 0, 2, ' ', 0)
	for _, c := range res.Columns {
		fmt.Fprintf(t, "  %s\t%s\t%s\t%d bytes\n", shown(c.Path), c.Physical, c.Logical, c.Bytes)
	}
	return t.Flush()
}
