package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/pme"
)

type parquetSealFlags struct {
	keys, output, aadPrefix string
	newKeys, json           bool
}

func newParquetSealCommand() *cobra.Command {
	var f parquetSealFlags
	cmd := &cobra.Command{
		Use:   "seal FILE --keys KEYS -o SEALED",
		Short: "Encrypt a plain Parquet file, every column under its own key",
		Long: `Encrypt a plain Parquet file with AES_GCM_V1: an encrypted footer, every column
under its own key, the AAD prefix supplied and not stored in the file. Any reader
that knows Parquet Modular Encryption opens it with the same keys and prefix.

With --new-keys the keys file is made first: a fresh 256-bit key for the footer and
for each column. It is never overwritten. The output is complete or not there at all.
` + parquetExitCodes,
		Example: `  cordon parquet seal strikes.parquet --new-keys --keys keys.json -o sealed.parquet`,
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return runParquetSeal(cmd, args[0], f) },
	}
	cmd.Flags().StringVar(&f.keys, "keys", "", "keys file, to read or with --new-keys to make (required)")
	cmd.Flags().StringVarP(&f.output, "output", "o", "", "sealed file to write (required)")
	cmd.Flags().BoolVar(&f.newKeys, "new-keys", false, "make the keys file")
	cmd.Flags().StringVar(&f.aadPrefix, "aad-prefix", "", "with --new-keys: what the file is, for example data set and version (default: random)")
	cmd.Flags().BoolVar(&f.json, "json", false, "print what was sealed as JSON")
	requireFlags(cmd, "keys", "output")
	return cmd
}

func runParquetSeal(cmd *cobra.Command, path string, f parquetSealFlags) error {
	if f.aadPrefix != "" && !f.newKeys {
		return fault.New(fault.Usage, "--aad-prefix without --new-keys", "an existing keys file has its own aad_prefix", nil)
	}
	if filepath.Clean(f.keys) == filepath.Clean(f.output) {
		return fault.New(fault.Usage, "keys file and output are the same", "name another output with -o", nil)
	}
	src, size, err := parquetSource(path)
	if err != nil {
		return err
	}
	defer src.Close()
	if f.newKeys {
		return sealWithNewKeys(cmd, src, size, path, f)
	}
	keys, err := readParquetKeys(f.keys)
	if err != nil {
		return err
	}
	if keys.aadPrefix == nil {
		return fault.New(fault.Input, "the keys file has no aad_prefix", "add one that says what the file is, for example data set and version", nil)
	}
	return sealTo(cmd, src, size, path, keys, f)
}

// sealWithNewKeys writes the keys before the sealed file gets its name, so that none is ever there without its keys.
func sealWithNewKeys(cmd *cobra.Command, src *os.File, size int64, path string, f parquetSealFlags) error {
	columns, err := pme.PlainColumns(src, size)
	if err != nil {
		return parquetFault("can't seal "+path, err)
	}
	keys := newParquetKeys(columns, f.aadPrefix)
	if err := keys.write(f.keys); err != nil {
		return err
	}
	if err := sealTo(cmd, src, size, path, keys, f); err != nil {
		os.Remove(f.keys)
		return err
	}
	return nil
}

func sealTo(cmd *cobra.Command, src *os.File, size int64, path string, keys *parquetKeys, f parquetSealFlags) error {
	var res *pme.Sealed
	err := writeWhole(f.output, func(out *os.File) (err error) {
		res, err = pme.Seal(cmd.Context(), src, size, out, pme.SealOptions{Keys: keys.keys, AADPrefix: keys.aadPrefix})
		if err != nil {
			return parquetFault("can't seal "+path, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return printSealed(cmd.OutOrStdout(), res, f)
}

type sealedJSON struct {
	Output     string             `json:"output"`
	Keys       string             `json:"keys"`
	Size       int64              `json:"size"`
	FooterSize int64              `json:"footer_size"`
	Rows       int64              `json:"rows"`
	RowGroups  int                `json:"row_groups"`
	Columns    []sealedColumnJSON `json:"columns"`
}

type sealedColumnJSON struct {
	Path        string `json:"path"`
	Bytes       int64  `json:"bytes_plain"`
	SealedBytes int64  `json:"bytes_sealed"`
	Physical    string `json:"physical_type"`
	Logical     string `json:"logical_type,omitempty"`
}

func printSealed(w io.Writer, res *pme.Sealed, f parquetSealFlags) error {
	if f.json {
		out := sealedJSON{Output: f.output, Keys: f.keys, Size: res.Size, FooterSize: res.FooterSize, Rows: res.Rows, RowGroups: res.RowGroups}
		for _, c := range res.Columns {
			out.Columns = append(out.Columns, sealedColumnJSON(c))
		}
		return printJSON(w, out)
	}
	fmt.Fprintf(w, "sealed %d columns, %d rows, %d bytes: %s\n", len(res.Columns), res.Rows, res.Size, f.output)
	t := tabwriter.NewWriter(w, 2, 0, 2, ' ', 0)
	for _, c := range res.Columns {
		fmt.Fprintf(t, "  %s\t%s\t%s\t%d bytes\n", shown(c.Path), c.Physical, c.Logical, c.SealedBytes)
	}
	if f.newKeys {
		fmt.Fprintf(t, "keys made: %s (without them the file cannot be opened)\n", f.keys)
	}
	return t.Flush()
}
