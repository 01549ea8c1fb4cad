package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSections: a section is replaced whole, what is around it stays, and a page without it is left alone.
func TestSections(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.md")
	page := "before\n<!-- chaos: begin -->\nold\n<!-- chaos: end -->\nafter\n"
	if err := os.WriteFile(file, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeSection(file, "load", "new\n"); err == nil {
		t.Error("a section that is not there was written")
	}
	a := &account{Seed: 7, Kills: []killing{{Of: "host-1"}, {Of: "enclave of host-1"}, {Of: "host-2"}}, Jobs: 20, Results: 19, Excused: []*job{{Code: "host-lost"}}, Away: absence{"host": 3.25}}
	if err := writeSection(file, "chaos", a.section()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got := string(b)
	for _, want := range []string{"before\n<!-- chaos: begin -->\n`make chaos KILLS=3 SEED=7`", "3 in 0 s: enclave 1, host 2", "19 (95.0 %)", "1: `host-lost` 1", "host 3.2 s", "<!-- chaos: end -->\nafter\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
	if strings.Contains(got, "old") {
		t.Error("what was there is left")
	}
}

func TestQuantiles(t *testing.T) {
	m := &measured{took: map[string]*times{}}
	for n := range 100 {
		d := time.Duration(n+1) * time.Millisecond
		if m.took["x"] == nil {
			m.took["x"] = &times{}
		}
		m.took["x"].all = append(m.took["x"].all, d)
	}
	if x := m.sorted()["x"]; x.P50 != 51 || x.P99 != 100 {
		t.Errorf("p50 %v ms, p99 %v ms", x.P50, x.P99)
	}
	if median(nil) != 0 || median([]float64{3, 1, 2}) != 2 {
		t.Error("median")
	}
	if mib, err := resident(os.Getpid()); err != nil || mib < 1 {
		t.Errorf("%v MiB, %v", mib, err)
	}
}
