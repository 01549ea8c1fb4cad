package pme_test

import (
	"errors"
	"testing"

	"github.com/cordon-exchange/cordon/pme"
)

// TestStrictRefusesWholeFiles: every column is encrypted, but no tag covers the pages, or anybody may read the footer.
func TestStrictRefusesWholeFiles(t *testing.T) {
	tbl := sampleTable(t, 30)
	for _, name := range []string{"CTR, one key", "plaintext footer, one key"} {
		t.Run(name, func(t *testing.T) {
			e := encryptions()[name]
			b := writeTable(t, tbl, 30, e.writer())
			mustOpen(t, b, e.options())
			opt := e.options()
			opt.Unauthenticated, opt.PlaintextParts = false, false
			if out, err := openAll(b, opt); out != nil || !errors.Is(err, pme.ErrUnauthenticated) {
				t.Errorf("opened, or another error: %v", err)
			}
		})
	}
}
