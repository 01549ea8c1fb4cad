package cli

import (
	"os"
	"testing"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/need"
	"github.com/cordon-exchange/cordon/pme"
)

// TestFullDisk: a disk without room is told apart from other faults.
func TestFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	need.That(t, err == nil, "no /dev/full")
	defer full.Close()
	b, err := os.ReadFile("../../pme/testdata/uniform_encryption.parquet.encrypted")
	if err != nil {
		t.Fatal(err)
	}
	p, err := pme.NewPlan(b, int64(len(b)), pme.OpenOptions{Keys: pme.Keys{Footer: []byte("0123456789012345")}, AllWithKeys: true})
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.RunTo(t.Context(), pme.Bytes(b), full)
	got := parquetFault("can't open", err)
	if fault.ExitCode(got) != int(fault.LocalStorage) || fault.Hint(got) != "the disk is full; free some space or choose another place with -o" {
		t.Errorf("%v: code %d, hint %q", got, fault.ExitCode(got), fault.Hint(got))
	}
}
