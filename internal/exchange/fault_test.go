package exchange_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange"
	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/lake"
	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/statement"
)

// TestRestart ends the exchange in the middle of a job whose parties wait in long
// polls: they reconnect by themselves, and the job goes on.
func TestRestart(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	job := w.submit()
	c := w.claim()
	w.ok(w.host.PutArtifact(ctx, job, c.Lease, "receipt", []byte("receipt")))
	w.ok(w.host.SendMessages(ctx, job, c.Lease, []wire.Outgoing{{To: w.a.fp, Kind: wire.KindHello, Body: []byte("before")}}))
	before := w.a.kinds()
	w.other.empty()
	polled := make(chan error, 1)
	go func() {
		for {
			m, err := w.other.Mailbox(ctx, 0, 20*time.Second)
			if err != nil || len(m.Items) > 0 {
				polled <- err
				return
			}
		}
	}()
	w.restart()
	w.stop()
	w.skew.Add(11_000) // longer than a lease
	w.start(strings.TrimPrefix(w.url, "http://"))
	if after := w.a.kinds(); after != before {
		t.Errorf("mailbox was %s, is %s", before, after)
	}
	// The lease ran while nobody could renew it.
	w.ok(w.host.Renew(ctx, job, c.Lease))
	m, err := w.a.Mailbox(ctx, 0, 0)
	w.ok(err)
	w.ok(w.a.Reply(ctx, job, wire.Answer{Attempt: 1, Kind: "reply", Body: []byte("after"), Ref: m.Next}))
	r, err := w.host.Replies(ctx, job, c.Lease, wire.Await{})
	w.ok(err)
	if len(r.Items) != 1 || string(r.Items[0].Body) != "after" {
		t.Errorf("replies: %+v", r.Items)
	}
	w.ok(w.host.Finish(ctx, job, wire.Finish{Lease: c.Lease, State: wire.StateDone}))
	b, err := w.asker.Artifact(ctx, job, "receipt")
	w.ok(err)
	if string(b) != "receipt" {
		t.Errorf("receipt: %q", b)
	}
	_, err = w.other.PostStatement(ctx, w.revocation(w.other, w.other.in))
	w.ok(err)
	select {
	case err := <-polled:
		// Woken by the revocation, or refused because of it.
		if err != nil {
			w.code(err, wire.CodeRevoked)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the poll did not come back")
	}
}

func TestUnavailable(t *testing.T) {
	e := newEnv(t)
	p := e.party("alpha")
	c, err := client.New(client.Options{URL: e.url, Signer: p.keys, Patience: 50 * time.Millisecond})
	e.ok(err)
	e.stop()
	_, err = c.Mailbox(t.Context(), 0, 0)
	if !errors.Is(err, client.ErrUnavailable) || fault.ExitCode(err) != int(fault.Unavailable) || fault.Hint(err) == "" {
		t.Fatalf("got %v, exit code %d", err, fault.ExitCode(err))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := p.Mailbox(ctx, 0, 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
}

// fullStore and fullLake fail as a full disk does, while full is set.
type fullStore struct {
	store.Store
	full *bool
}

func (s fullStore) AddStatement(ctx context.Context, st store.Statement, d []store.Delivery) (bool, error) {
	if *s.full {
		return false, store.ErrFull
	}
	return s.Store.AddStatement(ctx, st, d)
}

func (s fullStore) AddJob(ctx context.Context, j store.Job, d []store.Delivery) error {
	if *s.full {
		return store.ErrFull
	}
	return s.Store.AddJob(ctx, j, d)
}

type fullLake struct {
	lake.Lake
	full *bool
}

func (l fullLake) Put(ctx context.Context, path string, r io.Reader) error {
	if *l.full {
		return l.Lake.Put(ctx, path, io.MultiReader(io.LimitReader(r, 3), broken{}))
	}
	return l.Lake.Put(ctx, path, r)
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, lake.ErrFull }

func TestStorageFull(t *testing.T) {
	w := newWorld(t)
	full := true
	w.lake = func(l lake.Lake) lake.Lake { return fullLake{l, &full} }
	w.st = func(s store.Store) store.Store { return fullStore{s, &full} }
	w.restart()
	ctx := t.Context()
	path := client.ObjectPath(w.a.fp, "strikes", "v2", "part.parquet")
	job := sign(w.env, w.jobOf(), w.asker)
	contract := sign(w.env, w.contractOf(), w.asker)
	for name, err := range map[string]error{
		"object":    w.a.put(path, "some bytes"),
		"statement": second(w.asker.PostStatement(ctx, contract)),
		"job":       second(w.asker.SubmitJob(ctx, job)),
	} {
		var e *client.Error
		if !errors.As(err, &e) || e.Status != 507 || e.Code != wire.CodeStorageFull || e.Hint() == "" || fault.ExitCode(err) != int(fault.Unavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.a.ObjectSize(ctx, path); err == nil {
		t.Error("part of an object is there")
	}
	if got := w.a.kinds(); strings.Contains(got, "job") {
		t.Errorf("mailbox: %s", got)
	}
	full = false
	w.ok(w.a.put(path, "some bytes"))
	_, err := w.asker.SubmitJob(ctx, job)
	w.ok(err)
}

// TestTruncatedObject cuts a file of the lake behind the exchange's back.
func TestTruncatedObject(t *testing.T) {
	e := newEnv(t)
	p := e.party("alpha")
	path, _ := p.object("part.parquet", strings.Repeat("x", 1000))
	e.ok(os.Truncate(filepath.Join(e.home, "lake", filepath.FromSlash(path)), 400))
	_, err := p.OpenObject(t.Context(), path, 100, 500)
	e.code(err, wire.CodeRange)
	n, err := p.ObjectSize(t.Context(), path)
	e.ok(err)
	if n != 400 {
		t.Errorf("size %d", n)
	}
	// An offer of it is no longer what the owner says.
	_, err = p.PostStatement(t.Context(), sign(e, p.offerOf(path, 1000), p))
	e.code(err, wire.CodeUnknownReference)
}

// shrinking cuts objects while they are read.
type shrinking struct{ lake.Lake }

func (l shrinking) Read(ctx context.Context, path string, off, n int64) (io.ReadCloser, error) {
	r, err := l.Lake.Read(ctx, path, off, n)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(io.LimitReader(r, n/2), shrunk{}), r}, nil
}

type shrunk struct{}

func (shrunk) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestBrokenStream takes a stream up where it broke, and gives up when nothing comes any more.
func TestBrokenStream(t *testing.T) {
	e := newEnv(t)
	p := e.party("alpha")
	content := strings.Repeat("0123456789", 100)
	path, _ := p.object("part.parquet", content)
	e.lake = func(l lake.Lake) lake.Lake { return shrinking{l} }
	e.restart()
	r, err := p.OpenObject(t.Context(), path, 0, 1000)
	e.ok(err)
	b, err := io.ReadAll(r)
	_ = r.Close()
	// Each connection brings half of what is left, the last byte never comes.
	if !errors.Is(err, client.ErrUnavailable) || string(b) != content[:len(b)] || len(b) != 999 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

func TestHomeErrors(t *testing.T) {
	dir := t.TempDir()
	h, err := exchange.OpenHome(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		dir  string
		is   error
		code fault.Code
	}{
		"in use": {dir, store.ErrInUse, fault.Input},
		"a file": {file, nil, fault.LocalStorage},
	} {
		_, err := exchange.OpenHome(t.Context(), c.dir)
		if err == nil || c.is != nil && !errors.Is(err, c.is) || fault.ExitCode(err) != int(c.code) || fault.Hint(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestClientChecksTheExchange(t *testing.T) {
	e := newEnv(t)
	p := e.party("alpha")
	c, err := client.New(client.Options{URL: e.url, Signer: p.keys, ID: "exchange1" + strings.Repeat("0", 64)})
	e.ok(err)
	defer c.Close()
	if _, err := c.Mailbox(t.Context(), 0, 0); fault.ExitCode(err) != int(fault.Untrusted) {
		t.Errorf("exchange of another id: %v", err)
	}
	for _, u := range []string{"", "127.0.0.1:1", "ftp://x", "http://", "http://u:p@x", "http://x/path", "http://x?q=1"} {
		if _, err := client.New(client.Options{URL: u, Signer: p.keys}); fault.ExitCode(err) != int(fault.Input) {
			t.Errorf("URL %q: %v", u, err)
		}
	}
	if _, err := client.New(client.Options{URL: e.url}); err == nil {
		t.Error("client without a signer")
	}
	if _, err := statement.ParsePublicKey(p.keys.Public().String()); err != nil {
		t.Error(err)
	}
}
