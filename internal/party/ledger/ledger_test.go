package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/statement"
)

var owner = statement.Fingerprint("cordon1" + strings.Repeat("a", 64))

func clock() time.Time { return time.UnixMilli(1_700_000_000_000) }

func digest(s string) statement.Digest { return statement.Sum([]byte(s)) }

func refusal(code string) Entry { return Entry{Kind: KindRefusal, Stage: "hello", Code: code} }

func open(t testing.TB, dir string) *Ledger {
	t.Helper()
	l, err := Open(dir, owner, clock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func fill(t testing.TB, dir string, n int) []byte {
	t.Helper()
	l := open(t, dir)
	for i := range n {
		if _, err := l.Append(t.Context(), refusal(fmt.Sprint("c", i)), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(current(dir))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, 3)
	l := open(t, dir)
	e, err := l.Append(t.Context(), refusal("later"), nil)
	if err != nil || e.Seq != 4 || l.Head().Seq != 4 || len(l.Entries()) != 4 {
		t.Fatalf("seq %d, head %d: %v", e.Seq, l.Head().Seq, err)
	}
	entries, head, err := VerifyFile(dir, owner)
	if err != nil || len(entries) != 4 || head != l.Head() {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
}

func TestSecondWriterIsRefused(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	if _, err := Open(dir, owner, clock); err == nil {
		t.Fatal("two writers")
	}
}

// TestTornAnywhere cuts the file at every byte: all complete entries survive, the rest is dropped, and appending goes on.
func TestTornAnywhere(t *testing.T) {
	src := fill(t, t.TempDir(), 3)
	for cut := range src {
		dir := t.TempDir()
		if err := os.WriteFile(current(dir), src[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := Open(dir, owner, clock)
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if left, err := os.ReadFile(current(dir)); err != nil || len(left) > 0 && left[len(left)-1] != '\n' {
			t.Fatalf("cut at %d: the torn rest is still in the file (%v)", cut, err)
		}
		whole := bytes.Count(src[:cut], []byte("\n"))
		if len(l.Entries()) != whole {
			t.Fatalf("cut at %d: %d entries, want %d", cut, len(l.Entries()), whole)
		}
		if e, err := l.Append(t.Context(), refusal("after"), nil); err != nil || e.Seq != int64(whole)+1 {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		l.Close()
		if _, _, err := VerifyFile(dir, owner); err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
	}
}

// TestDamaged: everything but a torn last line is an error that names the entry.
func TestDamaged(t *testing.T) {
	src := fill(t, t.TempDir(), 3)
	lines := bytes.SplitAfter(src, []byte("\n"))
	join := func(l ...[]byte) []byte { return bytes.Join(l, nil) }
	cases := []struct {
		name  string
		src   []byte
		entry int
	}{
		{"entry removed", join(lines[0], lines[2]), 2},
		{"first entry removed", join(lines[1], lines[2]), 1},
		{"entries swapped", join(lines[1], lines[0], lines[2]), 1},
		{"entry repeated", join(lines[0], lines[1], lines[1], lines[2]), 3},
		{"field changed", bytes.Replace(src, []byte(`"c1"`), []byte(`"c9"`), 1), 3},
		{"last entry changed to nonsense", join(lines[0], lines[1], []byte("{}\n")), 3},
		{"empty line", join(lines[0], []byte("\n"), lines[1]), 2},
		{"space added", bytes.Replace(src, []byte(`{"seq":2`), []byte(`{ "seq":2`), 1), 2},
		{"previous changed", bytes.Replace(src, []byte(string(Genesis(owner))), []byte(string(digest("x"))), 1), 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(current(dir), c.src, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Open(dir, owner, clock)
			if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), fmt.Sprintf("ledger damaged at entry %d:", c.entry)) || fault.ExitCode(err) != 4 {
				t.Fatalf("got %v", err)
			}
			if after, _ := os.ReadFile(current(dir)); !bytes.Equal(after, c.src) {
				t.Fatal("a damaged ledger was changed")
			}
		})
	}
	t.Run("another owner's", func(t *testing.T) {
		dir := t.TempDir()
		fill(t, dir, 1)
		if _, err := Open(dir, "cordon1other", clock); !errors.Is(err, ErrDamaged) {
			t.Fatalf("got %v", err)
		}
	})
}

// flaky is a file on a disk that fills up or breaks.
type flaky struct {
	mu       sync.Mutex
	b        []byte
	room     int // bytes the disk holds; -1: no bound
	syncErr  error
	truncErr error
	syncs    int
	pause    chan struct{}
}

func (f *flaky) WriteAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(p)
	if f.room >= 0 && int(off)+n > f.room {
		n = max(0, f.room-int(off))
	}
	f.b = append(f.b[:off], p[:n]...)
	if n < len(p) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

func (f *flaky) Sync() error {
	if f.pause != nil {
		<-f.pause
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.syncs++
	return f.syncErr
}

func (f *flaky) Truncate(size int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.truncErr == nil {
		f.b = f.b[:size]
	}
	return f.truncErr
}
func (f *flaky) Close() error { return nil }

func TestFullDisk(t *testing.T) {
	f := &flaky{room: -1}
	l, err := load(f, nil, owner, clock)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(t.Context(), refusal("first"), nil); err != nil {
		t.Fatal(err)
	}
	before, head := bytes.Clone(f.b), l.Head()
	for _, c := range []struct {
		name string
		fail func()
		heal func()
	}{
		{"no room", func() { f.room = len(f.b) + 10 }, func() { f.room = -1 }},
		{"sync fails", func() { f.syncErr = syscall.EIO }, func() { f.syncErr = nil }},
		{"and can't cut", func() { f.room, f.truncErr = len(f.b)+10, syscall.EIO }, func() { f.room, f.truncErr = -1, nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.fail()
			charge := Entry{Kind: KindCharge, Job: digest(c.name), Contract: digest("c"), Requester: owner, Charged: 1}
			_, err := l.Append(t.Context(), charge, nil)
			if fault.ExitCode(err) != int(fault.LocalStorage) || fault.Hint(err) == "" {
				t.Fatalf("got %v", err)
			}
			l.View(func(a *Accounts) {
				if a.Job(digest(c.name)).ChargedMS != 0 {
					t.Fatal("a charge that was not written counts")
				}
			})
			if l.Head() != head || len(l.Entries()) != 1 {
				t.Fatal("the failed entry is in the ledger")
			}
			c.heal()
			if e, err := l.Append(t.Context(), refusal("after"), nil); err != nil || e.Seq != 2 {
				t.Fatalf("not usable after space was freed: %v", err)
			}
			if entries, _, whole, err := parse(f.b, owner); err != nil || len(entries) != 2 || whole != int64(len(f.b)) {
				t.Fatalf("what is on disk: %d entries, %v", len(entries), err)
			}
			// back to one entry for the next case
			f.b = bytes.Clone(before)
			if l, err = load(f, f.b, owner, clock); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestConcurrentAppendsShareSyncs(t *testing.T) {
	f := &flaky{room: -1, pause: make(chan struct{})}
	l, err := load(f, nil, owner, clock)
	if err != nil {
		t.Fatal(err)
	}
	const n = 50
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if _, err := l.Append(t.Context(), refusal(fmt.Sprint("c", i)), nil); err != nil {
				t.Error(err)
			}
		})
	}
	for waiting := 0; waiting < n; { // all but the first are queued while its sync hangs
		l.mu.Lock()
		waiting = len(l.entries)
		l.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
	close(f.pause)
	wg.Wait()
	if f.syncs > 2 {
		t.Errorf("%d syncs for %d concurrent appends", f.syncs, n)
	}
	if entries, _, _, err := parse(f.b, owner); err != nil || len(entries) != n {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
}

// TestFailedBatchFailsThoseBehindIt: an entry chained to one that was not written is not reported as written.
func TestFailedBatchFailsThoseBehindIt(t *testing.T) {
	f := &flaky{room: -1, pause: make(chan struct{}), syncErr: syscall.EIO}
	l, err := load(f, nil, owner, clock)
	if err != nil {
		t.Fatal(err)
	}
	errs := make(chan error, 3)
	for i := range 3 {
		go func() {
			_, err := l.Append(t.Context(), refusal(fmt.Sprint("c", i)), nil)
			errs <- err
		}()
	}
	for queued := 0; queued < 3; {
		l.mu.Lock()
		queued = len(l.entries)
		l.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
	close(f.pause)
	for range 3 {
		if err := <-errs; err == nil {
			t.Fatal("reported as written")
		}
	}
	if len(l.Entries()) != 0 || l.Head().Seq != 0 {
		t.Fatal("entries remain")
	}
}

// TestCheckIsAtomic: many appends race for a limit of one.
func TestCheckIsAtomic(t *testing.T) {
	l := open(t, t.TempDir())
	errFull := errors.New("full")
	job := digest("job")
	var wg sync.WaitGroup
	var mu sync.Mutex
	passed := 0
	for range 20 {
		wg.Go(func() {
			_, err := l.Append(t.Context(), Entry{Kind: KindCharge, Job: job, Contract: digest("c"), Requester: owner, Charged: 3}, func(a *Accounts) error {
				if a.Job(job).ChargedMS != 0 {
					return errFull
				}
				return nil
			})
			if err == nil {
				mu.Lock()
				passed++
				mu.Unlock()
			} else if !errors.Is(err, errFull) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if passed != 1 {
		t.Fatalf("%d charges of one job", passed)
	}
}

func TestExposures(t *testing.T) {
	l := open(t, t.TempDir())
	job := digest("job")
	release := func(n int64) Entry {
		return Entry{
			Kind: KindRelease, Job: job, Release: digest(fmt.Sprint("rel", n)), Session: digest("s"), Plan: digest("p"),
			Evidence: digest(fmt.Sprint("ev", n)), Ready: digest(fmt.Sprint("rdy", n)), Grant: digest("g"), Number: n,
			Columns: []statement.Opening{{Offer: digest("o"), Columns: []string{"cost"}}},
		}
	}
	for _, e := range []Entry{
		{Kind: KindCharge, Job: job, Contract: digest("c"), Requester: owner, Charged: 7},
		release(1), release(2),
		{Kind: KindClose, Job: job, Release: digest("rel2"), Receipt: digest("rcpt"), Outcome: "result", Bytes: 12},
	} {
		if _, err := l.Append(t.Context(), e, nil); err != nil {
			t.Fatal(err)
		}
	}
	x := l.Exposures()
	if len(x) != 2 || !x[0].Open() || x[0].Number != 1 || x[1].Open() || x[1].Bytes != 12 || x[0].Requester != owner {
		t.Fatalf("got %+v", x)
	}
	l.View(func(a *Accounts) {
		j := a.Job(job)
		if !j.Closed || j.Charged != 7 || len(j.Exposures) != 2 || !a.EvidenceSeen(digest("ev1")) || a.EvidenceSeen(digest("ev3")) ||
			!a.ReadyUsed(digest("rdy2")) || a.QueriesSince(owner, 0) != 1 || a.QueriesSince(owner, clock().UnixMilli()+1) != 0 {
			t.Fatalf("got %+v", j)
		}
	})
}

func TestIncompleteEntriesAreRefused(t *testing.T) {
	l := open(t, t.TempDir())
	for _, kind := range []string{"", "other", KindPublish, KindGrant, KindRevoke, KindCharge, KindBudget, KindRelease, KindClose, KindRefusal, KindApprove, KindOfficers, KindExhaust, KindRepair} {
		if _, err := l.Append(t.Context(), Entry{Kind: kind}, nil); err == nil {
			t.Errorf("kind %q without its fields was written", kind)
		}
	}
}

func TestMissingFolderForVerify(t *testing.T) {
	if _, _, err := VerifyFile(filepath.Join(t.TempDir(), "none"), owner); fault.ExitCode(err) != 8 {
		t.Fatalf("got %v", err)
	}
}

// FuzzDecodeEntry: what is accepted re-encodes to the same bytes; what is refused returns nothing.
func FuzzDecodeEntry(f *testing.F) {
	for _, line := range bytes.Split(fill(f, f.TempDir(), 2), []byte("\n")) {
		f.Add(line)
	}
	f.Add([]byte(`{"seq":1,"previous":"` + string(digest("p")) + `","at_ms":1,"kind":"budget","job":"` + string(digest("j")) + `","contract":"` + string(digest("c")) + `","requester":"` + string(owner) + `","release":"` + string(digest("r")) + `","name":"strikes","epsilon":"1/10","rho":"1/200","delta":"0"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := decodeEntry(line)
		if err != nil {
			if e.Seq != 0 || e.Kind != "" {
				t.Fatal("refused, but returned an entry")
			}
			return
		}
		again, err := encodeEntry(e)
		if err != nil || !bytes.Equal(again, line) {
			t.Fatal("re-encodes to other bytes")
		}
	})
}

// TestAppendAll: all of them or none, in one chain; none at all is fine and writes nothing.
func TestAppendAll(t *testing.T) {
	f := &flaky{room: -1}
	l, err := load(f, nil, owner, clock)
	if err != nil {
		t.Fatal(err)
	}
	add := func(err error, list ...Entry) ([]Entry, error) {
		return l.AppendAll(t.Context(), func(*Accounts) ([]Entry, error) { return list, err })
	}
	if list, err := add(nil, refusal("a"), refusal("b")); err != nil || len(list) != 2 || list[1].Seq != 2 || f.syncs != 1 {
		t.Fatalf("%+v %v, %d syncs", list, err, f.syncs)
	}
	for name, list := range map[string][]Entry{"nothing": nil, "an incomplete one": {refusal("c"), {Kind: KindClose}}} {
		if _, err := add(nil, list...); (err != nil) != (len(list) > 0) || l.Head().Seq != 2 || f.syncs != 1 {
			t.Errorf("%s: %v, head %d", name, err, l.Head().Seq)
		}
	}
	if _, err := add(errors.New("no"), refusal("d")); err == nil || len(l.Entries()) != 2 {
		t.Error("refused, and written")
	}
	if entries, _, _, err := parse(f.b, owner); err != nil || len(entries) != 2 {
		t.Fatalf("on disk: %d, %v", len(entries), err)
	}
}
