package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/big"
	"reflect"
	"slices"

	"github.com/cordon-exchange/cordon/policy/internal/canon"
)

// Limits of one aggregate of Sums. What goes past them takes part in another: each field that a statement asks for names all arguments.
const (
	MaxSumsColumns = 8
	MaxSumsTerms   = 8
)

// Sums is an aggregate of the engine that adds up measures, and products of two, and looks whether values are out of bounds, in
// one pass. It gives a STRUCT: bad BOOLEAN (a value of a checked column is out of its bounds), rows BIGINT, with Units units BIGINT (the
// distinct values of one more argument, which is the unit, up to Units), then for each term with Counted n{i} BIGINT (rows in which it is
// not NULL), s{i} HUGEINT (0 of no rows), and with Abs a{i} HUGEINT (the sum of the absolute values). Within bounds a term fits 64 bits. Sums have no meaning where any state of a source is bad: whoever reads them must refuse it.
type Sums struct {
	Columns []SumsColumn // its arguments
	Terms   []SumsTerm
	Units   int64 // up to MaxUnitCap; 0: the unit is no argument
}

// Name says all about the aggregate, so that a statement says by it what bounds are looked at: equal names are equal aggregates.
func (s Sums) Name() string {
	h := sha256.New()
	h.Write([]byte("cordon sums/1\n"))
	for _, c := range s.Columns {
		fmt.Fprintf(h, "column %s %d %d %t\n", c.Type, c.Lo, c.Hi, c.Checked)
	}
	for _, t := range s.Terms {
		fmt.Fprintf(h, "term %d %d %t %t\n", t.A, t.B, t.Abs, t.Counted)
	}
	if s.Units > 0 {
		fmt.Fprintf(h, "units %d\n", s.Units)
	}
	return "sums_" + hex.EncodeToString(h.Sum(nil)[:16])
}

// SumsColumn is an argument: INTEGER, BIGINT or a DECIMAL of at most 18 digits. Bounds are whole numbers of the type's last place.
type SumsColumn struct {
	Type    Type
	Lo, Hi  int64
	Checked bool

	column int // of the step
}

// SumsTerm is a column, or where B is not -1 the product of two.
type SumsTerm struct {
	A, B         int // into Columns
	Abs, Counted bool
}

// Sums lists the aggregates that the plan's statements name.
func (p *Plan) Sums() (out []Sums) {
	if p.Program == nil {
		return p.sums().all()
	}
	for i, n := range p.Program.Releases {
		if n.Mode == ModeDP {
			continue
		}
		all := p.Program.sums(i).all()
		if n.conditions() != nil && n.Mode == ModeGuard {
			all = append(all, p.Program.atomSums(i).all()...)
		}
		for _, s := range all {
			if !slices.ContainsFunc(out, func(have Sums) bool { return have.Name() == s.Name() }) {
				out = append(out, s)
			}
		}
	}
	return out
}

// adding arranges what the aggregates of a release add up. Each condition has aggregates of its own, which are asked for the rows
// that meet it and for those that do not.
type adding struct {
	column  func(int) *canon.Expr // that a statement has in this place
	columns []programColumn
	groups  []addingGroup
	found   []added     // by aggregate of the release
	unit    *canon.Expr // that the first aggregate without a condition counts, if one does
}

type addingGroup struct {
	when *Expr
	sums []Sums
}

// added is where an aggregate's sums are.
type added struct {
	ok           bool
	group        int
	sum, squares place
}

type place struct{ sums, term, power int } // power of ten by which a sum is to be multiplied

// sums of a release: what its aggregates add up, and the bounds of what it reads, where it looks at its rows.
func (p *Program) sums(release int) *adding {
	n := p.Releases[release]
	a := p.newAdding(n, n.Aggs)
	if n.looksAtRows() {
		for i, r := range n.From.Reads {
			if r.Bounds != nil && !r.Bounds.Clamp {
				a.check(i)
			}
		}
	}
	if p.opensAnyUnit(n) {
		a.countUnits(canon.Col("s", "u"), p.unitCap(release))
	}
	return a
}

func (p *Program) atomSums(release int) *adding {
	n := p.Releases[release]
	a := p.newAdding(n, n.args())
	if p.opensAnyUnit(n) {
		a.countUnits(canon.Col("s", "u"), p.unitCap(release))
	}
	return a
}

func (p *Program) newAdding(n ReleaseNode, aggs []Agg) *adding {
	a := &adding{column: c, columns: p.stepColumns(n.From), groups: []addingGroup{{}}}
	for _, x := range aggs {
		a.found = append(a.found, a.add(x))
	}
	return a
}

// sums of a plan/1: each measure, and its bounds.
func (p *Plan) sums() *adding {
	a := &adding{column: func(i int) *canon.Expr { return col(p.Measures[i].Column) }, groups: []addingGroup{{}}}
	for i, m := range p.Measures {
		b := &Bounds{Scale: m.Scale, Lo: m.Lo, Hi: m.Hi}
		a.columns = append(a.columns, programColumn{Type: m.Type, Nullable: m.Nullable, Scale: m.Scale, Positive: m.Lo >= 0, Bounds: b})
		a.found = append(a.found, a.add(Agg{Op: AggSum, Arg: &Expr{Op: OpCol, Index: i, Type: m.Type}, Scale: m.Scale}))
		a.check(i)
	}
	if p.opensUnit() {
		a.countUnits(col(p.Unit.Column), p.unitCap())
	}
	return a
}

func (a *adding) all() (out []Sums) {
	for _, g := range a.groups {
		out = append(out, g.sums...)
	}
	return out
}

// add finds room for the terms of an aggregate. One whose terms may not fit 64 bits, as those of an entity, has none.
func (a *adding) add(x Agg) (out added) {
	if x.Op != AggSum && x.Op != AggStddev {
		return out
	}
	factors := []Expr{*x.Arg}
	if x.Arg.Op == OpMul {
		factors = x.Arg.Args
	}
	if !a.fits(factors) || x.Op == AggStddev && !a.fits([]Expr{factors[0], factors[0]}) {
		return out
	}
	out = added{ok: true, group: a.group(x.When)}
	out.sum = a.place(out.group, factors)
	if t := &a.groups[out.group].sums[out.sum.sums].Terms[out.sum.term]; x.When != nil || x.nullable(a.columns) {
		t.Counted = true
	}
	if x.Op == AggStddev {
		out.squares = a.place(out.group, []Expr{factors[0], factors[0]})
	}
	return out
}

// fits: whatever the rows of honest sources hold, the product is less than 2^63.
func (a *adding) fits(factors []Expr) bool {
	most := big.NewInt(1)
	for _, f := range factors {
		lo, hi, ok := a.columns[f.Index].whole()
		if !ok {
			return false
		}
		most.Mul(most, maxAbs(lo, hi))
	}
	return most.IsInt64()
}

func maxAbs(lo, hi int64) *big.Int {
	x, y := new(big.Int).Abs(big.NewInt(lo)), new(big.Int).Abs(big.NewInt(hi))
	if x.Cmp(y) > 0 {
		return x
	}
	return y
}

// whole gives the bounds of a measure in whole numbers of its type's last place, rounded into the range.
func (c programColumn) whole() (lo, hi int64, ok bool) {
	if c.Bounds == nil {
		return 0, 0, false
	}
	_, digits, _ := c.Type.Decimal()
	power := pow10(c.Bounds.Scale - digits)
	up := new(big.Int).Sub(new(big.Int).Add(big.NewInt(c.Bounds.Lo), power), big.NewInt(1))
	lo = new(big.Int).Div(up, power).Int64() // Div rounds down
	hi = new(big.Int).Div(big.NewInt(c.Bounds.Hi), power).Int64()
	return lo, hi, true
}

// group of the aggregates that have this condition; the first has none.
func (a *adding) group(when *Expr) int {
	if when == nil {
		return 0
	}
	for i, g := range a.groups {
		if g.when != nil && sameExpr(*g.when, *when) {
			return i
		}
	}
	a.groups = append(a.groups, addingGroup{when: when})
	return len(a.groups) - 1
}

func (a *adding) place(group int, factors []Expr) place {
	power, abs := 0, false
	for _, f := range factors {
		c := a.columns[f.Index]
		_, digits, _ := c.Type.Decimal()
		power, abs = power+c.Scale-digits, abs || !c.Positive
	}
	for i, s := range a.groups[group].sums {
		for j, t := range s.Terms {
			if s.isOf(t, factors) {
				return place{i, j, power}
			}
		}
	}
	i := a.room(group, len(factors), 1)
	s := &a.groups[group].sums[i]
	t := SumsTerm{A: a.argument(s, factors[0].Index), B: -1, Abs: abs}
	if len(factors) == 2 {
		t.B = a.argument(s, factors[1].Index)
		t.Abs = abs && !reflect.DeepEqual(factors[0], factors[1])
	}
	s.Terms = append(s.Terms, t)
	return place{i, len(s.Terms) - 1, power}
}

func (s Sums) isOf(t SumsTerm, factors []Expr) bool {
	if s.Columns[t.A].column != factors[0].Index || (t.B >= 0) != (len(factors) == 2) {
		return false
	}
	return t.B < 0 || s.Columns[t.B].column == factors[1].Index
}

// room gives the last aggregate of a group that has place for so many, or a new one.
func (a *adding) room(group, columns, terms int) int {
	g := &a.groups[group]
	if n := len(g.sums); n > 0 && len(g.sums[n-1].Columns)+columns <= MaxSumsColumns && len(g.sums[n-1].Terms)+terms <= MaxSumsTerms {
		return n - 1
	}
	g.sums = append(g.sums, Sums{})
	return len(g.sums) - 1
}

func (a *adding) argument(s *Sums, column int) int {
	if i := slices.IndexFunc(s.Columns, func(c SumsColumn) bool { return c.column == column }); i >= 0 {
		return i
	}
	lo, hi, _ := a.columns[column].whole()
	s.Columns = append(s.Columns, SumsColumn{Type: a.columns[column].Type, Lo: lo, Hi: hi, column: column})
	return len(s.Columns) - 1
}

// check lets one aggregate that has no condition look at a column's bounds.
func (a *adding) check(column int) {
	for i := range a.groups[0].sums {
		s := &a.groups[0].sums[i]
		if j := slices.IndexFunc(s.Columns, func(c SumsColumn) bool { return c.column == column }); j >= 0 {
			s.Columns[j].Checked = true
			return
		}
	}
	s := &a.groups[0].sums[a.room(0, 1, 0)]
	s.Columns[a.argument(s, column)].Checked = true
}

// rowsOfAll counts the rows that all aggregates are made of.
func (a *adding) rowsOfAll() *canon.Expr {
	if len(a.groups[0].sums) == 0 {
		return canon.Call("count_star")
	}
	return a.field(a.groups[0].sums[0], "rows", nil)
}

// countUnits lets the first aggregate of all rows, if there is one, count their units up to a cap: one more aggregate would be one more
// call for each chunk, and one more look at which group each row belongs to.
func (a *adding) countUnits(unit *canon.Expr, most int64) {
	if most > 0 && len(a.groups[0].sums) > 0 {
		a.groups[0].sums[0].Units, a.unit = most, unit
	}
}

// unitsOfAll is what countUnits asked for.
func (a *adding) unitsOfAll() (*canon.Expr, bool) {
	if a.unit == nil {
		return nil, false
	}
	return a.field(a.groups[0].sums[0], "units", nil), true
}

// bad are the conditions that are true where a checked column has a value out of its bounds.
func (a *adding) bad() (out []*canon.Expr) {
	for _, s := range a.groups[0].sums {
		if slices.ContainsFunc(s.Columns, func(c SumsColumn) bool { return c.Checked }) {
			out = append(out, a.field(s, "bad", nil))
		}
	}
	return out
}

// field of what an aggregate of the rows that the condition leaves gives.
func (a *adding) field(s Sums, name string, condition *canon.Expr) *canon.Expr {
	var args []*canon.Expr
	for _, x := range s.Columns {
		args = append(args, a.column(x.column))
	}
	if s.Units > 0 {
		args = append(args, a.unit)
	}
	e := canon.Call(s.Name(), args...)
	e.Filter = condition
	return canon.Call("struct_extract", e, &canon.Expr{Kind: canon.Text, Text: name})
}

func (a *adding) rows(f added, condition *canon.Expr) *canon.Expr {
	return a.field(a.groups[f.group].sums[f.sum.sums], "n"+itoa(f.sum.term), condition)
}

// sum gives whole numbers of 10^-Scale.
func (a *adding) sum(group int, p place, condition *canon.Expr, abs bool) *canon.Expr {
	s := a.groups[group].sums[p.sums]
	letter := "s"
	if abs && s.Terms[p.term].Abs {
		letter = "a"
	}
	e := a.field(s, letter+itoa(p.term), condition)
	if p.power > 0 {
		e = canon.Call("*", e, canon.Const(pow10(p.power).String(), "HUGEINT"))
	}
	return e
}
