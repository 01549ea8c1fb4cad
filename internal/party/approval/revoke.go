package approval

import (
	"context"
	"errors"
	"slices"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/catalog"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/statement"
)

// Revoked is a revocation that holds here: the ledger has it.
type Revoked struct {
	*statement.Verified[statement.Revocation]
	Unposted error // why the exchange does not have it yet; nil if it does
}

// Revoke takes back a grant, or a contract of one's own. Given a contract that this party granted, it revokes the grant. It holds from
// the entry in the ledger on, whether or not the exchange shows what is revoked, and takes the revocation: then Heal posts it.
func (d *Desk) Revoke(ctx context.Context, digest statement.Digest, reason string) (*Revoked, error) {
	about, contract, err := d.revocable(ctx, digest)
	if err != nil {
		return nil, err
	}
	r := statement.Revocation{Author: d.self(), Revokes: about, Reason: reason, AtMS: d.Now().UnixMilli()}
	e, err := statement.Sign(r, d.Signer)
	if err != nil {
		return nil, err
	}
	v, err := statement.Verify[statement.Revocation](e, d.self())
	if err != nil {
		return nil, err
	}
	// With the statement's time, so that Heal makes the same one of the entry.
	entry := ledger.Entry{Kind: ledger.KindRevoke, About: about, Contract: contract, Reason: reason, AtMS: r.AtMS}
	if _, err := d.Ledger.Append(ctx, entry, nil); err != nil {
		return nil, err
	}
	_, err = d.Exchange.PostStatement(ctx, e)
	if err = client.Revoked(err); err != nil {
		d.unposted.Store(true)
	}
	return &Revoked{Verified: v, Unposted: err}, nil
}

// revocable is what a digest asks to revoke, and of which contract it is. What this party recorded and kept comes first: an exchange
// that shows none of it must not keep its owner from taking it back.
func (d *Desk) revocable(ctx context.Context, digest statement.Digest) (about, contract statement.Digest, err error) {
	for _, e := range slices.Backward(d.Ledger.Entries()) {
		if e.Kind != ledger.KindGrant || digest != e.Grant && digest != e.Contract {
			continue
		}
		if digest == e.Contract && e.Requester == d.self() {
			return e.Contract, e.Contract, nil // with the contract its grants end
		}
		return e.Grant, e.Contract, nil
	}
	kept, err := d.keptGrants() // of a ledger that lost entries too
	if err != nil {
		return "", "", err
	}
	for _, g := range kept {
		if digest == g.Digest() || digest == g.Body().Contract {
			return g.Digest(), g.Body().Contract, nil
		}
	}
	return d.shown(ctx, digest)
}

// shown is revocable of what only the exchange has: a contract that this party proposed, a grant that it forgot.
func (d *Desk) shown(ctx context.Context, digest statement.Digest) (about, contract statement.Digest, err error) {
	c, cerr := d.Catalog.Contract(ctx, digest)
	if cerr == nil && c.Body().Requester == d.self() {
		return digest, digest, nil
	}
	if t, err := d.Catalog.Template(ctx, digest); err == nil && t.Body().Author == d.self() {
		return digest, "", nil
	}
	if a, err := d.Catalog.SignedAccreditation(ctx, digest); err == nil && a.Body().Accreditor == d.self() {
		return digest, "", nil
	}
	if g, err := d.Catalog.Grant(ctx, digest); err == nil && g.Body().Owner == d.self() {
		return digest, g.Body().Contract, nil
	}
	if cerr != nil && fault.ExitCode(cerr) != int(fault.Untrusted) && !errors.Is(cerr, catalog.ErrNotFound) {
		return "", "", cerr // the exchange is away: it can't be told
	}
	return "", "", fault.New(fault.Input, "nothing of this party's to revoke under that digest", "give a contract that was granted or proposed here: 'cordon contract list'", nil)
}

// Unposted reports whether a revocation is recorded that the exchange did not take.
func (d *Desk) Unposted() bool { return d.unposted.Load() }

// HealRevocations posts the revocations that the ledger has and the exchange does not show. One that the exchange refuses does not
// keep the others back, nor the agent from its work: it holds here, and Unposted says that it has to be tried again.
func (d *Desk) HealRevocations(ctx context.Context) error {
	has, err := d.revocationsShown(ctx)
	if err != nil {
		return err
	}
	d.unposted.Store(false)
	for _, e := range d.Ledger.Entries() {
		if e.Kind != ledger.KindRevoke || has[e.About] {
			continue
		}
		r, err := statement.Sign(statement.Revocation{Author: d.self(), Revokes: e.About, Reason: e.Reason, AtMS: e.AtMS}, d.Signer)
		if err != nil {
			return err
		}
		if _, err := d.Exchange.PostStatement(ctx, r); client.Revoked(err) != nil {
			d.unposted.Store(true)
			if errors.Is(err, client.ErrUnavailable) || ctx.Err() != nil {
				return err
			}
		}
	}
	return nil
}

// revocationsShown are those of this party that the exchange has, by what they revoke.
func (d *Desk) revocationsShown(ctx context.Context) (map[statement.Digest]bool, error) {
	items, err := d.Exchange.AllStatements(ctx, client.Query{Kind: client.Revocations, Owner: d.self()})
	if err != nil {
		return nil, err
	}
	out := map[statement.Digest]bool{}
	for i := range items {
		e := &items[i].Envelope
		v, err := statement.Verify[statement.Revocation](e, d.self())
		if err != nil {
			continue
		}
		if stale, err := d.anew(e); err == nil && stale == nil {
			out[v.Body().Revokes] = true
		}
	}
	return out, nil
}
