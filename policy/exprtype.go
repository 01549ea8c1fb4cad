package policy

// commonType is the type in which values of these types are compared or chosen between.
func commonType(types ...Type) (Type, bool) {
	out := nullType
	for _, t := range types {
		switch {
		case t == nullType || t == out:
		case out == nullType:
			out = t
		case out.class() == classInt && t.class() == classInt:
			out = Hugeint
		case out.numeric() && t.numeric():
			out = Double
		default:
			return "", false
		}
	}
	return out, out.class() != classNone
}

// typeOf gives the type that an operator yields over its arguments, or false where it takes no such arguments. Compile
// and DecodePlan both go by it, so a plan is well typed whoever made it.
func typeOf(op Op, args []Expr) (Type, bool) {
	types := make([]Type, len(args))
	for i, a := range args {
		types[i] = a.Type
	}
	switch op {
	case OpAvg:
		return Double, len(args) == 2 && args[0].Op == OpBase && args[1].Op == OpBase
	case OpAdd, OpSub:
		return arithmetic(types, 2, Hugeint)
	case OpMul, OpDiv:
		return arithmetic(types, 2, Double)
	case OpNeg, OpAbs:
		return arithmetic(types, 1, Hugeint)
	case OpFloor, OpCeil:
		return arithmetic(types, 1, Hugeint)
	case OpRound:
		return roundType(args)
	case OpEq, OpNe, OpLt, OpLe, OpGt, OpGe:
		_, ok := commonType(types...)
		return Boolean, ok && len(args) == 2
	case OpIn:
		_, ok := commonType(types...)
		return Boolean, ok && len(args) >= 2
	case OpAnd, OpOr:
		return Boolean, len(args) == 2 && all(types, Boolean)
	case OpNot:
		return Boolean, len(args) == 1 && all(types, Boolean)
	case OpIsNull:
		return Boolean, len(args) == 1
	case OpLike, OpILike:
		return Boolean, len(args) == 2 && all(types, Varchar) && args[1].Op == OpConst
	case OpUpper, OpLower, OpTrim:
		return Varchar, len(args) == 1 && all(types, Varchar)
	case OpConcat:
		return Varchar, len(args) == 2 && all(types, Varchar)
	case OpCoal:
		t, ok := commonType(types...)
		return t, ok && len(args) >= 1
	case OpCase:
		return caseType(types)
	}
	return "", false
}

// all reports whether the types are all t, or NULL.
func all(types []Type, t Type) bool {
	for _, x := range types {
		if x != t && x != nullType {
			return false
		}
	}
	return true
}

// arithmetic is ofInts over whole numbers and double over others.
func arithmetic(types []Type, n int, ofInts Type) (Type, bool) {
	out := ofInts
	for _, t := range types {
		if !t.numeric() && t != nullType {
			return "", false
		}
		if t.class() != classInt {
			out = Double
		}
	}
	return out, len(types) == n
}

func roundType(args []Expr) (Type, bool) {
	if len(args) == 0 || len(args) > 2 {
		return "", false
	}
	if len(args) == 2 {
		if d := args[1]; d.Op != OpConst || d.Type != Int32 || len(d.Value) > 3 {
			return "", false
		}
		t, ok := arithmetic([]Type{args[0].Type}, 1, Double)
		return t, ok
	}
	return arithmetic([]Type{args[0].Type}, 1, Hugeint)
}

func caseType(types []Type) (Type, bool) {
	n := len(types)
	if n < 3 || n%2 == 0 {
		return "", false
	}
	values := []Type{types[n-1]}
	for i := 0; i+1 < n; i += 2 {
		if types[i] != Boolean && types[i] != nullType {
			return "", false
		}
		values = append(values, types[i+1])
	}
	return commonType(values...)
}

// castable reports whether released values of one type may be cast to the other.
func castable(from, to Type) bool {
	switch to {
	case Int32, Int64, Double, Varchar, Boolean, Date:
	default:
		if p, _, ok := to.Decimal(); !ok || p > 38 {
			return false
		}
	}
	switch {
	case from == to || from == Varchar || to == Varchar || from == nullType:
		return true
	case to == Boolean:
		return false
	}
	return (from.numeric() || from == Boolean) && to.numeric()
}
