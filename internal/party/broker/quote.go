package broker

import (
	"context"
	"slices"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/internal/party/released"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/statement"
)

// quote releases keys: evidence over every owner's ready, the same
// plan compiled again, charged before anything is signed.
func (b *Broker) quote(ctx context.Context, m *matter) (*message.Reply, error) {
	var q message.Quote
	if err := b.open(m, message.QuoteContext(m.item.Job, b.self), &q); err != nil {
		return nil, err
	}
	b.answerTo(m, q.Session) // where a refusal goes
	if err := b.openJobInForce(ctx, m); err != nil {
		return nil, err
	}
	if q.Job != m.item.Job || !m.isOwner(b.self) {
		return nil, refuse(CodeMessage, "the message is for another job or party")
	}
	var readies []statement.Digest
	for i := range q.Readies {
		readies = append(readies, q.Readies[i].Digest())
	}
	want := evidence.QuoteBinding(m.item.Job, q.Session.Digest(), q.Plan, readies)
	if err := b.attested(ctx, m, &q.Evidence, want); err != nil {
		return nil, err
	}
	ev, err := q.Evidence.Digest()
	if err != nil {
		return nil, evidenceRefusal(evidence.ErrMalformed)
	}
	if reply, ok := b.answered(m, ev); ok {
		return reply, nil
	}
	if err := b.judge(ctx, m); err != nil {
		return nil, err
	}
	if q.Plan != m.salted {
		return nil, refuse(CodePlanMismatch, "the enclave has another plan than this party compiled")
	}
	own, err := b.readies(ctx, m, &q)
	if err != nil {
		return nil, err
	}
	return b.release(ctx, m, own, ev, &q.Evidence)
}

// readies checks that exactly the job's owners are ready, each under the
// fingerprint that the contract pins, for this job, session and plan, over the
// offers that the plan reads; and returns this party's own.
func (b *Broker) readies(ctx context.Context, m *matter, q *message.Quote) (own *statement.Verified[statement.Ready], err error) {
	owners := m.job.Body().Owners
	if len(q.Readies) != len(owners) {
		return nil, refuse(CodeReadies, "not one ready of each owner")
	}
	left := slices.Clone(owners)
	for i := range q.Readies {
		v, err := statement.VerifyAuthor[statement.Ready](&q.Readies[i])
		if err != nil {
			return nil, refuseBecause(CodeReadies, "a ready is not signed by its owner", err)
		}
		if err := b.signedInForce(ctx, v.OnlineKeys(), v.CoveredAt); err != nil {
			return nil, err
		}
		at := slices.Index(left, v.Body().Owner)
		if at < 0 {
			return nil, refuse(CodeReadies, "a ready of someone who is no owner of the job, or a second one")
		}
		left = slices.Delete(left, at, at+1)
		if err := b.readyFits(m, v.Body()); err != nil {
			return nil, err
		}
		if v.Body().Owner == b.self {
			own = v
		}
	}
	if own == nil || own.Body().Grant != m.grant.Digest() || !m.couldCost(own.Body().Price) {
		return nil, refuse(CodeReadies, "this party's own ready is for another grant or price")
	}
	return own, nil
}

func (b *Broker) readyFits(m *matter, r *statement.Ready) error {
	if r.Job != m.item.Job || r.Session != m.named || r.Plan != m.salted {
		return refuse(CodeReadies, "a ready is for another job, session or plan")
	}
	if b.Now().UnixMilli() >= r.ExpiresMS {
		return refuse(CodeReadies, "a ready has expired")
	}
	var want []statement.Digest
	for _, s := range m.plan.Sources {
		if s.Owner == string(r.Owner) {
			want = append(want, statement.Digest(s.Offer))
		}
	}
	if !sameSet(r.Offers, want) {
		return refuse(CodeReadies, "a ready is over other offers than the plan reads")
	}
	return nil
}

func sameSet[T ~string](a, b []T) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// release charges, then unwraps, signs and records. What it returns may be sent:
// the exposure is on the disk.
func (b *Broker) release(ctx context.Context, m *matter, ready *statement.Verified[statement.Ready], ev statement.Digest, shown *statement.Evidence) (*message.Reply, error) {
	charged, err := b.charge(ctx, m, ready, ev)
	if err != nil {
		return nil, err
	}
	var number int64
	b.Ledger.View(func(a *ledger.Accounts) { number = int64(len(a.Job(m.item.Job).Exposures)) + 1 })
	sealed, columns, err := b.sealKeys(ctx, m)
	if err != nil {
		return nil, err
	}
	rel := statement.Release{
		Owner: b.self, Job: m.item.Job, Session: m.named, Plan: m.salted, Evidence: ev, Ready: ready.Digest(),
		Grant: m.grant.Digest(), Sealed: statement.Sum(sealed), Appraisal: m.appraisal(), Columns: columns, Number: number,
		Charged: charged, ReleasedMS: b.Now().UnixMilli(),
	}
	e, err := statement.Sign(rel, b.Signer)
	if err != nil {
		return nil, err
	}
	reply := &message.Reply{Stage: message.KindQuote, Release: e, Keys: sealed}
	kept := &released.Entry{Job: m.item.Job, Digest: ev, AtMS: rel.ReleasedMS, Evidence: *shown, Reply: *reply}
	if err := b.Released.Keep(kept); err != nil {
		return nil, unwritten(err)
	}
	_, err = b.Ledger.Append(ctx, ledger.Entry{
		Kind: ledger.KindRelease, AtMS: rel.ReleasedMS, Job: rel.Job, Contract: m.contract.Digest(), Requester: m.job.Body().Requester,
		Session: rel.Session, Plan: rel.Plan, Evidence: ev, Ready: rel.Ready, Grant: rel.Grant, Release: e.Digest(),
		Columns: columns, Number: number, Charged: charged, Appraisal: &rel.Appraisal,
	}, func(a *ledger.Accounts) error {
		if err := b.paid(m, a); err != nil {
			return err
		}
		if err := chargeable(m, a, b.Now().UnixMilli()); err != nil {
			return err
		}
		return b.releasable(a, m, ready.Digest(), ev)
	})
	if err != nil {
		return nil, unwritten(err)
	}
	return reply, nil
}

// releasable is fresh, under a grant that is still in force: a person may revoke
// it while the query compiles or the key store works, and then no key leaves. Nor
// does one if another job showed meanwhile that the ledger is an old copy.
func (b *Broker) releasable(a *ledger.Accounts, m *matter, ready, ev statement.Digest) error {
	if err := b.abreast(); err != nil {
		return err
	}
	if err := b.unfrozenBy(a); err != nil {
		return err
	}
	if grant, _ := a.Grant(m.contract.Digest()); grant != m.grant.Digest() {
		return refuse(CodeGrantRevoked, "the grant was revoked")
	}
	return b.fresh(a, m.item.Job, ready, ev)
}

// fresh refuses evidence and readies that keys were released on before.
func (b *Broker) fresh(a *ledger.Accounts, job, ready, ev statement.Digest) error {
	if a.EvidenceSeen(ev) {
		return refuse(CodeReplayed, "keys were released to this evidence before")
	}
	if a.ReadyUsed(ready) {
		return refuse(CodeReplayed, "this party's ready was used before")
	}
	return again(a, job, b.Now().UnixMilli())
}

// charge makes the price, and what is taken from privacy budgets, durable before
// anything is signed. A job is charged once: its re-releases cost nothing. So is a
// question, by a budget: asked again it has the same noise, and says nothing new.
// A charge stays whatever becomes of the job, but pays for contract and day only if keys leave. It is never more than the ready said:
// what another job paid for since then is not asked again, and what came due since then, for a day that began or for a job that never got
// keys, is asked of the next job.
func (b *Broker) charge(ctx context.Context, m *matter, ready *statement.Verified[statement.Ready], ev statement.Digest) (int64, error) {
	var paid bool
	var price cost
	_, err := b.Ledger.AppendAll(ctx, func(a *ledger.Accounts) ([]ledger.Entry, error) {
		if err := b.releasable(a, m, ready.Digest(), ev); err != nil {
			return nil, err
		}
		now := b.Now().UnixMilli()
		price = b.price(m, a, now, ready.Body().Price)
		budgets, err := b.unpaid(m, a)
		if err != nil {
			return nil, err
		}
		if a.Job(m.item.Job).ChargedMS != 0 {
			paid = true
			return budgets, nil
		}
		order, err := b.payer(m, a, price.sum, now)
		if err != nil {
			return nil, err
		}
		return append([]ledger.Entry{{
			Kind: ledger.KindCharge, AtMS: now, Order: order, Job: m.item.Job, Contract: m.contract.Digest(), Requester: m.job.Body().Requester,
			Plan: m.salted, Grant: m.grant.Digest(), Charged: price.sum, UntilMS: m.chargedUntil(now), Offers: digests(m.withTerms()), Flat: price.flat, Day: price.day,
		}}, budgets...), b.quota(m, a)
	})
	if err != nil {
		return 0, unwritten(err)
	}
	if paid {
		return b.unspent(m), nil
	}
	return price.sum, nil
}

// unspent is the charge of a job that was charged, but whose first release never
// came to be (the agent was killed between the two); else 0.
func (b *Broker) unspent(m *matter) (charge int64) {
	b.Ledger.View(func(a *ledger.Accounts) {
		if j := a.Job(m.item.Job); len(j.Exposures) == 0 {
			charge = j.Charged
		}
	})
	return charge
}

// unwritten turns a failure of the disk into a refusal: nothing was released.
func unwritten(err error) error {
	if fault.ExitCode(err) == int(fault.LocalStorage) {
		return refuseBecause(CodeLedger, "this party's ledger can't be written", err)
	}
	return err
}

// sealKeys unwraps just the keys that the plan needs, and seals them to the
// attested session.
func (b *Broker) sealKeys(ctx context.Context, m *matter) ([]byte, []statement.Opening, error) {
	var keys statement.ReleasedKeys
	var columns []statement.Opening
	defer func() {
		for _, k := range keys.Offers {
			clear(k.Footer)
			for _, c := range k.Column {
				clear(c.Key)
			}
		}
	}()
	for _, p := range m.own {
		offer := p.Offer.Digest()
		needs := m.needs(offer)
		k, err := b.Store.Release(ctx, offer, needs)
		if err != nil {
			b.Log.Error("keys do not open", "job", m.item.Job.Short(), "offer", offer, "error", err, "hint", fault.Hint(err))
			return nil, nil, refuseBecause(CodeKeys, "the keys of the version do not open here", err)
		}
		keys.Offers = append(keys.Offers, *k)
		columns = append(columns, statement.Opening{Offer: offer, Columns: needs})
	}
	sealed, err := message.SealBy(m.line, message.KeysContext(m.item.Job, b.self), keys)
	return sealed, columns, err
}

// answered finds the reply to a quote that was answered before, for a message
// that comes again: the same release and keys, and no second exposure. If a crash loses it, the message is refused as
// a replay, and the job's next attempt gets a release of its own.
func (b *Broker) answered(m *matter, ev statement.Digest) (*message.Reply, bool) {
	var mine bool
	b.Ledger.View(func(a *ledger.Accounts) {
		for _, x := range a.Job(m.item.Job).Exposures {
			mine = mine || x.Evidence == ev && x.Session == m.named && x.Open()
		}
	})
	if !mine {
		return nil, false
	}
	return b.Released.Reply(released.ID{Job: m.item.Job, Evidence: ev})
}
