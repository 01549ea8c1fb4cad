//go:build cgo && linux

package pme_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/cordon-exchange/cordon/pme"
)

// DuckDB reads a late view, whose metadata knows nothing of page headers, as the plain file.
func TestDuckDBReadsLateView(t *testing.T) {
	db := duck(t)
	for name, props := range writerVariants() {
		for _, room := range []int{0, 256} {
			t.Run(fmt.Sprint(name, room), func(t *testing.T) {
				s := sealSample(t, 1500, props...)
				opt := s.options()
				opt.HeaderRoom = room
				v := lateView(t, s.file, opt, pme.Bytes(s.file))
				b := make([]byte, v.Size())
				if _, err := v.ReadAt(b, 0); err != nil {
					t.Fatal(err)
				}
				dir := t.TempDir()
				plain, late := filepath.Join(dir, "plain.parquet"), filepath.Join(dir, "late.parquet")
				for path, b := range map[string][]byte{plain: s.plain, late: b} {
					if err := os.WriteFile(path, b, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				sameRows(t, db, late, plain, "*")
			})
		}
	}
}
