package engine

import (
	"database/sql/driver"
	"math/big"
	"time"

	duckdb "github.com/duckdb/duckdb-go/v2"

	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/result"
)

// canonical gives the canonical text of a value of a type, or false for NULL. A Go type that does not go with the type is
// an error, never a guess.
func canonical(v driver.Value, t policy.Type) (text string, present bool, err error) {
	if v == nil {
		return "", false, nil
	}
	switch x := v.(type) {
	case bool:
		text, present = map[bool]string{true: "true", false: "false"}[x], t == "boolean"
	case string:
		text, present = x, t == "varchar"
	case time.Time:
		text, present = canonicalTime(x, t)
	case float64:
		text, present = result.FormatDouble(x)
		if t == "double" && !present {
			return "", false, nil // a quotient by zero, over released values only
		}
		present = present && t == "double"
	case duckdb.Decimal:
		_, scale, ok := result.Type(t).Decimal()
		text, present = result.FormatDecimal(x.Value, int(x.Scale)), ok && scale == int(x.Scale)
	default:
		n, ok := integer(v)
		if ok {
			text, present = n.String(), t == "int32" || t == "int64" || t == "hugeint"
		}
	}
	if !present {
		return "", false, errUnexpected
	}
	return text, true, nil
}

func canonicalTime(x time.Time, t policy.Type) (string, bool) {
	if x.Year() < 1 || x.Year() > 9999 {
		return "", false
	}
	if t == "date" {
		return result.FormatDate(x), true
	}
	return result.FormatTimestamp(x), t == "timestamp"
}

// integer reads any of DuckDB's integer types.
func integer(v driver.Value) (*big.Int, bool) {
	switch x := v.(type) {
	case int32:
		return big.NewInt(int64(x)), true
	case int64:
		return big.NewInt(x), true
	case *big.Int:
		return x, x != nil
	}
	return nil, false
}

// duckType is the spelling of a type in DuckDB's SQL. Only types named here reach a statement.
func duckType(t policy.Type) (string, bool) {
	plain := map[policy.Type]string{
		"boolean": "BOOLEAN", "int32": "INTEGER", "int64": "BIGINT", "hugeint": "HUGEINT",
		"varchar": "VARCHAR", "date": "DATE", "timestamp": "TIMESTAMP", "double": "DOUBLE",
	}
	if s, ok := plain[t]; ok {
		return s, true
	}
	p, s, ok := result.Type(t).Decimal()
	if !ok {
		return "", false
	}
	return "DECIMAL(" + itoa(p) + "," + itoa(s) + ")", true
}
