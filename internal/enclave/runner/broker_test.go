package runner

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/simulated"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// broker answers for one party as the protocol says, with real signatures and keys. The hooks play its faults: each may
// change the answer of one round before it is sealed.
type broker struct {
	w *world
	*party
	silent string // the round in which nothing is answered

	onReady   func(*statement.Ready)
	onRelease func(*statement.Release, *statement.ReleasedKeys)
	onSealed  func([]byte) []byte
	onAck     func(*statement.Ack)
	onReply   func(*message.Reply)
	signer    *party // who signs; default: the party itself

	session *statement.Session
	line    statement.Digest // by which the hello came
	ready   *statement.Envelope
	release *statement.Envelope
	notice  *message.ReceiptNotice // the receipt that it got
}

func (b *broker) by() *party {
	if b.signer != nil {
		return b.signer
	}
	return b.party
}

func (b *broker) owner() bool { return b.offer != nil }

func (b *broker) salted() statement.Digest {
	return statement.Digest(b.w.compile(b.w.body.SQL).SaltedDigest(b.w.body.Salt))
}

// answer gives the sealed reply to one message, or nil.
func (b *broker) answer(kind string, sealed []byte) []byte {
	t, w, job := b.w.t, b.w, b.w.job.Digest()
	if kind == b.silent {
		return nil
	}
	reply := message.Reply{Stage: kind}
	switch kind {
	case message.KindHello:
		var m message.Hello
		if err := message.OpenWith(b.box, message.HelloContext(job, b.fp()), sealed, &m); err != nil {
			t.Errorf("%s: hello: %v", b.name, err)
			return nil
		}
		b.session = &m.Session
		b.line, _ = seal.LineOf(sealed)
		b.checkEvidence(&m.Evidence, evidence.HelloBinding(job, m.Session.Digest()))
		if b.owner() {
			b.ready = b.makeReady(job)
			reply.Ready = b.ready
		}
		j, _ := statement.DecodeUnverified[statement.Job](w.job.Payload)
		if j.Requester == b.fp() {
			body := w.body
			reply.Body = &body
		}
	case message.KindQuote:
		var m message.Quote
		if err := message.OpenWith(b.box, message.QuoteContext(job, b.fp()), sealed, &m); err != nil {
			t.Errorf("%s: quote: %v", b.name, err)
			return nil
		}
		if line, _ := seal.LineOf(sealed); line != b.line {
			t.Errorf("%s: the quote begins another line than the hello", b.name)
		}
		var digests []statement.Digest
		for _, e := range m.Readies {
			digests = append(digests, e.Digest())
		}
		if len(m.Readies) != len(w.owners) || !slices.Contains(digests, b.ready.Digest()) || m.Plan != b.salted() {
			t.Errorf("%s: quote is over other readies or another plan", b.name)
		}
		b.checkEvidence(&m.Evidence, evidence.QuoteBinding(job, b.session.Digest(), m.Plan, digests))
		d, _ := m.Evidence.Digest()
		reply.Release, reply.Keys = b.makeRelease(job, d)
		b.release = reply.Release
	case message.KindReceipt:
		var m message.ReceiptNotice
		if err := message.OpenWith(b.box, message.ReceiptContext(job, b.fp()), sealed, &m); err != nil {
			t.Errorf("%s: receipt: %v", b.name, err)
			return nil
		}
		if b.notice != nil {
			t.Errorf("%s: two receipts", b.name)
		}
		b.notice = &m
		if _, err := statement.Verify[statement.Receipt](&m.Receipt, b.session.Fingerprint()); err != nil {
			t.Errorf("%s: receipt: %v", b.name, err)
		}
		ack := statement.Ack{Owner: b.fp(), Job: job, Receipt: m.Receipt.Digest(), Release: b.release.Digest(), ReleasedMS: w.now, ClosedMS: w.now + 5,
			Head: statement.LedgerHead{Seq: 1, Digest: statement.Sum([]byte(b.name))}}
		if b.onAck != nil {
			b.onAck(&ack)
		}
		reply.Ack = sign(t, ack, b.by())
	}
	if b.onReply != nil {
		b.onReply(&reply)
	}
	return sealRaw(t, b.session.Box, message.ReplyContext(job, b.fp()), reply)
}

// sealRaw seals what package message would refuse to seal.
func sealRaw(t testing.TB, box []byte, c seal.Context, v any) []byte {
	return must[[]byte](t)(seal.To(box, c, must[[]byte](t)(statement.Marshal(v))))
}

func (b *broker) checkEvidence(e *statement.Evidence, want evidence.ReportData) {
	c, err := simulated.Verify(context.Background(), e, time.Now())
	if err != nil || c.ReportData != want {
		b.w.t.Errorf("%s: evidence: %v, or over something else", b.name, err)
	}
}

func (b *broker) makeReady(job statement.Digest) *statement.Envelope {
	r := statement.Ready{
		Owner: b.fp(), Job: job, Session: b.session.Digest(), Plan: b.salted(), Offers: []statement.Digest{b.offer.Digest()},
		Grant: b.grant.Digest(), Nonce: nonce(9), ExpiresMS: b.w.now + 60_000,
	}
	if b.onReady != nil {
		b.onReady(&r)
	}
	return sign(b.w.t, r, b.by())
}

func (b *broker) makeRelease(job, evidence statement.Digest) (*statement.Envelope, []byte) {
	columns := b.w.compile(b.w.body.SQL).Columns(string(b.offer.Digest()))
	if b.w.noisy {
		columns = append(columns, statement.NoiseKey)
	}
	keys := statement.ReleasedKeys{Offers: []statement.OfferKeys{{Offer: b.offer.Digest(), Footer: b.keys[statement.FooterKey].BytesUnsafe()}}}
	for _, c := range columns {
		keys.Offers[0].Column = append(keys.Offers[0].Column, statement.ColumnKey{Column: c, Key: b.keys[c].BytesUnsafe()})
	}
	r := statement.Release{
		Owner: b.fp(), Job: job, Session: b.session.Digest(), Plan: b.salted(), Evidence: evidence, Ready: b.ready.Digest(),
		Grant: b.grant.Digest(), Appraisal: statement.Appraisal{Kind: simulated.Kind, Simulated: true, Policies: []statement.Digest{b.policy()}},
		Columns: []statement.Opening{{Offer: b.offer.Digest(), Columns: columns}}, Number: 1, ReleasedMS: b.w.now,
	}
	if b.onRelease != nil {
		b.onRelease(&r, &keys)
	}
	sealed := must[[]byte](b.w.t)(message.SealTo(b.session.Box, message.KeysContext(job, b.fp()), keys))
	if r.Sealed == "" {
		r.Sealed = statement.Sum(sealed)
	}
	if b.onSealed != nil {
		sealed = b.onSealed(sealed)
	}
	return sign(b.w.t, r, b.by()), sealed
}

// policy is the digest of the policy that this owner's offer carries.
func (b *broker) policy() statement.Digest {
	return statement.Sum([]byte(must[*statement.Offer](b.w.t)(statement.DecodeUnverified[statement.Offer](b.offer.Payload)).Policy))
}

// refusal of this broker, signed by it.
func (b *broker) refusal(stage string) *statement.Envelope {
	return sign(b.w.t, statement.Refusal{Party: b.fp(), Job: b.w.job.Digest(), Stage: stage, Code: "policy", AtMS: b.w.now}, b.by())
}
