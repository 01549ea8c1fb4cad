package tabular

import (
	"fmt"
	"strings"
	"time"

	"github.com/cordon-exchange/cordon/policy"
)

// Inference finds the narrowest type that all values of a column fit. The zero value has seen nothing.
type Inference struct {
	seen  int64
	not   [numCandidates]bool
	scale int
	whole int // digits before the point
}

type candidate int

const (
	isBoolean candidate = iota
	isInt64
	isDecimal
	isDate
	isTimestamp
	isDouble
	numCandidates
)

// Add looks at one value.
func (f *Inference) Add(c Cell) {
	if c.Null {
		return
	}
	f.seen++
	f.not[isBoolean] = f.not[isBoolean] || c.Text != "true" && c.Text != "false"
	f.number(c.Text)
	f.not[isDate] = f.not[isDate] || !validTime(c.Text, "2006-01-02")
	f.not[isTimestamp] = f.not[isTimestamp] || !ValidTimestamp(c.Text)
}

func (f *Inference) number(s string) {
	if f.not[isDouble] {
		return
	}
	whole, fraction, ok := plainDecimal(s)
	if !ok {
		f.not[isInt64], f.not[isDecimal] = true, true
		f.not[isDouble] = !validDouble(s)
		return
	}
	f.scale, f.whole = max(f.scale, len(fraction)), max(f.whole, len(strings.TrimLeft(whole, "0")))
	f.not[isInt64] = f.not[isInt64] || fraction != "" || len(whole) > 18 || leadingZero(whole)
	f.not[isDecimal] = f.not[isDecimal] || f.scale+f.whole > 18 || leadingZero(whole)
	f.not[isDouble] = leadingZero(whole)
}

// leadingZero tells codes like 00714 from numbers: they keep their zeros as text.
func leadingZero(whole string) bool { return len(whole) > 1 && whole[0] == '0' }

// Type that all values seen fit: varchar if no other, or if nothing was seen.
func (f *Inference) Type() policy.Type {
	switch {
	case f.seen == 0:
		return "varchar"
	case !f.not[isBoolean]:
		return "boolean"
	case !f.not[isInt64]:
		return "int64"
	case !f.not[isDecimal]:
		return policy.Type(fmt.Sprintf("decimal(18,%d)", f.scale))
	case !f.not[isDouble]:
		return "double"
	case !f.not[isDate]:
		return "date"
	case !f.not[isTimestamp]:
		return "timestamp"
	}
	return "varchar"
}

// plainDecimal splits "-12.50" into "12" and "50".
func plainDecimal(s string) (whole, fraction string, ok bool) {
	whole, fraction, point := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	ok = digits(whole) && whole != "" && digits(fraction) && (!point || fraction != "")
	return whole, fraction, ok
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func validTime(s, layout string) bool {
	t, err := time.Parse(layout, s)
	return err == nil && t.Year() >= 1 && len(s) == len(layout)
}
