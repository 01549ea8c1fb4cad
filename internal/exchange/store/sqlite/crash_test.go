package sqlite

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/statement"
)

func openIn(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func offerOf(n int) store.Statement {
	return store.Statement{Digest: statement.Sum(fmt.Append(nil, n)), Kind: store.KindOffer, Complete: true, Envelope: fmt.Append(nil, "offer ", n)}
}

const childDir = "CORDON_STORE_TEST_DIR"

// TestMain also is the process that TestKilled kills: it writes without end, and
// says after each write that it has returned.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		s, err := Open(context.Background(), dir)
		for n := 0; err == nil; n++ {
			if _, err = s.AddStatement(context.Background(), offerOf(n), nil); err == nil {
				_, err = fmt.Println(n)
			}
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// TestKilled kills the writing process: all that it confirmed must be there, and
// no part of what it did not.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	for round := range 3 {
		last := killWhileWriting(t, dir, 100+round*37)
		s := openIn(t, dir)
		for n := range last + 1 {
			if _, err := s.Statement(t.Context(), offerOf(n).Digest); err != nil {
				t.Fatalf("statement %d of %d, confirmed before the kill: %v", n, last, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func killWhileWriting(t *testing.T, dir string, after int) (last int) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	last = -1
	for lines.Scan() {
		if _, err := fmt.Sscan(lines.Text(), &last); err != nil {
			t.Fatal(err)
		}
		if last == after {
			_ = cmd.Process.Kill()
		}
	}
	_ = cmd.Wait() // killed
	if last < after {
		t.Fatalf("child ended after %d writes", last)
	}
	return last
}

// TestTornLog cuts the write-ahead log at every kind of place, as a power cut
// would: what was written before the cut transaction is there, the rest is not,
// and the store works.
func TestTornLog(t *testing.T) {
	dir := t.TempDir()
	s := openIn(t, dir)
	for n := range 20 {
		if _, err := s.AddStatement(t.Context(), offerOf(n), nil); err != nil {
			t.Fatal(err)
		}
	}
	db, wal := readFile(t, filepath.Join(dir, fileName)), readFile(t, filepath.Join(dir, fileName+"-wal"))
	if len(wal) < 20*4096 {
		t.Fatalf("log has only %d bytes", len(wal))
	}
	for _, cut := range []int{1, 24, 100, 4096, 4120, 9000, 30000} {
		torn := t.TempDir()
		writeFile(t, filepath.Join(torn, fileName), db)
		writeFile(t, filepath.Join(torn, fileName+"-wal"), wal[:len(wal)-cut])
		checkTorn(t, torn, cut)
	}
}

func checkTorn(t *testing.T, dir string, cut int) {
	s := openIn(t, dir)
	defer s.Close()
	list, err := s.List(t.Context(), store.Query{Page: store.Page{Items: 100, Bytes: 1 << 20}})
	if err != nil {
		t.Fatalf("cut by %d: %v", cut, err)
	}
	if len(list) == 0 || len(list) >= 20 {
		t.Errorf("cut by %d: %d statements left", cut, len(list))
	}
	for n, st := range list {
		if st.Digest != offerOf(n).Digest {
			t.Errorf("cut by %d: statement %d is missing", cut, n)
		}
	}
	if _, err := s.AddStatement(t.Context(), offerOf(len(list)), nil); err != nil {
		t.Errorf("cut by %d: %v", cut, err)
	}
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeFile(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestInUse(t *testing.T) {
	dir := t.TempDir()
	openIn(t, dir)
	if _, err := Open(t.Context(), dir); !errors.Is(err, store.ErrInUse) {
		t.Fatalf("second open: %v", err)
	}
}

func TestNewerSchema(t *testing.T) {
	dir := t.TempDir()
	if err := openIn(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", dsn(filepath.Join(dir, fileName)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before := readFile(t, filepath.Join(dir, fileName))
	if _, err := Open(t.Context(), dir); !errors.Is(err, store.ErrNewerSchema) {
		t.Fatalf("open: %v", err)
	}
	if string(readFile(t, filepath.Join(dir, fileName))) != string(before) {
		t.Fatal("a store of a newer version was changed")
	}
}

func TestNotAStore(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, fileName), []byte(strings.Repeat("this is no database ", 500)))
	if _, err := Open(t.Context(), dir); !errors.Is(err, store.ErrDamaged) {
		t.Fatalf("open: %v", err)
	}
}

// TestFull lets SQLite run out of room: the write fails as a whole and by name,
// and what was there stays readable and writable.
func TestFull(t *testing.T) {
	s := openIn(t, t.TempDir())
	if _, err := s.AddStatement(t.Context(), offerOf(0), nil); err != nil {
		t.Fatal(err)
	}
	limit := func(pages int) {
		t.Helper()
		err := s.w.do(t.Context(), false, func(x *tx) error {
			var n int
			return x.One(fmt.Sprintf("PRAGMA max_page_count = %d", pages), nil, &n)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	limit(1) // SQLite takes the present size instead: no page can be added
	big := offerOf(1)
	big.Envelope = make([]byte, 1<<20)
	small := store.Delivery{To: "x", Item: store.Item{Kind: "k", Body: []byte("b")}}
	if _, err := s.AddStatement(t.Context(), big, []store.Delivery{small}); !errors.Is(err, store.ErrFull) {
		t.Fatalf("write to a full disk: %v", err)
	}
	if _, err := s.Statement(t.Context(), big.Digest); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("after a write that failed: %v", err)
	}
	if _, err := s.Statement(t.Context(), offerOf(0).Digest); err != nil {
		t.Fatal(err)
	}
	limit(1 << 20)
	if _, err := s.AddStatement(t.Context(), big, nil); err != nil {
		t.Fatalf("with room again: %v", err)
	}
}

// TestDurable holds the promise of synchronous=FULL: SQLite must be asked for it
// whenever a durable write shares a transaction.
func TestDurable(t *testing.T) {
	s := openIn(t, t.TempDir())
	level := func(durable bool) int64 {
		var n int64
		err := s.w.do(t.Context(), durable, func(x *tx) error { return x.One("PRAGMA synchronous", nil, &n) })
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, c := range []struct {
		durable bool
		want    int64
	}{{true, 2}, {false, 1}, {false, 1}, {true, 2}, {true, 2}} {
		if got := level(c.durable); got != c.want {
			t.Errorf("durable %v: synchronous is %d, want %d", c.durable, got, c.want)
		}
	}
	both := make([]error, 2)
	var seen int64
	run := func(x *tx) error { return x.One("PRAGMA synchronous", nil, &seen) }
	w := &writer{tx: s.w.tx, full: s.w.full}
	if err := s.w.do(t.Context(), true, func(*tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
	w.full = true
	if err := w.try([]op{{run: run}, {run: run, durable: true}}, both); err != nil || errors.Join(both...) != nil || seen != 2 {
		t.Errorf("mixed batch: synchronous is %d, %v, %v", seen, err, both)
	}
}

func TestOneFailureInABatch(t *testing.T) {
	s := openIn(t, t.TempDir())
	add := func(n int) func(*tx) error {
		return func(x *tx) error { st := offerOf(n); return addStatement(x, &st, nil) }
	}
	results := make([]error, 3)
	failed := errors.New("no")
	err := s.w.try([]op{{run: add(1), durable: true}, {run: func(x *tx) error { return errors.Join(add(2)(x), failed) }}, {run: add(3)}}, results)
	if err != nil || results[0] != nil || !errors.Is(results[1], failed) || results[2] != nil {
		t.Fatalf("batch: %v, %v", err, results)
	}
	for n, want := range []error{1: nil, 2: store.ErrNotFound, 3: nil} {
		if n == 0 {
			continue
		}
		if _, err := s.Statement(t.Context(), offerOf(n).Digest); !errors.Is(err, want) {
			t.Errorf("statement %d: %v, want %v", n, err, want)
		}
	}
}

// TestOneFailureAlone: a write that has a transaction to itself is undone as one of several is.
func TestOneFailureAlone(t *testing.T) {
	s := openIn(t, t.TempDir())
	failed := errors.New("no")
	err := s.w.do(t.Context(), true, func(x *tx) error { st := offerOf(1); return errors.Join(addStatement(x, &st, nil), failed) })
	if !errors.Is(err, failed) {
		t.Fatal(err)
	}
	if _, err := s.Statement(t.Context(), offerOf(1).Digest); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("after a write that failed: %v", err)
	}
	if _, err := s.AddStatement(t.Context(), offerOf(1), nil); err != nil {
		t.Fatal(err)
	}
}

// TestKnownIsBounded: what is remembered of statements takes no more than it may, and one that is being signed is not remembered.
func TestKnownIsBounded(t *testing.T) {
	var k known
	large := store.Statement{Digest: "a", Complete: true, Envelope: make([]byte, maxKnown/32)}
	for i := range 40 {
		large.Digest = statement.Sum(fmt.Append(nil, i))
		k.put(large, 0)
		if k.bytes > maxKnown {
			t.Fatalf("%d bytes are remembered", k.bytes)
		}
	}
	if st, _ := k.get(large.Digest); st == nil {
		t.Error("the newest is not")
	}
	k.put(store.Statement{Digest: "b"}, 0)
	_, since := k.get("c")
	k.forget()
	k.put(store.Statement{Digest: "c", Complete: true}, since)
	for _, d := range []statement.Digest{large.Digest, "b", "c"} {
		if st, _ := k.get(d); st != nil {
			t.Errorf("%s is remembered", d)
		}
	}
}
