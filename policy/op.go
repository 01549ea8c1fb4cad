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
