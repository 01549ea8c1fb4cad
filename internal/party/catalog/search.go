package catalog

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/statement"
)

// Filter chooses data sets; the zero value of a field asks for any.
type Filter struct {
	Words   []string // each stands in the name of owner, data set or a column, in upper or lower case
	Owner   statement.Fingerprint
	Purpose string
	Access  string // one of statement.Access…
	Price   *int64 // credits that a query costs at most, with what is charged for its day and contract
	Column  string // part of a column's name
	Type    string // of that column, or of any: policy.Type's text
}

// Listed is one data set on offer: its newest version that is not revoked.
type Listed struct {
	Owner  string // its name
	Offer  *statement.Verified[statement.Offer]
	Policy *policy.Policy
}

// Name is what a contract calls the data set: PARTY.DATASET.
func (l *Listed) Name() string { return l.Owner + "." + l.Offer.Body().Dataset }

// Purposes are what both policy and terms allow.
func (l *Listed) Purposes() (out []string) {
	for _, p := range l.Policy.Purposes() {
		if l.Offer.Body().AllowsPurpose(p) {
			out = append(out, p)
		}
	}
	return out
}

// Version is one offer of a data set, whatever became of it.
type Version struct {
	Offer   *statement.Verified[statement.Offer]
	Retired bool
}

// Search lists the data sets that fit, by the names that a contract has for them. Offers that do not verify, whose policy can't be
// read, or that a revoked key signed are left out: nothing could be agreed over them.
func (c *Catalog) Search(ctx context.Context, f Filter) ([]Listed, error) {
	versions, err := c.versions(ctx, client.Query{Kind: client.Offers, Owner: f.Owner})
	if err != nil {
		return nil, err
	}
	newest := map[[2]string]*statement.Verified[statement.Offer]{}
	for _, v := range versions {
		o := v.Offer.Body()
		key := [2]string{string(o.Owner), o.Dataset}
		if old := newest[key]; !v.Retired && (old == nil || newer(o, old.Body())) {
			newest[key] = v.Offer
		}
	}
	var out []Listed
	for _, o := range newest {
		p, err := c.policyOf(o)
		if err != nil {
			continue
		}
		l := Listed{Owner: c.Name(ctx, o.Body().Owner), Offer: o, Policy: p}
		if f.fits(&l) {
			out = append(out, l)
		}
	}
	slices.SortFunc(out, func(a, b Listed) int {
		return cmp.Or(cmp.Compare(a.Name(), b.Name()), cmp.Compare(a.Offer.Digest(), b.Offer.Digest()))
	})
	return out, nil
}

// newer orders the versions of a data set as LatestOffer does.
func newer(a, b *statement.Offer) bool {
	return cmp.Or(cmp.Compare(a.CreatedMS, b.CreatedMS), cmp.Compare(a.Version, b.Version)) > 0
}

func (f *Filter) fits(l *Listed) bool {
	o := l.Offer.Body()
	if f.Owner != "" && o.Owner != f.Owner || f.Purpose != "" && !(l.Policy.AllowsPurpose(f.Purpose) && o.AllowsPurpose(f.Purpose)) ||
		f.Price != nil && o.MaxPrice() > *f.Price || f.Access != "" && o.Access() != f.Access {
		return false
	}
	if (f.Column != "" || f.Type != "") && !slices.ContainsFunc(o.Schema, func(col statement.Column) bool {
		return strings.Contains(col.Name, strings.ToLower(f.Column)) && (f.Type == "" || strings.EqualFold(col.Type, f.Type))
	}) {
		return false
	}
	text := l.Name()
	for _, col := range o.Schema {
		text += " " + col.Name
	}
	for _, w := range f.Words {
		if !strings.Contains(strings.ToLower(text), strings.ToLower(w)) {
			return false
		}
	}
	return true
}

// Listing shows one data set with all its versions, newest first, retired ones too: by PARTY.DATASET, with an optional @DIGEST to say
// which version.
func (c *Catalog) Listing(ctx context.Context, text string, pins map[string]statement.Fingerprint) (*Listed, []Version, error) {
	if strings.HasPrefix(text, "pool.") {
		return nil, nil, fault.New(fault.Usage, "a pool is no data set of one owner", "see 'cordon pool list', and show the data sets of its members", nil)
	}
	t, err := c.Table(ctx, text, pins)
	if err != nil {
		return nil, nil, err
	}
	m := t.Members[0]
	o, err := c.Offer(ctx, m.Owner, m.Offer)
	if err != nil {
		return nil, nil, err
	}
	p, err := c.policyOf(o)
	if err != nil {
		return nil, nil, fault.New(fault.Input, "the policy of "+t.Name+" can't be read", "ask its owner to publish it again", err)
	}
	versions, err := c.versions(ctx, client.Query{Kind: client.Offers, Owner: m.Owner, Name: o.Body().Dataset})
	if err != nil {
		return nil, nil, err
	}
	slices.SortFunc(versions, func(a, b Version) int {
		return cmp.Or(-cmp.Compare(a.Offer.Body().CreatedMS, b.Offer.Body().CreatedMS), cmp.Compare(b.Offer.Body().Version, a.Offer.Body().Version))
	})
	return &Listed{Owner: c.Name(ctx, m.Owner), Offer: o, Policy: p}, versions, nil
}

// versions are the offers that verify, and whether their owner revoked them.
func (c *Catalog) versions(ctx context.Context, q client.Query) ([]Version, error) {
	items, err := c.ex.AllStatements(ctx, q)
	if err != nil {
		return nil, err
	}
	var out []Version
	var offers []authoredBy
	for i := range items {
		v, err := statement.VerifyAuthor[statement.Offer](&items[i].Envelope)
		if err != nil || q.Owner != "" && v.Body().Owner != q.Owner || q.Name != "" && v.Body().Dataset != q.Name {
			continue
		}
		ok, err := c.keysInForce(ctx, v.OnlineKeys())
		if err != nil {
			return nil, err
		}
		if ok {
			out, offers = append(out, Version{Offer: v}), append(offers, authoredBy{v.Body().Owner, v.Digest()})
		}
	}
	revoked, err := c.allRevoked(ctx, offers)
	for i := range out {
		out[i].Retired = revoked[i]
	}
	return out, err
}
