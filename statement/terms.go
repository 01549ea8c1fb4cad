package statement

import "slices"

// Terms are what an owner asks for the use of one offer, beside its policy: they promise nothing about what leaves.
type Terms struct {
	Access     string      `json:"access"`                         // AccessFree, AccessApproval or AccessPurchase
	PerQuery   int64       `json:"per_query,omitempty"`            // credits for each query; the offer's price
	PerDay     int64       `json:"per_day,omitempty"`              // credits for each day, in UTC, with a query under one contract
	Flat       int64       `json:"flat,omitempty"`                 // credits for one contract, with its first query
	OfContract int64       `json:"queries_per_contract,omitempty"` // 0: no such quota
	OfMonth    int64       `json:"queries_per_month,omitempty"`    // of one organisation in a calendar month, in UTC; 0: no such quota
	Purposes   []string    `json:"purposes,omitempty"`             // none: the policy's
	Licence    *Licence    `json:"licence,omitempty"`
	Statistics []Statistic `json:"statistics,omitempty"` // what the owner says of columns that it lists; its word alone
}

// Values of Terms.Access: how a grant is got.
const (
	AccessFree     = "free"     // nothing is charged
	AccessApproval = "approval" // the owner grants, by hand or by a standing rule
	AccessPurchase = "purchase" // no standing rule of the policy grants: a settled order does, or the owner by hand
)

// Licence is a text that users are bound to: in full, or by its digest where it lies elsewhere.
type Licence struct {
	Name   string `json:"name"`
	Text   string `json:"text,omitempty"`
	Digest Digest `json:"digest,omitempty"` // Sum of the text
}

// Statistic says something about one column, coarsely.
type Statistic struct {
	Column   string `json:"column"`
	Distinct int64  `json:"distinct,omitempty"` // different values, at most: a power of ten
	MinYear  int64  `json:"min_year,omitempty"` // of a date
	MaxYear  int64  `json:"max_year,omitempty"`
}

// maxCredits bounds one price: sums over a contract's offers stay far from overflow.
const maxCredits = 1_000_000_000

func (o *Offer) validTerms(c *check) {
	t := o.Terms
	if t == nil {
		return
	}
	for _, n := range []int64{t.PerQuery, t.PerDay, t.Flat} {
		c.that(n >= 0 && n <= maxCredits, "terms price")
	}
	c.that(o.Price == t.PerQuery, "terms per_query")
	asks := t.PerQuery+t.PerDay+t.Flat > 0
	switch t.Access {
	case AccessFree:
		c.that(!asks, "terms access")
	case AccessApproval:
	case AccessPurchase:
		c.that(asks, "terms access")
	default:
		c.that(false, "terms access")
	}
	c.count(t.OfContract, "terms queries_per_contract")
	c.count(t.OfMonth, "terms queries_per_month")
	if len(t.Purposes) > 0 {
		c.labels(t.Purposes, "terms purposes")
	}
	if l := t.Licence; l != nil {
		c.label(l.Name, "terms licence")
		c.that((l.Text == "") != (l.Digest == ""), "terms licence")
		c.longText(l.Text, maxLicence, "terms licence")
		c.that(l.Digest == "" || l.Digest.Valid(), "terms licence")
	}
	o.validStatistics(c)
}

func (o *Offer) validStatistics(c *check) {
	c.that(len(o.Terms.Statistics) <= maxList, "terms statistics")
	seen := map[string]bool{}
	for _, s := range o.Terms.Statistics {
		known := slices.ContainsFunc(o.Schema, func(col Column) bool { return col.Name == s.Column })
		c.that(known && !seen[s.Column], "terms statistics column")
		seen[s.Column] = true
		c.that(s.Distinct == 0 || ValidBucket(s.Distinct), "terms statistics distinct")
		c.that((s.MinYear == 0) == (s.MaxYear == 0) && s.MinYear >= 0 && s.MinYear <= s.MaxYear && s.MaxYear <= 9999, "terms statistics years")
		c.that(s.Distinct > 0 || s.MinYear > 0, "terms statistics")
	}
}

// ValidBucket reports whether n is a power of ten, as counts in statistics are: 10, 100, … 10^15.
func ValidBucket(n int64) bool {
	p := int64(10)
	for p < n && p < 1_000_000_000_000_000 {
		p *= 10
	}
	return n == p
}

// MaxPrice is what one query can cost at most: the first one of a contract.
func (o *Offer) MaxPrice() int64 {
	if o.Terms == nil {
		return o.Price
	}
	return o.Price + o.Terms.PerDay + o.Terms.Flat
}

// Access is how a grant of the offer is got.
func (o *Offer) Access() string {
	if o.Terms == nil {
		return AccessApproval
	}
	return o.Terms.Access
}

// AllowsPurpose reports whether the terms let the offer be used for a purpose; the policy must as well.
func (o *Offer) AllowsPurpose(purpose string) bool {
	return o.Terms == nil || len(o.Terms.Purposes) == 0 || slices.Contains(o.Terms.Purposes, purpose)
}
