package policy

import (
	"go.yaml.in/yaml/v3"

	"github.com/cordon-exchange/cordon/statement"
)

const maxLicenceBytes = 64 << 10

// ParseTerms reads a file of terms, docs/trading.md, for an offer under a policy. Errors are a *SyntaxError with line, column and hint.
func ParseTerms(src []byte, p *Policy) (*statement.Terms, error) {
	r := &reader{what: "terms", maxText: maxLicenceBytes}
	root := r.document(src)
	t := &statement.Terms{}
	if r.err == nil {
		r.terms(root, t, p)
	}
	if r.err != nil {
		return nil, r.err
	}
	return t, nil
}

const maxPrice = 1_000_000_000

func (r *reader) terms(n *yaml.Node, t *statement.Terms, p *Policy) {
	s := r.section(n, "terms", "terms", "access", "price", "quotas", "purposes", "licence", "statistics")
	if v := r.need(s, "terms", "begin with terms: 1, the version of the format"); r.err == nil && (v.Kind != yaml.ScalarNode || v.Style != 0 || v.Value != "1") {
		r.fail(v, "terms are not of version 1", "begin with terms: 1; a later version needs a later cordon")
	}
	access := r.need(s, "access", "access: free, approval or purchase says how a grant is got")
	if r.err == nil {
		t.Access = r.word(access, "access", statement.AccessFree, statement.AccessApproval, statement.AccessPurchase)
	}
	r.prices(s.vals["price"], t, p)
	if v := s.vals["quotas"]; v != nil && r.err == nil {
		q := r.section(v, "quotas", "per_contract", "per_month")
		t.OfContract = r.optional(q, "per_contract", 1, maxPrice)
		t.OfMonth = r.optional(q, "per_month", 1, maxPrice)
	}
	switch asks := t.PerQuery+t.PerDay+t.Flat > 0; {
	case t.Access == statement.AccessFree && asks:
		r.fail(access, "access is free and there is a price", "write access: approval or purchase, or leave price out")
	case t.Access == statement.AccessPurchase && !asks:
		r.fail(access, "access is by purchase and there is no price", "write price: {per_query: 5}, or access: approval")
	}
	if v := s.vals["purposes"]; v != nil {
		t.Purposes = r.texts(v, "purposes", p.AllowsPurpose, "terms can't go past the policy's own purposes")
	}
	r.licence(s.vals["licence"], t)
	r.statistics(s.vals["statistics"], t, p)
}

func (r *reader) prices(n *yaml.Node, t *statement.Terms, p *Policy) {
	if n != nil && r.err == nil {
		s := r.section(n, "price", "per_query", "per_day", "flat")
		t.PerQuery = r.optional(s, "per_query", 0, maxPrice)
		t.PerDay = r.optional(s, "per_day", 0, maxPrice)
		t.Flat = r.optional(s, "flat", 0, maxPrice)
	}
	if r.err == nil && p.price != 0 && p.price != t.PerQuery {
		r.fail(n, "the policy has another price for a query", "leave price out of the policy where there are terms")
	}
}

// optional reads a whole number that may be left out: 0.
func (r *reader) optional(s section, key string, lo, hi int64) int64 {
	if s.vals[key] == nil {
		return 0
	}
	return r.integer(s.vals[key], key, lo, hi)
}

func (r *reader) licence(n *yaml.Node, t *statement.Terms) {
	if n == nil || r.err != nil {
		return
	}
	s := r.section(n, "licence", "name", "text", "digest")
	l := &statement.Licence{Name: r.text(r.need(s, "name", "name the licence"), "name")}
	if r.err == nil && (s.vals["text"] == nil) == (s.vals["digest"] == nil) {
		r.fail(n, "a licence has a text or the digest of one", "write text: |, or digest: sha256:… of a text that lies elsewhere")
	}
	if v := s.vals["text"]; v != nil {
		l.Text = r.text(v, "text")
	} else if v := s.vals["digest"]; v != nil {
		if l.Digest = statement.Digest(r.text(v, "digest")); r.err == nil && !l.Digest.Valid() {
			r.fail(v, "digest is none", "write sha256: and 64 hex digits")
		}
	}
	t.Licence = l
}

// statistics are of columns that queries may name: nothing is said of one that the policy keeps to its owner.
func (r *reader) statistics(n *yaml.Node, t *statement.Terms, p *Policy) {
	if n == nil || r.err != nil {
		return
	}
	r.mapping(n, "statistics")
	for i := 0; r.err == nil && i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if !p.HasRole(k.Value) || p.UnitColumn() == k.Value {
			r.fail(k, "statistics of a column that queries may not name, or that identifies units", "list columns that are dimensions, filters or measures of the policy")
			return
		}
		s := r.section(v, "statistics of "+k.Value, "distinct", "years")
		st := statement.Statistic{Column: k.Value, Distinct: r.optional(s, "distinct", 10, maxPrice)}
		if r.err == nil && s.vals["distinct"] != nil && !statement.ValidBucket(st.Distinct) {
			r.fail(s.vals["distinct"], "distinct is no power of ten", "write the next one above: 10, 100, 1000, …")
		}
		if years := r.items(s.vals["years"], "years"); r.err == nil && years != nil {
			if len(years) != 2 {
				r.fail(s.vals["years"], "years must be [first, last]", "write two years")
				return
			}
			st.MinYear, st.MaxYear = r.integer(years[0], "years", 1, 9999), r.integer(years[1], "years", 1, 9999)
			if r.err == nil && st.MinYear > st.MaxYear {
				r.fail(s.vals["years"], "years are upside down", "write the first one first")
			}
		}
		if r.err == nil && st.Distinct == 0 && st.MinYear == 0 {
			r.fail(v, "nothing is said of "+k.Value, "write {distinct: 100} or {years: [1990, 2020]}, or leave the column out")
		}
		t.Statistics = append(t.Statistics, st)
	}
}
