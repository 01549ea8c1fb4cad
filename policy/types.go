package policy

import (
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Type names the type of a column, a constant or a result: boolean, int32, int64, hugeint, decimal(p,s), varchar,
// date, timestamp, double. The zero Type is none.
type Type string

// The types without parameters.
const (
	Boolean   Type = "boolean"
	Int32     Type = "int32"
	Int64     Type = "int64"
	Hugeint   Type = "hugeint"
	Varchar   Type = "varchar"
	Date      Type = "date"
	Timestamp Type = "timestamp"
	Double    Type = "double"
)

// Decimal names the decimal type of that precision and scale.
func Decimal(precision, scale int) Type {
	return Type("decimal(" + strconv.Itoa(precision) + "," + strconv.Itoa(scale) + ")")
}

var decimalForm = regexp.MustCompile(`^decimal\((0|[1-9][0-9]?),(0|[1-9][0-9]?)\)$`)

// Decimal returns precision and scale of a decimal type.
func (t Type) Decimal() (precision, scale int, ok bool) {
	m := decimalForm.FindStringSubmatch(string(t))
	if m == nil {
		return 0, 0, false
	}
	precision, _ = strconv.Atoi(m[1])
	scale, _ = strconv.Atoi(m[2])
	return precision, scale, precision >= 1 && precision <= 38 && scale <= precision
}

// class groups types that compare with each other.
type class int

const (
	classNone class = iota
	classNull
	classBool
	classInt
	classDecimal
	classDouble
	classText
	classDate
	classTime
)

func (t Type) class() class {
	switch t {
	case Boolean:
		return classBool
	case Int32, Int64, Hugeint:
		return classInt
	case Varchar:
		return classText
	case Date:
		return classDate
	case Timestamp:
		return classTime
	case Double:
		return classDouble
	case nullType:
		return classNull
	}
	if _, _, ok := t.Decimal(); ok {
		return classDecimal
	}
	return classNone
}

// nullType is the type of a bare NULL.
const nullType Type = "null"

func (t Type) numeric() bool {
	c := t.class()
	return c == classInt || c == classDecimal || c == classDouble
}

// aggregable reports whether a column of the type can be loaded as exact integers of 10^-scale.
func (t Type) aggregable(scale int) bool {
	if t == Int32 || t == Int64 {
		return true
	}
	p, s, ok := t.Decimal()
	return ok && p <= 18 && s <= scale
}

// groupable reports whether a column of the type can be a dimension.
func (t Type) groupable() bool {
	switch t.class() {
	case classBool, classText, classDate:
		return true
	case classInt:
		return t != Hugeint
	case classDecimal:
		p, _, _ := t.Decimal()
		return p <= 18
	}
	return false
}

// canonical gives the one text of a constant of the type, or false.
func (t Type) canonical(s string) (string, bool) {
	if !utf8.ValidString(s) || len(s) > maxTextBytes {
		return "", false
	}
	switch t.class() {
	case classBool:
		return s, s == "true" || s == "false"
	case classText:
		return s, !strings.ContainsRune(s, 0)
	case classDate:
		_, err := time.Parse(time.DateOnly, s)
		return s, err == nil && isDate(s)
	case classInt:
		bits := 64
		if t == Int32 {
			bits = 32
		}
		v, err := strconv.ParseInt(s, 10, bits)
		return strconv.FormatInt(v, 10), err == nil && t != Hugeint && isDecimal(s)
	case classDecimal:
		return canonicalDecimal(t, s)
	}
	return "", false
}

func canonicalDecimal(t Type, s string) (string, bool) {
	p, scale, _ := t.Decimal()
	if p > 18 {
		return "", false
	}
	v, ok := scaleDecimal(s, scale)
	if !ok {
		return "", false
	}
	text := unscaled(v, scale)
	digits := strings.TrimLeft(strings.Replace(strings.TrimPrefix(text, "-"), ".", "", 1), "0")
	return text, len(digits) <= p
}

// fold maps names that SQL does not tell apart to one.
func fold(name string) string { return strings.ToLower(name) }

// isColumnName refuses names that can't be shown and names that the engine gives a meaning of its own.
func isColumnName(s string) bool {
	if s == "" || len(s) > maxNameBytes || !utf8.ValidString(s) {
		return false
	}
	for _, c := range s {
		if !unicode.IsPrint(c) || c == '"' {
			return false
		}
	}
	return !contains([]string{"rowid", "filename", "file_row_number", "file_index"}, fold(s))
}
