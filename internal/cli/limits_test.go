package cli

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"testing"

	"github.com/cordon-exchange/cordon/internal/exchange"
)

// TestLimitsInDocs: the file in docs/operating.md is one, and says what is built in.
func TestLimitsInDocs(t *testing.T) {
	src, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindSubmatch(src)
	if m == nil {
		t.Fatal("no file of limits in the page")
	}
	file := filepath.Join(t.TempDir(), "limits.yaml")
	if err := os.WriteFile(file, m[1], 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := readLimits(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := exchange.DefaultLimits(); !reflect.DeepEqual(l, d) {
		t.Errorf("the page says %+v, built in are %+v", l, d)
	}
}
