package policy

import (
	"math/big"
	"reflect"
	"slices"
	"strconv"

	"github.com/cordon-exchange/cordon/policy/internal/canon"
)

// ReleasedTable names the table that holds what a release lets out: columns d{i} of its keys, then b{j} of its aggregates,
// NULL where suppressed. The caller makes it in memory.main.
func ReleasedTable(release int) string { return "released" + itoa(release) }

// ShownTable names the table of the keys, d{i}, for which a release shows an aggregate. The caller makes it in memory.main
// where Survivors asks for it.
func ShownTable(release, agg int) string { return "shown" + itoa(release) + "_" + itoa(agg) }

// Columns that a contribution has for each aggregate, behind keys, src, rows and units.
const (
	ContributedRows       = iota // rows that take part
	ContributedUnits             // units that have such a row
	ContributedOtherUnits        // units that have a row which does not take part, where that is to be known
	ContributedSum               // whole numbers of 10^-Scale; NULL where no row takes part, as are the following
	ContributedAbs               // of their absolute values
	ContributedOtherSum          // of the rows that do not take part
	ContributedOtherAbs          //
	ContributedSquares           // of the squares
	ContributedOtherRows         // rows that do not take part
	ContributedColumns           // how many there are
)

// Text is a canonical statement together with what it must read.
type Text struct {
	query canon.Query
	reads []leafRead
}

// leafRead is a file or a table that a statement reads, with the types of the columns where they are known.
type leafRead struct {
	file, table string
	columns     []string
	types       map[string]string
}

// SQL is the text.
func (t Text) SQL() string { return t.query.String() }

// Recheck compares json_serialize_sql of the text with what was printed.
func (t Text) Recheck(serialized []byte) error { return agrees(t.query, serialized) }

// RecheckPlan compares json_serialize_plan of the text, bound to files and tables, with what it must read: exactly those, of each
// file exactly the columns that are named, in their declared types.
func (t Text) RecheckPlan(serialized []byte) error {
	leaves, err := canon.ParseBound(t.query, serialized)
	if err != nil || len(leaves) != len(t.reads) {
		return ErrDisagrees
	}
	for i, l := range leaves {
		if !t.reads[i].is(l) {
			return ErrDisagrees
		}
	}
	return nil
}

func (r leafRead) is(l canon.Leaf) bool {
	if r.table != "" {
		return l.Table == r.table && l.Files == nil
	}
	if l.Table != "" || !slices.Equal(l.Files, []string{r.file}) {
		return false
	}
	var names []string
	for _, f := range l.Fields {
		names = append(names, f.Name)
		if want, known := r.types[f.Name]; known && want != f.Type {
			return false
		}
	}
	slices.Sort(names)
	return slices.Equal(names, r.columns)
}

// programText makes a statement and lists what it reads, in the order of the text.
func (p *Program) programText(q canon.Query, refs []string) Text {
	t := Text{query: q}
	for _, s := range q {
		t.reads = append(t.reads, p.readsOf(s, refs)...)
	}
	return t
}

func (p *Program) readsOf(s *canon.Select, refs []string) []leafRead {
	f := s.From
	switch {
	case f.Sub != nil:
		return p.readsOf(f.Sub, refs)
	case f.Union != nil:
		return p.programText(f.Union, refs).reads
	case f.Join != nil:
		left, right := p.readsOf(&canon.Select{From: f.Join.Left}, refs), p.readsOf(&canon.Select{From: f.Join.Right}, refs)
		return append(left, right...)
	case f.Table != "":
		return []leafRead{{table: f.Table}}
	}
	r := leafRead{file: f.File, types: p.types(slices.Index(refs, f.File))}
	s.EachColumn(func(name string) {
		if !contains(r.columns, name) {
			r.columns = append(r.columns, name)
		}
	})
	slices.Sort(r.columns)
	return []leafRead{r}
}

// types of the columns that are read of a source. The unit's is not in the plan.
func (p *Program) types(source int) map[string]string {
	out := map[string]string{}
	for _, n := range p.Releases {
		n.From.eachScan(func(s Step) {
			if !slices.Contains(p.Tables[s.Table].Sources, source) {
				return
			}
			for _, r := range s.Reads {
				out[r.Column] = sqlType(r.Type)
			}
		})
	}
	return out
}

// InputTexts count, for each source, the rows that no honest source has: a measure outside its bounds, a value outside a
// declared domain, a NULL where the offer has none. Each gives one BIGINT, which must be 0. Releases that read a table as it is
// look for such rows themselves (see ReleaseText), and are left out here.
func (p *Plan) InputTexts(refs []string) []Text {
	var out []Text
	for i, ref := range refs {
		if s := p.Program.inputSelect(i, ref); s != nil {
			out = append(out, p.Program.programText(canon.Query{s}, refs))
		}
	}
	return out
}

func (p *Program) inputSelect(source int, ref string) *canon.Select {
	var bad []*canon.Expr
	var seen []Read
	for _, n := range p.Releases {
		n.From.eachScan(func(s Step) {
			if n.Mode == ModeDP || n.looksAtRows() || !slices.Contains(p.Tables[s.Table].Sources, source) {
				return
			}
			for _, r := range s.Reads {
				if !slices.ContainsFunc(seen, func(have Read) bool { return reflect.DeepEqual(have, r) }) {
					seen = append(seen, r)
					bad = append(bad, r.dishonest(col(r.Column), p.required.has(source, r.Column))...)
				}
			}
		})
	}
	if bad == nil {
		return nil
	}
	return &canon.Select{
		Items: []canon.Item{{Expr: canon.Call("count_star"), Alias: "n"}},
		From:  canon.From{File: ref, Alias: "t"}, Where: one(canon.Or, bad),
	}
}

// looksAtRows: its rows are those of a table, so that the pass that aggregates them can look at each.
func (n ReleaseNode) looksAtRows() bool { return n.From.Op == StepScan && n.Mode != ModeDP }

// dishonestRows tells whether a release has a row that no honest source has. What is a key is left to who reads the keys: see
// KeyIsHonest.
func (p *Program) dishonestRows(n ReleaseNode, source int, a *adding) *canon.Expr {
	var bad []*canon.Expr
	if n.looksAtRows() {
		for i, r := range n.From.Reads {
			if !slices.ContainsFunc(n.Keys, func(k Key) bool { return k.Expr.Op == OpCol && k.Expr.Index == i }) {
				r.Bounds = nil // see Sums
				if n.From.Where != nil && n.From.Where.admits(i, r) {
					continue
				}
				bad = append(bad, r.dishonest(canon.Col("s", "c"+itoa(i)), p.required.has(source, r.Column))...)
			}
		}
	}
	ways := a.bad()
	if bad != nil {
		ways = append(ways, canon.Call("bool_or", one(canon.Or, bad)))
	}
	return orFalse(ways)
}

// admits reports whether rows that meet a condition have in a column, which is then not NULL, a value of its declared domain alone.
func (x Expr) admits(column int, r Read) bool {
	if x.Op == OpAnd {
		return slices.ContainsFunc(x.Args, func(y Expr) bool { return y.admits(column, r) })
	}
	if x.Op != OpEq && x.Op != OpIn || len(r.Values) == 0 || x.Args[0].Op != OpCol || x.Args[0].Index != column {
		return false
	}
	return !slices.ContainsFunc(x.Args[1:], func(y Expr) bool {
		return y.Op != OpConst || y.Type != r.Type || !slices.Contains(r.Values, y.Value)
	})
}

// KeyIsHonest reports whether a key's value is one that an honest source can have: any, but where the key is a column whose
// domain is declared, or that has no NULL.
func (n ReleaseNode) KeyIsHonest(key int, null bool, text string) bool {
	x := n.Keys[key].Expr
	if !n.looksAtRows() || x.Op != OpCol {
		return true
	}
	r := n.From.Reads[x.Index]
	if null {
		return r.Nullable
	}
	return len(r.Values) == 0 || slices.Contains(r.Values, text)
}

// dishonest are the conditions on a column that no honest row meets. One that the file's schema requires has no NULL.
func (r Read) dishonest(x *canon.Expr, required bool) []*canon.Expr {
	var out []*canon.Expr
	if !r.Nullable && !required {
		out = append(out, canon.Op(canon.IsNull, x))
	}
	if r.Bounds != nil && !r.Bounds.Clamp {
		if c, ok := r.bound(r.Bounds.Lo, true); ok {
			out = append(out, canon.Cmp("<", x, c))
		}
		if c, ok := r.bound(r.Bounds.Hi, false); ok {
			out = append(out, canon.Cmp(">", x, c))
		}
	}
	if len(r.Values) > 0 {
		args := []*canon.Expr{x}
		for _, v := range r.Values {
			args = append(args, canon.Const(v, sqlType(r.Type)))
		}
		out = append(out, canon.Op(canon.Not, canon.Op(canon.In, args...)))
	}
	return out
}

// bound is a bound as a constant of the column's own type, rounded into the range where the type has fewer places; one that
// the type can't reach is none.
func (r Read) bound(n int64, up bool) (*canon.Expr, bool) {
	_, digits, _ := r.Type.Decimal()
	v, rest := big.NewInt(n), new(big.Int)
	if power := r.Bounds.Scale - digits; power < 0 {
		v.Mul(v, pow10(-power))
	} else if v.DivMod(v, pow10(power), rest); up && rest.Sign() > 0 { // DivMod rounds down
		v.Add(v, big.NewInt(1))
	}
	text, ok := r.Type.canonical(new(big.Rat).SetFrac(v, pow10(digits)).FloatString(digits))
	return canon.Const(text, sqlType(r.Type)), ok
}

func pow10(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// ReleaseText computes the contributions to a release: one row for each owner and key, with columns d{i} of the keys, src INTEGER
// (into the plan's sources), rows and units BIGINT, dishonest BOOLEAN, which must not be true (there is a row that no honest
// source has, as far as InputTexts do not count it), ContributedColumns for each aggregate, and OwnQuantiles. Under ModeDP a row is what one unit
// adds to one group: see unitParts.
func (p *Plan) ReleaseText(release int, refs []string) Text {
	var q canon.Query
	for _, s := range p.Program.readers(release) {
		if p.Program.Releases[release].Mode == ModeDP {
			q = append(q, p.Program.unitParts(release, s, refs))
			continue
		}
		q = append(q, p.Program.contributions(release, s, refs))
	}
	return p.Program.programText(q, refs)
}

// readers are the sources by which a release is computed apart: the members of a pool, or one that stands for all.
func (p *Program) readers(release int) []int {
	from := p.Releases[release].From
	var first []int
	from.eachScan(func(s Step) {
		if first == nil {
			first = p.Tables[s.Table].Sources
		}
	})
	return first
}

// uniqueUnits reports whether the rows of a release are units of their own.
func (p *Program) uniqueUnits(release int) bool {
	n := p.Releases[release]
	return n.From.Op == StepScan && p.Tables[n.From.Table].Unit.Unique
}

// UniqueUnits reports whether each row that a release reads is a unit of its own, so that units of different cells add up.
func (p *Plan) UniqueUnits(release int) bool { return p.Program.uniqueUnits(release) }

// ReleaseSources lists the sources that a release reads, and whether one row may come of several.
func (p *Plan) ReleaseSources(release int) (sources []int, joined bool) {
	from := p.Program.Releases[release].From
	from.eachScan(func(s Step) {
		for _, i := range p.Program.Tables[s.Table].Sources {
			if !slices.Contains(sources, i) {
				sources = append(sources, i)
			}
		}
	})
	return sources, from.joins()
}

func c(i int) *canon.Expr { return canon.Col("s", "c"+itoa(i)) }

func stepWriter() writer {
	return func(x Expr) *canon.Expr {
		if x.Op == OpCol {
			return c(x.Index)
		}
		return nil
	}
}

// contributions of one source to a release.
func (p *Program) contributions(release, source int, refs []string) *canon.Select {
	n := p.Releases[release]
	columns := p.stepColumns(n.From)
	units := p.opensAnyUnit(n)
	s := &canon.Select{From: p.withSurvivors(n, canon.From{Sub: p.stepSelect(n, n.From, source, refs), Alias: "s"})}
	add := func(name string, e *canon.Expr) { s.Items = append(s.Items, canon.Item{Expr: e, Alias: name}) }
	for i, k := range n.Keys {
		add("d"+itoa(i), stepWriter().sql(k.Expr))
		s.Group = append(s.Group, stepWriter().sql(k.Expr))
	}
	add("src", canon.Const(itoa(source), "INTEGER"))
	sums := p.sums(release)
	rows := sums.rowsOfAll()
	add("rows", rows)
	most := p.unitCap(release)
	all := most
	if slices.ContainsFunc(n.Aggs, func(a Agg) bool { return a.Op == AggCountUnits }) {
		all = 0 // a number of units that is released is taken off the number of all
	}
	add("units", countUnits(rows, units, nil, all, sums))
	add("dishonest", p.dishonestRows(n, source, sums))
	for j := range n.Aggs {
		for k, e := range p.contribution(n.Aggs[j], columns, contributing{sums, sums.found[j], units, most}) {
			add("a"+itoa(j)+"_"+itoa(k), e)
		}
	}
	if len(p.readers(release)) == 1 {
		s.Items = append(s.Items, n.quantiles(columns)...)
	}
	return s
}

// quantiles gives those of a release, of all rows together.
func (n ReleaseNode) quantiles(columns []programColumn) (out []canon.Item) {
	for j, a := range n.Aggs {
		if a.Op != AggQuantile {
			continue
		}
		x, power := quantileOf(columns[a.Arg.Index], c(a.Arg.Index), a.Scale)
		e := canon.Call("quantile_cont", x, canon.Const(a.Q, "DOUBLE"))
		e.Filter, _ = a.takesPart(columns)
		if power > 0 {
			e = canon.Call("/", e, canon.Const("1e"+itoa(power), "DOUBLE"))
		}
		out = append(out, canon.Item{Expr: e, Alias: "q" + itoa(j)})
	}
	return out
}

// quantileOf is what quantiles are taken of, and the power of ten that they are to be divided by. Whole numbers of 64 bits are found and
// kept at half of what numbers with a point cost, and order in the same way; between two of them DuckDB gives a DOUBLE.
func quantileOf(column programColumn, x *canon.Expr, scale int) (*canon.Expr, int) {
	precision, digits, decimal := column.Type.Decimal()
	switch {
	case column.Type == Int32 || column.Type == Int64:
		return x, 0
	case decimal && precision+digits < maxWholeDigits:
		return canon.CastTo(canon.Call("*", x, canon.Const(pow10(digits).String(), sqlType(Decimal(digits+1, 0)))), "BIGINT"), digits
	}
	x = canon.CastTo(x, "DOUBLE")
	if column.Type == Hugeint && scale > 0 {
		x = canon.Call("/", x, canon.Const("1e"+itoa(scale), "DOUBLE"))
	}
	return x, 0
}

// maxWholeDigits is how many digits a DECIMAL of 64 bits has.
const maxWholeDigits = 18

// OwnQuantiles is how many quantiles stand at the end of what ReleaseText gives: all of a release's, where one source has all its rows.
func (p *Plan) OwnQuantiles(release int) int {
	n := p.Program.Releases[release]
	if n.Mode == ModeDP || len(p.Program.readers(release)) != 1 {
		return 0
	}
	return len(n.quantiles(p.Program.stepColumns(n.From)))
}

// opensAnyUnit: the step carries the unit along.
func (p *Program) opensAnyUnit(n ReleaseNode) bool {
	opens := false
	n.From.eachScan(func(s Step) { opens = opens || p.opensUnit(n, s) })
	return opens
}

// countUnits counts distinct units among the rows that the condition leaves, up to a cap if there is one; rows, where each row
// is a unit. Every row has a unit.
func countUnits(rows *canon.Expr, units bool, condition *canon.Expr, most int64, sums *adding) *canon.Expr {
	if !units {
		return rows
	}
	if e, ok := sums.unitsOfAll(); ok && condition == nil && most > 0 {
		return e
	}
	e := canon.Call("count", canon.Col("s", "u"))
	if e.Distinct = most == 0; most > 0 {
		e = canon.Call(CappedUnits(most), canon.Col("s", "u"))
	}
	e.Filter = condition
	return e
}

// contributing is what a contribution to an aggregate is made with.
type contributing struct {
	sums  *adding
	found added
	units bool
	most  int64 // units are counted up to; 0: all
}

// contribution gives the ContributedColumns of an aggregate.
func (p *Program) contribution(a Agg, columns []programColumn, with contributing) [ContributedColumns]*canon.Expr {
	var out [ContributedColumns]*canon.Expr
	for i := range out {
		out[i] = canon.NullOf("HUGEINT")
	}
	part, rest := a.takesPart(columns)
	when, not := a.when()
	if a.Op == AggCountUnits {
		with.most = 0 // the number itself is released
	}
	out[ContributedRows], out[ContributedUnits] = with.counts(part, when)
	if rest != nil {
		out[ContributedOtherRows], out[ContributedOtherUnits] = with.counts(rest, not)
	}
	if a.Op != AggSum && a.Op != AggStddev {
		return out
	}
	out[ContributedSum], out[ContributedAbs] = with.exact(a, columns, part, when)
	if rest != nil {
		out[ContributedOtherSum], out[ContributedOtherAbs] = with.exact(a, columns, rest, not)
	}
	if a.Op == AggStddev {
		out[ContributedSquares] = with.squares(a, columns, part, when)
	}
	return out
}

// counts rows and units of a part. Where its aggregate is one of Sums, that counts the rows: of those that meet the condition, the
// ones that have a value.
func (w contributing) counts(part, condition *canon.Expr) (rows, units *canon.Expr) {
	switch {
	case part == nil:
		rows = w.sums.rowsOfAll()
	case w.found.ok:
		rows = w.sums.rows(w.found, condition)
	default:
		rows = canon.Call("count_star")
		rows.Filter = part
	}
	return rows, countUnits(rows, w.units, part, w.most, w.sums)
}

// exact adds up whole numbers of 10^-Scale, and their absolute values.
func (w contributing) exact(a Agg, columns []programColumn, part, condition *canon.Expr) (sum, abs *canon.Expr) {
	if !w.found.ok {
		return a.exactSum(columns, part, false), a.exactSum(columns, part, true)
	}
	return w.sums.sum(w.found.group, w.found.sum, condition, false), w.sums.sum(w.found.group, w.found.sum, condition, true)
}

func (w contributing) squares(a Agg, columns []programColumn, part, condition *canon.Expr) *canon.Expr {
	if w.found.ok {
		return w.sums.sum(w.found.group, w.found.squares, condition, false)
	}
	x := exactColumn(*a.Arg, columns)
	sq := canon.Call("sum", canon.Call("*", x, x))
	sq.Filter = part
	return canon.CastTo(sq, "HUGEINT")
}

// when is an aggregate's condition and its opposite, or nothing.
func (a Agg) when() (when, not *canon.Expr) {
	if a.When == nil {
		return nil, nil
	}
	when = canon.Op(canon.Coalesce, stepWriter().sql(*a.When), canon.Const("false", "BOOLEAN"))
	return when, canon.Op(canon.Not, when)
}

// takesPart gives the rows that an aggregate is computed of (nil: all), and the others that the whole minus it would show (nil:
// there are none, or nobody releases the whole).
func (a Agg) takesPart(columns []programColumn) (part, rest *canon.Expr) {
	var there *canon.Expr
	if a.Arg != nil && a.nullable(columns) {
		there = canon.Op(canon.Not, a.missing(columns))
	}
	when, not := a.when()
	switch {
	case when == nil && there == nil:
		return nil, nil
	case when == nil:
		if a.Op == AggCountValue {
			rest = canon.Op(canon.Not, there)
		}
		return there, rest
	case there == nil:
		return when, not
	case a.Op == AggCountValue:
		both := canon.Op(canon.And, when, there)
		return both, canon.Op(canon.Not, both)
	}
	return canon.Op(canon.And, when, there), canon.Op(canon.And, not, there)
}

func (a Agg) nullable(columns []programColumn) bool {
	null := false
	a.Arg.each(func(x Expr) { null = null || x.Op == OpCol && columns[x.Index].Nullable })
	return null
}

// missing is true where the argument is NULL.
func (a Agg) missing(columns []programColumn) *canon.Expr {
	var ways []*canon.Expr
	a.Arg.each(func(x Expr) {
		if x.Op == OpCol && columns[x.Index].Nullable {
			ways = append(ways, canon.Op(canon.IsNull, c(x.Index)))
		}
	})
	return one(canon.Or, ways)
}

// exactSum adds up whole numbers of 10^-Scale. A bare column is added up in its own type first, which is exact and faster.
func (a Agg) exactSum(columns []programColumn, cond *canon.Expr, abs bool) *canon.Expr {
	if a.Arg.Op == OpCol && columns[a.Arg.Index].Type != Hugeint {
		x := c(a.Arg.Index)
		if abs && !columns[a.Arg.Index].Positive {
			x = canon.Call("abs", x)
		}
		e := canon.Call("sum", x)
		e.Filter = cond
		col := columns[a.Arg.Index]
		return Measure{Type: col.Type, Scale: col.Scale}.exact(e)
	}
	x := exactColumn(*a.Arg, columns)
	if abs {
		x = canon.Call("abs", x)
	}
	e := canon.Call("sum", x)
	e.Filter = cond
	return canon.CastTo(e, "HUGEINT")
}

// exactColumn is an argument in whole numbers: of a measure's own scale; of an entity's sums they are such already.
func exactColumn(x Expr, columns []programColumn) *canon.Expr {
	if x.Op == OpMul {
		return canon.Call("*", exactColumn(x.Args[0], columns), exactColumn(x.Args[1], columns))
	}
	col := columns[x.Index]
	if col.Type == Hugeint {
		return c(x.Index)
	}
	e := c(x.Index)
	if _, digits, ok := col.Type.Decimal(); ok { // of two of at most 18 digits the product has no more either
		e = canon.CastTo(e, sqlType(Decimal(38, digits)))
	}
	return Measure{Type: col.Type, Scale: col.Scale}.exact(e)
}

// withSurvivors joins rows to the keys that an earlier release shows.
func (p *Program) withSurvivors(n ReleaseNode, from canon.From) canon.From {
	if n.Within == nil {
		return from
	}
	j := &canon.Join{Left: from, Right: canon.From{Table: ShownTable(n.Within.Release, n.Within.Agg), Alias: "w"}}
	var on []*canon.Expr
	for i, k := range p.Releases[n.Within.Release].Keys {
		on = append(on, canon.Cmp(canon.Same, stepWriter().sql(k.Expr), canon.Col("w", "d"+itoa(i))))
	}
	if on != nil {
		j.On = one(canon.And, on)
	}
	return canon.From{Join: j}
}

// stepSelect gives the rows of a step: u where units are carried, then c{i}.
func (p *Program) stepSelect(n ReleaseNode, s Step, source int, refs []string) *canon.Select {
	var out *canon.Select
	switch s.Op {
	case StepScan:
		out = p.scanSelect(n, s, source, refs)
	case StepJoin:
		out = p.joinSelect(n, s, source, refs)
	default:
		out = p.entitySelect(n, s, source, refs)
	}
	if s.Where == nil {
		return out
	}
	outer := &canon.Select{From: canon.From{Sub: out, Alias: "s"}, Where: stepWriter().sql(*s.Where)}
	for _, it := range out.Items {
		outer.Items = append(outer.Items, canon.Item{Expr: canon.Col("s", it.Alias), Alias: it.Alias})
	}
	return outer
}

func (p *Program) scanSelect(n ReleaseNode, s Step, source int, refs []string) *canon.Select {
	t := p.Tables[s.Table]
	if !slices.Contains(t.Sources, source) {
		source = t.Sources[0] // the other side of a join
	}
	out := &canon.Select{From: canon.From{File: refs[source], Alias: "t"}}
	if p.opensUnit(n, s) {
		out.Items = append(out.Items, canon.Item{Expr: col(t.Unit.Column), Alias: "u"})
	}
	if p.opensUnit(n, s) && !p.required.has(source, t.Unit.Column) {
		out.Where = canon.Op(canon.Not, canon.Op(canon.IsNull, col(t.Unit.Column)))
	}
	for i, r := range s.Reads {
		out.Items = append(out.Items, canon.Item{Expr: r.clamped(), Alias: "c" + itoa(i)})
	}
	return out
}

// clamped is a column, moved to its bounds where the plan says so. NULL stays NULL.
func (r Read) clamped() *canon.Expr {
	x := col(r.Column)
	if r.Bounds == nil || !r.Bounds.Clamp {
		return x
	}
	var args []*canon.Expr
	if lo, ok := r.bound(r.Bounds.Lo, true); ok {
		args = append(args, canon.Cmp("<", x, lo), lo)
	}
	if hi, ok := r.bound(r.Bounds.Hi, false); ok {
		args = append(args, canon.Cmp(">", x, hi), hi)
	}
	if args == nil {
		return x
	}
	return canon.Op(canon.Case, append(args, x)...)
}

// unitParts gives what each unit adds to each group, of one source: d{i} of the keys, src, u VARCHAR, then for each aggregate the
// rows that take part and the sum of what they add, NULL where there is none.
func (p *Program) unitParts(release, source int, refs []string) *canon.Select {
	n := p.Releases[release]
	columns := p.stepColumns(n.From)
	u := canon.Col("s", "u")
	s := &canon.Select{From: canon.From{Sub: p.stepSelect(n, n.From, source, refs), Alias: "s"}, Group: []*canon.Expr{u}}
	add := func(name string, e *canon.Expr) { s.Items = append(s.Items, canon.Item{Expr: e, Alias: name}) }
	for i, k := range n.Keys {
		add("d"+itoa(i), stepWriter().sql(k.Expr))
		s.Group = append(s.Group, stepWriter().sql(k.Expr))
	}
	add("src", canon.Const(itoa(source), "INTEGER"))
	add("u", canon.CastTo(u, "VARCHAR"))
	for j, a := range n.Aggs {
		part, _ := a.takesPart(columns)
		rows := canon.Call("count_star")
		rows.Filter = part
		sum := canon.NullOf("HUGEINT")
		if a.Op == AggSum || a.Op == AggAvg {
			sum = a.exactSum(columns, part, false)
		}
		add("n"+itoa(j), rows)
		add("s"+itoa(j), sum)
	}
	return s
}

func (p *Program) joinSelect(n ReleaseNode, s Step, source int, refs []string) *canon.Select {
	left, right := p.stepSelect(n, s.Inputs[0], source, refs), p.stepSelect(n, s.Inputs[1], source, refs)
	out := &canon.Select{From: canon.From{Join: &canon.Join{
		Outer: s.Outer, Left: canon.From{Sub: left, Alias: "l"}, Right: canon.From{Sub: right, Alias: "r"},
		On: canon.Cmp("=", canon.Col("l", "u"), canon.Col("r", "u")),
	}}}
	add := func(name string, e *canon.Expr) { out.Items = append(out.Items, canon.Item{Expr: e, Alias: name}) }
	add("u", canon.Col("l", "u"))
	w := s.Inputs[0].width()
	for i := range w {
		add("c"+itoa(i), canon.Col("l", "c"+itoa(i)))
	}
	for i := range s.Inputs[1].width() {
		add("c"+itoa(w+i), canon.Col("r", "c"+itoa(i)))
	}
	if s.Outer {
		add("c"+itoa(s.width()-1), canon.Op(canon.Not, canon.Op(canon.IsNull, canon.Col("r", "u"))))
	}
	return out
}

func (p *Program) entitySelect(n ReleaseNode, s Step, source int, refs []string) *canon.Select {
	in := s.Inputs[0]
	columns := p.stepColumns(in)
	out := &canon.Select{From: canon.From{Sub: p.stepSelect(n, in, source, refs), Alias: "s"}}
	u := canon.Col("s", "u")
	out.Items, out.Group = []canon.Item{{Expr: u, Alias: "u"}}, []*canon.Expr{u}
	for i, k := range s.Keys {
		e := stepWriter().sql(k)
		out.Items, out.Group = append(out.Items, canon.Item{Expr: e, Alias: "c" + itoa(i)}), append(out.Group, e)
	}
	for i, a := range s.Aggs {
		part, _ := a.takesPart(columns)
		e := canon.Call("count_star")
		e.Filter = part
		if a.Op == AggSum {
			e = a.exactSum(columns, part, false)
		}
		out.Items = append(out.Items, canon.Item{Expr: e, Alias: "c" + itoa(len(s.Keys)+i)})
	}
	return out
}

// QuantileText computes the quantiles of a release over all owners together: d{i} of the keys, then q{j} DOUBLE for each aggregate
// that is a quantile, in their order. It is false where there is none, or ReleaseText gives them.
func (p *Plan) QuantileText(release int, refs []string) (Text, bool) {
	g := p.Program
	n := g.Releases[release]
	if p.OwnQuantiles(release) > 0 || !slices.ContainsFunc(n.Aggs, func(a Agg) bool { return a.Op == AggQuantile }) {
		return Text{}, false
	}
	var all canon.Query
	for _, s := range g.readers(release) {
		all = append(all, g.stepSelect(n, n.From, s, refs))
	}
	from := canon.From{Union: all, Alias: "s"}
	if len(all) == 1 {
		from = canon.From{Sub: all[0], Alias: "s"}
	}
	columns := g.stepColumns(n.From)
	s := &canon.Select{From: g.withSurvivors(n, from)}
	for i, k := range n.Keys {
		e := stepWriter().sql(k.Expr)
		s.Items, s.Group = append(s.Items, canon.Item{Expr: e, Alias: "d" + itoa(i)}), append(s.Group, e)
	}
	s.Items = append(s.Items, n.quantiles(columns)...)
	return g.programText(canon.Query{s}, refs), true
}

// ResultText computes the result over the released tables: c{i} of its columns, then h{i} BOOLEAN: a NULL there is a suppressed
// value. The order is complete, so that equal plans give equal results.
func (p *Plan) ResultText() Text {
	g := p.Program
	s := g.relSelect(g.Result)
	top := &canon.Select{From: canon.From{Sub: s, Alias: "z"}}
	for i, it := range g.Result.Select {
		e := canon.Col("z", "c"+itoa(i))
		if it.Expr.Type == Double {
			e = canon.Op(canon.Case, canon.Call("isfinite", e), e, canon.NullOf("DOUBLE"))
		}
		top.Items = append(top.Items, canon.Item{Expr: e, Alias: "c" + itoa(i)})
	}
	for i := range g.Result.Select {
		top.Items = append(top.Items, canon.Item{Expr: canon.Col("z", "h"+itoa(i)), Alias: "h" + itoa(i)})
	}
	for i := range g.Result.OrderBy {
		o := g.Result.OrderBy[i]
		top.OrderBy = append(top.OrderBy, canon.Order{Expr: canon.Col("z", "o"+itoa(i)), Desc: o.Desc, First: o.NullsFirst})
	}
	for i := range g.Result.Select {
		top.OrderBy = append(top.OrderBy, canon.Order{Expr: canon.Col("z", "c"+itoa(i))})
	}
	return g.programText(canon.Query{top}, nil)
}

// relSelect gives a released table: c{i}, then h{i}; a select has o{i} of its order as well.
func (p *Program) relSelect(r Rel) *canon.Select {
	out := &canon.Select{}
	add := func(name string, e *canon.Expr) { out.Items = append(out.Items, canon.Item{Expr: e, Alias: name}) }
	width := len(p.relColumns(r))
	switch r.Op {
	case RelRelease:
		n := p.Releases[r.Release]
		out.From = canon.From{Table: ReleasedTable(r.Release), Alias: "t"}
		for i := range n.Keys {
			add("c"+itoa(i), col("d"+itoa(i)))
		}
		for j := range n.Aggs {
			add("c"+itoa(len(n.Keys)+j), col("b"+itoa(j)))
		}
		for i := range width {
			mark := canon.Const("false", "BOOLEAN")
			if i >= len(n.Keys) && n.Mode != ModeOwn {
				mark = canon.Op(canon.IsNull, col("b"+itoa(i-len(n.Keys))))
			}
			add("h"+itoa(i), mark)
		}
	case RelJoin:
		p.relJoin(r, out, add)
	case RelUnion:
		var arms canon.Query
		for _, in := range r.Inputs {
			arms = append(arms, p.plainSelect(in))
		}
		out.From = canon.From{Union: arms, Alias: "s"}
		for _, letter := range []string{"c", "h"} {
			for i := range width {
				add(letter+itoa(i), canon.Col("s", letter+itoa(i)))
			}
		}
	default:
		return p.selectSelect(r)
	}
	return out
}

// plainSelect is relSelect with c{i} and h{i} alone, ordered and cut where the table says so.
func (p *Program) plainSelect(r Rel) *canon.Select {
	s := p.relSelect(r)
	if r.Op != RelSelect || len(r.OrderBy) == 0 {
		return s
	}
	out := &canon.Select{From: canon.From{Sub: s, Alias: "s"}}
	for _, letter := range []string{"c", "h"} {
		for i := range r.Select {
			out.Items = append(out.Items, canon.Item{Expr: canon.Col("s", letter+itoa(i)), Alias: letter + itoa(i)})
		}
	}
	return out
}

func (p *Program) relJoin(r Rel, out *canon.Select, add func(string, *canon.Expr)) {
	n, m := len(p.relColumns(r.Inputs[0])), len(p.relColumns(r.Inputs[1]))
	side := func(i int, letter string) *canon.Expr {
		if i < n {
			return canon.Col("l", letter+itoa(i))
		}
		return canon.Col("r", letter+itoa(i-n))
	}
	j := &canon.Join{Outer: r.Outer, Left: canon.From{Sub: p.plainSelect(r.Inputs[0]), Alias: "l"}, Right: canon.From{Sub: p.plainSelect(r.Inputs[1]), Alias: "r"}}
	if r.On != nil {
		on := writer(func(x Expr) *canon.Expr {
			if x.Op == OpCol {
				return side(x.Index, "c")
			}
			return nil
		}).sql(*r.On)
		j.On = on
	} else if r.Outer {
		j.On = canon.Const("true", "BOOLEAN")
	}
	out.From = canon.From{Join: j}
	for i := range n + m {
		add("c"+itoa(i), side(i, "c"))
	}
	for i := range n + m {
		h := side(i, "h")
		if r.Outer && i >= n {
			h = canon.Op(canon.Coalesce, h, canon.Const("false", "BOOLEAN"))
		}
		add("h"+itoa(i), h)
	}
}

// selectSelect is a select over its input. One that is grouped has two layers: keys and aggregates, then what is made of them.
func (p *Program) selectSelect(r Rel) *canon.Select {
	out := &canon.Select{Unique: r.Unique}
	in := canon.From{Sub: p.plainSelect(r.Inputs[0]), Alias: "s"}
	column := writer(func(x Expr) *canon.Expr {
		if x.Op == OpCol {
			return c(x.Index)
		}
		return nil
	})
	w, mark := column, func(x Expr) *canon.Expr { return orFalse(plainMarks(x)) }
	if r.Where != nil && !r.Grouped {
		out.Where = column.sql(*r.Where)
	}
	if r.Grouped {
		inner, aggs := p.groupedSelect(r, in, column)
		in = canon.From{Sub: inner, Alias: "s"}
		w = groupedWriter(aggs)
		mark = func(x Expr) *canon.Expr { return orFalse(groupedMarks(x, aggs)) }
		if r.Having != nil {
			out.Where = w.sql(*r.Having)
		}
	}
	out.From = in
	add := func(name string, e *canon.Expr) { out.Items = append(out.Items, canon.Item{Expr: e, Alias: name}) }
	for i, it := range r.Select {
		add("c"+itoa(i), w.sql(it.Expr))
	}
	for i, it := range r.Select {
		add("h"+itoa(i), mark(it.Expr))
	}
	for i, o := range r.OrderBy {
		add("o"+itoa(i), w.sql(o.Expr))
	}
	if r.Limit == nil && r.Offset == 0 {
		return out
	}
	return cutSelect(r, out)
}

// cutSelect orders completely and cuts.
func cutSelect(r Rel, s *canon.Select) *canon.Select {
	out := &canon.Select{From: canon.From{Sub: s, Alias: "y"}}
	for _, it := range s.Items {
		out.Items = append(out.Items, canon.Item{Expr: canon.Col("y", it.Alias), Alias: it.Alias})
	}
	for i, o := range r.OrderBy {
		out.OrderBy = append(out.OrderBy, canon.Order{Expr: canon.Col("y", "o"+itoa(i)), Desc: o.Desc, First: o.NullsFirst})
	}
	for i := range r.Select {
		out.OrderBy = append(out.OrderBy, canon.Order{Expr: canon.Col("y", "c"+itoa(i))})
	}
	if r.Limit != nil {
		out.Limit = strconv.FormatInt(*r.Limit, 10)
	}
	if r.Offset > 0 {
		out.Offset = strconv.FormatInt(r.Offset, 10)
	}
	return out
}

// groupedSelect is the inner layer: k{i}, then a{j} and its mark m{j}.
func (p *Program) groupedSelect(r Rel, in canon.From, w writer) (*canon.Select, []Expr) {
	inner := &canon.Select{From: in}
	if r.Where != nil {
		inner.Where = w.sql(*r.Where)
	}
	for i, k := range r.Group {
		e := w.sql(k)
		inner.Items, inner.Group = append(inner.Items, canon.Item{Expr: e, Alias: "k" + itoa(i)}), append(inner.Group, e)
	}
	aggs := r.aggregates()
	for j, a := range aggs {
		inner.Items = append(inner.Items, canon.Item{Expr: w.sql(a), Alias: "a" + itoa(j)})
	}
	for j, a := range aggs {
		m := canon.Const("false", "BOOLEAN")
		var ways []*canon.Expr
		for _, x := range a.Args {
			ways = append(ways, plainMarks(x)...)
		}
		if ways != nil {
			m = canon.Call("bool_or", one(canon.Or, ways))
		}
		inner.Items = append(inner.Items, canon.Item{Expr: m, Alias: "m" + itoa(j)})
	}
	if len(inner.Items) == 0 { // a constant of one row
		inner.Items = []canon.Item{{Expr: canon.Call("count_star"), Alias: "n"}}
	}
	return inner, aggs
}

// aggregates lists the distinct aggregates of a grouped select.
func (r Rel) aggregates() (out []Expr) {
	visit := func(x Expr) {
		x.eachSpan(func(a Expr) {
			if aggAt(out, a) < 0 {
				out = append(out, a)
			}
		})
	}
	for _, it := range r.Select {
		visit(it.Expr)
	}
	if r.Having != nil {
		visit(*r.Having)
	}
	for _, o := range r.OrderBy {
		visit(o.Expr)
	}
	return out
}

func aggAt(list []Expr, x Expr) int {
	return slices.IndexFunc(list, func(have Expr) bool { return sameExpr(have, x) })
}

func groupedWriter(aggs []Expr) writer {
	return func(x Expr) *canon.Expr {
		switch x.Op {
		case OpKey:
			return canon.Col("s", "k"+itoa(x.Index))
		case OpAgg:
			return canon.Col("s", "a"+itoa(aggAt(aggs, x)))
		}
		return nil
	}
}

// plainMarks are the marks of the columns that an expression reads, windows apart.
func plainMarks(x Expr) (out []*canon.Expr) {
	seen := map[int]bool{}
	x.deep(func(y Expr) bool {
		if y.Op == OpCol && !seen[y.Index] {
			seen[y.Index] = true
			out = append(out, canon.Col("s", "h"+itoa(y.Index)))
		}
		return y.Op != OpWindow
	})
	return out
}

// groupedMarks: an aggregate that has no value over released rows of which one is suppressed.
func groupedMarks(x Expr, aggs []Expr) (out []*canon.Expr) {
	seen := map[int]bool{}
	x.deep(func(y Expr) bool {
		if y.Op == OpAgg {
			if j := aggAt(aggs, y); !seen[j] {
				seen[j] = true
				none := canon.Op(canon.IsNull, canon.Col("s", "a"+itoa(j)))
				out = append(out, canon.Op(canon.And, none, canon.Op(canon.Coalesce, canon.Col("s", "m"+itoa(j)), canon.Const("false", "BOOLEAN"))))
			}
			return false
		}
		return y.Op != OpWindow
	})
	return out
}

func orFalse(ways []*canon.Expr) *canon.Expr {
	if ways == nil {
		return canon.Const("false", "BOOLEAN")
	}
	return one(canon.Or, ways)
}

func sameExpr(a, b Expr) bool { return reflect.DeepEqual(a, b) }

// Reads lists the columns that a program reads of a source.
func (p *Plan) Reads(source int) (out []Read) {
	for _, n := range p.Program.Releases {
		n.From.eachScan(func(s Step) {
			if slices.Contains(p.Program.Tables[s.Table].Sources, source) {
				out = append(out, s.Reads...)
			}
		})
	}
	return out
}
