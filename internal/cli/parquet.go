package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/internal/fault"
)

const parquetExitCodes = `
Exit codes: 0 done, 2 usage, 3 the file or the keys file is malformed or unsuited,
4 authentication failed or is missing, 5 a key is missing, 8 the output can't be written.`

// NewParquetCommand groups the tools for Parquet files under Parquet Modular
// Encryption. They work on files, need no agent and talk to nobody.
func NewParquetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "parquet",
		Short: "Inspect, open and seal encrypted Parquet files",
		Long: `Inspect, open and seal Parquet files under Parquet Modular Encryption, with the
code that publishing and the enclave use.

A keys file is JSON: {"footer": base64, "columns": {"path.in.schema": base64}, "aad_prefix": text}
with keys of 16, 24 or 32 bytes; columns and aad_prefix may be absent.
` + parquetExitCodes,
		Example: `  cordon parquet inspect sealed.parquet`,
	}
	cmd.AddCommand(newParquetInspectCommand(), newParquetOpenCommand(), newParquetSealCommand())
	return cmd
}

// parquetSource opens a file to read at random.
func parquetSource(path string) (*os.File, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, fault.New(fault.Input, "can't read the file", "name a Parquet file", err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	if err != nil {
		f.Close()
		return nil, 0, fault.New(fault.Input, "can't read the file", "Parquet files are read from their end; save a stream to a file first", err)
	}
	return f, info.Size(), nil
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
