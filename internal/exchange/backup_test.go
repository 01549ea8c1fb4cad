package exchange_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange"
	"github.com/cordon-exchange/cordon/internal/exchange/backup"
	"github.com/cordon-exchange/cordon/internal/exchange/lake/folder"
	"github.com/cordon-exchange/cordon/statement"
)

func backupOf(t *testing.T, home, out string, objects bool) (*backup.Report, error) {
	t.Helper()
	l, err := folder.View(filepath.Join(home, "lake"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return backup.Make(t.Context(), backup.Options{StoreDir: filepath.Join(home, "store"), Lake: l, Out: out, Objects: objects, Now: time.Now()})
}

// TestBackup copies an exchange that is served and written to, and serves the copy: all that was confirmed before is there,
// everything fits together, and a party goes on.
func TestBackup(t *testing.T) {
	w := busy(t)
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	var confirmed []statement.Digest
	var writers sync.WaitGroup
	for range 3 {
		writers.Go(func() {
			for ctx.Err() == nil {
				mu.Lock()
				j := w.jobOf()
				mu.Unlock()
				d, err := w.asker.SubmitJob(ctx, sign(w.env, j, w.asker))
				if err == nil {
					mu.Lock()
					confirmed = append(confirmed, d)
					mu.Unlock()
				}
			}
		})
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		mu.Lock()
		n := len(confirmed)
		mu.Unlock()
		if n > 20 {
			break
		}
	}
	mu.Lock()
	before := append([]statement.Digest{}, confirmed...)
	mu.Unlock()
	out := filepath.Join(t.TempDir(), "backup")
	r, err := backupOf(t, w.home, out, true)
	cancel()
	writers.Wait()
	w.ok(err)
	if len(before) == 0 || len(r.Objects) != 2 || r.Gone != 0 || !r.Copied {
		t.Fatalf("%d jobs before, report %+v", len(before), r)
	}
	w.stop()
	home := filepath.Join(t.TempDir(), "home")
	m, err := backup.Restore(t.Context(), out, home, nil)
	w.ok(err)
	if m.Exchange != r.Exchange {
		t.Errorf("restored %s, was %s", m.Exchange, r.Exchange)
	}
	if got := faults(t, home); len(got) != 0 {
		t.Fatalf("faults of a restored store:\n%s", strings.Join(got, "\n"))
	}
	w.home = home
	w.start(strings.TrimPrefix(w.url, "http://"))
	for _, d := range before {
		if _, err := w.asker.Job(t.Context(), d); err != nil {
			t.Errorf("a job that was confirmed before the backup: %v", err)
		}
	}
	w.submit()
	path := r.Objects[0].Path
	if n, err := w.asker.ObjectSize(t.Context(), path); err != nil || n != r.Objects[0].Bytes {
		t.Errorf("an object of the restored lake: %d, %v", n, err)
	}
}

// TestBackupOfAStoppedExchange needs no process that serves.
func TestBackupOfAStoppedExchange(t *testing.T) {
	w := busy(t)
	w.stop()
	out := filepath.Join(t.TempDir(), "backup")
	r, err := backupOf(t, w.home, out, false)
	w.ok(err)
	if r.Copied || len(r.Objects) != 2 || r.Objects[0].Digest != "" {
		t.Errorf("report %+v", r)
	}
	home := filepath.Join(t.TempDir(), "home")
	l, err := folder.Open(filepath.Join(w.home, "lake"))
	w.ok(err)
	defer l.Close()
	_, err = backup.Restore(t.Context(), out, home, l)
	w.ok(err)
	if _, err := os.Stat(filepath.Join(home, "lake")); err == nil {
		t.Error("a lake was made where objects were not copied")
	}
	if got := faults(t, home); len(got) != 2 || !strings.Contains(got[0], "is not in the lake") {
		t.Errorf("a store without its lake: %q", got)
	}
}

// TestBackupRefuses: nothing is written over, and nothing is restored that is not what was backed up.
func TestBackupRefuses(t *testing.T) {
	w := busy(t)
	w.stop()
	good := filepath.Join(t.TempDir(), "backup")
	r, err := backupOf(t, w.home, good, true)
	w.ok(err)
	if _, err := backupOf(t, w.home, good, true); !errors.Is(err, backup.ErrNotEmpty) {
		t.Errorf("a backup over another: %v", err)
	}
	if _, err := backup.Restore(t.Context(), good, w.home, nil); !errors.Is(err, backup.ErrNotEmpty) {
		t.Errorf("a home over another: %v", err)
	}
	object := filepath.Join("objects", filepath.FromSlash(r.Objects[1].Path))
	edit := func(name string, f func([]byte) []byte) func(string) error {
		return func(dir string) error {
			b, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(dir, name), f(b), 0o600)
		}
	}
	flip := func(b []byte) []byte { b[len(b)/2] ^= 1; return b }
	replace := func(old, by string) func([]byte) []byte {
		return func(b []byte) []byte {
			if !strings.Contains(string(b), old) {
				t.Fatalf("no %q in the manifest", old)
			}
			return []byte(strings.Replace(string(b), old, by, 1))
		}
	}
	for name, c := range map[string]struct {
		spoil func(dir string) error
		want  error
	}{
		"store changed":     {edit("exchange.db", flip), backup.ErrChanged},
		"store cut":         {edit("exchange.db", func(b []byte) []byte { return b[:len(b)-4096] }), backup.ErrChanged},
		"object changed":    {edit(object, flip), backup.ErrChanged},
		"object cut":        {edit(object, func(b []byte) []byte { return b[1:] }), backup.ErrChanged},
		"object lost":       {func(dir string) error { return os.Remove(filepath.Join(dir, object)) }, os.ErrNotExist},
		"manifest lost":     {func(dir string) error { return os.Remove(filepath.Join(dir, "manifest.json")) }, backup.ErrNoBackup},
		"manifest cut":      {edit("manifest.json", func(b []byte) []byte { return b[:len(b)-2] }), backup.ErrNoBackup},
		"other type":        {edit("manifest.json", replace("backup/v1", "backup/v2")), backup.ErrNoBackup},
		"unknown field":     {edit("manifest.json", replace(`{"type"`, `{"also":1,"type"`)), backup.ErrNoBackup},
		"path out of it":    {edit("manifest.json", replace(`"path":"`, `"path":"../`)), backup.ErrNoBackup},
		"another exchange":  {edit("manifest.json", replace(r.Exchange, strings.Replace(r.Exchange, "exchange1", "exchange2", 1))), backup.ErrChanged},
		"digest taken away": {edit("manifest.json", replace(`,"digest":"`+string(r.Objects[0].Digest)+`"`, "")), backup.ErrNoBackup},
	} {
		t.Run(name, func(t *testing.T) {
			dir := copyOf(t, good)
			if err := c.spoil(dir); err != nil {
				t.Fatal(err)
			}
			home := filepath.Join(t.TempDir(), "home")
			if _, err := backup.Restore(t.Context(), dir, home, nil); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			left, err := os.ReadDir(filepath.Dir(home))
			if err != nil || len(left) != 0 {
				t.Errorf("left behind: %v %v", left, err)
			}
		})
	}
}

// TestOpenHomeNewer: a store that a newer version wrote is refused, and a backup of it as well.
func TestOpenHomeNewer(t *testing.T) {
	w := busy(t)
	w.stop()
	out := filepath.Join(t.TempDir(), "backup")
	_, err := backupOf(t, w.home, out, false)
	w.ok(err)
	alter(t, w.home, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)")
	if _, err := backupOf(t, w.home, filepath.Join(t.TempDir(), "backup"), false); err == nil {
		t.Error("backup of a newer store succeeded")
	}
	if _, err := exchange.OpenHome(t.Context(), w.home); err == nil {
		t.Error("a newer store was opened")
	}
}
