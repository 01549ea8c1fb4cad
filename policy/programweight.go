package policy

import (
	"slices"

	"github.com/cordon-exchange/cordon/policy/internal/query"
)

// Common table expressions, aliases and the projections of subqueries stand for what they hold wherever they are named, so a
// short query may be a huge program: each naming would double it. So what a name brings is weighed before it is put in, and the
// whole of a query may weigh maxWeight.

// maxProgramText bounds what releases weigh in generated SQL, which says each once for every source that it reads.
const maxProgramText = 64 << 20

func (w *wide) spend(weight int) { w.spent = saturate(w.spent + weight) }

// tooHeavy refuses a query that passed the limit.
func (w *wide) tooHeavy(p query.Pos) *Refusal {
	if w.spent <= maxWeight {
		return nil
	}
	return ruled("limits", "too-long", p, "the query is too large when it is written out", "name common table expressions, aliases and nested expressions less often")
}

// weighSelect spends what the expressions of a SELECT weigh when names are replaced by what they stand for.
func (w *wide) weighSelect(s *query.Select, q *query.Query, in *relation) *Refusal {
	aliases := map[string]*query.Expr{}
	for _, it := range s.Items {
		if it.Alias != "" && aliases[fold(it.Alias)] == nil {
			aliases[fold(it.Alias)] = it.Expr
		}
	}
	var all []*query.Expr
	for _, it := range s.Items {
		all = append(all, it.Expr)
	}
	if s.Group != nil {
		for _, g := range s.Group.Elems {
			all = append(all, slices.Concat(g.Sets...)...)
		}
	}
	if q != nil {
		for _, o := range q.OrderBy {
			all = append(all, o.Expr)
		}
	}
	for _, e := range append(all, s.Where, s.Having) {
		if w.spend(in.weigh(e, aliases)); w.spent > maxWeight {
			return w.tooHeavy(e.Pos)
		}
	}
	return nil
}

func (r *relation) weigh(e *query.Expr, aliases map[string]*query.Expr) int {
	if e == nil {
		return 0
	}
	weight := nodeWeight + len(e.Text)
	switch e.Kind {
	case query.Star:
		for _, f := range r.fields {
			weight = saturate(weight + f.expr.weight())
		}
	case query.Ident:
		if f, ref := r.find(e); ref == nil {
			weight = saturate(weight + f.expr.weight())
		}
		if len(e.Path) == 1 && aliases[fold(e.Path[0])] != nil {
			weight = saturate(weight + r.weigh(aliases[fold(e.Path[0])], nil))
		}
	}
	for i, a := range e.Args {
		weight = saturate(weight + r.weigh(a, aliases)*copies(e, i))
	}
	weight = saturate(weight + r.weigh(e.Filter, aliases))
	if e.Over != nil {
		for _, p := range e.Over.PartitionBy {
			weight = saturate(weight + r.weigh(p, aliases))
		}
		for _, o := range e.Over.OrderBy {
			weight = saturate(weight + r.weigh(o.Expr, aliases))
		}
	}
	return weight
}

// light reports whether a program is within the limits.
func (p *Program) light() bool {
	text := 0
	for _, n := range p.Releases {
		sources := 0
		n.From.eachScan(func(s Step) { sources = max(sources, len(p.Tables[s.Table].Sources)) })
		w := n.weight()
		if w > maxWeight {
			return false
		}
		if text += w * sources; text > maxProgramText {
			return false
		}
	}
	w, _ := p.Result.weight(p)
	return w <= maxWeight
}

func (n ReleaseNode) weight() int {
	w := n.From.weight()
	for _, k := range n.Keys {
		w = saturate(w + 2*k.Expr.weight())
	}
	for _, a := range n.Aggs {
		w = saturate(w + a.weight()*ContributedColumns)
	}
	return w
}

func (s Step) weight() int {
	w := nodeWeight * (1 + len(s.Reads))
	for _, in := range s.Inputs {
		w = saturate(w + in.weight())
	}
	for _, k := range s.Keys {
		w = saturate(w + 2*k.weight())
	}
	for _, a := range s.Aggs {
		w = saturate(w + a.weight())
	}
	if s.Where != nil {
		w = saturate(w + s.Where.weight())
	}
	return w
}

func (a Agg) weight() int {
	w := nodeWeight
	for _, x := range []*Expr{a.Arg, a.When} {
		if x != nil {
			w = saturate(w + x.weight())
		}
	}
	return w
}

// weight of a released table, and how many columns it has: each stands in the text with its mark.
func (r Rel) weight(p *Program) (weight, columns int) {
	for _, in := range r.Inputs {
		w, n := in.weight(p)
		weight, columns = saturate(weight+w), columns+n
	}
	switch r.Op {
	case RelRelease:
		columns = len(p.Releases[r.Release].Keys) + len(p.Releases[r.Release].Aggs)
	case RelUnion:
		columns /= max(len(r.Inputs), 1)
	case RelSelect:
		columns = len(r.Select)
	}
	weight = saturate(weight + nodeWeight*(1+columns))
	r.eachExpr(func(x Expr) { weight = saturate(weight + x.weight()) })
	return weight, columns
}

// eachExpr visits every expression of a released table, but those of its inputs.
func (r Rel) eachExpr(visit func(Expr)) {
	for _, x := range []*Expr{r.On, r.Where, r.Having} {
		if x != nil {
			visit(*x)
		}
	}
	for _, k := range r.Group {
		visit(k)
	}
	for _, it := range r.Select {
		visit(it.Expr)
	}
	for _, o := range r.OrderBy {
		visit(o.Expr)
	}
}
