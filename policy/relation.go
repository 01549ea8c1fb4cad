package policy

import (
	"slices"
	"strings"

	"github.com/cordon-exchange/cordon/policy/internal/query"
)

// wide compiles a query of the whole grammar into a program: rows, entities, releases, and what is computed above them.
// Its methods return a *Refusal or nil; the first ends the compilation.
type wide struct {
	req     Request
	prog    Program
	views   []*compiler // by table of the program: what the policies of its members say
	sources []PlanSource
	nodes   int         // relations made, which bounds the work
	places  []query.Pos // of the SELECT that makes each release
	spent   int         // what they weigh, written out
}

// env holds the common table expressions that names may stand for, innermost first.
type env struct {
	name  string
	query *query.Query
	outer *env // what the expression itself may refer to
	rel   *relation
	busy  bool
	next  *env
}

func (v *env) find(name string) *env {
	for ; v != nil; v = v.next {
		if v.name == name {
			return v
		}
	}
	return nil
}

// level says what the rows of a relation are.
type level int

const (
	levelRows     level = iota + 1 // rows of data sets, or pairs of them
	levelEntity                    // one row a unit
	levelReleased                  // released: above the boundary
)

// relation is what a data set, a common table expression or a subquery stands for. Relations are values: what is made of one
// leaves it as it was.
type relation struct {
	level  level
	step   Step // below the boundary
	rel    Rel  // above it
	tables []int
	domain string // whose identities the units are
	keyed  bool   // of a join: the equality of the units was said
	fields []field
	at     query.Pos
}

// field is a column that names may stand for.
type field struct {
	quals     []string // folded names that may stand before it
	qualified bool     // found by a qualified name alone: USING gave its plain name to the left side
	name      string
	expr      Expr
	label     label
	ref       columnRef // what it is of, for a bare column of a data set
	bins      []Expr    // of a measure: constants that it may be compared with
	scale     int       // of whole numbers made of a measure within an entity
	side      int       // of a join: the side on which this is the key
	aggs      []string  // of what an entity made of a measure: what may be computed of it
}

// columnRef names a column of a data set.
type columnRef struct {
	view   *compiler
	column Column
	outer  *Expr // of the unit of an outer join's right side: true where there is none
}

// compileProgram is Compile for plan/2.
func compileProgram(r Request) (*Plan, *Refusal) {
	ast, err := query.ParseQuery(r.SQL)
	if err != nil {
		return nil, &Refusal{Rule: "grammar", Code: err.Code, Where: at(err.Pos), Msg: err.Msg, Hint: err.Hint}
	}
	w := &wide{req: r}
	top, ref := w.query(ast, nil)
	if ref != nil {
		return nil, ref
	}
	if top.level != levelReleased {
		return nil, w.rowsLeave(ast, top)
	}
	return w.plan(top)
}

// rowsLeave refuses to list what lies below the boundary.
func (w *wide) rowsLeave(q *query.Query, r relation) *Refusal {
	p := q.Pos
	if s := q.Arms[0]; len(s.Items) > 0 {
		p = s.Items[0].Expr.Pos
	}
	ref := ruled("release", "rows", p, "single rows never leave: this query would list them", "group by dimensions and aggregate").of(w.whose(r.tables))
	for _, f := range r.fields {
		if f.label == labelUnit {
			ref.Rule, ref.Code, ref.Msg = "unit", "named", "the unit column may only be counted"
			ref.Hint = "count(DISTINCT " + query.Quote(f.name) + ") counts units"
		}
	}
	return ref
}

// whose names the data sets of tables.
func (w *wide) whose(tables []int) (names []string) {
	for _, t := range tables {
		names = append(names, w.views[t].names()...)
	}
	return sortedSet(names)
}

// query compiles a statement, a subquery or a common table expression.
func (w *wide) query(q *query.Query, v *env) (relation, *Refusal) {
	for _, c := range q.With {
		v = &env{name: fold(c.Name), query: c.Query, outer: v, next: v}
	}
	if w.nodes++; w.nodes > maxRelations {
		return relation{}, ruled("limits", "too-many", q.Pos, "the query has too many parts", "")
	}
	if len(q.Arms) == 1 {
		return w.selects(q.Arms[0], q, v)
	}
	var arms []relation
	for _, s := range q.Arms {
		r, ref := w.selects(s, nil, v)
		if ref != nil {
			return r, ref
		}
		arms = append(arms, r)
	}
	return w.union(q, arms)
}

// from compiles an item of FROM.
func (w *wide) from(f *query.From, v *env) (relation, *Refusal) {
	switch f.Kind {
	case query.FromTable:
		return w.named(f, v)
	case query.FromSub:
		r, ref := w.query(f.Sub, v)
		return r.alias(f.Alias), ref
	}
	return w.join(f, v)
}

// alias makes all fields answer to a name, and to no other.
func (r relation) alias(name string) relation {
	r.fields = slices.Clone(r.fields)
	for i := range r.fields {
		r.fields[i].quals = nil
		if name != "" {
			r.fields[i].quals = []string{fold(name)}
		}
	}
	return r
}

// named finds a common table expression or a data set. Data sets are named by two words, so no expression can take the
// place of one.
func (w *wide) named(f *query.From, v *env) (relation, *Refusal) {
	t := f.Table
	alias := f.Alias
	if alias == "" {
		alias = t.Alias
	}
	if t.Schema == "" {
		c := v.find(fold(t.Name))
		if c == nil {
			return relation{}, ruled("tables", "table-name", f.Pos, "a data set is named by two words, and no common table expression has this name", "read party.dataset or pool.name")
		}
		if alias == "" {
			alias = t.Name
		}
		r, ref := w.cte(c, f.Pos)
		if ref == nil && r.level == levelReleased { // it stands here in full
			weight, _ := r.rel.weight(&w.prog)
			w.spend(weight)
			ref = w.tooHeavy(f.Pos)
		}
		return r.alias(alias), ref
	}
	r, ref := w.scan(t, f.Pos)
	if ref == nil && alias != "" {
		r = r.alias(alias)
	}
	return r, ref
}

func (w *wide) cte(c *env, p query.Pos) (relation, *Refusal) {
	if c.busy {
		return relation{}, ruled("grammar", "cte", p, "a common table expression can't refer to itself", "")
	}
	if c.rel == nil {
		c.busy = true
		r, ref := w.query(c.query, c.outer)
		c.busy = false
		if ref != nil {
			return r, ref
		}
		c.rel = &r
	}
	return *c.rel, nil
}

// scan makes the relation of a data set or pool of the contract.
func (w *wide) scan(t query.Table, p query.Pos) (relation, *Refusal) {
	name := fold(t.Schema) + "." + fold(t.Name)
	i, ref := w.table(name, p)
	if ref != nil {
		return relation{}, ref
	}
	view := w.views[i]
	r := relation{level: levelRows, tables: []int{i}, at: p, step: Step{Op: StepScan, Table: i}, domain: view.domainName()}
	for _, col := range view.table.Members[0].Schema {
		col = view.index[fold(col.Name)]
		f := field{
			quals: []string{fold(t.Name), fold(t.Schema) + "." + fold(t.Name)}, name: col.Name, ref: columnRef{view: view, column: col},
			expr: Expr{Op: OpCol, Type: col.Type, Index: len(r.step.Reads)},
		}
		f.label, f.bins, f.scale = view.wideLabel(col)
		r.step.Reads = append(r.step.Reads, view.read(col, f.label))
		r.fields = append(r.fields, f)
	}
	return r, nil
}

// table finds or adds a table of the program, and checks who asks for it, when and for what.
func (w *wide) table(name string, p query.Pos) (int, *Refusal) {
	for i, v := range w.views {
		if v.table.Name == name {
			return i, nil
		}
	}
	view := &compiler{req: w.req, ast: &query.Select{From: query.Table{Pos: p}}, dimIndex: map[string]int{}}
	schema, table, _ := strings.Cut(name, ".")
	view.ast.From.Schema, view.ast.From.Name = schema, table
	if ref := view.resolve(); ref != nil {
		return 0, ref
	}
	view.own = view.isOwn()
	if ref := view.access(); ref != nil {
		return 0, ref
	}
	t := ProgramTable{Name: view.table.Name, Pool: view.table.Pool, Epoch: view.table.Epoch, Unit: view.unit()}
	for _, m := range view.table.Members {
		t.Sources = append(t.Sources, w.source(m))
	}
	w.views = append(w.views, view)
	w.prog.Tables = append(w.prog.Tables, t)
	return len(w.views) - 1, nil
}

// source finds or adds a source of the plan: an offer stands once, however many tables have it.
func (w *wide) source(m Source) int {
	for i, s := range w.sources {
		if s.Offer == m.Offer {
			return i
		}
	}
	w.sources = append(w.sources, PlanSource{Owner: m.Owner, Dataset: m.Dataset, Version: m.Version, Offer: m.Offer})
	return len(w.sources) - 1
}

// plan puts the parts together.
func (w *wide) plan(top relation) (*Plan, *Refusal) {
	p := &Plan{Encoding: EncodingProgram, Purpose: w.req.Purpose, Asker: w.asker(), Program: &w.prog}
	w.prog.Result = top.rel
	if top.rel.Op != RelSelect {
		w.prog.Result = Rel{Op: RelSelect, Inputs: []Rel{top.rel}}
		for _, f := range top.fields {
			w.prog.Result.add(query.Item{Expr: &query.Expr{Kind: query.Ident, Path: []string{f.name}}}, f.expr)
		}
	}
	if ref := w.ownWords(p.Asker); ref != nil {
		return nil, ref
	}
	w.dropUnused()
	if ref := w.shareEpsilon(); ref != nil {
		return nil, ref
	}
	columns := w.prog.opened(len(w.sources))
	for i, s := range w.sources {
		s.Columns = sortedSet(columns[i])
		p.Sources = append(p.Sources, s)
	}
	for i, n := range w.prog.Releases {
		if n.Mode != ModeDP {
			continue
		}
		if _, err := p.Noise(i); err != nil {
			return nil, &Refusal{Rule: "dp", Code: "numbers", Msg: "with the policies' epsilon, bounds and limits, this can't be released with noise", Hint: "fewer aggregates, or fewer releases in one query, have more of epsilon each"}
		}
	}
	if _, j, bad := w.prog.overlap(); bad {
		n := w.prog.Releases[j]
		var tables []int
		n.From.eachScan(func(s Step) { tables = append(tables, s.Table) })
		return nil, ruled("release", "overlap", w.places[j], "this and another part of the query release cells over some of the same rows: their difference would be a cell that nobody judged",
			"make one release: group by more, or put the condition into FILTER; conditions that exclude each other may stand apart").of(p.namesOf(w, tables))
	}
	if !p.wellFormed() || len(p.Encode()) > maxPlanBytes {
		return nil, &Refusal{Rule: "request", Code: "malformed", Msg: "a name, digest or text of the request is not of its form, or the plan is too large"}
	}
	return p, nil
}

// ownWords is ownWord over the whole program: who counts to the asker's side does so in every release, so what the policies of
// one table call affiliates must be the word of an owner of another.
func (w *wide) ownWords(asker []string) *Refusal {
	for _, v := range w.views {
		if v.own {
			continue
		}
		if ref := v.ownWordOf(asker); ref != nil {
			return ref
		}
	}
	return nil
}

// asker is everybody who counts to the asker's side in any release.
func (w *wide) asker() []string {
	all := append([]string{w.req.Requester}, w.req.Recipients...)
	for _, n := range w.prog.Releases {
		for _, group := range n.Guard.Affiliates {
			if slices.ContainsFunc(group, func(f string) bool { return contains(append([]string{w.req.Requester}, w.req.Recipients...), f) }) {
				all = append(all, group...)
			}
		}
	}
	return sortedSet(all)
}

// dropUnused leaves out tables that no release reads, as the members of a pool that was written out by hand, with their sources.
func (w *wide) dropUnused() {
	used := make([]bool, len(w.prog.Tables))
	for _, n := range w.prog.Releases {
		n.From.eachScan(func(s Step) { used[s.Table] = true })
	}
	tables, sources := map[int]int{}, map[int]int{}
	var keptTables []ProgramTable
	var keptSources []PlanSource
	for i, t := range w.prog.Tables {
		if !used[i] {
			continue
		}
		t.Sources = slices.Clone(t.Sources)
		for k, s := range t.Sources {
			if _, have := sources[s]; !have {
				sources[s] = len(keptSources)
				keptSources = append(keptSources, w.sources[s])
			}
			t.Sources[k] = sources[s]
		}
		tables[i] = len(keptTables)
		keptTables = append(keptTables, t)
	}
	for i := range w.prog.Releases {
		w.prog.Releases[i].From = w.prog.Releases[i].From.renumbered(tables)
	}
	w.prog.Tables, w.sources = keptTables, keptSources
}

func (s Step) renumbered(tables map[int]int) Step {
	if s.Op == StepScan {
		s.Table = tables[s.Table]
	}
	var inputs []Step
	for _, in := range s.Inputs {
		inputs = append(inputs, in.renumbered(tables))
	}
	s.Inputs = inputs
	return s
}

func (s Step) eachScan(visit func(Step)) {
	if s.Op == StepScan {
		visit(s)
	}
	for _, in := range s.Inputs {
		in.eachScan(visit)
	}
}

// opensUnit: units are counted, bounded, joined or grouped by, unless each row of the only table is one.
func (p *Program) opensUnit(n ReleaseNode, s Step) bool {
	alone := n.From.Op == StepScan
	counts := slices.ContainsFunc(n.Aggs, func(a Agg) bool { return a.Op == AggCountUnits })
	return !alone || n.Mode == ModeDP || !p.Tables[s.Table].Unit.Unique && (n.Mode != ModeOwn || counts)
}

// namesOf names the data sets of tables of the program, as policies are named.
func (p *Plan) namesOf(w *wide, tables []int) (names []string) {
	for _, t := range tables {
		for _, v := range w.views {
			if v.table.Name == p.Program.Tables[t].Name {
				names = append(names, v.names()...)
			}
		}
	}
	return names
}
