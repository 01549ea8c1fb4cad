package broker

import (
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/party/heads"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/statement"
)

// compareHeads compares the ledger with what this party is known to have signed for, before anything is answered.
func (b *Broker) compareHeads() {
	for _, a := range []heads.Ack{b.Heads.Newest(b.self), b.Heads.Missing(b.self)} {
		if a != nil && !b.accounted(a) {
			b.fallBehind(a)
		}
	}
}

// accounted reports whether the ledger holds an own acknowledgement's head, or was repaired after it was signed: then all that the
// lost entries may have said counts as said.
func (b *Broker) accounted(a heads.Ack) bool {
	var repairedMS int64
	b.Ledger.View(func(acc *ledger.Accounts) { repairedMS = acc.RepairedMS() })
	return b.Ledger.Holds(a.Body().Head) || a.Body().ClosedMS <= repairedMS
}

// fallBehind is for good: only a process that is started with another ledger answers again.
func (b *Broker) fallBehind(a heads.Ack) {
	b.behind.Store(true)
	b.Log.Error("the ledger lacks an entry that this party signed for, and nothing is released: restore the newest copy of it, then start the agent again; "+
		"'cordon ledger verify' shows its head", "entry", a.Body().Head.Seq, "digest", a.Body().Head.Digest, "have", b.Ledger.Head().Seq)
}

// Behind reports whether the ledger was found to be older than what this party signed for. Nothing is released then.
func (b *Broker) Behind() bool { return b.behind.Load() }

// Anchored compares the ledger with a head of it that this party had logged at a time of its own clock.
func (b *Broker) Anchored(h ledger.Head, atMS int64) {
	var repairedMS int64
	b.Ledger.View(func(acc *ledger.Accounts) { repairedMS = acc.RepairedMS() })
	if b.Ledger.Holds(h) || atMS <= repairedMS {
		return
	}
	b.behind.Store(true)
	b.Log.Error("the ledger lacks an entry that this party anchored in the exchange's log, and nothing is released: restore the newest copy of it, then start "+
		"the agent again; 'cordon ledger verify' shows its head", "entry", h.Seq, "digest", h.Digest, "have", b.Ledger.Head().Seq)
}

// AnchorMissing is for an anchor in the exchange's log, of a time of its clock, that is of no entry of the ledger. A repair accounts for
// what was lost before it; the exchange's clock may be a little ahead.
func (b *Broker) AnchorMissing(timeMS int64) {
	var repairedMS int64
	b.Ledger.View(func(acc *ledger.Accounts) { repairedMS = acc.RepairedMS() })
	if repairedMS != 0 && timeMS <= repairedMS+wire.MaxSkew.Milliseconds() {
		return
	}
	b.behind.Store(true)
	b.Log.Error("the exchange's log holds a later head of this party's ledger than the ledger has, and nothing is released: restore the newest copy of it, "+
		"then start the agent again; 'cordon ledger verify' shows its head", "have", b.Ledger.Head().Seq)
}

// abreast refuses what may lead to a release while budgets that were spent may be missing from the ledger.
func (b *Broker) abreast() error {
	if b.Behind() {
		return refuse(CodeBehind, "this party's ledger is older than what it signed for: it has to restore the newest copy, or repair it ('cordon ledger verify' shows its head)")
	}
	return nil
}

// witnessed compares the ledger with the acknowledgement that the requester keeps (docs/spec/ledger.md, section 6). None is fine: who
// asks for the first time has none. One that this party did not sign says that the requester's agent is broken, or tries something.
func (b *Broker) witnessed(m *matter, e *statement.Envelope) error {
	if e == nil {
		return nil
	}
	a, err := heads.Verify(e, b.self)
	if err != nil {
		return refuseBecause(CodeMessage, "the job comes with an acknowledgement that this party did not sign", err)
	}
	if b.accounted(a) {
		return nil
	}
	b.fallBehind(a)
	if err := b.Heads.Miss(a); err != nil {
		b.Log.Error("the missing entry is not remembered", "job", m.item.Job.Short(), "error", err)
	}
	return b.abreast()
}

// signedFor remembers an own acknowledgement, so that a ledger that is put back without the rest of the home is noticed at the start.
// Forgetting it is harmless: whoever was sent it reminds this party.
func (b *Broker) signedFor(e *statement.Envelope) {
	a, err := heads.Verify(e, b.self)
	if err == nil {
		_, err = b.Heads.See(a)
	}
	if err != nil {
		b.Log.Warn("own ledger head not remembered", "error", err)
	}
}
