package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// readyTime is how long a ready may wait for its quote.
const readyTime = 2 * time.Minute

// preview looks at a job as soon as it is known, before any enclave exists: what
// is not agreed to is refused, and the requester told, at once. The query is
// judged when an enclave asks, and what was revoked is asked for then, as it must be
// anyway: the enclave's start should not compete with the compilers.
func (b *Broker) preview(ctx context.Context, m *matter) (*message.Reply, error) {
	if err := b.openJob(ctx, m); err != nil {
		return nil, err
	}
	if err := b.seemsInForce(m); err != nil {
		return nil, err
	}
	if !m.isOwner(b.self) {
		return nil, nil
	}
	if err := b.granted(ctx, m); err != nil {
		return nil, err
	}
	return nil, b.openLetter(m)
}

// judge decides, for an owner, whether the job could get keys.
func (b *Broker) judge(ctx context.Context, m *matter) error {
	if err := b.granted(ctx, m); err != nil {
		return err
	}
	if err := b.openLetter(m); err != nil {
		return err
	}
	if err := b.compile(ctx, m); err != nil {
		return err
	}
	if err := m.coversPlan(); err != nil {
		return err
	}
	if err := b.underTerms(m); err != nil {
		return err
	}
	if err := b.noisy(m); err != nil {
		return err
	}
	var err error
	b.Ledger.View(func(a *ledger.Accounts) {
		if err = again(a, m.item.Job, b.Now().UnixMilli()); err == nil {
			err = b.unpaidFor(m, a)
		}
		if err == nil {
			err = b.quota(m, a)
		}
		if err == nil {
			_, err = b.unpaid(m, a)
		}
	})
	return err
}

// hello answers an enclave that introduces itself: a ready from an owner, the
// body from the requester, both from a party that is both.
func (b *Broker) hello(ctx context.Context, m *matter) (*message.Reply, error) {
	var h message.Hello
	if err := b.open(m, message.HelloContext(m.item.Job, b.self), &h); err != nil {
		return nil, err
	}
	b.answerTo(m, h.Session) // where a refusal goes
	if err := b.openJobInForce(ctx, m); err != nil {
		return nil, err
	}
	if h.Job != m.item.Job {
		return nil, refuse(CodeMessage, "the message is for another job")
	}
	want := evidence.HelloBinding(m.item.Job, h.Session.Digest())
	if err := b.attested(ctx, m, &h.Evidence, want); err != nil {
		return nil, err
	}
	reply := &message.Reply{}
	if m.isRequester(b.self) {
		if err := b.openLetter(m); err != nil {
			return nil, err
		}
		reply.Body = m.body
	}
	if m.isOwner(b.self) {
		if err := b.judge(ctx, m); err != nil {
			return nil, err
		}
		var err error
		if reply.Ready, err = b.ready(m); err != nil {
			return nil, err
		}
		b.keepLines(m)
	}
	return reply, nil
}

// answerTo sets m.session, if it can be sealed to: a line to it is begun, or was. Nothing but a
// refusal is sealed to it before it is attested.
func (b *Broker) answerTo(m *matter, s statement.Session) {
	if !s.Fingerprint().Valid() {
		return
	}
	line, err := m.lineTo(s.Box)
	if err != nil {
		return
	}
	m.session, m.named, m.line = &s, s.Digest(), line
}

// ready is signed by a party that is not frozen: judging took its time.
func (b *Broker) ready(m *matter) (*statement.Envelope, error) {
	if err := b.unfrozen(); err != nil {
		return nil, err
	}
	now := b.Now()
	var price int64
	b.Ledger.View(func(a *ledger.Accounts) { price = b.price(m, a, now.UnixMilli(), anyPrice).sum })
	r := statement.Ready{
		Owner: b.self, Job: m.item.Job, Session: m.named, Plan: m.salted, Grant: m.grant.Digest(),
		Price: price, Nonce: make([]byte, statement.NonceSize),
		ExpiresMS: min(now.Add(readyTime).UnixMilli(), m.job.Body().ExpiresMS),
	}
	if _, err := rand.Read(r.Nonce); err != nil {
		return nil, err
	}
	for _, p := range m.own {
		r.Offers = append(r.Offers, p.Offer.Digest())
	}
	return statement.Sign(r, b.Signer)
}

// open opens a message of an enclave.
func (b *Broker) open(m *matter, c seal.Context, into any) error {
	err := message.OpenBy(func(c seal.Context, sealed []byte) ([]byte, error) { return b.listen(m, c, sealed) }, c, m.item.Body, into)
	if err != nil {
		return refuseBecause(CodeMessage, "the message does not open", errors.Unwrap(err))
	}
	return nil
}
