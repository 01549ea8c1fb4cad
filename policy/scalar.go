package policy

import (
	"github.com/cordon-exchange/cordon/policy/internal/query"
)

var binaryOps = map[string]Op{
	"+": OpAdd, "-": OpSub, "*": OpMul, "/": OpDiv, "=": OpEq, "<>": OpNe, "<": OpLt, "<=": OpLe, ">": OpGt, ">=": OpGe,
	"and": OpAnd, "or": OpOr, "||": OpConcat,
}

// function is a scalar function of the grammar: by name and number of arguments.
type function struct {
	name string
	args int
}

var functions = map[function]Op{
	{"round", 1}: OpRound, {"round", 2}: OpRound, {"floor", 1}: OpFloor, {"ceil", 1}: OpCeil, {"ceiling", 1}: OpCeil,
	{"abs", 1}: OpAbs, {"upper", 1}: OpUpper, {"lower", 1}: OpLower, {"trim", 1}: OpTrim,
}

// operate builds the operator that a node stands for over its converted arguments. It is the same above and below the
// release; what may stand as an argument is decided where that is converted.
func operate(e *query.Expr, args []Expr) (Expr, *Refusal) {
	switch e.Kind {
	case query.Unary:
		if e.Text == "not" {
			return typed(e, OpNot, args...)
		}
		return typed(e, OpNeg, args...)
	case query.Binary:
		return typed(e, binaryOps[e.Text], args...)
	case query.Between:
		return between(e, args)
	case query.In:
		x, r := typed(e, OpIn, args...)
		return negate(e, x, r)
	case query.Like:
		return like(e, args)
	case query.IsNull:
		x, r := typed(e, OpIsNull, args...)
		return negate(e, x, r)
	case query.Case:
		return caseOf(e, args)
	case query.Call:
		return call(e, args)
	}
	return Expr{}, ruled("grammar", "expression", e.Pos, "this expression is not in the grammar", "")
}

// typed makes a node, reading constants as the type of what they stand beside.
func typed(e *query.Expr, op Op, args ...Expr) (Expr, *Refusal) {
	args = append([]Expr(nil), args...)
	switch op {
	case OpEq, OpNe, OpLt, OpLe, OpGt, OpGe, OpIn:
		align(args)
	}
	t, ok := typeOf(op, args)
	if !ok {
		return Expr{}, ruled("types", "operands", e.Pos, "the operands have types for which this is not defined", "compare text with 'text', numbers with numbers, dates with DATE '2026-01-31'")
	}
	return Expr{Op: op, Type: t, Args: args}, nil
}

// align reads the constants among compared values as the type of a value that is none.
func align(args []Expr) {
	for _, a := range args {
		if a.Op == OpConst || a.Op == OpNull {
			continue
		}
		for i := range args {
			if x, ok := coerce(args[i], a.Type); ok {
				args[i] = x
			}
		}
		return
	}
}

func negate(e *query.Expr, x Expr, r *Refusal) (Expr, *Refusal) {
	if r != nil || !e.Not {
		return x, r
	}
	return typed(e, OpNot, x)
}

func between(e *query.Expr, args []Expr) (Expr, *Refusal) {
	lo, r := typed(e, OpGe, args[0], args[1])
	if r != nil {
		return lo, r
	}
	hi, r := typed(e, OpLe, args[0], args[2])
	if r != nil {
		return hi, r
	}
	x, r := typed(e, OpAnd, lo, hi)
	return negate(e, x, r)
}

func like(e *query.Expr, args []Expr) (Expr, *Refusal) {
	if args[1].Op != OpConst {
		return Expr{}, ruled("grammar", "like", e.Args[1].Pos, "the pattern of LIKE must be a constant", "")
	}
	op := OpLike
	if e.Text == "ilike" {
		op = OpILike
	}
	x, r := typed(e, op, args...)
	return negate(e, x, r)
}

func caseOf(e *query.Expr, args []Expr) (Expr, *Refusal) {
	if !e.Operand {
		return typed(e, OpCase, args...)
	}
	out := append([]Expr(nil), args[1:]...)
	for i := 0; i+1 < len(out); i += 2 {
		eq, r := typed(e, OpEq, args[0], out[i])
		if r != nil {
			return eq, r
		}
		out[i] = eq
	}
	return typed(e, OpCase, out...)
}

func call(e *query.Expr, args []Expr) (Expr, *Refusal) {
	null := Expr{Op: OpNull, Type: nullType}
	if e.Star || e.Distinct {
		return Expr{}, unknownFunction(e)
	}
	switch f := (function{e.Text, len(args)}); {
	case f == function{"if", 3}:
		return typed(e, OpCase, args...)
	case f == function{"nullif", 2}:
		eq, r := typed(e, OpEq, args...)
		if r != nil {
			return eq, r
		}
		return typed(e, OpCase, eq, null, args[0])
	case f.name == "coalesce" && f.args > 0:
		return typed(e, OpCoal, args...)
	case f == function{"round", 2}:
		return round(e, args)
	case functions[f] != "":
		return typed(e, functions[f], args...)
	}
	return Expr{}, unknownFunction(e)
}

func round(e *query.Expr, args []Expr) (Expr, *Refusal) {
	digits, ok := coerce(args[1], Int32)
	if !ok || len(digits.Value) > 3 {
		return Expr{}, ruled("grammar", "round", e.Args[1].Pos, "round takes a constant number of places", "from -99 to 99")
	}
	return typed(e, OpRound, args[0], digits)
}

func unknownFunction(e *query.Expr) *Refusal {
	return ruled("functions", "not-listed", e.Pos, "this function, with this number of arguments, is not in the grammar",
		"scalars: round, floor, ceil, abs, upper, lower, trim, coalesce, nullif, if; aggregates: count, sum, avg")
}

// castTypes maps the names of types in SQL.
var castTypes = map[string]Type{
	"int": Int32, "integer": Int32, "int4": Int32, "bigint": Int64, "int8": Int64, "double": Double, "float8": Double,
	"varchar": Varchar, "text": Varchar, "string": Varchar, "boolean": Boolean, "bool": Boolean, "date": Date,
}

func castOf(e *query.Expr, arg Expr) (Expr, *Refusal) {
	to, ok := castTypes[e.Text]
	if !ok {
		to = Type(e.Text)
		_, _, ok = to.Decimal()
	}
	if !ok || !castable(arg.Type, to) {
		return Expr{}, ruled("types", "cast", e.Pos, "this cast is not in the grammar", "casts go to integer, bigint, double, decimal(p,s), varchar, boolean or date")
	}
	return Expr{Op: OpCast, Type: to, Args: []Expr{arg}}, nil
}
