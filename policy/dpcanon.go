package policy

import (
	"cmp"
	"encoding/json"
	"slices"
)

// Noise is the same for the same question, so conditions that say the same in another order are brought to one form
// (docs/spec/dp.md, section 13.2). What is not recognised here is another question, and charged.

// canonical gives a step's conditions in their one form.
func (s Step) canonical() Step {
	var inputs []Step
	for _, in := range s.Inputs {
		inputs = append(inputs, in.canonical())
	}
	s.Inputs, s.Where, s.Aggs = inputs, canonicalWhen(s.Where), slices.Clone(s.Aggs)
	for i := range s.Aggs {
		s.Aggs[i].When = canonicalWhen(s.Aggs[i].When)
	}
	return s
}

// canonicalWhen is a condition in its one form; nil where it is always true.
func canonicalWhen(x *Expr) *Expr {
	if x == nil {
		return nil
	}
	y := x.canonical()
	if isTrue(y) {
		return nil
	}
	return &y
}

func isTrue(x Expr) bool { return x.Op == OpConst && x.Type == Boolean && x.Value == "true" }

// canonical is an expression in its one form. It never changes a value, NULL included.
func (x Expr) canonical() Expr {
	var args []Expr
	for _, a := range x.Args {
		args = append(args, a.canonical())
	}
	x.Args = args
	switch x.Op {
	case OpAnd, OpOr:
		return x.junction()
	case OpNot:
		if x.Args[0].Op == OpNot && x.Args[0].Args[0].Type == Boolean {
			return x.Args[0].Args[0]
		}
	case OpIn:
		rest := distinct(x.Args[1:])
		if len(rest) == 1 {
			if y := (Expr{Op: OpEq, Type: Boolean, Args: []Expr{x.Args[0], rest[0]}}); y.sound() {
				return y.canonical()
			}
		}
		x.Args = append([]Expr{x.Args[0]}, rest...)
	case OpEq, OpNe, OpLt, OpLe, OpGt, OpGe:
		return x.comparison()
	}
	return x
}

func (x Expr) sound() bool {
	t, ok := typeOf(x.Op, x.Args)
	return ok && t == x.Type
}

// junction sorts the parts of AND or OR, each once, and leaves out of AND what is always true.
func (x Expr) junction() Expr {
	parts := distinct(flat(x, x.Op))
	if x.Op == OpAnd {
		parts = slices.DeleteFunc(parts, isTrue)
	}
	if len(parts) == 0 {
		return Expr{Op: OpConst, Type: Boolean, Value: "true"}
	}
	out := parts[0]
	for _, p := range parts[1:] {
		out = Expr{Op: x.Op, Type: Boolean, Args: []Expr{out, p}}
	}
	return out
}

// flat lists the parts of nested ANDs, or of nested ORs.
func flat(x Expr, op Op) []Expr {
	if x.Op != op {
		return []Expr{x}
	}
	var out []Expr
	for _, a := range x.Args {
		out = append(out, flat(a, op)...)
	}
	return out
}

// comparison has its constant on the right, and is true where it compares a constant with itself.
func (x Expr) comparison() Expr {
	mirrored := map[Op]Op{OpEq: OpEq, OpNe: OpNe, OpLt: OpGt, OpLe: OpGe, OpGt: OpLt, OpGe: OpLe}
	a, b := x.Args[0], x.Args[1]
	konst := a.Op == OpConst && b.Op == OpConst
	if konst && sameExpr(a, b) && (x.Op == OpEq || x.Op == OpLe || x.Op == OpGe) {
		return Expr{Op: OpConst, Type: Boolean, Value: "true"}
	}
	if swap := a.Op == OpConst && b.Op != OpConst || (a.Op == OpConst) == (b.Op == OpConst) && before(b, a); swap {
		x.Op, x.Args = mirrored[x.Op], []Expr{b, a}
	}
	return x
}

func encoded(x Expr) string {
	b, err := json.Marshal(x)
	if err != nil {
		panic("policy: an expression has only strings, integers and lists: " + err.Error())
	}
	return string(b)
}

func before(a, b Expr) bool { return encoded(a) < encoded(b) }

// distinct sorts expressions, and keeps each once.
func distinct(list []Expr) []Expr {
	out := slices.Clone(list)
	slices.SortFunc(out, func(a, b Expr) int { return cmp.Compare(encoded(a), encoded(b)) })
	return slices.CompactFunc(out, sameExpr)
}
