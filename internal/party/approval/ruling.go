package approval

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/statement"
)

// ruling is what a rule gives a grant: bounds, and what it rests on.
type ruling struct {
	until     time.Time // zero: no bound of the rule's
	contracts int64
	month     int64                 // queries of the requester; 0: no bound
	by        statement.Fingerprint // whose member the requester is; empty: it is named itself
	allMonth  int64                 // queries of all members; 0: no bound
	rests     []*statement.Verified[statement.Accreditation]
}

// brought is what a contract brings for rules: the template that it names, where this party approved it, and the accreditations that it
// shows and that hold now. Nothing of it is the exchange's word: all are verified, by their signers' keys.
type brought struct {
	template *statement.Verified[statement.Template]
	shown    []*statement.Verified[statement.Accreditation]
}

func (d *Desk) bring(ctx context.Context, c *statement.Contract) (b brought, err error) {
	if b.template, err = d.approved(ctx, c); err != nil {
		return b, err
	}
	for _, digest := range c.Accreditations {
		a, err := d.Catalog.Accreditation(ctx, digest)
		if err != nil {
			return b, err
		}
		holds, err := d.Catalog.Accredited(ctx, a)
		if err != nil {
			return b, err
		}
		if holds && a.Body().UntilMS > d.Now().UnixMilli() {
			b.shown = append(b.shown, a)
		}
	}
	return b, nil
}

// members finds the accreditations by one party of all who ask and receive, this party itself apart; nil if one of them has none.
func (d *Desk) members(b brought, by statement.Fingerprint, c *statement.Contract) (out []*statement.Verified[statement.Accreditation]) {
	for _, f := range append([]statement.Fingerprint{c.Requester}, c.Recipients...) {
		if f == d.self() {
			continue
		}
		i := slices.IndexFunc(b.shown, func(a *statement.Verified[statement.Accreditation]) bool {
			return a.Body().Accreditor == by && a.Body().Member == f
		})
		if i < 0 {
			return nil
		}
		if !slices.Contains(out, b.shown[i]) {
			out = append(out, b.shown[i])
		}
	}
	return out
}

// ruled finds what lets a rule grant the contract over one offer: the template that it names, if this party approved it, or else a
// standing rule of the offer's policy.
func (d *Desk) ruled(c *statement.Contract, v *dataset.Published, b brought) (*ruling, error) {
	if b.template != nil {
		return d.byTemplate(c, v, b)
	}
	rule, rests, err := d.standing(c, v, b)
	if err != nil {
		return nil, err
	}
	r := &ruling{until: rule.Until, contracts: rule.MaxContracts, month: rule.MaxMonth, by: statement.Fingerprint(rule.AccreditedBy), allMonth: rule.MaxMonthAll}
	if !rule.OutlivesAccreditation {
		r.rests = rests
	}
	return r, nil
}

// add puts what the rule of one more offer gives into the grant: the strictest of each bound.
func (r *ruling) add(g *statement.Grant, limit *int64) error {
	if g.AccreditedBy != "" && r.by != "" && g.AccreditedBy != r.by {
		return refuse("rule-accreditors", "the rules of the data sets name different parties who accredit: grant it by hand if you mean to")
	}
	if !r.until.IsZero() {
		g.UntilMS = min(g.UntilMS, r.until.UnixMilli())
	}
	*limit = least(*limit, r.contracts)
	g.OfMonth, g.AllOfMonth = least(g.OfMonth, r.month), least(g.AllOfMonth, r.allMonth)
	if r.by != "" {
		g.AccreditedBy = r.by
	}
	for _, a := range r.rests {
		g.UntilMS = min(g.UntilMS, a.Body().UntilMS)
		if !slices.Contains(g.Accreditations, a.Digest()) {
			g.Accreditations = append(g.Accreditations, a.Digest())
		}
	}
	return nil
}

// least of two bounds, of which 0 is none.
func least(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// standing finds the rule of a version's policy that grants the contract. A newer version ends the rules of the older ones:
// its owner may have meant to be stricter from then on.
func (d *Desk) standing(c *statement.Contract, v *dataset.Published, b brought) (*policy.StandingRule, []*statement.Verified[statement.Accreditation], error) {
	newest, replaced := d.Store.ReplacedBy(v.Offer.Digest())
	ended := false
	for _, r := range v.Policy.Standing() {
		rests, ok := d.ruleCovers(&r, c, b)
		if !ok {
			continue
		}
		if !replaced || r.EvenIfReplaced {
			return &r, rests, nil
		}
		ended = true
	}
	if ended {
		return nil, nil, replacedBy(newest)
	}
	why := "no standing rule grants this contract"
	if c.Template != "" {
		why += ", and the template that it names is not approved here"
	}
	return nil, nil, refuse("no-rule", why+": grant it by hand if you mean to")
}

func replacedBy(newest dataset.Published) error {
	return refuse("offer-replaced", "version "+newest.Offer.Body().Version+" has replaced the one that the contract names, which ended its standing rules: grant it by hand if you mean to")
}

// ruleCovers reports whether the requester and all who receive results are analysts of the rule, or members, or this party itself.
func (d *Desk) ruleCovers(r *policy.StandingRule, c *statement.Contract, b brought) ([]*statement.Verified[statement.Accreditation], bool) {
	purposes := []string{c.Purpose}
	if r.AccreditedBy != "" {
		rests := d.members(b, statement.Fingerprint(r.AccreditedBy), c)
		return rests, len(rests) > 0 && r.GrantsMembers(purposes, d.Now())
	}
	for _, f := range append([]statement.Fingerprint{c.Requester}, c.Recipients...) {
		if (f != d.self() || f == c.Requester) && !r.Grants(string(f), purposes, d.Now()) {
			return nil, false
		}
	}
	return nil, true
}

// byTemplate grants what the template says, and nothing that differs.
func (d *Desk) byTemplate(c *statement.Contract, v *dataset.Published, b brought) (*ruling, error) {
	t := b.template.Body()
	if clause := d.differs(t, c, v); clause != "" {
		return nil, refuse("template-"+clause, fmt.Sprintf("the contract differs from the template that it names in its clause %q", clause))
	}
	if newest, replaced := d.Store.ReplacedBy(v.Offer.Digest()); replaced {
		return nil, replacedBy(newest)
	}
	r := &ruling{contracts: t.Contracts, month: t.OfMonth}
	if slices.Contains(t.Requesters, c.Requester) {
		return r, nil
	}
	r.by = t.AccreditedBy
	// Recipients are the template's: the requester, or owners. Whether they are members is of no account.
	if r.rests = d.members(b, r.by, &statement.Contract{Requester: c.Requester}); len(r.rests) == 0 {
		return nil, refuse("template-"+statement.ClauseRequester, "the requester shows no accreditation in force by the party that the template names")
	}
	return r, nil
}

// differs is Template.Differs, and what the owner alone knows better: its own data set, what it costs, and the time.
func (d *Desk) differs(t *statement.Template, c *statement.Contract, v *dataset.Published) string {
	if clause := t.Differs(c); clause != "" {
		return clause
	}
	if c.FromMS > d.Now().Add(maxAhead).UnixMilli() {
		return statement.ClauseDuration
	}
	if !t.Costs(v.Offer.Body()) {
		return statement.ClausePrice
	}
	return ""
}

// maxAhead is how far in the future a contract of a template may begin: as far as clocks may differ.
const maxAhead = 2 * time.Minute
