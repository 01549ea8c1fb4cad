package witness_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/cordon-exchange/cordon/internal/exchange"
	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/store/sqlite"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/party/witness"
	"github.com/cordon-exchange/cordon/receipt/receipttest"
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/translog"
)

// operator runs a real exchange, and can do to its store whatever it wants.
type operator struct {
	*testing.T
	dir  string
	addr string
	lie  func(store.Store) store.Store // what the exchange takes for its store
	stop func()
	seq  int
}

func newOperator(t *testing.T) *operator {
	o := &operator{T: t, dir: t.TempDir(), addr: "127.0.0.1:0"}
	o.start()
	t.Cleanup(func() { o.stop() })
	return o
}

func (o *operator) ok(err error) {
	o.Helper()
	if err != nil {
		o.Fatal(err)
	}
}

func (o *operator) start() {
	o.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	h, err := exchange.OpenHome(ctx, o.dir)
	o.ok(err)
	st := h.Store
	if o.lie != nil {
		st = o.lie(st)
	}
	srv, err := exchange.New(ctx, exchange.Options{Store: st, Lake: h.Lake, Log: slog.New(slog.DiscardHandler), LogDir: h.LogDir, LogRound: time.Millisecond})
	o.ok(err)
	l, err := net.Listen("tcp", o.addr)
	o.ok(err)
	o.addr = l.Addr().String()
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx, l) }()
	o.stop = sync.OnceFunc(func() {
		cancel()
		if err := errors.Join(<-done, h.Close()); err != nil {
			o.Error(err)
		}
	})
}

func (o *operator) database() string { return sqlite.Place(filepath.Join(o.dir, "store")) }

// tamper stops the exchange, changes its store, has the tree built from what is there then, and goes on: what is published is what
// an honest exchange would publish of that store, under the same key.
func (o *operator) tamper(queries ...string) {
	o.Helper()
	o.stop()
	db, err := sql.Open("sqlite", o.database())
	o.ok(err)
	for _, q := range append(queries, "DELETE FROM log_checkpoints") {
		_, err := db.Exec(q)
		o.ok(err)
	}
	o.ok(db.Close())
	o.ok(os.RemoveAll(filepath.Join(o.dir, "log")))
	o.start()
}

// party is one with a witness.
type party struct {
	*receipttest.Party
	o   *operator
	c   *client.Client
	w   *witness.Witness
	dir string
	at  time.Duration // that its clock is ahead
}

func (o *operator) party(name string) *party {
	o.Helper()
	p := &party{Party: receipttest.NewParty(o, name), o: o, dir: filepath.Join(o.TempDir(), "log")}
	hc := client.NewHTTP()
	o.Cleanup(hc.CloseIdleConnections)
	var err error
	p.c, err = client.New(client.Options{URL: "http://" + o.addr, Signer: p.Key, HTTP: hc, Patience: 5 * time.Second})
	o.ok(err)
	p.open()
	p.post(statement.Party{Name: name, Key: p.Key.Public().String(), Box: p.Box.Public(), CreatedMS: 1})
	return p
}

func (p *party) open() {
	p.o.Helper()
	var err error
	p.w, err = witness.Open(witness.Options{Exchange: p.c, Dir: p.dir, Signer: p.Key, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Now: func() time.Time { return time.Now().Add(p.at) }, Delay: 2 * time.Second})
	p.o.ok(err)
	w := p.w
	p.o.Cleanup(func() { _ = w.Close() })
}

func (p *party) post(s statement.Party) statement.Digest {
	p.o.Helper()
	e, err := statement.Sign(s, p.Key)
	p.o.ok(err)
	d, err := p.c.PostStatement(p.o.Context(), e)
	p.o.ok(err)
	p.w.Expect(d)
	return d
}

// speak has something logged.
func (p *party) speak() statement.Digest {
	p.o.Helper()
	p.o.seq++
	return p.post(statement.Party{Name: p.Name, Key: p.Key.Public().String(), Box: p.Box.Public(), CreatedMS: int64(p.o.seq + 1)})
}

// settled looks until all that was said is in the log, and cosigned.
func (p *party) settled() {
	p.o.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		p.o.ok(p.w.Look(p.o.Context(), 100*time.Millisecond))
		if s := p.w.Status(); s.Waiting == 0 && s.Size > 0 {
			return
		}
		if time.Now().After(deadline) {
			p.o.Fatalf("not settled: %+v", p.w.Status())
		}
	}
}

// caught looks until the alarm is raised, and checks that it stays: with its proof, in the files, and without another cosignature.
func (p *party) caught(kind string) *witness.Alarm {
	p.o.Helper()
	var err error
	for begin := time.Now(); !errors.Is(err, witness.ErrAlarm) && time.Since(begin) < 15*time.Second; {
		err = p.w.Look(p.o.Context(), 100*time.Millisecond)
	}
	a := p.w.Status().Alarm
	if !errors.Is(err, witness.ErrAlarm) || a == nil || a.Kind != kind {
		p.o.Fatalf("not caught as %s: %v, %+v", kind, err, a)
	}
	p.open()
	if again := p.w.Status().Alarm; again == nil || again.Kind != kind || again.AtMS != a.AtMS {
		p.o.Fatalf("forgotten by the next process: %+v", again)
	}
	if err := p.w.Look(p.o.Context(), 0); !errors.Is(err, witness.ErrAlarm) {
		p.o.Fatalf("goes on after an alarm: %v", err)
	}
	return a
}

// pair opens the two checkpoints of an alarm, which the log signed both.
func (p *party) pair(a *witness.Alarm) (known, seen translog.Checkpoint) {
	p.o.Helper()
	k, err := translog.ParseKey(p.w.Status().Key)
	p.o.ok(err)
	x, err := k.Open(a.Known)
	p.o.ok(err)
	y, err := k.Open(a.Seen)
	p.o.ok(err)
	return x.Checkpoint, y.Checkpoint
}

func TestHonest(t *testing.T) {
	o := newOperator(t)
	a, b := o.party("alpha"), o.party("bravo")
	for range 5 {
		a.speak()
		b.speak()
	}
	a.settled()
	b.settled()
	// A tree that is lost, an exchange and an agent that are started again: nothing of that is an alarm.
	o.stop()
	o.ok(os.RemoveAll(filepath.Join(o.dir, "log")))
	o.start()
	a.open()
	a.speak()
	a.settled()
	b.settled()
	size := a.w.Status().Size
	var got *wire.LogCosigned
	for begin := time.Now(); ; {
		o.ok(a.w.Look(t.Context(), 50*time.Millisecond))
		o.ok(b.w.Look(t.Context(), 50*time.Millisecond))
		var err error
		if got, err = a.c.LogCosigned(t.Context(), &wire.LogWanted{By: []statement.Fingerprint{a.Fingerprint(), b.Fingerprint()}, AtLeast: size}); err == nil {
			break
		}
		if time.Since(begin) > 10*time.Second {
			t.Fatal(err)
		}
	}
	k, err := translog.ParseKey(a.w.Status().Key)
	o.ok(err)
	cp, err := k.Open(got.Note)
	o.ok(err)
	for _, c := range got.Cosignatures {
		if _, err := c.Verify(cp); err != nil {
			t.Error(err)
		}
	}
}

// TestDropped: an entry that was published is taken out, and those behind it move up.
func TestDropped(t *testing.T) {
	o := newOperator(t)
	a := o.party("alpha")
	for range 5 {
		a.speak()
	}
	a.settled()
	o.tamper("DELETE FROM log_entries WHERE idx = 2", "UPDATE log_entries SET idx = idx - 1 WHERE idx > 2", "UPDATE log_state SET next = next - 1",
		// The statement goes with its entry.
		"DELETE FROM statements WHERE NOT EXISTS (SELECT 1 FROM log_entries e WHERE e.about = statements.digest)")
	known, seen := a.pair(a.caught(witness.AlarmSmaller))
	if seen.Size >= known.Size {
		t.Errorf("%d and %d entries are no proof", known.Size, seen.Size)
	}
}

// TestDroppedAndFilled: the place of an entry that was taken out is filled with another one.
func TestDroppedAndFilled(t *testing.T) {
	o := newOperator(t)
	a, b := o.party("alpha"), o.party("bravo")
	for range 5 {
		a.speak()
	}
	a.settled()
	o.tamper("DELETE FROM log_entries WHERE idx = 2", "UPDATE log_entries SET idx = idx - 1 WHERE idx > 2", "UPDATE log_state SET next = next - 1")
	// Until there are as many as there were, it is smaller; this witness happens to look later.
	for range 3 {
		b.speak()
	}
	b.settled()
	a.caught(witness.AlarmForked)
}

// hides keeps what a party said out of the log.
type hides struct {
	store.Store
	digest statement.Digest
}

func (h *hides) LogEntriesAbout(ctx context.Context, d statement.Digest) ([]store.LogEntry, error) {
	if d == h.digest {
		return nil, nil
	}
	return h.Store.LogEntriesAbout(ctx, d)
}

// TestNeverLogged: a statement is accepted, and never gets an entry.
func TestNeverLogged(t *testing.T) {
	o := newOperator(t)
	a := o.party("alpha")
	a.settled()
	next := statement.Party{Name: a.Name, Key: a.Key.Public().String(), Box: a.Box.Public(), CreatedMS: 77}
	e, err := statement.Sign(next, a.Key)
	o.ok(err)
	o.stop()
	o.lie = func(st store.Store) store.Store { return &hides{st, e.Digest()} }
	o.start()
	if d := a.post(next); d != e.Digest() {
		t.Fatal("another statement")
	}
	if got := a.caught(witness.AlarmDropped); got.Digest != e.Digest() {
		t.Errorf("the alarm names %s", got.Digest)
	}
}

// TestReordered: two entries that were published change places.
func TestReordered(t *testing.T) {
	o := newOperator(t)
	a := o.party("alpha")
	for range 5 {
		a.speak()
	}
	a.settled()
	swap := []string{"UPDATE log_entries SET idx = 1000 WHERE idx = 2", "UPDATE log_entries SET idx = 2 WHERE idx = 3", "UPDATE log_entries SET idx = 3 WHERE idx = 1000"}
	o.tamper(swap...)
	known, seen := a.pair(a.caught(witness.AlarmForked))
	if known.Size != seen.Size || known.Root == seen.Root {
		t.Errorf("%+v and %+v are no proof", known, seen)
	}
}

// TestForked: the exchange shows two parties two histories. Each is consistent, and no checkpoint gets both cosignatures; the one
// that is shown the other's history notices.
func TestForked(t *testing.T) {
	o := newOperator(t)
	a, b := o.party("alpha"), o.party("bravo")
	a.settled()
	b.settled()
	o.stop()
	copyOf := filepath.Join(t.TempDir(), "copy.db")
	b0, err := os.ReadFile(o.database())
	o.ok(err)
	o.ok(os.WriteFile(copyOf, b0, 0o600))
	o.start()
	for range 3 {
		a.speak()
	}
	a.settled()
	o.stop()
	o.ok(os.WriteFile(o.database(), b0, 0o600)) // bravo's history has none of it
	o.ok(os.RemoveAll(filepath.Join(o.dir, "log")))
	o.start()
	for range 4 {
		b.speak()
	}
	b.settled()
	if _, err := b.c.LogCosigned(t.Context(), &wire.LogWanted{By: []statement.Fingerprint{a.Fingerprint(), b.Fingerprint()}, AtLeast: b.w.Status().Size}); !client.HasCode(err, wire.CodeNotFound) {
		t.Errorf("both cosigned one of two histories: %v", err)
	}
	a.caught(witness.AlarmForked)
}

// TestBackDated: entries that were not there yesterday are dated yesterday.
func TestBackDated(t *testing.T) {
	o := newOperator(t)
	a := o.party("alpha")
	a.speak()
	a.settled()
	a.at = time.Hour // an hour later nothing has been said
	o.ok(a.w.Look(t.Context(), 0))
	a.speak() // the exchange says that this was an hour ago
	got := a.caught(witness.AlarmTime)
	if !strings.Contains(got.Text, "dated back") {
		t.Error(got.Text)
	}
}

// TestDatedBeforeOthers: an entry is dated before the one in front of it.
func TestDatedBeforeOthers(t *testing.T) {
	o := newOperator(t)
	a, b := o.party("alpha"), o.party("bravo")
	a.settled()
	size := a.w.Status().Size
	b.speak()
	b.speak()
	b.settled()
	// Only entries that alpha has not seen are changed: the history is one.
	o.tamper(fmt.Sprintf("UPDATE log_entries SET time_ms = time_ms - 1000 WHERE idx = (SELECT max(idx) FROM log_entries WHERE idx >= %d)", size))
	if got := a.caught(witness.AlarmTime); !strings.Contains(got.Text, "dated before") {
		t.Error(got.Text)
	}
}

// TestDatedAhead: an entry is dated to a time that has not come.
func TestDatedAhead(t *testing.T) {
	o := newOperator(t)
	a := o.party("alpha")
	a.at = -time.Hour
	for begin := time.Now(); a.w.Status().Alarm == nil && time.Since(begin) < 10*time.Second; {
		_ = a.w.Look(t.Context(), 100*time.Millisecond)
	}
	if got := a.caught(witness.AlarmTime); !strings.Contains(got.Text, "ahead") {
		t.Error(got.Text)
	}
}

// TestRolledBack: the exchange goes on from an old copy of its database.
func TestRolledBack(t *testing.T) {
	o := newOperator(t)
	a := o.party("alpha")
	a.settled()
	o.stop()
	old, err := os.ReadFile(o.database())
	o.ok(err)
	o.start()
	a.speak()
	a.settled()
	o.stop()
	o.ok(os.WriteFile(o.database(), old, 0o600))
	// Its own tree tells an honest operator.
	h, err := exchange.OpenHome(t.Context(), o.dir)
	o.ok(err)
	_, err = exchange.New(t.Context(), exchange.Options{Store: h.Store, Lake: h.Lake, LogDir: h.LogDir})
	if !errors.Is(err, exchange.ErrLogAhead) {
		t.Errorf("an old store is served: %v", err)
	}
	o.ok(h.Close())
	o.ok(os.RemoveAll(filepath.Join(o.dir, "log")))
	o.start()
	a.caught(witness.AlarmSmaller)
}

// TestAnotherLog: the exchange goes on under another key.
func TestAnotherLog(t *testing.T) {
	o := newOperator(t)
	a := o.party("alpha")
	a.settled()
	o.tamper("DELETE FROM meta WHERE key = 'log-key'")
	if err := a.w.CheckKey(t.Context()); !errors.Is(err, witness.ErrAlarm) {
		t.Fatalf("another key: %v", err)
	}
	a.caught(witness.AlarmKey)
}

// TestLogGone: the exchange keeps no log any more.
func TestLogGone(t *testing.T) {
	o := newOperator(t)
	a := o.party("alpha")
	a.settled()
	o.stop()
	ctx, cancel := context.WithCancel(t.Context())
	h, err := exchange.OpenHome(ctx, o.dir)
	o.ok(err)
	srv, err := exchange.New(ctx, exchange.Options{Store: h.Store, Lake: h.Lake})
	o.ok(err)
	l, err := net.Listen("tcp", o.addr)
	o.ok(err)
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx, l) }()
	a.caught(witness.AlarmGone)
	cancel()
	o.ok(errors.Join(<-done, h.Close()))
}

// flip changes the first hash of the right edge.
func flip(src []byte) []byte {
	out := []byte(strings.Clone(string(src)))
	at := strings.Index(string(src), `"hashes":["`) + len(`"hashes":["`)
	out[at] = 'A'
	if src[at] == 'A' {
		out[at] = 'B'
	}
	return out
}

// TestFilesAreChecked: a witness that can't read what it has seen does not begin anew.
func TestFilesAreChecked(t *testing.T) {
	o := newOperator(t)
	a := o.party("alpha")
	a.settled()
	file := filepath.Join(a.dir, "witness.json")
	good, err := os.ReadFile(file)
	o.ok(err)
	for name, src := range map[string]string{
		"cut short": string(good[:len(good)-1]), "empty": "", "edge longer": strings.Replace(string(good), `"hashes":["`, `"hashes":["AAAA`, 1), "edge changed": string(flip(good)),
		"no hashes": string(good[:strings.Index(string(good), `"hashes"`)]) + string(good[strings.Index(string(good), `"last_ms"`):]),
	} {
		o.ok(os.WriteFile(file, []byte(src), 0o600))
		if _, err := witness.Open(witness.Options{Exchange: a.c, Dir: a.dir, Signer: a.Key, Log: slog.New(slog.DiscardHandler), Now: time.Now}); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	o.ok(os.WriteFile(file, good, 0o600))
	o.ok(os.WriteFile(filepath.Join(a.dir, "alarm.json"), []byte("{"), 0o600))
	a.open()
	if a.w.Status().Alarm == nil {
		t.Error("an alarm that can't be read is none")
	}
}
