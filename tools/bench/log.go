package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/cordon-exchange/cordon/internal/exchange"
	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/logtree"
	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	keys "github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/tools/bench/figure"
	"github.com/cordon-exchange/cordon/translog"
)

const (
	goalAppends  = 0.9
	goalProof    = 500 // ms
	logEntries   = 40960
	logBatch     = 4096 // leaves that bare Tessera is given at once: as many as the exchange gives it
	proofSamples = 100
)

// logRows measure the transparency log: how many entries a second an exchange puts into it beside Tessera alone, and how soon there is a
// proof for what was posted.
func logRows(ctx context.Context, b *bench, r *figure.Report) error {
	var ours, bare []figure.Sample
	for range min(b.o.rounds, 5) {
		r.Machine.Sample()
		one, other, err := b.appends(ctx)
		if err != nil {
			return err
		}
		ours, bare = append(ours, one), append(bare, other)
	}
	r.Add(figure.Of("appends to the log, bare Tessera's time over the exchange's", figure.Measured(bare, ours), figure.Goal{AtLeast: goalAppends}, "").
		In("log", "%d entries that wait, each the leaf of a salted commitment: the exchange gives them places in its store (SQLite), appends and publishes; a is Tessera alone, appending the same leaves by %d", logEntries, logBatch))
	ms, err := b.proofs(ctx)
	if err != nil {
		return err
	}
	const about = "from the answer to a statement that was posted until its poster has the proof of inclusion and the checkpoint; one exchange over SQLite, nothing else happens"
	r.Add(figure.At("proof of a statement, p50", figure.Millis, ms, 0.5, figure.Goal{}).In("log", about))
	r.Add(figure.At("proof of a statement, p99", figure.Millis, ms, 0.99, figure.Goal{AtMost: goalProof}).In("log", about))
	return nil
}

// appends is one turn of both sides. Their trees must have one root.
func (b *bench) appends(ctx context.Context) (ours, bare figure.Sample, err error) {
	h, end, err := b.home(ctx)
	if err != nil {
		return ours, bare, err
	}
	defer end()
	var list []store.LogEntry
	for i := range logEntries {
		list = append(list, store.LogEntry{Kind: translog.KindStatement, About: statement.Sum(fmt.Append(nil, i))})
	}
	if err := h.Store.AddUnlogged(ctx, list); err != nil {
		return ours, bare, err
	}
	m := startMeter()
	stop, err := serveLog(ctx, h)
	if err != nil {
		return ours, bare, err
	}
	root, err := whenPublished(ctx, h.Store)
	ours = m.stop(nil)
	if err = errors.Join(err, stop()); err != nil {
		return ours, bare, err
	}
	leaves, err := leavesOf(ctx, h.Store)
	if err != nil {
		return ours, bare, err
	}
	bare, got, err := bareAppends(ctx, b.dir, leaves)
	if err == nil && got != root {
		err = errors.New("log: both sides appended the same leaves, and their roots differ")
	}
	return ours, bare, err
}

// home of an exchange of its own.
func (b *bench) home(ctx context.Context) (*exchange.Home, func(), error) {
	dir, err := os.MkdirTemp(b.dir, "log-")
	if err != nil {
		return nil, nil, err
	}
	h, err := exchange.OpenHome(ctx, dir)
	if err != nil {
		return nil, nil, err
	}
	return h, func() {
		_ = h.Close()
		_ = os.RemoveAll(dir)
	}, nil
}

// serveLog runs an exchange that nobody calls, until stop.
func serveLog(ctx context.Context, h *exchange.Home) (stop func() error, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	_, stop, err = serveAt(ctx, h, l)
	return stop, err
}

func serveAt(ctx context.Context, h *exchange.Home, l net.Listener) (url string, stop func() error, err error) {
	srv, err := exchange.New(ctx, exchange.Options{Store: h.Store, Lake: h.Lake, LogDir: h.LogDir})
	if err != nil {
		return "", nil, errors.Join(err, l.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx, l) }()
	return "http://" + l.Addr().String(), func() error {
		cancel()
		return <-done
	}, nil
}

// whenPublished waits for the checkpoint of all entries, and returns its root.
func whenPublished(ctx context.Context, st store.Store) (root [32]byte, err error) {
	for {
		c, err := st.Published(ctx)
		switch {
		case err == nil && c.Size == logEntries:
			return translog.RootUnverified(c.Note)
		case err != nil && !errors.Is(err, store.ErrNotFound):
			return root, err
		}
		select {
		case <-ctx.Done():
			return root, ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func leavesOf(ctx context.Context, st store.Store) (out [][]byte, err error) {
	for len(out) < logEntries {
		list, err := st.LogEntries(ctx, int64(len(out)), logBatch)
		if err != nil || len(list) == 0 {
			return nil, errors.Join(errors.New("log: entries are missing"), err)
		}
		for _, e := range list {
			out = append(out, translog.Leaf{TimeMS: e.TimeMS, Commitment: translog.Commitment(e.Commitment)}.Bytes())
		}
	}
	return out, nil
}

// bareAppends has Tessera alone append the leaves, and sign a checkpoint of them.
func bareAppends(ctx context.Context, work string, leaves [][]byte) (s figure.Sample, root [32]byte, err error) {
	dir, err := os.MkdirTemp(work, "tessera-")
	if err != nil {
		return s, root, err
	}
	defer os.RemoveAll(dir)
	secret, _, err := note.GenerateKey(rand.Reader, "cordon.log/bench")
	if err != nil {
		return s, root, err
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		return s, root, err
	}
	m := startMeter()
	t, err := logtree.Open(ctx, dir, signer)
	if err != nil {
		return s, root, err
	}
	defer t.Close()
	for from := 0; from < len(leaves); from += logBatch {
		if err := t.Append(ctx, int64(from), leaves[from:min(len(leaves), from+logBatch)]); err != nil {
			return s, root, err
		}
	}
	n, err := t.Checkpoint(ctx, int64(len(leaves)))
	if err != nil {
		return s, root, err
	}
	s = m.stop(nil)
	root, err = translog.RootUnverified(n)
	return s, root, err
}

// proofs are how many milliseconds statements waited for theirs.
func (b *bench) proofs(ctx context.Context) (ms []float64, err error) {
	h, end, err := b.home(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	url, stop, err := serveAt(ctx, h, l)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	for i := range proofSamples {
		took, err := proof(ctx, url, fmt.Sprintf("party%d", i))
		if err != nil {
			return nil, err
		}
		ms = append(ms, float64(took.Microseconds())/1000)
	}
	return ms, nil
}

// proof introduces a party, and waits for the proof that its statement is logged.
func proof(ctx context.Context, url, name string) (time.Duration, error) {
	k, err := keys.NewSigningKey()
	if err != nil {
		return 0, err
	}
	box, err := keys.NewBoxKey()
	if err != nil {
		return 0, err
	}
	e, err := statement.Sign(statement.Party{Key: k.Public().String(), Name: name, Box: box.Public(), CreatedMS: time.Now().UnixMilli()}, k)
	if err != nil {
		return 0, err
	}
	c, err := client.New(client.Options{URL: url, Signer: k})
	if err != nil {
		return 0, err
	}
	d, err := c.PostStatement(ctx, e)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	p, err := c.LogProofs(ctx, d, 0, 10*time.Second)
	took := time.Since(began)
	if err != nil {
		return 0, err
	}
	key, err := c.LogKey(ctx)
	if err != nil {
		return 0, err
	}
	return took, proven(p, key, d)
}

// proven checks the proof as its reader would.
func proven(p *wire.LogProofs, key string, d statement.Digest) error {
	k, err := translog.ParseKey(key)
	if err != nil {
		return err
	}
	s, err := k.Open(p.Checkpoint.Note)
	if err != nil {
		return err
	}
	if len(p.Entries) != 1 || p.Entries[0].Digest != d {
		return errors.New("log: no entry of the statement")
	}
	return p.Entries[0].Verify(s.Checkpoint)
}
