package approval

import (
	"context"
	"crypto/rand"
	"slices"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/statement"
)

// Rejected is an owner's no to a contract.
type Rejected struct {
	Owner  statement.Fingerprint
	Reason string
}

// Answer is what a counter changes, with names that are not resolved yet.
type Answer struct {
	Offers     []statement.Digest
	Purpose    string
	Recipients []string // names or fingerprints
	Builds     []statement.Digest
	Operators  []string // names or fingerprints
	UntilMS    int64
	Reason     string
	Pins       map[string]statement.Fingerprint
}

// open is a contract over this party's data that it neither granted nor rejected.
func (d *Desk) open(ctx context.Context, contract statement.Digest) (*statement.Verified[statement.Contract], error) {
	c, err := d.Catalog.Contract(ctx, contract)
	if err != nil {
		return nil, err
	}
	var granted statement.Digest
	var rejected bool
	d.Ledger.View(func(a *ledger.Accounts) {
		granted, _ = a.Grant(contract)
		rejected = a.Rejected(contract)
	})
	switch {
	case !slices.Contains(c.Body().Owners(), d.self()):
		return nil, refuse("not-concerned", "the contract names no data of this party")
	case granted != "":
		return nil, fault.New(fault.Usage, "this party granted the contract", "take it back first: 'cordon contract revoke'", nil)
	case rejected:
		return nil, refuse("contract-rejected", "this party rejected the contract: the requester may propose another")
	}
	return c, nil
}

// Reject says no to a contract, for good: the ledger has it before others learn of it, and no grant follows.
func (d *Desk) Reject(ctx context.Context, contract statement.Digest, reason string) error {
	d.granting.Lock()
	defer d.granting.Unlock()
	for _, e := range d.Ledger.Entries() {
		if e.Kind == ledger.KindReject && e.Contract == contract { // the exchange may not have it yet
			return d.postRejection(ctx, statement.Rejection{Owner: d.self(), Contract: contract, Reason: e.Reason, AtMS: e.AtMS})
		}
	}
	if _, err := d.open(ctx, contract); err != nil {
		return err
	}
	r := statement.Rejection{Owner: d.self(), Contract: contract, Reason: reason, AtMS: d.Now().UnixMilli()}
	e, err := statement.Sign(r, d.Signer)
	if err != nil {
		return fault.New(fault.Usage, "this is no rejection", "give a --reason, of 2000 bytes at most", err)
	}
	entry := ledger.Entry{Kind: ledger.KindReject, Contract: contract, About: e.Digest(), Reason: reason, AtMS: r.AtMS}
	if _, err := d.Ledger.Append(ctx, entry, nil); err != nil {
		return err
	}
	_, err = d.Exchange.PostStatement(ctx, e)
	return err
}

func (d *Desk) postRejection(ctx context.Context, r statement.Rejection) error {
	e, err := statement.Sign(r, d.Signer)
	if err != nil {
		return err
	}
	_, err = d.Exchange.PostStatement(ctx, e)
	return err
}

// Counter says what this party would grant instead. It binds nobody.
func (d *Desk) Counter(ctx context.Context, contract statement.Digest, a Answer) (*statement.Verified[statement.Counter], error) {
	c, err := d.open(ctx, contract)
	if err != nil {
		return nil, err
	}
	n := statement.Counter{
		Owner: d.self(), Contract: contract, Offers: a.Offers, Purpose: a.Purpose, Builds: a.Builds, UntilMS: a.UntilMS, Reason: a.Reason, CreatedMS: d.Now().UnixMilli(),
	}
	if n.Recipients, err = d.resolve(ctx, a.Recipients, a.Pins); err != nil {
		return nil, err
	}
	if n.Operators, err = d.resolve(ctx, a.Operators, a.Pins); err != nil {
		return nil, err
	}
	if _, err := d.countered(ctx, c.Body(), &n); err != nil { // it can be accepted
		return nil, err
	}
	e, err := statement.Sign(n, d.Signer)
	if err != nil {
		return nil, fault.New(fault.Usage, "this is no counter", "say at least one thing that differs from the contract", err)
	}
	if _, err := d.Exchange.PostStatement(ctx, e); err != nil {
		return nil, err
	}
	return statement.Verify[statement.Counter](e, d.self())
}

// countered is a contract as a counter would have it.
func (d *Desk) countered(ctx context.Context, c *statement.Contract, n *statement.Counter) (*statement.Contract, error) {
	out := *c
	out.Tables = slices.Clone(c.Tables)
	for _, digest := range n.Offers {
		o, err := d.Catalog.Offer(ctx, n.Owner, digest)
		if err != nil {
			return nil, err
		}
		if err := d.replaceOffer(ctx, out.Tables, n.Owner, o); err != nil {
			return nil, err
		}
	}
	if n.Purpose != "" {
		out.Purpose = n.Purpose
	}
	if len(n.Recipients) > 0 {
		out.Recipients = n.Recipients
	}
	if len(n.Builds) > 0 {
		out.Builds = n.Builds
	}
	if len(n.Operators) > 0 {
		out.Operators = n.Operators
	}
	if n.UntilMS != 0 {
		out.UntilMS = n.UntilMS
	}
	return &out, nil
}

func (d *Desk) replaceOffer(ctx context.Context, tables []statement.Table, owner statement.Fingerprint, o *statement.Verified[statement.Offer]) error {
	for i, t := range tables {
		if t.Pool != "" || t.Members[0].Owner != owner {
			continue
		}
		old, err := d.Catalog.Offer(ctx, owner, t.Members[0].Offer)
		if err != nil {
			return err
		}
		if old.Body().Dataset == o.Body().Dataset {
			tables[i].Members = []statement.Member{{Owner: owner, Offer: o.Digest()}}
			return nil
		}
	}
	return fault.New(fault.Usage, "the contract has no data set that the offer could stand in for", "a pool's epoch is changed by a new one: 'cordon pool propose'", nil)
}

// Accept proposes a new contract: the countered one, as the counter has it.
func (d *Desk) Accept(ctx context.Context, counter statement.Digest) (*statement.Verified[statement.Contract], error) {
	n, err := d.Catalog.Counter(ctx, counter)
	if err != nil {
		return nil, err
	}
	old, err := d.Catalog.Contract(ctx, n.Body().Contract)
	if err != nil {
		return nil, err
	}
	switch {
	case old.Body().Requester != d.self():
		return nil, refuse("not-concerned", "the counter is to a contract of another party")
	case !slices.Contains(old.Body().Owners(), n.Body().Owner):
		return nil, fault.New(fault.Untrusted, "the counter is by none of the contract's owners", "do not rely on this exchange", nil)
	}
	c, err := d.countered(ctx, old.Body(), n.Body())
	if err != nil {
		return nil, err
	}
	c.Nonce = make([]byte, statement.NonceSize)
	if _, err := rand.Read(c.Nonce); err != nil {
		return nil, err
	}
	c.FromMS, c.CreatedMS, c.AnswerByMS, c.Counter = d.Now().UnixMilli(), d.Now().UnixMilli(), 0, counter
	if c.PlanEncoding, err = d.Catalog.PlanEncoding(ctx, c); err != nil {
		return nil, err
	}
	return d.postContract(ctx, c)
}

// answers finds what owners said to a contract instead of granting it. Whose word it is, the signature says.
func (d *Desk) answers(ctx context.Context, s *State) error {
	about, owners := []statement.Digest{s.Contract.Digest()}, s.Contract.Body().Owners()
	no, err := d.Exchange.AllStatements(ctx, client.Query{Kind: client.Rejections, About: about})
	if err != nil {
		return err
	}
	for i := range no {
		v, err := statement.VerifyAuthor[statement.Rejection](&no[i].Envelope)
		if err == nil && v.Body().Contract == about[0] && slices.Contains(owners, v.Body().Owner) && d.Catalog.KeysInForce(ctx, v.OnlineKeys()) == nil {
			s.Rejected = append(s.Rejected, Rejected{v.Body().Owner, v.Body().Reason})
		}
	}
	counters, err := d.Exchange.AllStatements(ctx, client.Query{Kind: client.Counters, About: about})
	if err != nil {
		return err
	}
	for i := range counters {
		v, err := statement.VerifyAuthor[statement.Counter](&counters[i].Envelope)
		if err == nil && v.Body().Contract == about[0] && slices.Contains(owners, v.Body().Owner) && d.Catalog.KeysInForce(ctx, v.OnlineKeys()) == nil {
			s.Counters = append(s.Counters, v)
		}
	}
	return nil
}
