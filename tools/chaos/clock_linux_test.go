package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/need"
)

// clock is one that a server goes by instead of the machine's.
type clock struct {
	*testing.T
	file string
}

// newClock returns the environment of a server that goes by it. Only programs that are linked dynamically do.
func newClock(t *testing.T) (*clock, []string) {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/*/faketime/libfaketime.so.1")
	need.That(t, err == nil && len(found) > 0, "libfaketime is not installed (Debian: libfaketime)")
	dir, err := os.MkdirTemp("", "clock") // another user reads it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	c := &clock{t, filepath.Join(dir, "clock")}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	c.ahead("+0")
	return c, []string{"LD_PRELOAD=" + found[0], "FAKETIME_TIMESTAMP_FILE=" + c.file, "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"}
}

// ahead sets how far the clock is ahead, in seconds with their sign, at once.
func (c *clock) ahead(seconds string) {
	c.Helper()
	if err := os.WriteFile(c.file+"~", []byte(seconds+"\n"), 0o644); err != nil {
		c.Fatal(err)
	}
	if err := os.Rename(c.file+"~", c.file); err != nil {
		c.Fatal(err)
	}
}

// TestDatabaseClockJumps: all exchange processes go by the database's clock. Where it is an hour off, callers are told so; where a jump
// ends leases, jobs are done again and charged once, or end with a code that it explains; and when it is right again, everything goes on
// without hands.
func TestDatabaseClockJumps(t *testing.T) {
	t.Parallel()
	o := programs(t)
	c, env := newClock(t)
	o.postgres = env
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	w, err := newWorld(ctx, o)
	t.Cleanup(w.stop)
	if err != nil {
		t.Fatal(err)
	}
	r, jumps := &records{}, []killing{}
	ask := func(when string) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
			n := len(r.jobs)
			if askOnce(ctx, w, r, w.contracts[3]) && r.jobs[n].Opened {
				return
			}
			if time.Now().After(deadline) || len(w.faults()) > 0 {
				t.Fatalf("%s: no job ends in a result: %v (logs in %s)", when, w.faults(), o.out)
			}
		}
	}
	list := func() error {
		_, err := w.run(ctx, "dataset", "list", "--of", owners[0], "--home", w.home(institute), "--json")
		return err
	}
	ask("before")
	for _, off := range []string{"+3600", "-3600"} {
		c.ahead(off)
		var f *failure
		told := false
		for deadline := time.Now().Add(20 * time.Second); !told && time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
			told = errors.As(list(), &f) && strings.Contains(f.stderr, "clock of the caller and of the exchange differ") && strings.Contains(f.stderr, "set the clock")
		}
		if !told {
			t.Errorf("%s: nobody is told: %v", off, f)
		}
		c.ahead("+0")
		for deadline := time.Now().Add(20 * time.Second); list() != nil; time.Sleep(200 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("the clock is right again after %s: %v (logs in %s)", off, list(), o.out)
			}
		}
		ask("after " + off)
	}
	// Within what callers may be off, while a job runs: its lease ends, or lasts longer.
	for _, off := range []string{"+60", "+0", "-60", "+0"} {
		done := make(chan struct{})
		go func() { defer close(done); ask("around " + off) }()
		time.Sleep(150 * time.Millisecond)
		jumps = append(jumps, killing{N: len(jumps) + 1, Of: "postgresql's clock", At: time.Now()})
		c.ahead(off)
		<-done
		ask("at " + off)
	}
	if a := w.prove(ctx, r, jumps, 0); len(a.Faults) > 0 {
		t.Errorf("%s\n%s (logs in %s)", a, strings.Join(a.Faults, "\n"), o.out)
	}
}
