package policy

// MinContributors is how many contributors a cell needs, 0 for a policy without contributor rules.
func (p *Policy) MinContributors() int64 {
	if !p.guard.hasContributors {
		return 0
	}
	return p.guard.minContributors
}

// Contributors counts owners as all of some policies do together. The zero value counts nobody.
type Contributors struct {
	least      int64
	apart      int64
	recognised map[string]bool
	affiliates [][]string
}

// CountContributors merges policies for one owner: recognised are the owner itself and those whom one of its own policies
// recognises; numbers and affiliates are the strictest of its own policies and those of others.
func CountContributors(owner string, own, others []*Policy) Contributors {
	c := Contributors{recognised: map[string]bool{owner: true}}
	for _, p := range own {
		for _, f := range p.guard.from {
			c.recognised[f] = true
		}
		c.strictest(p)
	}
	for _, p := range others {
		c.strictest(p)
	}
	c.affiliates = disjoint(c.affiliates)
	return c
}

// strictest takes the number of contributors of a policy; for differences of answers, whose parts nobody weighs, three more
// than its coalition at least: the asker may be one of them, and what it and the coalition do not know themselves must
// never be a single other's.
func (c *Contributors) strictest(p *Policy) {
	c.least = max(c.least, p.guard.minContributors)
	c.apart = max(c.apart, c.least, p.guard.coalition+3)
	c.affiliates = append(c.affiliates, p.guard.affiliates...)
}

// Least is how many contributors a cell needs.
func (c *Contributors) Least() int64 { return c.least }

// Apart is how many contributors must stand behind whatever answers of different epochs show together.
func (c *Contributors) Apart() int64 { return c.apart }

// Count is how many recognised contributors the owners are. Affiliates are one.
func (c *Contributors) Count(owners []string) int64 {
	g, seen := Guard{Affiliates: c.affiliates}, map[string]bool{}
	for _, o := range owners {
		if c.recognised[o] {
			seen[g.representative(o)] = true
		}
	}
	return int64(len(seen))
}
