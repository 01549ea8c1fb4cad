package policy

import (
	"strconv"

	"github.com/cordon-exchange/cordon/policy/internal/canon"
)

// PostSQL gives the SQL over the released table, which the caller has made under that name in the schema main of the
// catalog memory, with columns d0.. (types of Dims; NULL is the NULL key) and b0.. (see BaseType; NULL means suppressed).
// A key that is not of declared values throughout is left out if all its bases are suppressed: its name would tell that
// such rows exist.
//
// The result has the columns c0.. of Post.Select in their order, then h0.., as many BOOLEAN: where h is true, a base that
// the item reads is suppressed, so that a NULL there is a suppressed cell and no NULL. In ModeOwn h is false.
func (p *Plan) PostSQL(released string) string { return p.post(released).String() }

// post has two layers: inside, keys and bases, added up where a key stands for several cells; outside, all else.
func (p *Plan) post(released string) canon.Query {
	inner := &canon.Select{From: canon.From{Table: released, Alias: "t"}, Where: p.shownRows()}
	add := func(s *canon.Select, name string, e *canon.Expr) {
		s.Items = append(s.Items, canon.Item{Expr: e, Alias: name})
	}
	for i, k := range p.Post.Group {
		add(inner, "k"+itoa(i), p.sql(k))
		if p.folds() {
			inner.Group = append(inner.Group, p.sql(k))
		}
	}
	for i := range p.Bases {
		add(inner, "b"+itoa(i), p.fold(i, i))
	}
	for i, avg := range p.averages() {
		s, n := avg.Args[0].Index, avg.Args[1].Index
		add(inner, "s"+itoa(i), p.fold(s, n))
		add(inner, "n"+itoa(i), p.fold(n, s))
	}
	outer := &canon.Select{From: canon.From{Sub: inner, Alias: "r"}}
	for i, it := range p.Post.Select {
		add(outer, "c"+itoa(i), p.item(it.Expr))
	}
	for i, it := range p.Post.Select {
		add(outer, "h"+itoa(i), p.hidden(it.Expr))
	}
	if p.Post.Having != nil {
		outer.Where = p.sql(*p.Post.Having)
	}
	p.finish(outer)
	return canon.Query{outer}
}

// finish orders the result completely, so that equal plans give equal results, and cuts it.
func (p *Plan) finish(s *canon.Select) {
	for _, o := range p.Post.OrderBy {
		s.OrderBy = append(s.OrderBy, canon.Order{Expr: p.sql(o.Expr), Desc: o.Desc, First: o.NullsFirst})
	}
	for i := range p.Post.Group {
		s.OrderBy = append(s.OrderBy, canon.Order{Expr: canon.Col("r", "k"+itoa(i))})
	}
	if p.Post.Limit != nil {
		s.Limit = strconv.FormatInt(*p.Post.Limit, 10)
	}
	if p.Post.Offset > 0 {
		s.Offset = strconv.FormatInt(p.Post.Offset, 10)
	}
}

// shownRows is WHERE, and that a key which is not declared has a base that is shown.
func (p *Plan) shownRows() *canon.Expr {
	var conds []*canon.Expr
	if p.Post.Where != nil {
		conds = append(conds, p.sql(*p.Post.Where))
	}
	if p.Mode != ModeOwn {
		if e := p.namedRows(); e != nil {
			conds = append(conds, e)
		}
	}
	switch len(conds) {
	case 0:
		return nil
	case 1:
		return conds[0]
	}
	return canon.Op(canon.And, conds...)
}

// namedRows is nil where every key is public: all dims have declared values and none may be NULL.
func (p *Plan) namedRows() *canon.Expr {
	var ways []*canon.Expr
	public := true
	for _, d := range p.Dims {
		public = public && len(d.Values) > 0 && !d.Nullable
	}
	if public {
		return nil
	}
	for i := range p.Bases {
		ways = append(ways, canon.Op(canon.Not, canon.Op(canon.IsNull, col("b"+itoa(i)))))
	}
	declared := true
	var keys []*canon.Expr
	for i, d := range p.Dims {
		declared = declared && len(d.Values) > 0
		keys = append(keys, canon.Op(canon.Not, canon.Op(canon.IsNull, col("d"+itoa(i)))))
	}
	if declared {
		ways = append(ways, one(canon.And, keys))
	}
	return one(canon.Or, ways)
}

func one(kind canon.Kind, args []*canon.Expr) *canon.Expr {
	if len(args) == 1 {
		return args[0]
	}
	return canon.Op(kind, args...)
}

// fold adds up a base over the cells in which another is shown as well.
func (p *Plan) fold(i, other int) *canon.Expr {
	b, t := col("b"+itoa(i)), sqlType(p.BaseType(i))
	if i != other {
		b = canon.Op(canon.Case, canon.Op(canon.IsNull, col("b"+itoa(other))), canon.NullOf(t), b)
	}
	if !p.folds() {
		return b
	}
	return canon.CastTo(canon.Call("sum", b), t)
}

// averages lists the distinct averages, in the order in which they are met.
func (p *Plan) averages() []Expr {
	var out []Expr
	p.eachAbove(func(x Expr) {
		if x.Op == OpAvg && p.averageAt(out, x) < 0 {
			out = append(out, x)
		}
	})
	return out
}

func (p *Plan) averageAt(list []Expr, x Expr) int {
	for i, have := range list {
		if have.Args[0].Index == x.Args[0].Index && have.Args[1].Index == x.Args[1].Index {
			return i
		}
	}
	return -1
}

// eachAbove visits every expression above the release.
func (p *Plan) eachAbove(visit func(Expr)) {
	for _, it := range p.Post.Select {
		it.Expr.each(visit)
	}
	if p.Post.Having != nil {
		p.Post.Having.each(visit)
	}
	for _, o := range p.Post.OrderBy {
		o.Expr.each(visit)
	}
}

func (x Expr) each(visit func(Expr)) {
	visit(x)
	for _, a := range x.Args {
		a.each(visit)
	}
}

// item keeps infinities and not-a-number out of the result.
func (p *Plan) item(x Expr) *canon.Expr {
	e := p.sql(x)
	if x.Type != Double {
		return e
	}
	return canon.Op(canon.Case, canon.Call("isfinite", e), e, canon.NullOf("DOUBLE"))
}

// hidden is true where a base that the expression reads is suppressed.
func (p *Plan) hidden(x Expr) *canon.Expr {
	var ways []*canon.Expr
	seen := map[string]bool{}
	reads := func(name string) {
		if !seen[name] {
			seen[name] = true
			ways = append(ways, canon.Op(canon.IsNull, canon.Col("r", name)))
		}
	}
	if p.Mode != ModeOwn {
		p.reading(x, reads)
	}
	if len(ways) == 0 {
		return canon.Const("false", "BOOLEAN")
	}
	return one(canon.Or, ways)
}

// reading names the columns of the inner layer that hold the bases of an expression.
func (p *Plan) reading(x Expr, name func(string)) {
	switch x.Op {
	case OpBase:
		name("b" + itoa(x.Index))
	case OpAvg:
		i := itoa(p.averageAt(p.averages(), x))
		name("s" + i)
		name("n" + i)
	default:
		for _, a := range x.Args {
			p.reading(a, name)
		}
	}
}
