package witness

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/translog"
)

// expected is a statement that the exchange took from this party, or gave to it.
type expected struct {
	Digest  statement.Digest `json:"digest"`
	SinceMS int64            `json:"since_ms"`
}

// maxExpected bounds what is waited for: an exchange that is so far behind raises the alarm by what is there.
const maxExpected = 1 << 16

// maxNoted lines may be in the file of what is no longer waited for.
const maxNoted = 1 << 12

// Expect says that the exchange has accepted a statement, which must be in the log soon. It survives the process, but not a power cut.
func (w *Witness) Expect(d statement.Digest) {
	if !d.Valid() {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, there := w.waiting[d]; there || len(w.waiting) >= maxExpected {
		return
	}
	e := expected{Digest: d, SinceMS: w.opt.Now().UnixMilli()}
	w.waiting[d] = e.SinceMS
	if err := w.note(e); err != nil {
		w.opt.Log.Warn("what must be in the log is not remembered", "error", err)
	}
	select {
	case w.poke <- struct{}{}:
	default:
	}
}

func (w *Witness) note(e expected) error {
	b, err := statement.Marshal(&e)
	if err != nil {
		return err
	}
	if w.notes == nil {
		if err := home.MkdirAll(w.opt.Dir); err != nil {
			return err
		}
		if w.notes, err = os.OpenFile(w.file(expectFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
			return home.Storage("can't write "+expectFile, err)
		}
	}
	w.noted++
	_, err = w.notes.Write(append(b, '\n'))
	return err
}

func (w *Witness) loadExpected() error {
	src, err := os.ReadFile(w.file(expectFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return home.Storage("can't read "+expectFile, err)
	}
	lines := bufio.NewScanner(bytes.NewReader(src))
	for lines.Scan() {
		w.noted++
		var e expected
		// A line that a killed process tore says nothing.
		if statement.Unmarshal(lines.Bytes(), &e) == nil && e.Digest.Valid() && len(w.waiting) < maxExpected {
			w.waiting[e.Digest] = e.SinceMS
		}
	}
	return lines.Err()
}

// found strikes out what is in the log. The file is emptied once nothing is waited for.
func (w *Witness) found(list []statement.Digest) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range list {
		delete(w.waiting, d)
	}
	if len(list) == 0 || len(w.waiting) > 0 && w.noted <= maxNoted+2*len(w.waiting) {
		return
	}
	if w.notes != nil {
		w.notes.Close()
		w.notes = nil
	}
	if err := w.rewrite(); err != nil {
		w.opt.Log.Warn("what is in the log is still waited for", "error", err)
	}
}

// rewrite leaves in the file what is waited for.
func (w *Witness) rewrite() error {
	w.noted = len(w.waiting)
	if len(w.waiting) == 0 {
		if err := os.Remove(w.file(expectFile)); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	var out []byte
	for d, since := range w.waiting {
		b, err := statement.Marshal(&expected{Digest: d, SinceMS: since})
		if err != nil {
			return err
		}
		out = append(append(out, b...), '\n')
	}
	return home.WriteFile(w.file(expectFile), out)
}

// oldest of what is waited for.
func (w *Witness) oldest(most int) []expected {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]expected, 0, len(w.waiting))
	for d, since := range w.waiting {
		out = append(out, expected{d, since})
	}
	slices.SortFunc(out, func(a, b expected) int { return int(a.SinceMS - b.SinceMS) })
	return out[:min(most, len(out))]
}

// included asks for what is waited for, and raises the alarm for what an exchange that answered all the time has left out for too long.
func (w *Witness) included(ctx context.Context) error {
	for {
		list := w.oldest(wire.MaxLogAsked)
		if len(list) == 0 || w.last == nil {
			return nil
		}
		ask := wire.LogAsk{Size: w.last.Size}
		for _, e := range list {
			ask.Digests = append(ask.Digests, e.Digest)
		}
		begin := w.opt.Now()
		got, err := w.opt.Exchange.LogProofsOf(ctx, &ask)
		if err != nil {
			if refuses(err) { // it answers, and proves nothing: what is overdue was left out
				err = errors.Join(w.overdue(list, nil, begin), err)
			}
			return err
		}
		var there []statement.Digest
		for i := range got.Entries {
			e := &got.Entries[i]
			if err := e.Verify(w.last.Checkpoint); err != nil {
				w.opt.Log.Warn("the exchange's proof does not hold", "digest", e.Digest.Short(), "error", err)
				continue
			}
			// What was accepted is logged as such: not as somebody's receipt or anchor.
			if e.Kind == translog.KindStatement || e.Kind == translog.KindJob {
				there = append(there, e.Digest)
			}
		}
		w.found(there)
		if err := w.overdue(list, there, begin); err != nil || len(there) == 0 || len(list) < wire.MaxLogAsked {
			return err
		}
	}
}

// refuses reports whether an exchange that could answer does not want to. One that has too much to do, or a fault, is asked again.
func refuses(err error) bool {
	var e *client.Error
	return errors.As(err, &e) && e.Status/100 == 4 && e.Status != http.StatusTooManyRequests
}

func (w *Witness) overdue(list []expected, there []statement.Digest, now time.Time) error {
	for _, e := range list {
		if slices.Contains(there, e.Digest) {
			continue
		}
		// Only time counts in which the exchange was there.
		since := max(e.SinceMS, w.up.UnixMilli())
		if now.UnixMilli()-since > w.opt.Delay.Milliseconds() {
			return w.raise(Alarm{Kind: AlarmDropped, Digest: e.Digest,
				Text: "the exchange accepted or delivered " + string(e.Digest) + ", and it is not in the log"}, nil)
		}
	}
	return nil
}
