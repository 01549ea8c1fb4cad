package broker

import (
	"context"
	"slices"

	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/statement"
)

// rests checks that the accreditations which a grant rests on hold now, each by the one whose members the grant is for: where one ended
// since, no key leaves.
func (b *Broker) rests(ctx context.Context, g *statement.Grant) error {
	for _, d := range g.Accreditations {
		a, err := b.Catalog.Accreditation(ctx, d)
		if err != nil {
			return b.unresolved(err)
		}
		ok, err := b.Catalog.Accredited(ctx, a)
		if err != nil {
			return err
		}
		if !ok || a.Body().Accreditor != g.AccreditedBy || b.Now().UnixMilli() >= a.Body().UntilMS {
			return refuse(CodeAccreditation, "an accreditation that the grant rests on has ended")
		}
	}
	return nil
}

// membersQuota refuses a query past what a standing rule gives all members of one accreditor together. Counted are all queries of those
// whom it granted to, whatever their contracts.
func membersQuota(m *matter, a *ledger.Accounts, sinceMS int64) error {
	g := m.grant.Body()
	if g.AllOfMonth == 0 {
		return nil
	}
	requester, asked := m.job.Body().Requester, int64(0)
	members := a.Members(g.AccreditedBy)
	if !slices.Contains(members, requester) {
		members = append(members, requester)
	}
	for _, f := range members {
		asked += a.QueriesSince(f, sinceMS)
	}
	if asked >= g.AllOfMonth {
		return refuse(CodeOverQuota, "the members have as many queries this month, all together, as the standing rule allows that granted the contract")
	}
	return nil
}
