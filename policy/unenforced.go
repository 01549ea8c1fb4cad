package policy

import "slices"

// unenforced says what the policy asks for that no program of this version does. A query of somebody else is then refused,
// whatever the encoding of the plan: an owner that asked for more must not get less.
func (p *Policy) unenforced() (msg, hint string) {
	switch {
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

// enforced refuses a plan that would answer with less than a policy asks for. It looks at all that the plan reads, so that a
// compiler that learns to make plans of a new kind can't forget what else such policies ask for.
func (r Request) enforced(p *Plan) *Refusal {
	for _, t := range r.Tables {
		for _, s := range t.Members {
			msg, hint := s.Policy.unenforced()
			reads := slices.ContainsFunc(p.Sources, func(have PlanSource) bool { return have.Offer == s.Offer })
			if msg != "" && reads && !r.asksItself(s) {
				return &Refusal{Rule: "output", Code: "mode", Whose: []string{s.name()}, Msg: msg, Hint: hint}
			}
		}
	}
	return nil
}

// asksItself reports whether the owner of the source asks, for itself alone.
func (r Request) asksItself(s Source) bool {
	return s.Owner == r.Requester && !slices.ContainsFunc(r.Recipients, func(f string) bool { return f != s.Owner })
}
