package exchange

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api/layout"
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

	good    atomic.Int64 // when a step ended without an error, in Unix milliseconds; 0: the last one did not
	spoiled atomic.Bool  // something in the tree's folder is not what was written there

	mu      sync.Mutex // one appends, or compares
	tree    *logtree.Tree
	checked int64 // size up to which the tree agrees with what was published
	rebuilt bool  // since the tree agreed last
	tail    *tail // nil: what was published is read again before the next checkpoint
}

// tail hashes what is appended, beside the tree: what this process published last, and the store's leaves behind it.
type tail struct {
	from translog.Checkpoint
	all  *translog.Range
}

const (
	logBatch = 4096             // entries that are placed, or appended, at once
	logLook  = time.Second      // between two looks for entries of other processes
	logRound = 2 * time.Second  // between two rounds of witnesses
	logRest  = time.Second      // of placing and appending, however much comes, before a checkpoint is published
	logStall = 20 * time.Second // without a step: what is published may not be the newest any more
)

// ErrLogAhead says that the folder of the tree has entries that the store has not: the store is an old copy.
var ErrLogAhead = errors.New("exchange: the log's tree is ahead of the store, which is older than what it has published")

// ErrLogForked says that the tree's hashes are not those that were published.
var ErrLogForked = errors.New("exchange: the log's tree is not the one that was published")

// errSpoiled says that the tree's folder does not hold what was written there.
var errSpoiled = errors.New("exchange: the log's tree is damaged, and is built again")

// errStalled says that what is published may not be all that has a place. Witnesses are told nothing then: they would take a time at
// which the log was not the newest for one at which it was.
var errStalled = errors.New("exchange: the log does not go on")

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
	l.good.Store(time.Now().UnixMilli())
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
		if err != nil { // of a folder that is damaged nothing is needed
			return errors.Join(l.rebuild(ctx), l.unlogged(ctx))
		}
		list, err := l.store.LogLeaves(ctx, size-1, 1)
		if err != nil {
			return err
		}
		if len(list) != 1 || list[0].Index != size-1 || string(leafOf(&list[0])) != string(last) {
			return fmt.Errorf("%w: its last entry is another than the store's", ErrLogForked)
		}
	}
	return l.unlogged(ctx)
}

// unlogged queues what was accepted before there was a log.
func (l *tlog) unlogged(ctx context.Context) error {
	for {
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

// spoil has the tree built again, if that was not done since it agreed with what was published.
func (l *tlog) spoil(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.rebuilt {
		l.spoiled.Store(true)
		l.poke()
	}
	return errors.Join(errSpoiled, err)
}

// rebuild empties the tree. mu is held, or nobody else is there.
func (l *tlog) rebuild(ctx context.Context) error {
	l.checked, l.rebuilt, l.tail = 0, true, nil
	err := l.tree.Reset(ctx)
	if err != nil {
		l.spoiled.Store(true) // the next step tries again
	}
	return err
}

// stalled is an error where what is published may not be the newest.
func (l *tlog) stalled() error {
	if good := l.good.Load(); good == 0 || time.Now().UnixMilli()-good > logStall.Milliseconds() {
		return errStalled
	}
	return nil
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
		if err := l.append(ctx, b); err != nil || len(b.leaves) < logBatch {
			return err // what others place meanwhile is for the next time
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
	if l.tail != nil && (err != nil || l.tail.all.Size() != b.from || hashLeaves(l.tail.all, b.leaves) != nil) {
		l.tail = nil
	}
	if errors.Is(err, logtree.ErrOrder) {
		// None of it was published. The tree is built again, from what the store says stands where.
		return errors.Join(err, l.rebuild(ctx))
	}
	if size := l.tree.Size(); err != nil && size > 0 && !l.rebuilt && ctx.Err() == nil {
		_, edge := l.tree.Edge(ctx, size)
		_, last := l.tree.Leaves(size-1, 1)
		if edge != nil || last != nil { // what it is appended to can't be read: it is not that the disk is full
			l.spoiled.Store(true)
			err = errors.Join(errSpoiled, err)
		}
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
	if l.spoiled.CompareAndSwap(true, false) {
		l.mu.Lock()
		defer l.mu.Unlock()
		return false, errors.Join(errSpoiled, l.rebuild(ctx))
	}
	// Placing no more than a batch ahead of what is appended: a place has a time, and witnesses look at how old a new leaf is.
	if err := l.catchUp(ctx); err != nil {
		return false, err
	}
	if err := l.ready(ctx); err != nil {
		return false, err
	}
	begin := time.Now()
	next, err := l.place(ctx)
	for len(next.leaves) > 0 && err == nil {
		if time.Since(begin) > logRest {
			// Where something always comes, nothing would ever be published.
			l.poke()
			if err := l.extend(ctx, next); err != nil {
				return false, err
			}
			break
		}
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
	if err := l.follows(ctx, have, s); err != nil {
		return false, err
	}
	return due, l.store.Publish(ctx, store.Checkpoint{Size: s.Size, Note: n, AtMS: now, Round: due})
}

// hashed reports whether all that was appended since a checkpoint, which was published, was hashed on the way, and has this root.
func (l *tlog) hashed(have *store.Checkpoint, s *translog.Signed) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tail
	if t == nil || t.from.Size != have.Size || have.Size > 0 && !rootOf(have.Note, t.from.Root) || t.all.Size() != s.Size {
		return false
	}
	root, err := t.all.Root()
	if err != nil || root != s.Root {
		return false
	}
	t.from = translog.Checkpoint{Size: s.Size, Root: root}
	return true
}

// keep has what is appended from here on hashed on the way, if nothing was appended since.
func (l *tlog) keep(r *translog.Range) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if root, err := r.Root(); err == nil && l.tree.Size() == r.Size() {
		l.tail = &tail{from: translog.Checkpoint{Size: r.Size(), Root: root}, all: r}
	}
}

// ready begins with that where the tree ends with what was published.
func (l *tlog) ready(ctx context.Context) error {
	l.mu.Lock()
	known := l.tail != nil
	l.mu.Unlock()
	if known {
		return nil
	}
	have, err := l.published(ctx)
	if err != nil || have.Size != l.tree.Size() {
		return err
	}
	r, err := l.rangeOf(ctx, have)
	if err != nil {
		return l.spoil(err)
	}
	l.keep(r)
	return nil
}

// rangeOf is the right edge of the tree that was published.
func (l *tlog) rangeOf(ctx context.Context, have *store.Checkpoint) (*translog.Range, error) {
	if have.Size == 0 {
		return translog.NewRange(), nil
	}
	edge, err := l.tree.Edge(ctx, have.Size)
	if err != nil {
		return nil, err
	}
	r, err := translog.ParseRange(have.Size, edge)
	if err != nil {
		return nil, err
	}
	if root, err := r.Root(); err != nil || !rootOf(have.Note, root) {
		return nil, errors.Join(ErrLogForked, err)
	}
	return r, nil
}

func hashLeaves(r *translog.Range, leaves [][]byte) error {
	for _, leaf := range leaves {
		parsed, err := translog.ParseLeaf(leaf)
		if err != nil {
			return errors.Join(store.ErrDamaged, err)
		}
		if err := r.Append(parsed); err != nil {
			return err
		}
	}
	return nil
}

// follows checks that a checkpoint is of the published tree and the store's leaves behind it. What Tessera read from a damaged folder would be
// signed otherwise, and no witness forgets a fork.
func (l *tlog) follows(ctx context.Context, have *store.Checkpoint, s *translog.Signed) error {
	if l.hashed(have, s) {
		return nil
	}
	r, err := l.rangeOf(ctx, have)
	if err != nil {
		return l.spoil(err)
	}
	for r.Size() < s.Size {
		b, err := l.read(ctx, r.Size())
		if err != nil {
			return err
		}
		if len(b.leaves) == 0 {
			return fmt.Errorf("%w: the store has %d entries of %d", ErrLogForked, r.Size(), s.Size)
		}
		if err := hashLeaves(r, b.leaves[:min(int64(len(b.leaves)), s.Size-r.Size())]); err != nil {
			return err
		}
	}
	if root, err := r.Root(); err != nil || root != s.Root {
		return l.spoil(err)
	}
	l.keep(r)
	return nil
}

// rootOf reports whether a note, which was verified, is of a tree with this root.
func rootOf(note []byte, root [sha256.Size]byte) bool {
	of, err := translog.RootUnverified(note)
	return err == nil && of == root
}

// prover makes proofs to one checkpoint, none that does not hold.
type prover struct {
	l  *tlog
	at translog.Checkpoint
	p  *logtree.Prover
}

// prover for a checkpoint that was published.
func (l *tlog) prover(c *store.Checkpoint) (*prover, error) {
	p := &prover{l: l, at: translog.Checkpoint{Size: c.Size}, p: l.tree.Prover(c.Size)}
	if c.Size == 0 {
		return p, nil
	}
	var err error
	if p.at.Root, err = translog.RootUnverified(c.Note); err != nil {
		return nil, errors.Join(store.ErrDamaged, err)
	}
	return p, nil
}

func (p *prover) inclusion(ctx context.Context, e *store.LogEntry) ([][]byte, error) {
	if len(e.Commitment) != len(translog.Commitment{}) {
		return nil, store.ErrDamaged
	}
	hashes, err := p.p.Inclusion(ctx, e.Index)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err == nil {
		err = translog.VerifyInclusion(translog.Leaf{TimeMS: e.TimeMS, Commitment: translog.Commitment(e.Commitment)}, e.Index, hashes, p.at)
	}
	if err != nil {
		return nil, p.l.spoil(err)
	}
	return hashes, nil
}

// leaves reads from the tree, none that is not what its hash is of.
func (l *tlog) leaves(from, n int64) ([]byte, error) {
	out, err := l.tree.Leaves(from, n)
	if err != nil {
		return nil, l.spoil(err)
	}
	for rest := out; len(rest) > 0; {
		tile, first := from/layout.TileWidth, from%layout.TileWidth
		take := min(int64(len(rest))/translog.LeafSize, layout.TileWidth-first)
		hashes, err := l.tree.File(strings.TrimPrefix(layout.TilePath(0, uint64(tile), uint8((first+take)%layout.TileWidth)), "tile/"))
		if err != nil {
			return nil, l.spoil(err)
		}
		for i := range take {
			at := (first + i) * sha256.Size
			if !bytes.Equal(rfc6962.DefaultHasher.HashLeaf(rest[:translog.LeafSize]), hashes[at:at+sha256.Size]) {
				return nil, l.spoil(nil)
			}
			rest = rest[translog.LeafSize:]
		}
		from += take
	}
	return out, nil
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
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return l.spoil(err)
	}
	if root != s.Root {
		return errors.Join(fmt.Errorf("%w: at %d entries", ErrLogForked, c.Size), l.spoil(nil))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.checked, l.rebuilt = max(l.checked, c.Size), false
	return nil
}

// keepLog gives places and publishes until ctx ends.
func (s *Server) keepLog(ctx context.Context) {
	t := time.NewTicker(logLook)
	defer t.Stop()
	failing, l := false, s.tlog
	for {
		round, err := l.step(ctx)
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
		if failing {
			l.good.Store(0)
		} else {
			l.good.Store(time.Now().UnixMilli())
		}
		if round {
			s.notify(roundTopic)
		}
		if err == nil {
			s.hub.notify(logTopic)
		}
		again := l.wake
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
