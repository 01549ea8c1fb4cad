package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/statement"
)

func accept([]Entry, Head) error { return nil }

func appendOne(t *testing.T, l *Ledger, code string) (Entry, error) {
	t.Helper()
	return l.Append(t.Context(), refusal(code), nil)
}

// foreign makes the newest epoch another machine's.
func foreign(t *testing.T, dir string) {
	t.Helper()
	c, err := newest(dir)
	if err != nil || c == nil {
		t.Fatal(err)
	}
	c.Machine, c.Host = string(digest("another machine")), "elsewhere"
	src, err := statement.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(epochFile(dir, c.Epoch), src, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestLostWriterAppendsNothing: what it reported is there, and nothing else of it, whether it asks before or after it writes.
func TestLostWriterAppendsNothing(t *testing.T) {
	dir := t.TempDir()
	old := open(t, dir)
	if _, err := appendOne(t, old, "first"); err != nil {
		t.Fatal(err)
	}
	if _, err := Takeover(dir, owner, accept); err != nil {
		t.Fatal(err)
	}
	now := open(t, dir) // though the old one has its lock
	if _, err := appendOne(t, now, "second"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := appendOne(t, old, "late"); !errors.Is(err, ErrLost) || fault.ExitCode(err) != int(fault.LocalStorage) {
			t.Fatalf("appended: %v", err)
		}
	}
	select {
	case <-old.Lost():
	default:
		t.Error("it does not say that it has lost the ledger")
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := appendOne(t, now, "third"); err != nil {
		t.Fatal(err)
	}
	entries, _, err := VerifyFile(dir, owner)
	if err != nil || len(entries) != 3 || entries[1].Code != "second" {
		t.Fatalf("%d entries: %v", len(entries), err)
	}
}

// TestTakenOverWhileWriting: between the look and the write, or after the sync: it is not reported, and never half there.
func TestTakenOverWhileWriting(t *testing.T) {
	for _, when := range []string{"before the write", "before the sync", "after the sync"} {
		t.Run(when, func(t *testing.T) {
			dir := t.TempDir()
			old := open(t, dir)
			if _, err := appendOne(t, old, "first"); err != nil {
				t.Fatal(err)
			}
			old.file = &interrupted{file: old.file, when: when, then: func() {
				if _, err := Takeover(dir, owner, accept); err != nil {
					t.Error(err)
				}
				l := open(t, dir)
				if _, err := appendOne(t, l, "of the new one"); err != nil {
					t.Error(err)
				}
				if err := l.Close(); err != nil {
					t.Error(err)
				}
			}}
			if _, err := appendOne(t, old, "meanwhile"); !errors.Is(err, ErrLost) {
				t.Fatalf("reported as written: %v", err)
			}
			entries, _, err := VerifyFile(dir, owner)
			if err != nil {
				t.Fatal(err)
			}
			if last := entries[len(entries)-1]; last.Code != "of the new one" {
				t.Errorf("ends with %q", last.Code)
			}
		})
	}
}

// interrupted lets another writer take over in the middle of a write.
type interrupted struct {
	file
	when string
	then func()
}

func (f *interrupted) at(when string) {
	if f.when == when {
		f.when = ""
		f.then()
	}
}

func (f *interrupted) WriteAt(p []byte, off int64) (int, error) {
	f.at("before the write")
	return f.file.WriteAt(p, off)
}

func (f *interrupted) Sync() error {
	f.at("before the sync")
	err := f.file.Sync()
	f.at("after the sync")
	return err
}

// TestAnotherMachine starts by itself only where the ledger was given back.
func TestAnotherMachine(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	if _, err := appendOne(t, l, "first"); err != nil {
		t.Fatal(err)
	}
	foreign(t, dir)
	if _, err := Open(dir, owner, clock); fault.ExitCode(err) != int(fault.Usage) || !strings.Contains(err.Error(), "elsewhere") {
		t.Fatalf("opened beside an agent elsewhere: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	next := open(t, dir)
	if next.fence.epoch != 2 || next.Head().Seq != 1 {
		t.Errorf("epoch %d, %d entries", next.fence.epoch, next.Head().Seq)
	}
	if _, err := appendOne(t, next, "second"); err != nil {
		t.Fatal(err)
	}
	if err := next.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir)
	if again.fence.epoch != 2 || again.Head().Seq != 2 {
		t.Errorf("on the same machine: epoch %d, %d entries", again.fence.epoch, again.Head().Seq)
	}
	if _, err := os.Stat(releasedFile(dir, 2)); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a ledger that is in use counts as given back")
	}
}

// TestCopy: what comes out of a folder is what was verified there, of the newest epoch, without a torn rest; it overwrites nothing.
func TestCopy(t *testing.T) {
	dir, to := t.TempDir(), t.TempDir()
	l := open(t, dir)
	if _, err := appendOne(t, l, "first"); err != nil {
		t.Fatal(err)
	}
	if _, err := Takeover(dir, owner, accept); err != nil {
		t.Fatal(err)
	}
	l = open(t, dir)
	if _, err := appendOne(t, l, "second"); err != nil {
		t.Fatal(err)
	}
	head := l.Head()
	for _, keep := range []string{"ledger.ndjson", "ledger-000002.ndjson"} { // both, then the newest alone
		f, err := os.OpenFile(entriesFile(dir, 2), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.WriteString("torn")
		if err = errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		c, err := Read(dir, owner)
		if err != nil || c.Head != head || len(c.Entries) != 2 {
			t.Fatalf("read %v: %v", c, err)
		}
		to = filepath.Join(to, keep)
		if err := errors.Join(os.Mkdir(to, 0o700), c.WriteTo(to)); err != nil {
			t.Fatal(err)
		}
		if src, err := os.ReadFile(entriesFile(to, 1)); err != nil || strings.Contains(string(src), "torn") {
			t.Errorf("the torn rest came along: %v", err)
		}
		if got := open(t, to); got.Head() != head {
			t.Errorf("another ledger came out: %v", got.Head())
		}
		if err := c.WriteTo(to); fault.ExitCode(err) != int(fault.LocalStorage) {
			t.Errorf("overwritten: %v", err)
		}
		if err := os.Remove(filepath.Join(dir, "ledger.ndjson")); err != nil && keep == "ledger.ndjson" {
			t.Fatal(err)
		}
	}
	if err := os.Rename(entriesFile(dir, 2), entriesFile(dir, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(dir, owner); fault.ExitCode(err) != int(fault.Untrusted) {
		t.Errorf("read without the newest file: %v", err)
	}
}

// TestFrozenBy: the last word counts.
func TestFrozenBy(t *testing.T) {
	stop, again, goOn := Entry{Kind: KindFreeze, Reason: "one"}, Entry{Kind: KindFreeze, Reason: "two"}, Entry{Kind: KindThaw}
	for _, c := range []struct {
		list []Entry
		want string
	}{
		{nil, ""}, {[]Entry{stop, goOn}, ""}, {[]Entry{stop, refusal("x")}, "one"}, {[]Entry{stop, goOn, again}, "two"},
	} {
		by := FrozenBy(c.list)
		if got := by != nil; got != (c.want != "") || got && by.Reason != c.want || got != fold(c.list).Frozen() {
			t.Errorf("%v: %v", c.list, by)
		}
	}
}

// TestClaims: of those who claim one epoch, one gets it; a claim that came to nothing leaves the ledger as it was.
func TestClaims(t *testing.T) {
	dir := t.TempDir()
	copyOf := fill(t, dir, 3)
	got := make(chan error, 8)
	for range cap(got) {
		go func() {
			_, err := take(dir, 2)
			got <- err
		}()
	}
	n := 0
	for range cap(got) {
		if err := <-got; err == nil {
			n++
		} else if !errors.Is(err, ErrLost) {
			t.Error(err)
		}
	}
	if n != 1 {
		t.Fatalf("%d claimed one epoch", n)
	}
	if src, err := os.ReadFile(current(dir)); err != nil || string(src) != string(copyOf) {
		t.Error("a claim changed the ledger")
	}
	// One that died between claiming and copying: whoever comes next has all of it.
	if _, err := Takeover(dir, owner, accept); err != nil {
		t.Fatal(err)
	}
	if l := open(t, dir); l.Head().Seq != 3 || l.fence.epoch != 3 {
		t.Errorf("%d entries in epoch %d", l.Head().Seq, l.fence.epoch)
	}
	// And one that copies late writes where nobody reads.
	if err := copyOver(dir, 2, owner); err != nil {
		t.Fatal(err)
	}
	if current(dir) != entriesFile(dir, 3) {
		t.Errorf("%s is read", current(dir))
	}
}

// TestTakeoverWantsTheNewest: a ledger that lacks what was signed for stays with whoever has it.
func TestTakeoverWantsTheNewest(t *testing.T) {
	dir := t.TempDir()
	old := open(t, dir)
	if _, err := appendOne(t, old, "first"); err != nil {
		t.Fatal(err)
	}
	behind := errors.New("behind")
	if _, err := Takeover(dir, owner, func([]Entry, Head) error { return behind }); !errors.Is(err, behind) {
		t.Fatal(err)
	}
	if _, err := appendOne(t, old, "second"); err != nil {
		t.Errorf("it was stopped all the same: %v", err)
	}
	if err := os.WriteFile(current(dir), []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Takeover(dir, owner, accept); !errors.Is(err, ErrDamaged) {
		t.Errorf("a damaged ledger: %v", err)
	}
}

// TestDamagedEpoch is nobody's, until somebody takes over.
func TestDamagedEpoch(t *testing.T) {
	for name, src := range map[string]string{"empty": "", "another epoch": `{"format":"cordon-ledger-epoch/1","epoch":7,"holder":"x","machine":"m","host":"h"}`} {
		dir := t.TempDir()
		fill(t, dir, 1)
		if err := os.WriteFile(epochFile(dir, 1), []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, owner, clock); fault.ExitCode(err) != int(fault.Untrusted) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := Takeover(dir, owner, accept); err != nil {
			t.Fatal(err)
		}
		open(t, dir)
	}
}

// TestFolderGone: a writer that can't see its epoch reports nothing.
func TestFolderGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ledger")
	if err := home.MkdirAll(dir); err != nil {
		t.Fatal(err)
	}
	l := open(t, dir)
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	if _, err := appendOne(t, l, "x"); err == nil || errors.Is(err, ErrLost) {
		t.Errorf("written somewhere: %v", err)
	}
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	if _, err := appendOne(t, l, "y"); err != nil {
		t.Errorf("it is there again: %v", err)
	}
}

func TestCreateNew(t *testing.T) {
	file := filepath.Join(t.TempDir(), "epoch")
	if err := createNew(file, []byte("a")); err != nil {
		t.Fatal(err)
	}
	if err := createNew(file, []byte("b")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("made twice: %v", err)
	}
	if src, err := os.ReadFile(file); err != nil || string(src) != "a" {
		t.Errorf("holds %q: %v", src, err)
	}
}

func TestEpochNames(t *testing.T) {
	for n, want := range map[int64]string{1: "ledger.ndjson", 2: "ledger-000002.ndjson", 1_000_000: "ledger-1000000.ndjson"} {
		if got := filepath.Base(entriesFile("x", n)); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
	dir := t.TempDir()
	for _, n := range []int64{1, 2, 999_999, 1_000_000} {
		if err := os.WriteFile(entriesFile(dir, n), []byte(fmt.Sprint(n)), 0o600); err != nil {
			t.Fatal(err)
		}
		if current(dir) != entriesFile(dir, n) {
			t.Errorf("%d: %s", n, current(dir))
		}
	}
}
