package policy

import (
	"strconv"
	"strings"

	"github.com/cordon-exchange/cordon/policy/internal/canon"
)

var compareSQL = map[Op]string{OpEq: "=", OpNe: "<>", OpLt: "<", OpLe: "<=", OpGt: ">", OpGe: ">="}

var callSQL = map[Op]string{
	OpAdd: "+", OpSub: "-", OpMul: "*", OpNeg: "-", OpAbs: "abs", OpFloor: "floor", OpCeil: "ceil",
	OpUpper: "upper", OpLower: "lower", OpTrim: "trim", OpConcat: "||", OpLike: "~~", OpILike: "~~*",
}

// sql writes an expression of post. Every operand is cast to the type in which the operator works, so that the engine has
// no choice of its own.
func (p *Plan) sql(x Expr) *canon.Expr { return writer(p.leafSQL).sql(x) }

// leafSQL writes what is no function: dims of the released table, keys and bases of its inner layer, and averages.
func (p *Plan) leafSQL(x Expr) *canon.Expr {
	switch x.Op {
	case OpDim:
		return col("d" + itoa(x.Index))
	case OpKey:
		return canon.Col("r", "k"+itoa(x.Index))
	case OpBase:
		return canon.Col("r", "b"+itoa(x.Index))
	case OpAvg:
		return p.average(x)
	}
	return nil
}

// writer writes expressions; it says how what is no function is written, and gives nil for all else.
type writer func(Expr) *canon.Expr

func (w writer) sql(x Expr) *canon.Expr {
	if e := w(x); e != nil {
		return e
	}
	switch x.Op {
	case OpConst:
		return canon.Const(x.Value, sqlType(x.Type))
	case OpNull:
		return canon.NullOf("VARCHAR")
	case OpEq, OpNe, OpLt, OpLe, OpGt, OpGe:
		a := w.aligned(x.Args)
		return canon.Cmp(compareSQL[x.Op], a[0], a[1])
	case OpIn:
		return canon.Op(canon.In, w.aligned(x.Args)...)
	case OpCoal:
		return canon.Op(canon.Coalesce, w.as(x.Type, x.Args)...)
	case OpAnd:
		return canon.Op(canon.And, w.as(Boolean, x.Args)...)
	case OpOr:
		return canon.Op(canon.Or, w.as(Boolean, x.Args)...)
	case OpNot:
		return canon.Op(canon.Not, w.as(Boolean, x.Args)...)
	case OpIsNull:
		return canon.Op(canon.IsNull, w.sql(x.Args[0]))
	case OpCase:
		return w.caseSQL(x)
	case OpCast:
		return &canon.Expr{Kind: canon.TryCast, Name: sqlType(x.Type), Args: []*canon.Expr{w.sql(x.Args[0])}}
	case OpDiv:
		a := w.as(Double, x.Args)
		zero := canon.Cmp("=", a[1], canon.Const("0", "DOUBLE"))
		return canon.Op(canon.Case, zero, canon.NullOf("DOUBLE"), canon.Call("/", a[0], a[1]))
	case OpRound:
		return w.round(x)
	case OpFloor, OpCeil:
		if x.Type == Hugeint {
			return w.as(Hugeint, x.Args)[0]
		}
		return canon.Call(callSQL[x.Op], w.as(Double, x.Args)...)
	case OpSame:
		a := w.aligned(x.Args)
		return canon.Cmp(canon.Same, a[0], a[1])
	case OpMean:
		return w.mean(x)
	case OpAgg:
		if x.Value == "count" && len(x.Args) == 0 {
			return canon.CastTo(canon.Call("count_star"), "BIGINT")
		}
		return canon.CastTo(canon.Call(x.Value, w.spanArgs(x)...), sqlType(x.Type))
	case OpWindow:
		return w.window(x)
	case OpLeft:
		return canon.Call("left", w.as(Varchar, x.Args)[0], canon.Const(x.Value, "BIGINT"))
	case OpBand:
		return w.band(x)
	case OpTrunc:
		return canon.CastTo(canon.Call("date_trunc", canon.Const(x.Value, "VARCHAR"), w.as(Date, x.Args)[0]), "DATE")
	case OpPart:
		return canon.CastTo(canon.Call(x.Value, w.as(Date, x.Args)[0]), "BIGINT")
	case OpLike, OpILike:
		return canon.Call(callSQL[x.Op], w.as(Varchar, x.Args)...)
	}
	return canon.Call(callSQL[x.Op], w.as(x.Type, x.Args)...)
}

// as converts arguments to a type.
func (w writer) as(t Type, args []Expr) []*canon.Expr {
	var out []*canon.Expr
	for _, a := range args {
		e := w.sql(a)
		if a.Type != t {
			e = canon.CastTo(e, sqlType(t))
		}
		out = append(out, e)
	}
	return out
}

// aligned converts arguments to the type in which they compare.
func (w writer) aligned(args []Expr) []*canon.Expr {
	var types []Type
	for _, a := range args {
		types = append(types, a.Type)
	}
	t, _ := commonType(types...)
	return w.as(t, args)
}

func (w writer) caseSQL(x Expr) *canon.Expr {
	n := len(x.Args)
	var args []*canon.Expr
	for i := 0; i+1 < n; i += 2 {
		args = append(args, w.as(Boolean, x.Args[i:i+1])[0], w.as(x.Type, x.Args[i+1:i+2])[0])
	}
	return canon.Op(canon.Case, append(args, w.as(x.Type, x.Args[n-1:])[0])...)
}

func (w writer) round(x Expr) *canon.Expr {
	if x.Type == Hugeint {
		return w.as(Hugeint, x.Args)[0]
	}
	args := w.as(Double, x.Args[:1])
	if len(x.Args) == 2 {
		args = append(args, w.sql(x.Args[1]))
	}
	return canon.Call("round", args...)
}

// average is the quotient of two released values, in double precision. Under a guard it keeps ValueDigits significant
// digits: format rounds the exact value of the double, halves to even.
func (p *Plan) average(x Expr) *canon.Expr {
	i := itoa(p.averageAt(p.averages(), x))
	s, n := canon.Col("r", "s"+i), canon.Col("r", "n"+i)
	q := canon.Call("/", canon.CastTo(s, "DOUBLE"), canon.CastTo(n, "DOUBLE"))
	if p.Guard.ValueDigits > 0 {
		form := canon.Const("{:."+itoa(int(p.Guard.ValueDigits)-1)+"e}", "VARCHAR")
		q = canon.CastTo(canon.Call("format", form, q), "DOUBLE")
	}
	return canon.Op(canon.Case, canon.Cmp("=", n, canon.Const("0", "BIGINT")), canon.NullOf("DOUBLE"), q)
}

// mean is the quotient of a released sum and a released count, in double precision, with Value significant digits.
func (w writer) mean(x Expr) *canon.Expr {
	a := w.as(Double, x.Args)
	zero := canon.Cmp("=", a[1], canon.Const("0", "DOUBLE"))
	return canon.Op(canon.Case, zero, canon.NullOf("DOUBLE"), significant(canon.Call("/", a[0], a[1]), x.Value))
}

// significant rounds a double to so many significant digits: format rounds its exact value, halves to even.
func significant(q *canon.Expr, digits string) *canon.Expr {
	if digits == "" {
		return q
	}
	n, _ := strconv.Atoi(digits)
	return canon.CastTo(canon.Call("format", canon.Const("{:."+itoa(n-1)+"e}", "VARCHAR"), q), "DOUBLE")
}

// band is the lower end of the band that a whole number is in, for negative ones as well.
func (w writer) band(x Expr) *canon.Expr {
	n, v := canon.Const(x.Value, "BIGINT"), w.as(Int64, x.Args)[0]
	rest := canon.Call("%", canon.Call("+", canon.Call("%", v, n), n), n)
	return canon.CastTo(canon.Call("-", v, rest), "BIGINT")
}

// spanArgs are the arguments of an aggregate or a window function: an average works in double precision.
func (w writer) spanArgs(x Expr) []*canon.Expr {
	var out []*canon.Expr
	for i, a := range x.Args {
		switch {
		case x.Value == "avg":
			out = append(out, w.as(Double, x.Args[i:i+1])[0])
		case x.Value == "ntile" || i == 1:
			out = append(out, w.as(Int64, x.Args[i:i+1])[0])
		default:
			out = append(out, w.sql(a))
		}
	}
	if x.Value == "count" && len(x.Args) == 0 {
		return nil
	}
	return out
}

func (w writer) window(x Expr) *canon.Expr {
	name := x.Value
	if name == "count" && len(x.Args) == 0 {
		name = "count_star"
	}
	e := &canon.Expr{Kind: canon.Window, Name: name, Args: w.spanArgs(x), Span: &canon.Span{}}
	for _, p := range x.Over.Partition {
		e.Span.Partition = append(e.Span.Partition, w.sql(p))
	}
	for _, o := range x.Over.OrderBy {
		e.Span.OrderBy = append(e.Span.OrderBy, canon.Order{Expr: w.sql(o.Expr), Desc: o.Desc, First: o.NullsFirst})
	}
	e.Span.Start, e.Span.End = frameOf(x.Over.Frame)
	return canon.CastTo(e, sqlType(x.Type))
}

// frameOf gives the ends of a frame; the one that SQL has by default has none.
func frameOf(f string) (start, end canon.Bound) {
	unit, bounds, _ := strings.Cut(f, " between ")
	lo, hi, _ := strings.Cut(bounds, " and ")
	if f == "" || unit == "range" && lo == "unbounded preceding" && hi == "current row" {
		return canon.Bound{}, canon.Bound{}
	}
	bound := func(s string) canon.Bound {
		if s == "current row" {
			return canon.Bound{Kind: "CURRENT_ROW_" + strings.ToUpper(unit)}
		}
		n, side, _ := strings.Cut(s, " ")
		if n == "unbounded" {
			return canon.Bound{Kind: "UNBOUNDED_" + strings.ToUpper(side)}
		}
		return canon.Bound{Kind: "EXPR_" + strings.ToUpper(side) + "_ROWS", Rows: n}
	}
	return bound(lo), bound(hi)
}
