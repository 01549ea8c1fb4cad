package policy

import (
	"github.com/cordon-exchange/cordon/policy/internal/query"
)

// checkRequest refuses requests in which an expectation is missing.
func (r Request) check() *Refusal {
	missing := func(what string) *Refusal {
		return &Refusal{Rule: "request", Code: "incomplete", Msg: what + " is missing"}
	}
	switch {
	case r.Encoding != "" && !Speaks(r.Encoding):
		return &Refusal{Rule: "request", Code: "encoding", Msg: "plans of the encoding that the contract names are not made here"}
	case r.Requester == "":
		return missing("the requester")
	case len(r.Recipients) == 0 || contains(r.Recipients, ""):
		return missing("the recipient")
	case r.Purpose == "":
		return missing("the purpose")
	case r.At.IsZero():
		return missing("the time")
	case len(r.Params) > maxParams:
		return &Refusal{Rule: "parameters", Code: "too-many", Msg: "more than 64 parameters"}
	}
	for i, p := range r.Params {
		if text, ok := p.Type.canonical(p.Value); !ok || text != p.Value {
			return &Refusal{Rule: "parameters", Code: "value", Msg: "parameter $" + itoa(i+1) + " is not a constant of type " + string(p.Type)}
		}
	}
	return nil
}

// isOwn reports whether the requester asks for its own data alone, for itself alone.
func (c *compiler) isOwn() bool {
	for _, s := range c.table.Members {
		if s.Owner != c.req.Requester {
			return false
		}
	}
	for _, r := range c.req.Recipients {
		if r != c.req.Requester {
			return false
		}
	}
	return true
}

// access checks who asks, for what, when and on whose machine. Rules on who and for what do not bind an owner that asks
// for its own data alone; the rules on when and where hold always, as they guard the keys.
func (c *compiler) access() *Refusal {
	p := c.ast.From.Pos
	failing := func(pass func(Source) bool) (whose []string) {
		for _, s := range c.table.Members {
			if !pass(s) {
				whose = append(whose, s.name())
			}
		}
		return whose
	}
	if w := failing(func(s Source) bool { return s.Policy.Valid(c.req.At) }); w != nil {
		return ruled("valid", "not-in-force", p, "the policy is not in force at this time", "").of(w)
	}
	runs := func(s Source) bool { return c.req.Operator == "" || s.Policy.AllowsOperator(c.req.Operator) }
	if w := failing(runs); w != nil {
		return ruled("operators", "operator", p, "the host's operator may not run this", "choose a host of an operator that the policy lists").of(w)
	}
	if c.own {
		return nil
	}
	if w := failing(c.mayAsk); w != nil {
		return ruled("analysts", "not-listed", p, "the requester or a recipient is not among the analysts", "ask the owner to list them").of(w)
	}
	if w := failing(func(s Source) bool { return s.Policy.AllowsPurpose(c.req.Purpose) }); w != nil {
		return ruled("purposes", "not-listed", p, "the data may not be used for this purpose", "").of(w)
	}
	return nil
}

// mayAsk: an owner may always ask for its own data, or be told of it.
func (c *compiler) mayAsk(s Source) bool {
	for _, who := range append([]string{c.req.Requester}, c.req.Recipients...) {
		if who != s.Owner && !s.Policy.AllowsAnalyst(who) {
			return false
		}
	}
	return true
}

// param gives the constant that a parameter stands for.
func (c *compiler) param(e *query.Expr) (Expr, *Refusal) {
	for i, p := range c.req.Params {
		if e.Text == itoa(i+1) {
			return Expr{Op: OpConst, Type: p.Type, Value: p.Value}, nil
		}
	}
	return Expr{}, ruled("parameters", "unbound", e.Pos, "no value is given for $"+e.Text, "give one for each, in their order: --param TYPE:VALUE, as --param varchar:Large")
}
