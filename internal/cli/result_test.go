package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/cordon-exchange/cordon/result"
)

// TestWarnings: people read them beside every format, programs in the notes, and no number of them keeps a result from opening.
func TestWarnings(t *testing.T) {
	for _, format := range []string{"table", "csv", "json"} {
		t.Run(format, func(t *testing.T) {
			var list []string
			for i := range result.MaxNotes + 2 {
				list = append(list, fmt.Sprintf("warning %d", i))
			}
			table := &result.Table{Columns: []result.Column{{Name: "n", Type: "int64"}}, Rows: [][]result.Value{{result.Of("1")}}, Notes: []string{"rounded"}}
			var out, errs bytes.Buffer
			cmd := &cobra.Command{}
			cmd.SetOut(&out)
			cmd.SetErr(&errs)
			warn(cmd, table, list, format == "json")
			f := resultFlags{format: format}
			write, err := f.writer(false)
			if err != nil {
				t.Fatal(err)
			}
			if err := f.write(cmd, table, write); err != nil {
				t.Fatal(err)
			}
			if strings.Count(errs.String(), "warning: warning ") != len(list) {
				t.Errorf("printed %q", &errs)
			}
			var got struct{ Notes []string }
			if format == "json" && (json.Unmarshal(out.Bytes(), &got) != nil || len(got.Notes) != result.MaxNotes || got.Notes[1] != "warning 0") {
				t.Errorf("notes are %v", got.Notes)
			}
			if format != "json" && strings.Contains(out.String(), "warning") {
				t.Errorf("standard output has %q", &out)
			}
		})
	}
}
