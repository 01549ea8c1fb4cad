package policy

import "github.com/cordon-exchange/cordon/policy/internal/query"

// Some nodes of SQL stand twice in the plan or in the generated text: the value of BETWEEN, NULLIF and CASE, a divisor, an
// alias. Nested, they would double at every level, so a query is weighed before it is expanded.

// nodeWeight is roughly what a node takes in the encoding.
const nodeWeight = 64

// weigh is the weight of the expanded expression, or more than the limit.
func (c *compiler) weigh(e *query.Expr, aliases map[string]*query.Expr) int {
	if e.Kind == query.Ident && len(e.Path) == 1 && aliases[fold(e.Path[0])] != nil {
		return c.weigh(aliases[fold(e.Path[0])], nil)
	}
	w := nodeWeight + len(e.Text)
	for i, a := range e.Args {
		w = saturate(w + c.weigh(a, aliases)*copies(e, i))
	}
	return w
}

// copies says how often an argument stands in the expanded expression.
func copies(e *query.Expr, arg int) int {
	switch {
	case e.Kind == query.Between && arg == 0, e.Kind == query.Call && e.Text == "nullif" && arg == 0, e.Kind == query.Binary && e.Text == "/" && arg == 1:
		return 2
	case e.Kind == query.Case && e.Operand && arg == 0:
		return len(e.Args) / 2
	}
	return 1
}

func saturate(w int) int { return min(w, maxWeight+1) }

// tooHeavy refuses a query whose expansion passes the limit.
func (c *compiler) tooHeavy() *Refusal {
	total := 0
	add := func(e *query.Expr) *Refusal {
		if total = saturate(total + c.weigh(e, c.aliases)); total > maxWeight {
			return ruled("limits", "too-long", e.Pos, "the query is too large when it is written out", "nest BETWEEN, NULLIF, CASE and divisions less")
		}
		return nil
	}
	all := append([]*query.Expr{}, c.ast.GroupBy...)
	for _, it := range c.ast.Items {
		all = append(all, it.Expr)
	}
	for _, o := range c.ast.OrderBy {
		all = append(all, o.Expr)
	}
	for _, e := range []*query.Expr{c.ast.Where, c.ast.Having} {
		if e != nil {
			all = append(all, e)
		}
	}
	for _, e := range all {
		if r := add(e); r != nil {
			return r
		}
	}
	return nil
}

// weight is the same measure of an expression of a decoded plan.
func (x Expr) weight() int {
	w := nodeWeight + len(x.Value)
	for i, a := range x.Args {
		n := a.weight()
		if (x.Op == OpDiv || x.Op == OpMean) && i == 1 || x.Op == OpBand {
			n *= 2
		}
		w = saturate(w + n)
	}
	if x.Over != nil {
		for _, p := range x.Over.Partition {
			w = saturate(w + p.weight())
		}
		for _, o := range x.Over.OrderBy {
			w = saturate(w + o.Expr.weight())
		}
	}
	return w
}

// light reports whether all expressions of the plan together are within the limit.
func (p *Plan) light() bool {
	total := 0
	p.eachRoot(func(x Expr) { total = saturate(total + x.weight()) })
	return total <= maxWeight
}

// eachRoot visits every expression of post.
func (p *Plan) eachRoot(visit func(Expr)) {
	q := p.Post
	for _, k := range q.Group {
		visit(k)
	}
	for _, it := range q.Select {
		visit(it.Expr)
	}
	for _, o := range q.OrderBy {
		visit(o.Expr)
	}
	for _, x := range []*Expr{q.Where, q.Having} {
		if x != nil {
			visit(*x)
		}
	}
}
