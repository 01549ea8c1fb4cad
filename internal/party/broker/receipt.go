package broker

import (
	"context"
	"slices"
	"time"

	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/internal/party/machines"
	"github.com/cordon-exchange/cordon/internal/party/released"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/statement"
)

// receipt closes an exposure: the enclave that got the keys accounts for them.
func (b *Broker) receipt(ctx context.Context, m *matter) (*message.Reply, error) {
	var n message.ReceiptNotice
	if err := b.open(m, message.ReceiptContext(m.item.Job, b.self), &n); err != nil {
		return nil, err
	}
	v, err := statement.VerifyAuthor[statement.Receipt](&n.Receipt)
	if err != nil {
		return nil, refuseBecause(CodeReceipt, "the receipt is not signed by the session that it names", err)
	}
	r := v.Body()
	b.answerTo(m, r.Session)
	if n.Job != m.item.Job || r.Job != m.item.Job {
		return nil, refuse(CodeReceipt, "the receipt is for another job")
	}
	x, err := b.exposureOf(m, r)
	if err != nil {
		return nil, err
	}
	// The job may have expired or been revoked since: an exposure is closed all the same.
	if err := b.openJob(ctx, m); err != nil {
		return nil, err
	}
	for _, check := range []func() error{
		func() error { return b.matches(m, r, x) },
		func() error { return b.perimeterHolds(ctx, r, x) },
		func() error { return b.columnsHold(r, x) },
		func() error { return releasesHold(r, n.Releases) },
		func() error { return readiesHold(r, n.Readies) },
	} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	return b.close(ctx, m, v, x)
}

// exposureOf finds what this party released to the session that signed the receipt.
func (b *Broker) exposureOf(m *matter, r *statement.Receipt) (*ledger.Exposure, error) {
	var found *ledger.Exposure
	b.Ledger.View(func(a *ledger.Accounts) {
		for _, x := range a.Job(m.item.Job).Exposures {
			if x.Session == r.Session.Digest() {
				found = &x
			}
		}
	})
	if found == nil {
		return nil, refuse(CodeReceiptUnknown, "this party released nothing to the session that signed the receipt")
	}
	return found, nil
}

// matches compares the receipt with what was released, and with the agreement.
func (b *Broker) matches(m *matter, r *statement.Receipt, x *ledger.Exposure) error {
	ev, err := r.Evidence.Digest()
	c := m.contract.Body()
	switch {
	case err != nil || ev != x.Evidence:
		return refuse(CodeReceipt, "the receipt shows other evidence than keys were released to")
	case r.Plan != x.Plan:
		return refuse(CodeReceipt, "the receipt is for another plan")
	case !slices.Contains(r.Releases, x.Release):
		return refuse(CodeReceipt, "the receipt does not name this party's release")
	case !slices.Contains(r.Readies, x.Ready):
		return refuse(CodeReceipt, "the receipt does not name this party's ready")
	case !slices.Contains(r.Grants, x.Grant):
		return refuse(CodeReceipt, "the receipt does not name this party's grant")
	case r.Contract != m.contract.Digest() || r.Requester != c.Requester || !slices.Equal(r.Recipients, c.Recipients):
		return refuse(CodeReceipt, "the receipt is for another contract, requester or recipients")
	}
	return nil
}

// perimeterHolds compares what the receipt states with what its evidence shows.
func (b *Broker) perimeterHolds(ctx context.Context, r *statement.Receipt, x *ledger.Exposure) error {
	c, err := b.Verifiers.Verify(ctx, &r.Evidence, time.UnixMilli(x.ReleasedMS))
	if err != nil {
		return evidenceRefusal(err)
	}
	if c.Build != r.Build || c.Operator != r.Operator || c.Perimeter.Form != r.Perimeter.Form ||
		c.Perimeter.Simulated != r.Perimeter.Simulated || !slices.Equal(c.Perimeter.Details, r.Perimeter.Details) {
		return refuse(CodeReceipt, "the receipt states another build, operator or perimeter than its evidence shows")
	}
	return nil
}

// columnsHold: nothing of this party was in clear that it did not release, and
// every column that it did is accounted for, whatever the outcome.
func (b *Broker) columnsHold(r *statement.Receipt, x *ledger.Exposure) error {
	type key struct {
		offer  statement.Digest
		column string
	}
	released := map[key]bool{}
	for _, o := range x.Columns {
		released[key{o.Offer, statement.FooterKey}] = true
		for _, c := range o.Columns {
			released[key{o.Offer, c}] = true
		}
	}
	total := len(released)
	for _, e := range r.Exposures {
		own := released[key{e.Offer, e.Column}]
		_, published := b.Store.Get(e.Offer)
		if !own && (e.Owner == b.self || published) || own && e.Owner != b.self {
			return refuse(CodeReceiptColumns, "the receipt tells of a column that this party did not release")
		}
		delete(released, key{e.Offer, e.Column})
	}
	if len(released) > 0 {
		return refuse(CodeReceiptColumns, "the receipt does not account for every column that was released")
	}
	if total == 0 {
		return refuse(CodeReceiptColumns, "nothing was released")
	}
	return nil
}

// releasesHold checks the other owners' releases that the receipt names.
func releasesHold(r *statement.Receipt, list []statement.Envelope) error {
	ev, err := r.Evidence.Digest()
	if err != nil {
		return refuse(CodeReceipt, "the receipt's evidence is malformed")
	}
	var digests []statement.Digest
	for i := range list {
		v, err := statement.VerifyAuthor[statement.Release](&list[i])
		if err != nil {
			return refuseBecause(CodeReceipt, "a release is not signed by its owner", err)
		}
		if b := v.Body(); b.Job != r.Job || b.Plan != r.Plan || b.Session != r.Session.Digest() || b.Evidence != ev {
			return refuse(CodeReceipt, "a release is for another job, plan, session or evidence")
		}
		digests = append(digests, v.Digest())
	}
	if !sameSet(digests, r.Releases) {
		return refuse(CodeReceipt, "not the releases that the receipt names")
	}
	return nil
}

func readiesHold(r *statement.Receipt, list []statement.Envelope) error {
	var digests []statement.Digest
	for i := range list {
		v, err := statement.VerifyAuthor[statement.Ready](&list[i])
		if err != nil || v.Body().Job != r.Job || v.Body().Session != r.Session.Digest() || v.Body().Plan != r.Plan {
			return refuseBecause(CodeReceipt, "a ready is not signed by its owner, or for another job, session or plan", err)
		}
		digests = append(digests, v.Digest())
	}
	if !sameSet(digests, r.Readies) {
		return refuse(CodeReceipt, "not the readies that the receipt names")
	}
	return nil
}

// close makes the end of the exposure durable and acknowledges it. The same
// receipt again gets the same acknowledgement.
func (b *Broker) close(ctx context.Context, m *matter, v *statement.Verified[statement.Receipt], x *ledger.Exposure) (*message.Reply, error) {
	if !x.Open() && x.Receipt != v.Digest() {
		return nil, refuse(CodeReceipt, "another receipt closed this exposure before")
	}
	if _, ok := b.Released.Reply(released.ID{Job: m.item.Job, Evidence: x.Evidence}); !ok { // a crash may have lost its evidence
		if err := machines.Keep(b.Home, m.item.Job, &v.Body().Evidence, x.ReleasedMS); err != nil {
			b.Log.Warn("evidence not kept", "job", m.item.Job.Short(), "error", err)
		}
	}
	closed, seq := x.ClosedMS, x.ClosedSeq
	if x.Open() {
		e, err := b.closing(ctx, m, v, x)
		if err != nil {
			return nil, unwritten(err)
		}
		closed, seq = e.AtMS, e.Seq
	}
	head, ok := b.Ledger.At(seq)
	if !ok {
		return nil, refuse(CodeLedger, "the end of the exposure is not in this party's ledger")
	}
	e, err := statement.Sign(statement.Ack{
		Owner: b.self, Job: m.item.Job, Receipt: v.Digest(), Release: x.Release, ReleasedMS: x.ReleasedMS, ClosedMS: closed, Head: head,
	}, b.Signer)
	if err != nil {
		return nil, err
	}
	b.signedFor(e)
	return &message.Reply{Ack: e}, nil
}

// closing appends the end of an exposure. Its time is read in the order of the entries, so that of two acknowledgements the one
// with the later head never has the earlier time.
func (b *Broker) closing(ctx context.Context, m *matter, v *statement.Verified[statement.Receipt], x *ledger.Exposure) (ledger.Entry, error) {
	var bytes int64
	for _, e := range v.Body().Exposures {
		if e.Owner == b.self {
			bytes += e.Bytes
		}
	}
	list, err := b.Ledger.AppendAll(ctx, func(*ledger.Accounts) ([]ledger.Entry, error) {
		return []ledger.Entry{{
			Kind: ledger.KindClose, AtMS: max(b.Now().UnixMilli(), x.ReleasedMS), Job: m.item.Job, Release: x.Release, Receipt: v.Digest(),
			Outcome: v.Body().Outcome, Bytes: bytes,
		}}, nil
	})
	if err != nil {
		return ledger.Entry{}, err
	}
	return list[0], nil
}
