package policy

// unenforced says what the policy asks for that no program of this version does. A query of somebody else is then refused,
// whatever the encoding of the plan: an owner that asked for more must not get less.
func (p *Policy) unenforced() (msg, hint string) {
	switch {
	case p.output == outputDP:
		return "releases with noise (output: dp) are not in this version", "the owner may ask its own data; a later cordon answers others"
	case p.templatesOnly:
		return "the policy permits its templates alone, and templates are not in this version", "the owner may publish again with mode: free"
	case p.timing != 0:
		return "the policy asks for answers at fixed ticks, and they are not in this version", "the owner may publish again with timing: off"
	}
	return "", ""
}

// Unenforced says what the policy asks for that this version does not do, so that queries of others are refused; empty: nothing.
func (p *Policy) Unenforced() string {
	msg, _ := p.unenforced()
	return msg
}

// enforced refuses to answer with less than a policy asks for.
func (c *compiler) enforced() *Refusal {
	for _, s := range c.table.Members {
		if msg, hint := s.Policy.unenforced(); msg != "" {
			return ruled("output", "mode", c.ast.From.Pos, msg, hint).of([]string{s.name()})
		}
	}
	return nil
}
