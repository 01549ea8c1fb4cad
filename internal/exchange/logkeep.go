package exchange

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/cordon-exchange/cordon/internal/exchange/logtree"
	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/translog"
)

// tlog is this process's view of the log. The store says what stands where; the tree, which each process builds for itself, hashes
// it and makes proofs. A tree that was lost is built again, and is the same.
type tlog struct {
	store store.Store
	key   *translog.Key
	now   func() time.Time
	round time.Duration
	wake  chan struct{} // something may wait for a place

	mu      sync.Mutex // one appends, or compares
	tree    *logtree.Tree
	checked int64 // size up to which the tree agrees with what was published
}

const (
	logBatch = 4096                   // entries that are placed, or appended, at once
	logLook  = time.Second            // between two looks for entries of other processes
	logRound = 2 * time.Second        // between two rounds of witnesses
	logAgain = 500 * time.Millisecond // after a failure
)

// ErrLogAhead says that the folder of the tree has entries that the store has not: the store is an old copy.
var ErrLogAhead = errors.New("exchange: the log's tree is ahead of the store, which is older than what it has published")

// ErrLogForked says that the tree's hashes are not those that were published.
var ErrLogForked = errors.New("exchange: the log's tree is not the one that was published")

// openLog opens the tree in dir, and goes on from where it was left.
func openLog(ctx context.Context, st store.Store, dir string, round time.Duration, now func() time.Time) (*tlog, error) {
	fresh, _, err := note.GenerateKey(rand.Reader, "cordon.log/"+st.ID())
	if err != nil {
		return nil, err
	}
	secret, err := st.LogKey(ctx, fresh)
	if err != nil {
		return nil, err
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		return nil, errors.Join(store.ErrDamaged, err)
	}
	public, err := logtree.VerifierKey(secret)
	if err != nil {
		return nil, errors.Join(store.ErrDamaged, err)
	}
	key, err := translog.ParseKey(public)
	if err != nil {
		return nil, errors.Join(store.ErrDamaged, err)
	}
	l := &tlog{store: st, key: key, now: now, round: round, wake: make(chan struct{}, 1)}
	if l.tree, err = logtree.Open(ctx, dir, signer); err != nil {
		return nil, err
	}
	if err := l.resume(ctx); err != nil {
		return nil, errors.Join(err, l.tree.Close())
	}
	return l, nil
}

// resume compares the tree's end with the store. A crash between giving places and appending leaves the tree behind, which is made up
// for by appending; nothing but an old store leaves it ahead.
func (l *tlog) resume(ctx context.Context) error {
	size := l.tree.Size()
	placed, _, err := l.store.LogCounts(ctx)
	if err != nil {
		return err
	}
	if size > placed {
		return fmt.Errorf("%w: %d entries, the store has %d", ErrLogAhead, size, placed)
	}
	if size > 0 {
		last, err := l.tree.Leaves(size-1, 1)
		if err != nil {
			return err
		}
		list, err := l.store.LogLeaves(ctx, size-1, 1)
		if err != nil {
			return err
		}
		if len(list) != 1 || list[0].Index != size-1 || string(leafOf(&list[0])) != string(last) {
			return fmt.Errorf("%w: its last entry is another than the store's", ErrLogForked)
		}
	}
	for { // what was accepted before there was a log
		list, err := l.store.Unlogged(ctx, logBatch)
		if err != nil || len(list) == 0 {
			return err
		}
		if err := l.store.AddUnlogged(ctx, list); err != nil {
			return err
		}
	}
}

func leafOf(e *store.LogLeaf) []byte {
	return translog.Leaf{TimeMS: e.TimeMS, Commitment: translog.Commitment(e.Commitment)}.Bytes()
}

// poke says that something may wait for a place.
func (l *tlog) poke() {
	if l == nil {
		return
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// catchUp appends what the store has placed and the tree has not.
func (l *tlog) catchUp(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		b, err := l.read(ctx, l.tree.Size())
		if err != nil || len(b.leaves) == 0 {
			return err
		}
		if err := l.append(ctx, b); err != nil {
			return err
		}
	}
}

// batch of entries that have places, as the tree wants them.
type batch struct {
	from   int64
	leaves [][]byte
}

// read the next batch from a place on.
func (l *tlog) read(ctx context.Context, from int64) (batch, error) {
	list, err := l.store.LogLeaves(ctx, from, logBatch)
	b := batch{from: from, leaves: make([][]byte, len(list))}
	for i := range list {
		if list[i].Index != from+int64(i) || len(list[i].Commitment) != len(translog.Commitment{}) {
			return b, fmt.Errorf("%w: entry %d of the log is missing or malformed", store.ErrDamaged, from+int64(i))
		}
		b.leaves[i] = leafOf(&list[i])
	}
	return b, err
}

// append what comes next in the tree. mu is held.
func (l *tlog) append(ctx context.Context, b batch) error {
	err := l.tree.Append(ctx, b.from, b.leaves)
	if errors.Is(err, logtree.ErrOrder) {
		// None of it was published. The tree is built again, from what the store says stands where.
		l.checked = 0
		err = errors.Join(err, l.tree.Reset(ctx))
	}
	return err
}

// extend appends a batch. Where the tree does not end where it begins, as others gave places or appended meanwhile, the store is asked.
func (l *tlog) extend(ctx context.Context, b batch) error {
	l.mu.Lock()
	if b.from == l.tree.Size() {
		defer l.mu.Unlock()
		return l.append(ctx, b)
	}
	l.mu.Unlock()
	return l.catchUp(ctx)
}

// step gives places, appends and publishes. It returns whether there is a new round.
func (l *tlog) step(ctx context.Context) (round bool, err error) {
	// Placing no more than a batch ahead of what is appended: a place has a time, and witnesses look at how old a new leaf is.
	if err := l.catchUp(ctx); err != nil {
		return false, err
	}
	next, err := l.place(ctx)
	for len(next.leaves) > 0 && err == nil {
		// The next batch gets its places, and is read, while this one is appended.
		now, placed := next, make(chan error, 1)
		go func() {
			var err error
			next, err = l.place(ctx)
			placed <- err
		}()
		err = l.extend(ctx, now)
		err = errors.Join(err, <-placed)
	}
	if err != nil {
		return false, err
	}
	return l.publish(ctx)
}

// place gives places to what waits, and reads it. What others place behind it meanwhile may be with it.
func (l *tlog) place(ctx context.Context) (batch, error) {
	from, n, err := l.store.Sequence(ctx, l.now().UnixMilli(), logBatch)
	if err != nil || n == 0 {
		return batch{}, err
	}
	return l.read(ctx, from)
}

// publish keeps a checkpoint of the tree where it has grown, and begins a round when it is time.
func (l *tlog) publish(ctx context.Context) (round bool, err error) {
	have, err := l.published(ctx)
	if err != nil {
		return false, err
	}
	size := l.tree.Size()
	if size == 0 || size < have.Size || size == have.Size && have.Round {
		return false, nil
	}
	last, err := l.store.Rounds(ctx, 1)
	if err != nil {
		return false, err
	}
	now := l.now().UnixMilli()
	due := len(last) == 0 || last[0].Size < size && now-last[0].AtMS >= l.round.Milliseconds()
	if size == have.Size && !due {
		return false, nil
	}
	n, err := l.tree.Checkpoint(ctx, size)
	if err != nil {
		return false, err
	}
	s, err := l.key.Open(n)
	if err != nil {
		return false, err
	}
	return due, l.store.Publish(ctx, store.Checkpoint{Size: s.Size, Note: n, AtMS: now, Round: due})
}

// published is the largest checkpoint, of size 0 where there is none. Before it is used, the tree has grown to it and agrees with it.
func (l *tlog) published(ctx context.Context) (*store.Checkpoint, error) {
	c, err := l.store.Published(ctx)
	if errors.Is(err, store.ErrNotFound) {
		return &store.Checkpoint{}, nil
	}
	if err != nil {
		return nil, err
	}
	return c, l.agree(ctx, c)
}

// agree checks the tree against a checkpoint that this or another process published.
func (l *tlog) agree(ctx context.Context, c *store.Checkpoint) error {
	l.mu.Lock()
	done := c.Size <= l.checked
	l.mu.Unlock()
	if done {
		return nil
	}
	if l.tree.Size() < c.Size {
		if err := l.catchUp(ctx); err != nil {
			return err
		}
	}
	s, err := l.key.Open(c.Note)
	if err != nil || s.Size != c.Size {
		return errors.Join(store.ErrDamaged, err)
	}
	if l.tree.Size() < c.Size {
		return fmt.Errorf("%w: the store has %d entries of %d", ErrLogForked, l.tree.Size(), c.Size)
	}
	root, err := l.tree.Root(ctx, c.Size)
	if err != nil {
		return err
	}
	if root != s.Root {
		return fmt.Errorf("%w: at %d entries", ErrLogForked, c.Size)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.checked = max(l.checked, c.Size)
	return nil
}

// keepLog gives places and publishes until ctx ends.
func (s *Server) keepLog(ctx context.Context) {
	t := time.NewTicker(logLook)
	defer t.Stop()
	failing := false
	for {
		round, err := s.tlog.step(ctx)
		if ctx.Err() != nil {
			return
		}
		switch { // each change once: an outage may last
		case err != nil && !failing:
			s.log.Error("the log does not go on", "err", err)
		case err == nil && failing:
			s.log.Info("the log goes on")
		}
		failing = err != nil
		if round {
			s.notify(roundTopic)
		}
		if err == nil {
			s.hub.notify(logTopic)
		}
		again := s.tlog.wake
		if failing {
			again = nil
		}
		select {
		case <-ctx.Done():
			return
		case <-again:
		case <-t.C:
		}
	}
}

const (
	logTopic   = "log"       // in this process: a checkpoint may be new
	roundTopic = "log-round" // in all
)
