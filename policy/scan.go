package policy

import (
	"slices"
	"strings"

	"github.com/cordon-exchange/cordon/policy/internal/canon"
)

// ScanSQL gives the SQL that computes contributions: one row for each source and key of Dims in it, with columns in this
// order: d0.. (the Dims), src INTEGER, rows BIGINT, units BIGINT, bad BOOLEAN (true of a row or more of each source that has a
// value outside a clamp), and for each measure i: n{i} BIGINT (rows in which it is not NULL), u{i} BIGINT (units with such a row),
// v{i} BIGINT (units with another row), s{i} HUGEINT (sum of scaled integers), a{i} HUGEINT (sum of their absolute values); s
// and a are 0 where no row has a value. Rows without a unit are left out. In ModeOwn, where no guard counts units, units, u
// and v may be rows. Units are counted up to what the guard asks for, see UnitCaps, and units exactly where their number is a base.
//
// The caller must make the aggregates that Sums and UnitCaps list, and refuse bad and keys outside a declared domain: s{i} and a{i}
// mean nothing in any row of a source that has a value outside a clamp.
//
// refs holds one path for each source, in their order; each is read by read_parquet.
func (p *Plan) ScanSQL(refs []string) string { return p.scan(refs).String() }

// scan aggregates each source by itself, so that the owner of a row needs no column.
func (p *Plan) scan(refs []string) canon.Query {
	var q canon.Query
	for i, ref := range refs {
		q = append(q, p.scanSource(i, ref))
	}
	return q
}

func (p *Plan) scanSource(i int, path string) *canon.Select {
	s := &canon.Select{From: canon.From{File: path, Alias: "t"}}
	add := func(name string, e *canon.Expr) { s.Items = append(s.Items, canon.Item{Expr: e, Alias: name}) }
	for j, d := range p.Dims {
		add("d"+itoa(j), col(d.Column))
		s.Group = append(s.Group, col(d.Column))
	}
	add("src", canon.Const(itoa(i), "INTEGER"))
	sums := p.sums()
	rows := sums.rowsOfAll()
	add("rows", rows)
	add("units", p.unitCount(sums, rows, nil, !slices.ContainsFunc(p.Bases, func(b Base) bool { return b.Op == BaseCountUnits })))
	add("bad", orFalse(sums.bad()))
	if p.opensUnit() && !p.required.has(i, p.Unit.Column) {
		s.Where = canon.Op(canon.Not, canon.Op(canon.IsNull, col(p.Unit.Column)))
	}
	for j, m := range p.Measures {
		x, n, others := col(m.Column), rows, canon.Const("0", "BIGINT")
		var notNull *canon.Expr
		if m.Nullable {
			null := canon.Op(canon.IsNull, x)
			n, notNull = canon.Call("count", x), canon.Op(canon.Not, null)
			if f := sums.found[j]; f.ok {
				n = sums.rows(f, nil)
			}
			none := canon.Call("count_star")
			none.Filter = null
			others = p.unitCount(sums, none, null, true)
		}
		k, f := itoa(j), sums.found[j]
		sum, abs := m.exact(canon.Call("sum", x)), m.exact(canon.Call("sum", canon.Call("abs", x)))
		if f.ok {
			sum, abs = sums.sum(f.group, f.sum, nil, false), sums.sum(f.group, f.sum, nil, true)
		}
		add("n"+k, n)
		add("u"+k, p.unitCount(sums, n, notNull, true))
		add("v"+k, others)
		add("s"+k, sum)
		add("a"+k, abs)
	}
	return s
}

func col(name string) *canon.Expr { return canon.Col("t", name) }

// unitCount counts distinct units among the rows that the condition leaves, up to the guard's threshold if that will do.
func (p *Plan) unitCount(sums *adding, rows, condition *canon.Expr, upTo bool) *canon.Expr {
	if !p.opensUnit() {
		return rows
	}
	if e, ok := sums.unitsOfAll(); ok && condition == nil && upTo {
		return e
	}
	c := canon.Call("count", col(p.Unit.Column))
	if most := p.unitCap(); upTo && most > 0 {
		c = canon.Call(CappedUnits(most), col(p.Unit.Column))
	} else {
		c.Distinct = true
	}
	c.Filter = condition
	return c
}

// exact turns an aggregate of the column into an integer of 10^-Scale. DECIMAL times DECIMAL is exact and checked for
// overflow; sums are DECIMAL(38,s) or HUGEINT, and within the clamp far from their bounds.
func (m Measure) exact(agg *canon.Expr) *canon.Expr {
	power := "1" + strings.Repeat("0", m.Scale)
	if _, _, isDecimal := m.Type.Decimal(); isDecimal {
		return canon.CastTo(canon.Call("*", agg, canon.Const(power, sqlType(Decimal(m.Scale+1, 0)))), "HUGEINT")
	}
	if m.Scale == 0 {
		return canon.CastTo(agg, "HUGEINT")
	}
	return canon.Call("*", canon.CastTo(agg, "HUGEINT"), canon.Const(power, "HUGEINT"))
}

// sqlType is the engine's name of a type.
func sqlType(t Type) string {
	switch t {
	case Int32:
		return "INTEGER"
	case Int64:
		return "BIGINT"
	case nullType:
		return "VARCHAR"
	}
	return strings.ToUpper(string(t))
}
