package recovery

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"filippo.io/age"

	"github.com/cordon-exchange/cordon/statement"
)

var update = flag.Bool("update", false, "write the vectors anew")

// vector is a backup of TEST KEYS (docs/spec/recovery.md, section 6).
type vector struct {
	Manifest    string                `json:"manifest"`
	Data        []byte                `json:"data"`
	Shares      [][]byte              `json:"shares"`
	Identities  []string              `json:"identities"` // of the custodians
	Fingerprint statement.Fingerprint `json:"fingerprint"`
	Paths       []string              `json:"paths"`
}

func TestVectors(t *testing.T) {
	file := filepath.Join("testdata", "backup.json")
	if *update {
		writeVectors(t, file)
	}
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var v vector
	if err := json.Unmarshal(src, &v); err != nil || len(v.Shares) != 3 {
		t.Fatal(err)
	}
	var shares []*Share
	for i, sealed := range v.Shares {
		id, err := age.ParseHybridIdentity(v.Identities[i])
		if err != nil {
			t.Fatal(err)
		}
		s, err := OpenShare(sealed, id)
		if err != nil {
			t.Fatal(err)
		}
		shares = append(shares, s)
	}
	for _, two := range [][]*Share{shares[:2], shares[1:], {shares[2], shares[0]}} {
		r, err := Open([]byte(v.Manifest), v.Data, two)
		if err != nil || r.Ring.Fingerprint() != v.Fingerprint || len(r.files) != len(v.Paths) {
			t.Fatalf("%v", err)
		}
		for i, f := range r.files {
			if f.Path != v.Paths[i] {
				t.Errorf("%s, want %s", f.Path, v.Paths[i])
			}
		}
	}
}

func writeVectors(t *testing.T, file string) {
	t.Helper()
	w := newWorld(t)
	v := vector{Manifest: string(w.backup.Encoded), Data: w.backup.Data, Shares: w.backup.Shares, Fingerprint: w.ring.Fingerprint()}
	for _, id := range w.ids {
		v.Identities = append(v.Identities, id.String())
	}
	files, err := collect(w.dir.Path())
	w.must(err)
	for _, f := range files {
		v.Paths = append(v.Paths, f.Path)
	}
	b, err := json.MarshalIndent(v, "", "  ")
	w.must(err)
	w.must(os.MkdirAll("testdata", 0o755))
	w.must(os.WriteFile(file, append(b, '\n'), 0o644))
}
