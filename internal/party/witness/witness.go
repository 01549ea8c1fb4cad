package witness

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/translog"
)

// Exchange is what a witness asks of the exchange's client.
type Exchange interface {
	LogKey(ctx context.Context) (string, error)
	LogRound(ctx context.Context, have int64, wait time.Duration) (*wire.LogCheckpoint, error)
	LogLeaves(ctx context.Context, from, limit int64) (*wire.LogLeaves, error)
	LogProofsOf(ctx context.Context, in *wire.LogAsk) (*wire.LogProofs, error)
	LogCosign(ctx context.Context, in *wire.LogCosign) error
}

// Options of a witness.
type Options struct {
	Exchange Exchange         // required
	Dir      string           // required: folder of the witness's files
	Signer   statement.Signer // required
	Log      *slog.Logger     // required
	Now      func() time.Time // required: the party's clock
	Delay    time.Duration    // after which what was accepted must be in the log; default DefaultDelay
}

// DefaultDelay is the time that the exchange has to log what it accepted.
const DefaultDelay = time.Minute

const (
	skew      = wire.MaxSkew           // between the party's clock and the exchange's
	pollTime  = 25 * time.Second       // where nothing is waited for
	lookTime  = 2 * time.Second        // between two looks where something is
	pause     = time.Second            // before an exchange that is away, or says what can't be, is asked again
	longPause = 30 * time.Second       // where it keeps no log
	seenTime  = 20 * time.Second       // between two writes of when a checkpoint was the newest
	tries     = 3                      // before leaves that don't fit a checkpoint are the exchange's, and no accident's
	firstWait = 200 * time.Millisecond // between them
)

// Witness of one party. Its methods may be called concurrently.
type Witness struct {
	opt  Options
	poke chan struct{}

	looking  sync.Mutex // one look at a time: it guards what follows
	state    state
	writtenS int64 // SeenMS of the state that is durable, in seconds
	key      *translog.Key
	last     *translog.Signed // nil: nothing seen
	cosigned *translog.Signed // that the exchange has this process's cosignature of
	up       time.Time        // since when the exchange answers without a gap
	empty    time.Time        // since when it shows no checkpoint of this log; zero: it does
	alarmed  Alarm            // zero: none
	mute     bool             // the key may not cosign: said once

	mu      sync.Mutex // never held while the exchange is asked
	shown   Status     // as it was when the last look ended
	waiting map[statement.Digest]int64
	notes   *os.File
	noted   int // lines in its file
}

// ErrAlarm is wrapped by errors of a witness that has raised the alarm.
var ErrAlarm = errors.New("witness: the exchange's log is not to be believed")

// Open reads what the witness has seen.
func Open(o Options) (*Witness, error) {
	if o.Exchange == nil || o.Dir == "" || o.Signer == nil || o.Log == nil || o.Now == nil {
		return nil, errors.New("witness: an option is missing")
	}
	if o.Delay <= 0 {
		o.Delay = DefaultDelay
	}
	w := &Witness{opt: o, poke: make(chan struct{}, 1), waiting: map[statement.Digest]int64{}, state: state{Format: stateFormat}}
	if err := w.load(); err != nil {
		return nil, err
	}
	w.show()
	return w, w.loadExpected()
}

// Close lets go of the files.
func (w *Witness) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.notes == nil {
		return nil
	}
	err := w.notes.Close()
	w.notes = nil
	return err
}

// Status is what a witness has seen.
type Status struct {
	Key      string // "": no log was seen
	Size     int64
	Root     []byte
	LastMS   int64  // time of the last leaf
	SeenMS   int64  // when it was the newest
	Cosigned bool   // the exchange has this party's cosignature of it, from this process
	Mute     bool   // the signing key may not cosign
	Waiting  int    // statements that are not proven to be in it yet
	OldestMS int64  // since when the oldest of them waits; 0: none does
	Alarm    *Alarm // nil: none
}

// Status of the witness, as of its last look. Nobody is asked, and nobody is waited for.
func (w *Witness) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.shown
	s.Waiting = len(w.waiting)
	for _, since := range w.waiting {
		if s.OldestMS == 0 || since < s.OldestMS {
			s.OldestMS = since
		}
	}
	return s
}

// show has Status tell what is known now. looking is held.
func (w *Witness) show() {
	s := Status{Key: w.state.Key, LastMS: w.state.LastMS, SeenMS: w.state.SeenMS, Mute: w.mute}
	if w.last != nil {
		s.Size, s.Root, s.Cosigned = w.last.Size, w.last.Root[:], w.cosigned == w.last
	}
	if w.alarmed.Kind != "" {
		a := w.alarmed
		s.Alarm = &a
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shown = s
}

// Run watches until ctx ends. After an alarm it only says so.
func (w *Witness) Run(ctx context.Context) error {
	for {
		err := w.Look(ctx, w.waitTime())
		if ctx.Err() != nil {
			return ctx.Err()
		}
		wait := time.Duration(0)
		switch {
		case errors.Is(err, ErrAlarm):
			w.opt.Log.Error("THE EXCHANGE'S LOG IS NOT TO BE BELIEVED, nothing is cosigned: 'cordon log verify' says why", "error", err)
			<-ctx.Done()
			return ctx.Err()
		case client.HasCode(err, wire.CodeNotFound):
			wait = longPause
		case err != nil:
			if !errors.Is(err, client.ErrUnavailable) {
				w.opt.Log.Warn("the log can't be checked", "error", err)
			}
			wait = pause
		case w.expects():
			wait = lookTime
		}
		if wait == 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

func (w *Witness) expects() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.waiting) > 0
}

func (w *Witness) waitTime() time.Duration {
	if w.expects() {
		return lookTime
	}
	return pollTime
}

// Look asks once, waiting for something new at most for wait, and cosigns what it finds consistent. An error that wraps ErrAlarm is for good.
func (w *Witness) Look(ctx context.Context, wait time.Duration) error {
	asked := w.opt.Now()
	w.looking.Lock()
	known, before, have := w.key != nil, w.last, int64(-1)
	if before != nil {
		have = before.Size
	}
	err := w.alarm()
	w.looking.Unlock()
	if err != nil {
		return err
	}
	if !known {
		if err := w.pin(ctx); err != nil {
			return err
		}
	}
	poll, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // what is accepted meanwhile is looked for soon
		select {
		case <-w.poke:
			time.Sleep(min(wait, lookTime))
			cancel()
		case <-poll.Done():
		}
	}()
	cp, err := w.opt.Exchange.LogRound(poll, have, wait)
	if poll.Err() != nil && ctx.Err() == nil && err != nil {
		cp, err = w.opt.Exchange.LogRound(ctx, have, 0)
	}
	w.looking.Lock()
	defer w.looking.Unlock()
	defer w.show()
	if err != nil {
		w.up = time.Time{}
		if known && client.HasCode(err, wire.CodeNotFound) {
			return w.missing("the exchange says that it keeps no log, and it kept one", err)
		}
		return err
	}
	if w.up.IsZero() {
		w.up = asked
	}
	if err := w.alarm(); err != nil {
		return err
	}
	if len(cp.Note) == 0 || w.last != before {
		// Nothing of another size: what is there must still be what was there. Or another look went on while the answer to this one was
		// on its way, which is older than what that found.
		asked = w.opt.Now()
		if cp, err = w.opt.Exchange.LogRound(ctx, -1, 0); err != nil {
			w.up = time.Time{}
			return err
		}
		if len(cp.Note) == 0 {
			return w.nothing()
		}
	}
	s, err := w.key.Open(cp.Note)
	if err != nil {
		return w.unsigned(ctx, err)
	}
	w.empty = time.Time{}
	if err := w.advance(ctx, s, asked); err != nil {
		return err
	}
	if err := w.included(ctx); err != nil {
		return err
	}
	return w.cosign(ctx)
}

// nothing is an exchange that shows no checkpoint.
func (w *Witness) nothing() error {
	if w.last == nil {
		return nil
	}
	return w.missing("the exchange shows no checkpoint any more", errNothing)
}

// missing is a log that was there. It has a while to be there again.
func (w *Witness) missing(text string, why error) error {
	now := w.opt.Now()
	if w.empty.IsZero() {
		w.empty = now
	}
	if now.Sub(w.empty) > w.opt.Delay {
		return w.raise(Alarm{Kind: AlarmGone, Text: text}, nil)
	}
	return why
}

// unsigned is a checkpoint that is not the pinned log's. Anybody on the way can spoil one: that proves nothing. An exchange that names
// another log, or shows nothing else for long, has given up the one that was there.
func (w *Witness) unsigned(ctx context.Context, why error) error {
	if text, err := w.opt.Exchange.LogKey(ctx); err == nil && text != w.key.String() {
		return w.anotherKey(text)
	}
	if w.last == nil {
		return why
	}
	return w.missing("the exchange shows no checkpoint any more that the log's key signed", why)
}

func (w *Witness) anotherKey(text string) error {
	return w.raise(Alarm{Kind: AlarmKey, Text: fmt.Sprintf("the exchange names another log than the one that this party pinned: %.300q", text)}, nil)
}

var errNothing = errors.New("witness: the exchange shows no checkpoint")

// alarm is the error of a witness that has raised it.
func (w *Witness) alarm() error {
	if w.alarmed.Kind == "" {
		return nil
	}
	return fmt.Errorf("%w: %s: %s", ErrAlarm, w.alarmed.Kind, w.alarmed.Text)
}

// raise keeps an alarm, with the two checkpoints that prove it where there are two.
func (w *Witness) raise(a Alarm, seen *translog.Signed) error {
	a.Format, a.AtMS = alarmFormat, w.opt.Now().UnixMilli()
	if w.last != nil {
		a.Known = w.last.Note()
	}
	if seen != nil {
		a.Seen = seen.Note()
	}
	w.alarmed = a
	err := write(w.file(alarmFile), &a)
	w.opt.Log.Error("ALARM: the exchange's log is not to be believed", "kind", a.Kind, "text", a.Text, "error", err)
	w.show()
	return w.alarm()
}

// pin remembers the log's key when it is seen first.
func (w *Witness) pin(ctx context.Context) error {
	text, err := w.opt.Exchange.LogKey(ctx)
	if err != nil {
		return err
	}
	k, err := translog.ParseKey(text)
	if err != nil {
		return err
	}
	w.looking.Lock()
	defer w.looking.Unlock()
	if w.key != nil {
		return nil
	}
	w.state.Key = text
	if err := write(w.file(stateFile), &w.state); err != nil {
		return err
	}
	w.key = k
	w.show()
	w.opt.Log.Info("log pinned", "key", text)
	return nil
}

// Key of the log, which is pinned now where none was seen before; "" for none.
func (w *Witness) Key(ctx context.Context) string {
	if s := w.Status(); s.Key != "" {
		return s.Key
	}
	if err := w.pin(ctx); err != nil {
		w.opt.Log.Info("no log of the exchange", "error", err)
	}
	return w.Status().Key
}

// CheckKey compares the exchange's log with the pinned one.
func (w *Witness) CheckKey(ctx context.Context) error {
	text, err := w.opt.Exchange.LogKey(ctx)
	if err != nil {
		return err
	}
	w.looking.Lock()
	defer w.looking.Unlock()
	if w.key == nil || w.key.String() == text {
		return w.alarm()
	}
	return w.anotherKey(text)
}

// advance checks a checkpoint against what was seen before, and remembers it.
func (w *Witness) advance(ctx context.Context, s *translog.Signed, asked time.Time) error {
	if w.last != nil && s.Size < w.last.Size {
		return w.raise(Alarm{Kind: AlarmSmaller, Text: fmt.Sprintf("the log has %d entries and had %d: it was rolled back", s.Size, w.last.Size)}, s)
	}
	if w.last != nil && s.Size == w.last.Size {
		if s.Root != w.last.Root {
			return w.raise(Alarm{Kind: AlarmForked, Text: fmt.Sprintf("two trees of %d entries", s.Size)}, s)
		}
		return w.still(asked)
	}
	next, late, err := w.follow(ctx, s, asked)
	if err != nil {
		return err
	}
	if late != "" {
		return w.raise(Alarm{Kind: AlarmTime, Text: late}, s)
	}
	next.SeenMS = asked.UnixMilli()
	if err := write(w.file(stateFile), next); err != nil { // durable first: a witness that forgets could cosign a fork
		return err
	}
	w.state, w.last, w.writtenS = *next, s, asked.Unix()
	return nil
}

// still is for a checkpoint that is the newest, still. That is remembered: what comes later can't be dated before it.
func (w *Witness) still(asked time.Time) error {
	if asked.UnixMilli() <= w.state.SeenMS {
		return nil
	}
	w.state.SeenMS = asked.UnixMilli()
	if asked.Unix()-w.writtenS < int64(seenTime/time.Second) {
		return nil
	}
	w.writtenS = asked.Unix()
	return write(w.file(stateFile), &w.state)
}

// follow reads the new leaves and finds the checkpoint's root from them. late says what is wrong with their times.
func (w *Witness) follow(ctx context.Context, s *translog.Signed, asked time.Time) (next *state, late string, err error) {
	wait := firstWait
	for try := 1; ; try++ {
		next, late, err = w.replay(ctx, s, asked)
		if !errors.Is(err, errRoot) {
			return next, late, err
		}
		if try == tries {
			return nil, "", w.raise(Alarm{Kind: AlarmForked, Text: fmt.Sprintf("the tree of %d entries does not go on from the one that was there: entries were exchanged, moved or left out", s.Size)}, s)
		}
		select { // leaves are not signed: what spoils them on the way is not the exchange's
		case <-ctx.Done():
			return nil, "", ctx.Err()
		case <-time.After(wait):
		}
		wait *= 2
	}
}

var errRoot = errors.New("witness: the leaves don't give the checkpoint's root")

func (w *Witness) replay(ctx context.Context, s *translog.Signed, asked time.Time) (*state, string, error) {
	r := translog.NewRange()
	if w.last != nil {
		var err error
		if r, err = translog.ParseRange(w.last.Size, w.state.Hashes); err != nil {
			return nil, "", err
		}
	}
	at, late := w.state.LastMS, ""
	for r.Size() < s.Size {
		got, err := w.opt.Exchange.LogLeaves(ctx, r.Size(), min(s.Size-r.Size(), wire.MaxLogLeaves))
		if err != nil {
			return nil, "", err
		}
		n := len(got.Leaves) / translog.LeafSize
		if n == 0 || len(got.Leaves)%translog.LeafSize != 0 || int64(n) > s.Size-r.Size() {
			return nil, "", errRoot
		}
		for i := range n {
			l, err := translog.ParseLeaf(got.Leaves[i*translog.LeafSize : (i+1)*translog.LeafSize])
			if err != nil {
				return nil, "", errRoot
			}
			if late == "" {
				late = w.judge(r.Size(), l.TimeMS, at, asked)
			}
			at = l.TimeMS
			if err := r.Append(l); err != nil {
				return nil, "", err
			}
		}
	}
	root, err := r.Root()
	if err != nil {
		return nil, "", err
	}
	if root != s.Root {
		return nil, "", errRoot
	}
	return &state{Format: stateFormat, Key: w.state.Key, Note: s.Note(), Hashes: r.Hashes(), LastMS: at}, late, nil
}

// judge says what is wrong with the time of a new leaf. It was put there after the checkpoint that was the newest when this party
// last looked; a party that has not looked yet can't tell.
func (w *Witness) judge(index, timeMS, before int64, asked time.Time) string {
	now := w.opt.Now().UnixMilli()
	switch {
	case timeMS < before:
		return fmt.Sprintf("entry %d is dated before the entry in front of it", index)
	case timeMS > now+skew.Milliseconds():
		return fmt.Sprintf("entry %d is dated %s ahead", index, time.Duration(timeMS-now)*time.Millisecond)
	case w.last != nil && w.state.SeenMS > 0 && timeMS < w.state.SeenMS-skew.Milliseconds():
		return fmt.Sprintf("entry %d is dated back: it was not there %s after its time", index, time.Duration(w.state.SeenMS-timeMS)*time.Millisecond)
	}
	return ""
}

// cosign signs the newest checkpoint that was found consistent, once. Where something that the exchange accepted should have been proven by
// now, it is not signed: an exchange that does not answer for it gets no witness.
func (w *Witness) cosign(ctx context.Context) error {
	if w.last == nil || w.cosigned == w.last {
		return nil
	}
	if old := w.Status().OldestMS; old != 0 && w.opt.Now().UnixMilli()-old > w.opt.Delay.Milliseconds() {
		return errUnproven
	}
	c, err := translog.Cosign(w.last, w.opt.Signer, w.opt.Now().Unix())
	if errors.Is(err, statement.ErrCertificate) {
		if !w.mute {
			w.mute = true
			w.opt.Log.Warn("the log is checked and not cosigned: the certificate of the signing key does not cover 'ack'", "error", err)
		}
		return nil
	}
	if err != nil {
		return err
	}
	w.mute = false
	err = w.opt.Exchange.LogCosign(ctx, &wire.LogCosign{Size: w.last.Size, Cosignature: *c})
	if err != nil && !client.HasCode(err, wire.CodeNotFound) { // not found: the round is over
		return err
	}
	w.cosigned = w.last
	return nil
}

var errUnproven = errors.New("witness: what the exchange accepted is not proven to be in the log yet, and the log is not cosigned meanwhile")
