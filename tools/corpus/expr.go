package main

import (
	"fmt"
	"strings"

	"github.com/cordon-exchange/cordon/policy"
)

func text(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// sqlName is DuckDB's name of a type.
func sqlName(t policy.Type) string {
	switch t {
	case policy.Int32:
		return "INTEGER"
	case policy.Int64:
		return "BIGINT"
	}
	return strings.ToUpper(string(t))
}

var infix = map[policy.Op]string{
	policy.OpAdd: "+", policy.OpSub: "-", policy.OpMul: "*", policy.OpDiv: "/", policy.OpEq: "=", policy.OpNe: "<>", policy.OpLt: "<", policy.OpLe: "<=",
	policy.OpGt: ">", policy.OpGe: ">=", policy.OpAnd: "AND", policy.OpOr: "OR", policy.OpSame: "IS NOT DISTINCT FROM", policy.OpLike: "LIKE",
	policy.OpILike: "ILIKE", policy.OpConcat: "||",
}

var prefix = map[policy.Op]string{
	policy.OpNeg: "-", policy.OpNot: "NOT ", policy.OpCoal: "coalesce", policy.OpRound: "round", policy.OpFloor: "floor", policy.OpCeil: "ceil",
	policy.OpAbs: "abs", policy.OpUpper: "upper", policy.OpLower: "lower", policy.OpTrim: "trim",
}

// expr writes an expression over the columns c0, c1 ... of a step. An operator that it does not know becomes SQL that fails,
// and the query is then judged to have failed.
func expr(x policy.Expr) string {
	var args []string
	for _, a := range x.Args {
		args = append(args, expr(a))
	}
	if op, ok := infix[x.Op]; ok && len(args) == 2 {
		return "(" + args[0] + " " + op + " " + args[1] + ")"
	}
	if op, ok := prefix[x.Op]; ok {
		return "(" + op + "(" + strings.Join(args, ", ") + "))"
	}
	switch x.Op {
	case policy.OpCol:
		return fmt.Sprintf("c%d", x.Index)
	case policy.OpNull:
		return "NULL"
	case policy.OpConst:
		return "CAST(" + text(x.Value) + " AS " + sqlName(x.Type) + ")"
	case policy.OpIsNull:
		return "(" + args[0] + " IS NULL)"
	case policy.OpIn:
		return "(" + args[0] + " IN (" + strings.Join(args[1:], ", ") + "))"
	case policy.OpCast:
		return "TRY_CAST(" + args[0] + " AS " + sqlName(x.Type) + ")"
	case policy.OpLeft:
		return "left(" + args[0] + ", " + x.Value + ")"
	case policy.OpBand:
		return "CAST(floor(CAST(" + args[0] + " AS DOUBLE) / " + x.Value + ") * " + x.Value + " AS BIGINT)"
	case policy.OpTrunc:
		return "CAST(date_trunc(" + text(x.Value) + ", " + args[0] + ") AS DATE)"
	case policy.OpPart:
		return "date_part(" + text(x.Value) + ", " + args[0] + ")"
	case policy.OpCase:
		out := "CASE"
		for i := 0; i+1 < len(args); i += 2 {
			out += " WHEN " + args[i] + " THEN " + args[i+1]
		}
		return "(" + out + " ELSE " + args[len(args)-1] + " END)"
	}
	return "error('no such operator: " + string(x.Op) + "')"
}
