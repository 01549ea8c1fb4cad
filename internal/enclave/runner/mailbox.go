package runner

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/cordon-exchange/cordon/internal/channel"
	"github.com/cordon-exchange/cordon/internal/enclave/brief"
	"github.com/cordon-exchange/cordon/internal/enclave/failure"
	"github.com/cordon-exchange/cordon/internal/enclave/link"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// mailbox asks brokers and waits for their answers, one round at a time.
type mailbox struct {
	host    *link.Host
	brief   *brief.Brief
	session *session
	now     func() time.Time
	after   int64 // the last answer seen
	lines   lines
}

// lines are those of a job to its brokers, each begun when it is first used.
type lines struct {
	mu sync.Mutex
	to map[statement.Fingerprint]*seal.Line
}

func (l *lines) line(to statement.Fingerprint, box []byte) (*seal.Line, error) {
	l.mu.Lock()
	known := l.to[to]
	l.mu.Unlock()
	if known != nil {
		return known, nil
	}
	begun, err := seal.NewLine(box) // a round has one letter for each broker: nobody else begins this one
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.to == nil {
		l.to = map[statement.Fingerprint]*seal.Line{}
	}
	l.to[to] = begun
	return begun, nil
}

// round is one question to several brokers.
type round struct {
	kind    string // message.KindHello, KindQuote or KindReceipt
	to      []statement.Fingerprint
	context func(statement.Digest, statement.Fingerprint) seal.Context
	letter  any
	wait    time.Duration // required: how long to wait for all of them
	// grace is how long others may still answer once one has failed or refused: what they have done must be accounted for.
	grace time.Duration
	// accept checks the answer of one broker, which is not a refusal and has the fields of its stage (package message sees to
	// that). It is not called concurrently.
	accept func(from statement.Fingerprint, r *message.Reply) error
}

// ask sends the letter and returns when every broker has answered, one of them has failed, or time is over.
func (m *mailbox) ask(ctx context.Context, r round) error {
	letters, err := m.seal(r)
	if err != nil {
		return failure.New(failure.Internal, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sent := make(chan error, 1)
	go func() {
		err := m.host.Send(ctx, letters)
		if err != nil {
			cancel()
		}
		sent <- err
	}()
	err = m.collect(ctx, r)
	if err != nil {
		cancel()
	}
	if sendErr := <-sent; sendErr != nil && !errors.Is(sendErr, context.Canceled) {
		return failure.New(failure.Link, sendErr)
	}
	return err
}

func (m *mailbox) seal(r round) ([]channel.Message, error) {
	text, err := statement.Marshal(r.letter)
	if err != nil {
		return nil, err
	}
	out := make([]channel.Message, len(r.to))
	var letters []*channel.Message
	for i, to := range r.to {
		out[i] = channel.Message{To: to, Kind: r.kind}
		letters = append(letters, &out[i])
	}
	return out, forEach(letters, func(c *channel.Message) (err error) {
		c.Body, err = m.sealTo(c.To, r.context(m.brief.Job.Digest(), c.To), text)
		if err == nil && len(c.Body) > channel.MaxBody {
			err = message.ErrMalformed
		}
		return err
	})
}

// sealTo seals a letter: a text of the conversation with its reader, or one alone.
func (m *mailbox) sealTo(to statement.Fingerprint, c seal.Context, text []byte) ([]byte, error) {
	if !c.Spoken() {
		return seal.To(m.brief.Box(to), c, text)
	}
	l, err := m.lines.line(to, m.brief.Box(to))
	if err != nil {
		return nil, err
	}
	return l.Seal(c, text)
}

// tooSoon keeps a host that answers every poll with nothing, at once, from keeping a processor busy.
const tooSoon = 5 * time.Millisecond

func (m *mailbox) collect(ctx context.Context, r round) error {
	missing := slices.Clone(r.to)
	deadline := m.now().Add(r.wait)
	var first error
	for len(missing) > 0 {
		asked := m.now()
		left := deadline.Sub(asked)
		if left <= 0 {
			break
		}
		items, err := m.host.Replies(ctx, channel.Await{After: m.after, Want: len(missing), Wait: left})
		if err != nil {
			return errors.Join(first, failure.New(failure.Link, err))
		}
		for _, i := range items {
			m.after = i.Seq
			at := slices.Index(missing, i.From)
			if at < 0 {
				continue
			}
			err := m.read(r, i)
			if errors.Is(err, errNotMeant) {
				continue
			}
			missing = slices.Delete(missing, at, at+1)
			if err != nil && first == nil {
				first, deadline = err, earlier(deadline, m.now().Add(r.grace))
			}
		}
		if len(items) == 0 && m.now().Sub(asked) < tooSoon {
			if err := sleep(ctx, tooSoon); err != nil {
				return errors.Join(first, failure.New(failure.Link, err))
			}
		}
	}
	if first == nil && len(missing) > 0 {
		first = failure.Of(failure.NoAnswer, m.brief.Name(missing[0]), nil)
	}
	return first
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// errNotMeant is an answer to another session or to an earlier question: it says nothing about this round. Anybody can put
// one there, so it must not end the job.
var errNotMeant = errors.New("runner: answer to something else")

// read opens one answer. That From wrote it, the statements in it must show: whoever knows the session can seal to it.
func (m *mailbox) read(r round, i channel.Reply) error {
	job := m.brief.Job.Digest()
	bad := func(err error) error { return failure.Of(failure.BadReply, m.brief.Name(i.From), err) }
	var reply message.Reply
	err := message.OpenWith(m.session.box, message.ReplyContext(job, i.From), i.Body, &reply)
	switch {
	case errors.Is(err, seal.ErrOpen):
		return errNotMeant
	case err != nil:
		return bad(err)
	case reply.Stage != r.kind:
		return errNotMeant
	case reply.Refusal == nil:
		return r.accept(i.From, &reply)
	}
	refusal, err := signedBy[statement.Refusal](m.brief, reply.Refusal, i.From)
	if err != nil || refusal.Body().Party != i.From || refusal.Body().Job != job {
		return bad(errors.Join(err, errForeign))
	}
	return failure.Of(failure.Refused, m.brief.Name(i.From), nil)
}

// errForeign says that a statement is for another job, session, plan, evidence or party.
var errForeign = errors.New("runner: statement is for something else")

// signedBy verifies a statement in a broker's reply: by that party, under a key that was not revoked.
func signedBy[T any, P interface {
	*T
	statement.Statement
}](b *brief.Brief, e *statement.Envelope, from statement.Fingerprint) (*statement.Verified[T], error) {
	v, err := statement.Verify[T, P](e, from)
	if err != nil {
		return nil, err
	}
	if err := b.KeysInForce(v.OnlineKeys()); err != nil {
		return nil, err
	}
	return v, nil
}
