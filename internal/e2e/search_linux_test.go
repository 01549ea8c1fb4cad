package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/internal/canary"
	"github.com/cordon-exchange/cordon/internal/need"
)

// inMemory searches every process that runs but the enclaves.
func (m *market) inMemory(t *testing.T) []string { return m.memoryOf(t, m.running...) }

// memoryOf searches an owner's agent for what others planted, any other process for all.
func (m *market) memoryOf(t *testing.T, processes ...*process) []string {
	t.Helper()
	self, err := os.Open(fmt.Sprintf("/proc/%d/mem", m.host.pid()))
	need.That(t, err == nil, "memory of other processes can't be read: needs root or the right to ptrace")
	self.Close()
	var found []string
	searched := 0
	for _, p := range processes {
		select {
		case <-p.done:
			continue
		default:
		}
		hits, err := m.canaries(p.owner).Memory(p.pid())
		if err != nil {
			t.Fatalf("memory of %s: %v", p.name, err)
		}
		for _, h := range hits {
			found = append(found, p.name+": "+h.Name)
		}
		searched++
	}
	if searched == 0 {
		t.Error("no process was searched")
	}
	return found
}

// onDisk searches every file that any process of the world wrote: stores, lake, homes, logs, receipts, temporary files. The
// owners' own CSVs lie on their premises.
func (m *market) onDisk(t *testing.T) []string {
	t.Helper()
	set := m.canaries("")
	var found []string
	files := map[string]int{}
	err := filepath.WalkDir(m.out, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a file that a running server just removed
		}
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(m.out, path)
		if rel == "premises" {
			return fs.SkipDir
		}
		if !e.Type().IsRegular() {
			return nil
		}
		top, _, _ := strings.Cut(rel, string(filepath.Separator))
		files[top]++
		hits, err := searchFile(set, path)
		for _, h := range hits {
			found = append(found, rel+": "+h.Name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, top := range []string{"exchange", "homes", "logs", "receipts"} {
		if files[top] == 0 {
			t.Errorf("no file in %s was searched", top)
		}
	}
	return found
}

func searchFile(set *canary.Set, path string) ([]canary.Hit, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return set.Reader(f)
}

func (m *market) onWire(t *testing.T) []string {
	t.Helper()
	need.That(t, m.wire != nil, "loopback can't be captured: needs root or CAP_NET_RAW")
	hits, n, err := m.wire.search(m.canaries(""))
	if err != nil {
		t.Fatal(err)
	}
	if n < 100_000 {
		t.Errorf("only %d bytes were captured", n)
	}
	var found []string
	for _, h := range hits {
		found = append(found, "traffic: "+h.Name)
	}
	return found
}

// nothingLeaked looks everywhere.
func (m *market) nothingLeaked(when string) {
	for _, place := range []struct {
		name   string
		search func(*testing.T) []string
	}{{"memory", m.inMemory}, {"disk", m.onDisk}, {"traffic", m.onWire}} {
		m.Run(when+"/"+place.name, func(t *testing.T) {
			for _, f := range place.search(t) {
				t.Errorf("a planted value: %s", f)
			}
		})
	}
}

// descendants of a process, as /proc has them.
func descendants(t *testing.T, pid int) []int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		t.Fatalf("/proc: %v", err)
	}
	children := map[int][]int{}
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(b), ") ")
		fields := strings.Fields(rest)
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil || len(fields) < 2 {
			continue
		}
		parent, err := strconv.Atoi(fields[1])
		if err != nil {
			continue
		}
		children[parent] = append(children[parent], child)
	}
	out := slices.Clone(children[pid])
	for i := 0; i < len(out); i++ {
		out = append(out, children[out[i]]...)
	}
	return out
}
