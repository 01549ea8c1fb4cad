package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/pme"
)

func newParquetInspectCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Show what a Parquet file leaves in clear, without any key",
		Long: `Show what a Parquet file leaves in clear for everyone: algorithm, kind of footer,
AAD prefix, key metadata, sizes, and with a footer in clear also schema, rows and
which columns are encrypted. Nothing that is shown is verified.
` + parquetExitCodes,
		Example: `  cordon parquet inspect sealed.parquet --json`,
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return runParquetInspect(cmd, args[0], asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

func runParquetInspect(cmd *cobra.Command, path string, asJSON bool) error {
	src, size, err := parquetSource(path)
	if err != nil {
		return err
	}
	defer src.Close()
	in, err := pme.Inspect(src, size)
	if err != nil {
		return parquetFault("can't inspect "+path, err)
	}
	if asJSON {
		return printJSON(cmd.OutOrStdout(), in)
	}
	return printInspection(cmd.OutOrStdout(), in)
}

func printInspection(w io.Writer, in *pme.Inspection) error {
	t := tabwriter.NewWriter(w, 2, 0, 2, ' ', 0)
	line := func(name string, v any) { fmt.Fprintf(t, "%s\t%v\n", name, v) }
	line("size", fmt.Sprintf("%d bytes, of it footer %d", in.Size, in.FooterSize))
	line("footer", map[string]string{
		"encrypted": "encrypted", "signed": "in clear, signed", "plain": "in clear; the file is not encrypted",
	}[in.Footer])
	if in.Algorithm != "" {
		line("algorithm", in.Algorithm)
		line("AAD prefix", strings.TrimSpace(in.AADPrefix+" "+shown(in.StoredAADPrefix)))
		line("footer key metadata", orNone(shown(in.FooterKeyMetadata)))
		line("file identifier", in.FileIdentifier)
	}
	if m := in.Modules; m != nil {
		line("modules", fmt.Sprintf("%d, the largest %d bytes", m.Count, m.Largest))
	}
	switch {
	case in.Layout != nil:
		line("layout", fmt.Sprintf("in clear: %d columns, %d row groups, and where they lie", in.Layout.Columns, in.Layout.RowGroups))
		line("rows, schema", "not in clear")
		return t.Flush()
	case in.Contents == nil:
		line("columns, rows, schema", "not in clear")
		return t.Flush()
	}
	return printContents(t, in.Contents)
}

func printContents(t *tabwriter.Writer, c *pme.VisibleContents) error {
	fmt.Fprintf(t, "rows\t%d in %d row groups\n", c.Rows, c.RowGroups)
	fmt.Fprintf(t, "created by\t%s\n", orNone(shown(c.CreatedBy)))
	if len(c.Keys) > 0 {
		fmt.Fprintf(t, "key-value metadata\t%s\n", shown(strings.Join(c.Keys, ", ")))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(t, "column\ttype\tencrypted with\tkey metadata\tstatistics\tbytes")
	for _, col := range c.Columns {
		stats := "not in clear"
		if col.Statistics {
			stats = "in clear"
		}
		typ := strings.TrimSpace(col.Physical + " " + col.Logical)
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\n", shown(col.Path), typ, col.Protection, orNone(shown(col.KeyMetadata)), stats, col.Bytes)
	}
	return t.Flush()
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// shown makes text from a file safe for a terminal.
func shown(s string) string {
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return strconv.Quote(s)
		}
	}
	return s
}
