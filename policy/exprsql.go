package policy

import (
	"github.com/cordon-exchange/cordon/policy/internal/canon"
)

var compareSQL = map[Op]string{OpEq: "=", OpNe: "<>", OpLt: "<", OpLe: "<=", OpGt: ">", OpGe: ">="}

var callSQL = map[Op]string{
	OpAdd: "+", OpSub: "-", OpMul: "*", OpNeg: "-", OpAbs: "abs", OpFloor: "floor", OpCeil: "ceil",
	OpUpper: "upper", OpLower: "lower", OpTrim: "trim", OpConcat: "||", OpLike: "~~", OpILike: "~~*",
}

// sql writes an expression of post. Every operand is cast to the type in which the operator works, so that the engine has
// no choice of its own.
func (p *Plan) sql(x Expr) *canon.Expr {
	switch x.Op {
	case OpDim:
		return col("d" + itoa(x.Index))
	case OpKey:
		return canon.Col("r", "k"+itoa(x.Index))
	case OpBase:
		return canon.Col("r", "b"+itoa(x.Index))
	case OpConst:
		return canon.Const(x.Value, sqlType(x.Type))
	case OpNull:
		return canon.NullOf("VARCHAR")
	case OpAvg:
		return p.average(x)
	case OpEq, OpNe, OpLt, OpLe, OpGt, OpGe:
		a := p.aligned(x.Args)
		return canon.Cmp(compareSQL[x.Op], a[0], a[1])
	case OpIn:
		return canon.Op(canon.In, p.aligned(x.Args)...)
	case OpCoal:
		return canon.Op(canon.Coalesce, p.as(x.Type, x.Args)...)
	case OpAnd:
		return canon.Op(canon.And, p.as(Boolean, x.Args)...)
	case OpOr:
		return canon.Op(canon.Or, p.as(Boolean, x.Args)...)
	case OpNot:
		return canon.Op(canon.Not, p.as(Boolean, x.Args)...)
	case OpIsNull:
		return canon.Op(canon.IsNull, p.sql(x.Args[0]))
	case OpCase:
		return p.caseSQL(x)
	case OpCast:
		return &canon.Expr{Kind: canon.TryCast, Name: sqlType(x.Type), Args: []*canon.Expr{p.sql(x.Args[0])}}
	case OpDiv:
		a := p.as(Double, x.Args)
		zero := canon.Cmp("=", a[1], canon.Const("0", "DOUBLE"))
		return canon.Op(canon.Case, zero, canon.NullOf("DOUBLE"), canon.Call("/", a[0], a[1]))
	case OpRound:
		return p.round(x)
	case OpFloor, OpCeil:
		if x.Type == Hugeint {
			return p.as(Hugeint, x.Args)[0]
		}
		return canon.Call(callSQL[x.Op], p.as(Double, x.Args)...)
	case OpLike, OpILike:
		return canon.Call(callSQL[x.Op], p.as(Varchar, x.Args)...)
	}
	return canon.Call(callSQL[x.Op], p.as(x.Type, x.Args)...)
}

// as converts arguments to a type.
func (p *Plan) as(t Type, args []Expr) []*canon.Expr {
	var out []*canon.Expr
	for _, a := range args {
		e := p.sql(a)
		if a.Type != t {
			e = canon.CastTo(e, sqlType(t))
		}
		out = append(out, e)
	}
	return out
}

// aligned converts arguments to the type in which they compare.
func (p *Plan) aligned(args []Expr) []*canon.Expr {
	var types []Type
	for _, a := range args {
		types = append(types, a.Type)
	}
	t, _ := commonType(types...)
	return p.as(t, args)
}

func (p *Plan) caseSQL(x Expr) *canon.Expr {
	n := len(x.Args)
	var args []*canon.Expr
	for i := 0; i+1 < n; i += 2 {
		args = append(args, p.as(Boolean, x.Args[i:i+1])[0], p.as(x.Type, x.Args[i+1:i+2])[0])
	}
	return canon.Op(canon.Case, append(args, p.as(x.Type, x.Args[n-1:])[0])...)
}

func (p *Plan) round(x Expr) *canon.Expr {
	if x.Type == Hugeint {
		return p.as(Hugeint, x.Args)[0]
	}
	args := p.as(Double, x.Args[:1])
	if len(x.Args) == 2 {
		args = append(args, p.sql(x.Args[1]))
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
