package policy

import (
	"slices"
	"strconv"

	"github.com/cordon-exchange/cordon/policy/internal/query"
)

// Compile turns the query into the one plan that every party must reach, or says why not: a *Refusal. The verdict
// depends on the request alone, never on data.
func Compile(r Request) (*Plan, error) {
	if ref := r.check(); ref != nil {
		return nil, ref
	}
	p, ref := r.compile()
	if ref == nil {
		ref = r.manner(p)
	}
	if ref != nil {
		return nil, ref
	}
	return p, nil
}

// compile takes the path of the plan's encoding.
func (r Request) compile() (*Plan, *Refusal) {
	if r.Encoding == EncodingProgram {
		return compileProgram(r)
	}
	ast, err := query.Parse(r.SQL)
	if err != nil {
		return nil, &Refusal{Rule: "grammar", Code: err.Code, Where: at(err.Pos), Msg: err.Msg, Hint: err.Hint}
	}
	return compileTree(r, ast)
}

func compileTree(r Request, ast *query.Select) (*Plan, *Refusal) {
	c := &compiler{req: r, ast: ast, dimIndex: map[string]int{}}
	if ref := c.resolve(); ref != nil {
		return nil, ref
	}
	c.own = c.isOwn()
	if ref := c.access(); ref != nil {
		return nil, ref
	}
	if ref := c.lattices(); ref != nil {
		return nil, ref
	}
	guard, ref := c.mergeGuard()
	if ref != nil {
		return nil, ref
	}
	post, ref := c.split()
	if ref != nil {
		return nil, ref
	}
	return c.plan(guard, post)
}

// split cuts the query at the release boundary: the aggregate calls and the dimensions go below it, all else above.
func (c *compiler) split() (Post, *Refusal) {
	post := Post{Group: []Expr{}, Select: []Item{}, OrderBy: []Order{}}
	c.aliases = map[string]*query.Expr{}
	for _, it := range c.ast.Items {
		if it.Alias != "" && c.aliases[fold(it.Alias)] == nil {
			c.aliases[fold(it.Alias)] = it.Expr
		}
	}
	if r := c.tooHeavy(); r != nil {
		return post, r
	}
	if r := c.groupBy(); r != nil {
		return post, r
	}
	where, r := c.where()
	if r != nil {
		return post, r
	}
	post.Where = where
	if r := c.chooseSet(where); r != nil {
		return post, r
	}
	return post, c.above(&post)
}

func (c *compiler) where() (*Expr, *Refusal) {
	if c.ast.Where == nil {
		return nil, nil
	}
	x, _, r := c.row(c.ast.Where, useFilter)
	if r != nil {
		return nil, r
	}
	if x.Type != Boolean {
		return nil, ruled("types", "condition", c.ast.Where.Pos, "WHERE takes a condition", "")
	}
	return &x, nil
}

// above converts what stands above the release.
func (c *compiler) above(post *Post) *Refusal {
	post.Group = append(post.Group, c.keys...)
	names := c.aliases
	c.aliases = nil // no aliases among the items themselves
	for _, it := range c.ast.Items {
		x, r := c.released(it.Expr)
		if r != nil {
			return r
		}
		if x.Type == nullType {
			x = Expr{Op: OpCast, Type: Varchar, Args: []Expr{x}}
		}
		post.Select = append(post.Select, Item{Name: itemName(it, post.Select), Expr: x})
	}
	c.aliases = names
	if c.ast.Having != nil {
		x, r := c.released(c.ast.Having)
		if r != nil {
			return r
		}
		if x.Type != Boolean {
			return ruled("types", "condition", c.ast.Having.Pos, "HAVING takes a condition", "")
		}
		post.Having = &x
	}
	if r := c.order(post); r != nil {
		return r
	}
	if len(c.keys) == 0 && len(c.bases) == 0 {
		return ruled("release", "rows", c.ast.Items[0].Expr.Pos, "only groups and aggregates leave, never single rows", "add an aggregate, as count(*)").of(c.names())
	}
	return c.limits(post)
}

func (c *compiler) order(post *Post) *Refusal {
	for _, o := range c.ast.OrderBy {
		e, r := c.orderKey(o.Expr)
		if r != nil {
			return r
		}
		names := c.aliases
		if e != o.Expr {
			c.aliases = nil // an alias can't name another
		}
		x, r := c.released(e)
		c.aliases = names
		if r != nil {
			r.Where = at(o.Expr.Pos)
			return r
		}
		post.OrderBy = append(post.OrderBy, Order{Expr: x, Desc: o.Desc, NullsFirst: o.NullsFirst})
	}
	return nil
}

func (c *compiler) limits(post *Post) *Refusal {
	if c.ast.Limit != nil {
		n, r := c.bound(c.ast.Limit)
		if r != nil {
			return r
		}
		post.Limit = &n
	}
	if c.ast.Offset != nil {
		n, r := c.bound(c.ast.Offset)
		if r != nil {
			return r
		}
		post.Offset = n
	}
	return nil
}

func (c *compiler) bound(e *query.Expr) (int64, *Refusal) {
	x, ok, r := c.literal(e)
	if r != nil {
		return 0, r
	}
	n, err := strconv.ParseInt(x.Value, 10, 64)
	if !ok || x.Type.class() != classInt || err != nil || n < 0 {
		return 0, ruled("grammar", "limit", e.Pos, "LIMIT and OFFSET take a whole number that is not negative", "")
	}
	return n, nil
}

// itemName is the alias, the column's name or the text of the expression, made unique by a number.
func itemName(it query.Item, have []Item) string {
	name := it.Alias
	if name == "" && it.Expr.Kind == query.Ident {
		name = it.Expr.Path[len(it.Expr.Path)-1]
	}
	if name == "" {
		name = it.Expr.Format()
	}
	if len(name) > maxNameBytes {
		name = "expression"
	}
	taken := func(s string) bool {
		return slices.ContainsFunc(have, func(i Item) bool { return fold(i.Name) == fold(s) })
	}
	out := name
	for n := 2; taken(out); n++ {
		out = name + "_" + itoa(n)
	}
	return out
}

// plan puts the parts together. A query without aggregates still releases the count, which guards that a group is named.
func (c *compiler) plan(g Guard, post Post) (*Plan, *Refusal) {
	if len(c.bases) == 0 {
		c.base(BaseCount, -1)
	}
	p := &Plan{
		Encoding: Encoding,
		Purpose:  c.req.Purpose,
		Asker:    c.asker(g),
		Rows:     Rows{Table: c.table.Name, Pool: c.table.Pool, Epoch: c.table.Epoch, Sources: []PlanSource{}},
		Release:  Release{Mode: ModeLattice, Unit: c.unit(), Dims: c.dims, Measures: c.measures, Bases: c.bases, Guard: g},
		Post:     post,
	}
	if c.own {
		p.Mode = ModeOwn
	}
	if p.Measures == nil {
		p.Measures = []Measure{}
	}
	p.readSomething()
	if r := c.unitsAddUp(p); r != nil {
		return nil, r
	}
	for _, s := range c.table.Members {
		p.Sources = append(p.Sources, PlanSource{Owner: s.Owner, Dataset: s.Dataset, Version: s.Version, Offer: s.Offer, Columns: p.reads()})
	}
	if !p.wellFormed() || len(p.Encode()) > maxPlanBytes {
		return nil, &Refusal{Rule: "request", Code: "malformed", Msg: "a name, digest or text of the request is not of its form, or the plan is too large"}
	}
	return p, nil
}

// readSomething has a plan that would open no column, as of a bare count(*), open the unit: how many rows a file's footer
// says there are is its owner's claim, and the unit's column is there under every policy.
func (p *Plan) readSomething() {
	if len(p.reads()) > 0 {
		return
	}
	p.Unit.Unique = false
	if units := (Base{Op: BaseCountUnits, Measure: -1}); !p.opensUnit() { // in own mode only for this base
		p.Bases = append(p.Bases, units)
	}
}

// unitsAddUp refuses to add up distinct counts of units over cells, where a unit may be in several.
func (c *compiler) unitsAddUp(p *Plan) *Refusal {
	if p.Unit.Unique || !p.folds() {
		return nil
	}
	for _, b := range p.Bases {
		if b.Op == BaseCountUnits {
			return ruled("aggregates", "units-add-up", c.ast.GroupPos, "distinct units of several cells can't be added up: one unit may be in more than one", "group by all dimensions of the set, and filter on none that is not grouped by").of(c.names())
		}
	}
	return nil
}

// reads lists the columns that every source must open.
func (p *Plan) reads() []string {
	var cols []string
	for _, d := range p.Dims {
		cols = append(cols, d.Column)
	}
	for _, m := range p.Measures {
		cols = append(cols, m.Column)
	}
	if p.opensUnit() {
		cols = append(cols, p.Unit.Column)
	}
	return sortedSet(cols)
}

// opensUnit: thresholds count units, so their column is opened unless each row is one.
func (p *Plan) opensUnit() bool {
	counts := slices.ContainsFunc(p.Bases, func(b Base) bool { return b.Op == BaseCountUnits })
	return !p.Unit.Unique && (p.Mode != ModeOwn || counts)
}

// folds reports whether post adds up cells: unless the keys are the dims themselves, each cell is a row of its own.
func (p *Plan) folds() bool {
	seen := map[int]bool{}
	for _, k := range p.Post.Group {
		if k.Op == OpDim {
			seen[k.Index] = true
		}
	}
	return len(seen) < len(p.Dims)
}
