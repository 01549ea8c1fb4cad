package policy

import (
	"strings"

	"github.com/cordon-exchange/cordon/policy/internal/query"
)

// literal gives the typed constant of a literal, or false where the node is none.
func (c *compiler) literal(e *query.Expr) (Expr, bool, *Refusal) {
	bad := func() (Expr, bool, *Refusal) {
		return Expr{}, true, ruled("types", "constant", e.Pos, "this constant is not in the grammar", "whole numbers have up to 18 digits, decimals too; dates are DATE '2026-01-31'")
	}
	x := Expr{Op: OpConst}
	switch e.Kind {
	case query.Null:
		return Expr{Op: OpNull, Type: nullType}, true, nil
	case query.Bool:
		x.Type, x.Value = Boolean, e.Text
	case query.String:
		x.Type, x.Value = Varchar, e.Text
	case query.DateLit:
		x.Type, x.Value = Date, e.Text
	case query.Number:
		x.Type, x.Value = number(e.Text)
	case query.Param:
		p, r := c.param(e)
		return p, true, r
	case query.Unary:
		if e.Text != "-" || e.Args[0].Kind != query.Number {
			return Expr{}, false, nil
		}
		x.Type, x.Value = number(e.Args[0].Text)
		x.Value = "-" + x.Value
	default:
		return Expr{}, false, nil
	}
	text, ok := x.Type.canonical(x.Value)
	if !ok {
		return bad()
	}
	x.Value = text
	return x, true, nil
}

// number gives a literal the narrowest type that holds it as written.
func number(s string) (Type, string) {
	whole, frac, point := strings.Cut(s, ".")
	whole = strings.TrimLeft(whole, "0")
	if whole == "" {
		whole = "0"
	}
	if !point || frac == "" {
		return Int64, whole
	}
	digits := len(whole) + len(frac)
	if digits > 18 {
		return "", ""
	}
	return Decimal(digits, len(frac)), whole + "." + frac
}

// coerce reads a constant as a constant of another type where that loses nothing: 'text' as a date, 5 as 5.00.
func coerce(x Expr, to Type) (Expr, bool) {
	if x.Op != OpConst || x.Type == to || to.class() == classNone {
		return x, x.Type == to
	}
	from := x.Type.class()
	fits := from == classText && to.class() == classDate ||
		(from == classInt || from == classDecimal) && (to.class() == classInt || to.class() == classDecimal)
	if !fits {
		return x, false
	}
	text := x.Value
	if from == classDecimal {
		text = trimZeros(text)
	}
	text, ok := to.canonical(text)
	if !ok {
		return x, false
	}
	return Expr{Op: OpConst, Type: to, Value: text}, true
}

func trimZeros(s string) string {
	if !strings.Contains(s, ".") {
		return s
	}
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}
