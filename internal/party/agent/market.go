package agent

import (
	"context"
	"slices"
	"strings"

	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
	"github.com/cordon-exchange/cordon/internal/party/catalog"
	"github.com/cordon-exchange/cordon/policy/owner"
	"github.com/cordon-exchange/cordon/statement"
)

// maxListed bounds one page of a search.
const maxListed = 500

func (a *Agent) searchCatalog(ctx context.Context, in *api.CatalogSearch) (*api.Catalog, error) {
	f := catalog.Filter{Words: in.Words, Purpose: in.Purpose, Access: in.Access, Price: in.Price, Column: in.Column, Type: in.Type}
	if in.Owner != "" {
		var err error
		if f.Owner, err = a.catalog.Resolve(ctx, in.Owner, pinsOf(in.Pins)); err != nil {
			return nil, err
		}
	}
	list, err := a.catalog.Search(ctx, f)
	if err != nil {
		return nil, err
	}
	out := &api.Catalog{Datasets: []api.Listing{}, Found: int64(len(list))}
	limit := int(in.Limit)
	if limit <= 0 || limit > maxListed {
		limit = maxListed
	}
	for i := range list {
		if in.After != "" && place(&list[i]) <= in.After {
			continue
		}
		if len(out.Datasets) == limit {
			out.Next = place(&list[i-1])
			break
		}
		out.Datasets = append(out.Datasets, a.listingOf(ctx, &list[i]))
	}
	return out, nil
}

// place is where a data set stands in a search: two parties may call themselves by one name.
func place(l *catalog.Listed) string { return l.Name() + "@" + string(l.Offer.Digest()) }

func (a *Agent) listingOf(ctx context.Context, l *catalog.Listed) api.Listing {
	return api.Listing{Dataset: a.datasetOf(ctx, l.Offer, false), Purposes: l.Purposes()}
}

func (a *Agent) showListing(ctx context.Context, in *api.CatalogShow) (*api.ListingDetail, error) {
	l, versions, err := a.catalog.Listing(ctx, in.Data, pinsOf(in.Pins))
	if err != nil {
		return nil, err
	}
	e := owner.Explain(l.Policy)
	out := &api.ListingDetail{Listing: a.listingOf(ctx, l), Versions: []api.Dataset{}, Policy: e, PolicyText: e.Text(), Needs: a.needs(ctx, l)}
	for _, v := range versions {
		out.Versions = append(out.Versions, a.datasetOf(ctx, v.Offer, v.Retired))
		if v.Offer.Digest() == l.Offer.Digest() {
			out.Retired = v.Retired
		}
	}
	markReplaced(out.Versions)
	for _, v := range out.Versions {
		if v.Offer == out.Offer {
			out.ReplacedBy = v.ReplacedBy
		}
	}
	return out, nil
}

// needs says what a contract over the data set must name, and who grants it.
func (a *Agent) needs(ctx context.Context, l *catalog.Listed) api.Needs {
	p, now := l.Policy, a.opt.Now()
	n := api.Needs{
		Analyst: l.Offer.Body().Owner == a.self || p.AllowsAnalyst(string(a.self)), Purposes: l.Purposes(), Builds: p.Evidence().Builds,
		Operators: p.Operators(), Evidence: p.Evidence().Accept, Perimeters: p.Evidence().Perimeters, UntilMS: p.ValidUntil().UnixMilli(), Rules: []string{},
	}
	if l.Offer.Body().Access() == statement.AccessPurchase {
		return n
	}
	for _, r := range p.Standing() {
		if r.AccreditedBy != "" {
			if r.GrantsMembers(r.Purposes, now) {
				n.Rules = append(n.Rules, "to members of "+a.catalog.Name(ctx, statement.Fingerprint(r.AccreditedBy))+", for "+strings.Join(r.Purposes, ", ")+", until "+r.Until.Format("2006-01-02")+"; propose with --accredited-by")
			}
			continue
		}
		if !slices.ContainsFunc(r.Purposes, func(purpose string) bool { return r.Grants(string(a.self), []string{purpose}, now) }) {
			continue
		}
		n.Rules = append(n.Rules, "for "+strings.Join(r.Purposes, ", ")+", until "+r.Until.Format("2006-01-02"))
	}
	return n
}
