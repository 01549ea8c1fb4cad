package ledger

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/statement"
)

// Ledger appends to one ledger file. It is safe for concurrent use.
type Ledger struct {
	now     func() time.Time
	release func()
	file    file
	fence   *fence // nil: none, in tests
	lost    chan struct{}
	once    sync.Once

	mu       sync.Mutex
	idle     *sync.Cond // flushing turned false
	entries  []Entry    // durable, then queued
	durable  int        // how many of entries are durable
	size     int64      // bytes durable
	head     Head       // of the last entry, queued ones included
	synced   Head       // of the last durable entry
	accounts *Accounts  // of all entries, queued ones included
	queue    *batch     // being filled
	flushing bool
	dirty    bool // the file may hold bytes behind size
	closed   bool
}

// batch is written and synced in one go.
type batch struct {
	bytes []byte
	count int
	head  Head // after its last entry
	done  chan struct{}
	err   error
}

// ErrClosed is returned by appends to a closed ledger.
var ErrClosed = errors.New("ledger: closed")

// Open takes the ledger in dir for this process: it holds the newest epoch, or claims the next, and locks it. It verifies all of it
// and drops the torn rest of an append that never returned. now is the party's clock.
func Open(dir string, owner statement.Fingerprint, now func() time.Time) (*Ledger, error) {
	if err := home.MkdirAll(dir); err != nil {
		return nil, err
	}
	c, err := held(dir)
	if err != nil {
		return nil, err
	}
	release, err := home.LockFile(lockFile(dir, c.Epoch), "another process writes this ledger")
	if err != nil {
		return nil, err
	}
	l, err := openEpoch(dir, c.Epoch, owner, now)
	if err != nil {
		release()
		return nil, err
	}
	l.release = release
	return l, nil
}

// openEpoch opens the file of an epoch that is claimed and locked.
func openEpoch(dir string, epoch int64, owner statement.Fingerprint, now func() time.Time) (*Ledger, error) {
	if err := os.Remove(releasedFile(dir, epoch)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, storage(err)
	}
	if err := copyOver(dir, epoch, owner); err != nil {
		return nil, err
	}
	f, src, err := openFile(entriesFile(dir, epoch))
	if err != nil {
		return nil, storage(err)
	}
	l, err := load(f, src, owner, now)
	if err != nil {
		f.Close()
		return nil, err
	}
	l.fence = &fence{dir: dir, epoch: epoch}
	if err := l.fence.holds(); err != nil {
		f.Close()
		return nil, err
	}
	return l, nil
}

// Held reports whether this process still has the ledger. Once it has not, it never has again: see Lost.
func (l *Ledger) Held() error {
	err := l.fence.holds()
	if errors.Is(err, ErrLost) {
		l.once.Do(func() { close(l.lost) })
	}
	return err
}

// Lost is closed once another writer was seen to have taken over.
func (l *Ledger) Lost() <-chan struct{} { return l.lost }

func load(f file, src []byte, owner statement.Fingerprint, now func() time.Time) (*Ledger, error) {
	entries, head, whole, err := parse(src, owner)
	if err != nil {
		return nil, err
	}
	l := &Ledger{
		now: now, file: f, release: func() {}, entries: entries, durable: len(entries), size: whole,
		head: head, synced: head, accounts: fold(entries), dirty: whole < int64(len(src)), lost: make(chan struct{}),
	}
	l.idle = sync.NewCond(&l.mu)
	return l, l.clean()
}

// clean cuts off bytes that no append ever reported as written.
func (l *Ledger) clean() error {
	if !l.dirty {
		return nil
	}
	if err := l.file.Truncate(l.size); err != nil {
		return storage(err)
	}
	if err := l.file.Sync(); err != nil {
		return storage(err)
	}
	l.dirty = false
	return nil
}

func storage(err error) error {
	return fault.New(fault.LocalStorage, "the ledger can't be written", "free disk space; nothing is released meanwhile, and nothing was lost", err)
}

// Check decides whether an entry may be appended, knowing all before it.
type Check func(*Accounts) error

// Compose decides which entries are appended, knowing all before them. None is fine: then nothing is written.
type Compose func(*Accounts) ([]Entry, error)

// Append makes the entry durable and returns it with its number. check (which
// may be nil) runs under the ledger's lock, so that two appends can't both pass
// one limit; its error is returned as it is. Concurrent appends share one sync.
// Append does not stop half-way when ctx ends: an entry is either durable or not there.
func (l *Ledger) Append(ctx context.Context, e Entry, check Check) (Entry, error) {
	list, err := l.AppendAll(ctx, func(a *Accounts) ([]Entry, error) {
		if check != nil {
			if err := check(a); err != nil {
				return nil, err
			}
		}
		return []Entry{e}, nil
	})
	if err != nil {
		return Entry{}, err
	}
	return list[0], nil
}

// AppendAll is Append for entries that are decided about together: none of them is in the ledger if it fails. A crash meanwhile
// may leave the first few, so that the order has to be one in which that does no harm.
func (l *Ledger) AppendAll(ctx context.Context, compose Compose) ([]Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	b, list, err := l.enqueue(compose)
	if err != nil || b == nil {
		l.mu.Unlock()
		return nil, err
	}
	if !l.flushing {
		// Whoever is about to append, and could run, does so first and is written in the same go: on few processors they would
		// come right after, each for a sync of its own.
		l.mu.Unlock()
		runtime.Gosched()
		l.mu.Lock()
	}
	for l.flushing && l.queue == b {
		l.idle.Wait()
	}
	if l.queue == b {
		l.flush(b)
	}
	l.mu.Unlock()
	<-b.done
	if b.err != nil {
		return nil, b.err
	}
	return list, nil
}

// enqueue chains the entries and puts them in the batch to be written next; no batch if there are none.
func (l *Ledger) enqueue(compose Compose) (*batch, []Entry, error) {
	if l.closed {
		return nil, nil, ErrClosed
	}
	list, err := compose(l.accounts)
	if err != nil || len(list) == 0 {
		return nil, nil, err
	}
	list = slices.Clone(list)
	src, head, err := l.chain(list)
	if err != nil {
		return nil, nil, err
	}
	if l.queue == nil {
		l.queue = &batch{done: make(chan struct{})}
	}
	b := l.queue
	b.bytes, b.count, b.head = append(b.bytes, src...), b.count+len(list), head
	l.entries, l.head = append(l.entries, list...), head
	for i := range list {
		l.accounts.apply(&list[i])
	}
	return b, list, nil
}

// chain numbers, dates and encodes entries that follow the last one.
func (l *Ledger) chain(list []Entry) (src []byte, head Head, err error) {
	head = l.head
	for i := range list {
		e := &list[i]
		e.Seq, e.Previous = head.Seq+1, head.Digest
		if e.AtMS == 0 {
			e.AtMS = l.now().UnixMilli()
		}
		line, err := encodeEntry(*e)
		if err != nil {
			return nil, Head{}, err
		}
		src, head = append(append(src, line...), '\n'), Head{Seq: e.Seq, Digest: statement.Sum(line)}
	}
	return src, head, nil
}

// flush writes a batch. It is called with the lock, and lets go of it meanwhile.
func (l *Ledger) flush(b *batch) {
	l.queue, l.flushing = nil, true
	size, dirty := l.size, l.dirty
	l.mu.Unlock()
	err := l.write(b, size, dirty)
	l.mu.Lock()
	l.flushing = false
	if err != nil {
		l.undo(b, err)
	} else {
		l.size, l.dirty = size+int64(len(b.bytes)), false
		l.durable += b.count
		l.synced = b.head
		close(b.done)
	}
	l.idle.Broadcast()
}

// write makes a batch durable, and reports it only if nobody has taken over by then: who takes over later reads it.
func (l *Ledger) write(b *batch, at int64, dirty bool) error {
	if err := l.Held(); err != nil {
		return err
	}
	if err := l.put(b, at, dirty); err != nil {
		return err
	}
	return l.Held()
}

func (l *Ledger) put(b *batch, at int64, dirty bool) error {
	if dirty {
		if err := l.file.Truncate(at); err != nil {
			return err
		}
	}
	if _, err := l.file.WriteAt(b.bytes, at); err != nil {
		return err
	}
	return l.file.Sync()
}

// undo forgets the batch and those queued behind it, which are chained to it.
func (l *Ledger) undo(b *batch, err error) {
	l.dirty = true
	b.err = storage(err)
	if errors.Is(err, ErrLost) {
		b.err = err
	}
	close(b.done)
	if l.queue != nil {
		l.queue.err = b.err
		close(l.queue.done)
		l.queue = nil
	}
	l.entries = l.entries[:l.durable]
	l.accounts = fold(l.entries)
	l.head = l.synced
	// If even this fails, the next append tries again before it writes. A file that others took over is left to them.
	if !errors.Is(err, ErrLost) {
		_ = l.clean()
	}
}

// View lets f read the accounts, durable entries and those about to be.
func (l *Ledger) View(f func(*Accounts)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(l.accounts)
}

// Entries returns all durable entries.
func (l *Ledger) Entries() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.entries[:l.durable])
}

// Exposures returns all releases, open ones first, older ones first.
func (l *Ledger) Exposures() []Exposure { return Exposures(l.Entries()) }

// Exposures of a list of verified entries, open ones first, older ones first.
func Exposures(entries []Entry) []Exposure {
	var open, closed []Exposure
	a := fold(entries)
	for _, e := range entries {
		if e.Kind != KindRelease {
			continue
		}
		for _, x := range a.jobs[e.Job].Exposures {
			if x.Release == e.Release && x.Open() {
				open = append(open, x)
			} else if x.Release == e.Release {
				closed = append(closed, x)
			}
		}
	}
	return append(open, closed...)
}

// Head returns the last durable entry's number and digest.
func (l *Ledger) Head() Head {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.synced
}

// At returns the head after the durable entry seq, if there is one.
func (l *Ledger) At(seq int64) (Head, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return headAt(l.entries[:l.durable], l.synced, seq)
}

// Holds reports whether the ledger is, or once was, at this head.
func (l *Ledger) Holds(h Head) bool {
	at, ok := l.At(h.Seq)
	return ok && at == h
}

// Close waits for appends under way and lets go of the file.
func (l *Ledger) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.flushing || l.queue != nil {
		l.idle.Wait()
	}
	if l.closed {
		return nil
	}
	l.closed = true
	err := l.file.Close()
	if l.fence != nil && l.Held() == nil {
		// On a full disk it counts as not given back: another machine then needs a person's word, this one does not.
		_ = home.WriteFile(releasedFile(l.fence.dir, l.fence.epoch), nil)
	}
	l.release()
	return err
}
