package policy

// Op is an operator of post.
type Op string

// The operators of plan/1. Arithmetic but OpAdd, OpSub and OpNeg of integers is in IEEE 754 double precision: post sees
// released values only, so no guard rests on it.
const (
	OpDim    Op = "dim"   // Index into Release.Dims
	OpKey    Op = "key"   // Index into Post.Group
	OpBase   Op = "base"  // Index into Release.Bases
	OpConst  Op = "const" // Value in canonical text
	OpNull   Op = "null"
	OpAvg    Op = "avg" // of a sum and a count: the quotient, rounded to Guard.ValueDigits
	OpAdd    Op = "add"
	OpSub    Op = "sub"
	OpMul    Op = "mul"
	OpDiv    Op = "div" // NULL where the divisor is 0
	OpNeg    Op = "neg"
	OpEq     Op = "eq"
	OpNe     Op = "ne"
	OpLt     Op = "lt"
	OpLe     Op = "le"
	OpGt     Op = "gt"
	OpGe     Op = "ge"
	OpAnd    Op = "and"
	OpOr     Op = "or"
	OpNot    Op = "not"
	OpIsNull Op = "is_null"
	OpIn     Op = "in" // the first argument among the rest
	OpLike   Op = "like"
	OpILike  Op = "ilike"
	OpCase   Op = "case" // condition, value, condition, value ..., else
	OpCoal   Op = "coalesce"
	OpCast   Op = "cast" // to Type; NULL where it fails
	OpRound  Op = "round"
	OpFloor  Op = "floor"
	OpCeil   Op = "ceil"
	OpAbs    Op = "abs"
	OpUpper  Op = "upper"
	OpLower  Op = "lower"
	OpTrim   Op = "trim"
	OpConcat Op = "concat"
)

// Further operators of plan/2.
const (
	OpCol    Op = "col"    // Index into the columns of a step or a released table
	OpSame   Op = "same"   // two values, or two NULLs
	OpMean   Op = "mean"   // of a released sum and a released count, rounded to Value significant digits ("": not rounded)
	OpAgg    Op = "agg"    // Value names an aggregate over released rows; one argument, or none for count
	OpWindow Op = "window" // Value names a window function over released rows; see Over
	OpLeft   Op = "left"   // the first Value characters
	OpBand   Op = "band"   // the lower end of the band of width Value that a whole number is in
	OpTrunc  Op = "trunc"  // a date cut to the week, month, quarter or year that Value names
	OpPart   Op = "part"   // the year, quarter or month of a date, as Value names it
)
