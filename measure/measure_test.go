package measure

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/internal/images/eif"
	"github.com/cordon-exchange/cordon/measure/snp"
	"github.com/cordon-exchange/cordon/statement"
)

func TestBinaryIsTheHashOfTheProgram(t *testing.T) {
	program := []byte("program")
	sum := sha256.Sum256(program)
	r := OfBinary(program)
	if want := "sha256:" + hex.EncodeToString(sum[:]); string(r.Build) != want || r.Values[0].Hex != want[7:] {
		t.Errorf("got %+v", r)
	}
}

// TestVM has the values that the vm perimeter's own code computes for the same program.
func TestVM(t *testing.T) {
	r := OfVM([]byte("program"))
	if r.Values[0].Hex != "546f10cf94e2e06e0c1fa9afad8efcaa9947c41bc43de9be23bd15d453b68503" || r.Build != "sha256:9878be077fa479e6b91e5e3c8bb0021149cb9a8f7301ac7c41248c605ebf49b2" || !strings.Contains(r.Notes[0], "SOFTWARE-ROOTED") {
		t.Errorf("got %+v", r)
	}
}

func TestNitro(t *testing.T) {
	m := eif.Image{Kernel: []byte("k"), Cmdline: "c", Ramdisks: [][]byte{[]byte("a"), []byte("b")}, Metadata: eif.Metadata{DockerInfo: json.RawMessage("{}")}}
	b, err := m.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	r, err := OfNitro(b)
	if err != nil {
		t.Fatal(err)
	}
	p := m.PCRs()
	if len(r.Values) != 3 || r.Values[2].Hex != hex.EncodeToString(p[2][:]) {
		t.Errorf("got %+v", r.Values)
	}
	if r.Build != statement.LabelledSum("cordon/build/nitro/v1", p[0][:], p[1][:], p[2][:]) {
		t.Errorf("build %s", r.Build)
	}
	if _, err := OfNitro(b[:len(b)-1]); !errors.Is(err, eif.ErrImage) {
		t.Errorf("cut: %v", err)
	}
}

func TestSNPNeedsHostData(t *testing.T) {
	if _, err := OfSNP(snp.Launch{}, nil); !errors.Is(err, ErrHostData) {
		t.Errorf("got %v", err)
	}
	if _, err := OfSNP(snp.Launch{}, make([]byte, 32)); !errors.Is(err, snp.ErrFirmware) {
		t.Errorf("got %v", err)
	}
}

// TestHardwareIsMarked: no result for hardware goes without the mark.
func TestHardwareIsMarked(t *testing.T) {
	m := eif.Image{Kernel: []byte("k"), Cmdline: "c", Ramdisks: [][]byte{[]byte("a")}, Metadata: eif.Metadata{DockerInfo: json.RawMessage("{}")}}
	b, err := m.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	r, err := OfNitro(b)
	if err != nil || !strings.Contains(strings.Join(r.Notes, "\n"), "never run on hardware") {
		t.Errorf("got %+v, %v", r, err)
	}
}
