package approval

import (
	"context"
	"slices"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/statement"
)

// dualGrant asks the officers, where there are any, about exactly this grant. One that was asked for before and says the same is
// taken up with its time, so that approvals of it count. Grants by rule need none: the rule's policy had them.
func (d *Desk) dualGrant(ctx context.Context, g *statement.Grant) error {
	payload, _ := d.Officers.Pending(statement.ActionGrant, func(p []byte) bool {
		old, err := statement.DecodeUnverified[statement.Grant](p)
		return err == nil && old.Owner == g.Owner && old.Contract == g.Contract && old.Authority == g.Authority &&
			old.UntilMS == g.UntilMS && slices.Equal(old.Offers, g.Offers) && !d.done(statement.Sum(p))
	})
	if old, err := statement.DecodeUnverified[statement.Grant](payload); err == nil {
		g.CreatedMS = old.CreatedMS
	}
	payload, err := statement.Payload(*g)
	if err != nil {
		return refuse("contract-expired", "the contract or the policy ends before it could be granted")
	}
	return d.Officers.Require(ctx, statement.ActionGrant, payload)
}

// dualPool does so for an epoch that this party proposes.
func (d *Desk) dualPool(ctx context.Context, p *statement.Pool) error {
	payload, _ := d.Officers.Pending(statement.ActionPool, func(b []byte) bool {
		old, err := statement.DecodeUnverified[statement.Pool](b)
		return err == nil && old.Name == p.Name && old.Epoch == p.Epoch && old.Previous == p.Previous && slices.Equal(old.Members, p.Members)
	})
	if old, err := statement.DecodeUnverified[statement.Pool](payload); err == nil {
		p.CreatedMS = old.CreatedMS
	}
	payload, err := statement.Payload(*p)
	if err != nil {
		return fault.New(fault.Usage, "this is not a pool", "a pool has a name and at least two members, each once", err)
	}
	return d.Officers.Require(ctx, statement.ActionPool, payload)
}
