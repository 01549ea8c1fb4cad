package policy

import (
	"slices"
	"strconv"
)

func itoa(n int) string { return strconv.Itoa(n) }

// mergeGuard takes the strictest number of all policies, and refuses what could never hold.
func (c *compiler) mergeGuard() (Guard, *Refusal) {
	if c.own {
		return Guard{Affiliates: [][]string{}, Recognised: []string{}}, nil
	}
	g := Guard{MinUnits: 1, MinContributors: 1, MaxSharePct: 100, RoundCount: 1, ValueDigits: 15}
	var groups [][]string
	for _, s := range c.table.Members {
		r := s.Policy.guard
		g.MinUnits, g.RoundCount = max(g.MinUnits, r.minUnits), max(g.RoundCount, r.roundCount)
		g.ValueDigits = min(g.ValueDigits, r.valueDigits)
		if r.hasContributors {
			g.MinContributors, g.MaxSharePct = max(g.MinContributors, r.minContributors), min(g.MaxSharePct, r.maxSharePct)
			g.PPercent, g.Coalition = max(g.PPercent, r.pPercent), max(g.Coalition, r.coalition)
		}
		groups = append(groups, r.affiliates...)
		g.Recognised = append(g.Recognised, s.Owner)
	}
	g.Affiliates, g.Recognised = disjoint(groups), sortedSet(g.Recognised)
	return g, c.contributors(g)
}

// disjoint merges groups that share a member.
func disjoint(groups [][]string) [][]string {
	out := [][]string{}
	for _, g := range groups {
		merged := slices.Clone(g)
		out = slices.DeleteFunc(out, func(have []string) bool {
			shares := slices.ContainsFunc(have, func(f string) bool { return contains(g, f) })
			if shares {
				merged = append(merged, have...)
			}
			return shares
		})
		out = append(out, sortedSet(merged))
	}
	slices.SortFunc(out, slices.Compare)
	return out
}

// asker is the requester, the recipients and their affiliates.
func (c *compiler) asker(g Guard) []string {
	who := append([]string{c.req.Requester}, c.req.Recipients...)
	all := slices.Clone(who)
	for _, group := range g.Affiliates {
		if slices.ContainsFunc(group, func(f string) bool { return contains(who, f) }) {
			all = append(all, group...)
		}
	}
	return sortedSet(all)
}

// contributors refuses sources that some policy does not recognise, and too few of them for any cell to hold.
func (c *compiler) contributors(g Guard) *Refusal {
	p := c.ast.From.Pos
	if r := c.recognised(); r != nil {
		return r
	}
	if r := c.ownWord(g); r != nil {
		return r
	}
	asker, own := c.asker(g), false
	groups := map[string]bool{}
	for _, s := range c.table.Members {
		if contains(asker, s.Owner) {
			own = true
		} else {
			groups[g.representative(s.Owner)] = true
		}
	}
	need := g.MinContributors
	if own {
		need--
	}
	if int64(len(groups)) < need || int64(len(groups)) <= g.Coalition {
		need = max(need, g.Coalition+1)
		return ruled("contributors", "too-few", p, "each cell needs "+strconv.FormatInt(need, 10)+" contributors beside the asker, and there are "+itoa(len(groups)),
			"ask for the pool, or for a larger one").of(c.whoseContributors())
	}
	return nil
}

// recognised checks that every policy recognises every other owner, and has rules on contributors where there are several.
func (c *compiler) recognised() *Refusal {
	p := c.ast.From.Pos
	for _, s := range c.table.Members {
		r := s.Policy.guard
		if !r.hasContributors && len(c.table.Members) > 1 {
			return ruled("contributors", "no-rule", p, "the policy has no rule on contributors, so its data can't be pooled", "add guard.contributors").of([]string{s.name()})
		}
		for _, other := range c.table.Members {
			if r.hasContributors && other.Owner != s.Owner && !contains(r.from, other.Owner) {
				return ruled("contributors", "not-recognised", p, "the policy does not recognise "+other.OwnerName+" as a contributor", "its owner must list that fingerprint under guard.contributors.from").of([]string{s.name()})
			}
		}
	}
	return nil
}

// ownWord refuses to count an owner to the asker's side unless it asks itself or its own policy says that it belongs to the
// requester. What counts to that side is not protected from who asks, so neither a requester that names the owner as a
// recipient nor a policy of somebody else that calls the two affiliates may put it there.
func (c *compiler) ownWord(g Guard) *Refusal { return c.ownWordOf(c.asker(g)) }

func (c *compiler) ownWordOf(asker []string) *Refusal {
	var whose []string
	for _, s := range c.table.Members {
		if contains(asker, s.Owner) && s.Owner != c.req.Requester && !s.Policy.belongsTo(s.Owner, c.req.Requester) {
			whose = append(whose, s.name())
		}
	}
	if whose == nil {
		return nil
	}
	return ruled("contributors", "not-its-word", c.ast.From.Pos, "an owner of the data is a recipient, or called the asker's affiliate, and neither asks itself nor says so in its own policy",
		"leave it out of the recipients: it can ask itself; an affiliate lists itself and the requester under guard.affiliates").of(whose)
}

// belongsTo reports whether the policy calls the two affiliates.
func (p *Policy) belongsTo(owner, requester string) bool {
	return slices.ContainsFunc(p.guard.affiliates, func(group []string) bool { return contains(group, owner) && contains(group, requester) })
}

func (c *compiler) whoseContributors() (whose []string) {
	for _, s := range c.table.Members {
		if s.Policy.guard.hasContributors {
			whose = append(whose, s.name())
		}
	}
	if whose == nil {
		for _, s := range c.table.Members {
			whose = append(whose, s.name())
		}
	}
	return whose
}

// representative names the group of affiliates that an owner belongs to.
func (g Guard) representative(owner string) string {
	for _, group := range g.Affiliates {
		if contains(group, owner) {
			return group[0]
		}
	}
	return owner
}
