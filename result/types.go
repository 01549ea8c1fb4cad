package result

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Type names the type of a column: boolean, int32, int64, hugeint, decimal(p,s), varchar, date, timestamp, double.
type Type string

// Valid reports whether the type is one that a result can have.
func (t Type) Valid() bool {
	switch t {
	case "boolean", "int32", "int64", "hugeint", "varchar", "date", "timestamp", "double":
		return true
	}
	_, _, ok := t.Decimal()
	return ok
}

// Decimal gives precision and scale of a decimal type.
func (t Type) Decimal() (precision, scale int, ok bool) {
	inner, isDecimal := strings.CutPrefix(string(t), "decimal(")
	inner, closed := strings.CutSuffix(inner, ")")
	p, s, comma := strings.Cut(inner, ",")
	precision, errP := strconv.Atoi(p)
	scale, errS := strconv.Atoi(s)
	ok = isDecimal && closed && comma && errP == nil && errS == nil && precision <= 38 && 1 <= precision && 0 <= scale && scale <= precision &&
		strconv.Itoa(precision) == p && strconv.Itoa(scale) == s
	if !ok {
		return 0, 0, false
	}
	return precision, scale, true
}

// Numeric reports whether values of the type are numbers.
func (t Type) Numeric() bool {
	_, _, decimal := t.Decimal()
	return decimal || t == "int32" || t == "int64" || t == "hugeint" || t == "double"
}

// canonical reports whether the text is the one spelling of a value of the type.
func (t Type) canonical(text string) bool {
	switch t {
	case "boolean":
		return text == "true" || text == "false"
	case "int32":
		return canonicalInteger(text, 31)
	case "int64":
		return canonicalInteger(text, 63)
	case "hugeint":
		return canonicalInteger(text, 127)
	case "varchar":
		return validText(text)
	case "date":
		return canonicalTime(text, dateLayout)
	case "timestamp":
		return canonicalTime(text, timestampLayout)
	case "double":
		return canonicalDouble(text)
	}
	return t.canonicalDecimal(text)
}

const (
	dateLayout      = "2006-01-02"
	timestampLayout = "2006-01-02T15:04:05.000000"
)

func validText(s string) bool { return len(s) <= MaxText && utf8.ValidString(s) }

func canonicalInteger(text string, bits int) bool {
	if len(text) > 40 {
		return false
	}
	v, ok := new(big.Int).SetString(text, 10)
	if !ok || v.String() != text {
		return false
	}
	if v.Sign() < 0 {
		v.Not(v) // -2^bits is in range
	}
	return v.BitLen() <= bits
}

// canonicalDecimal wants exactly scale digits after the point, no leading zeros, no minus zero.
func (t Type) canonicalDecimal(text string) bool {
	precision, scale, ok := t.Decimal()
	if !ok || len(text) > 41 {
		return false
	}
	digits := text
	if scale > 0 {
		whole, fraction, found := strings.Cut(text, ".")
		if !found || len(fraction) != scale || strings.TrimPrefix(whole, "-") == "" {
			return false
		}
		digits = whole + fraction
	}
	v, ok := new(big.Int).SetString(digits, 10)
	return ok && FormatDecimal(v, scale) == text && len(new(big.Int).Abs(v).String()) <= precision
}

// FormatDecimal writes a scaled integer as the canonical text of a decimal.
func FormatDecimal(v *big.Int, scale int) string {
	digits := new(big.Int).Abs(v).String()
	if scale > 0 {
		if len(digits) <= scale {
			digits = strings.Repeat("0", scale-len(digits)+1) + digits
		}
		digits = digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
	}
	if v.Sign() < 0 {
		return "-" + digits
	}
	return digits
}

// FormatDouble writes a finite double as its canonical text: the shortest that reads back the same, never minus zero.
func FormatDouble(v float64) (text string, ok bool) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "", false
	}
	return strconv.FormatFloat(v+0, 'g', -1, 64), true
}

func canonicalDouble(text string) bool {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return false
	}
	again, ok := FormatDouble(v)
	return ok && again == text
}

// FormatDate writes a day of the years 1 to 9999.
func FormatDate(t time.Time) string { return t.UTC().Format(dateLayout) }

// FormatTimestamp writes an instant without zone, in microseconds.
func FormatTimestamp(t time.Time) string { return t.UTC().Format(timestampLayout) }

func canonicalTime(text, layout string) bool {
	t, err := time.Parse(layout, text)
	return err == nil && t.Format(layout) == text && len(text) == len(layout)
}
