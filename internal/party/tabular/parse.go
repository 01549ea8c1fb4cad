package tabular

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// Errors of reading a value as a type. None of them tells the value.
var (
	ErrNumber   = errors.New("not a number in plain decimal notation")
	ErrInexact  = errors.New("has more decimals than the column's scale")
	ErrOverflow = errors.New("is out of the type's range")
	ErrTime     = errors.New("not a date or timestamp of the form 2006-01-02, 2006-01-02 15:04:05")
	ErrBoolean  = errors.New("neither true nor false")
	ErrFinite   = errors.New("is not a finite number")
)

// ParseDecimal reads text as an integer of 10^-scale, exactly or not at all.
func ParseDecimal(s string, precision, scale int) (int64, error) {
	whole, fraction, ok := plainDecimal(s)
	if !ok {
		return 0, ErrNumber
	}
	fraction = strings.TrimRight(fraction, "0")
	if len(fraction) > scale {
		return 0, ErrInexact
	}
	digits := strings.TrimLeft(whole+fraction+strings.Repeat("0", scale-len(fraction)), "0")
	if len(digits) > precision {
		return 0, ErrOverflow
	}
	if digits == "" {
		return 0, nil
	}
	if strings.HasPrefix(s, "-") {
		digits = "-" + digits
	}
	v, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0, ErrOverflow
	}
	return v, nil
}

// ParseInt reads text as an integer.
func ParseInt(s string) (int64, error) { return ParseDecimal(s, 19, 0) }

// ParseDouble reads text as a finite floating-point number.
func ParseDouble(s string) (float64, error) {
	if !numberLike(s) {
		return 0, ErrNumber
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
		return 0, ErrFinite
	}
	return v + 0, nil
}

func validDouble(s string) bool {
	_, err := ParseDouble(s)
	return err == nil
}

// numberLike keeps out what strconv reads and nobody writes in a table: hex, underscores, "inf".
func numberLike(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E' {
			return false
		}
	}
	return s != ""
}

// ParseDate reads a day as days since 1970-01-01.
func ParseDate(s string) (int32, error) {
	if !validTime(s, "2006-01-02") {
		return 0, ErrTime
	}
	t, err := time.Parse("2006-01-02", s)
	if err != nil {
		return 0, ErrTime
	}
	return int32(t.Unix() / 86400), nil // UTC midnights divide without rest
}

// ParseTimestamp reads an instant, without zone or in UTC, as microseconds since 1970.
func ParseTimestamp(s string) (int64, error) {
	s = strings.TrimSuffix(s, "Z")
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05"} { // both take a fraction
		if t, err := time.Parse(layout, s); err == nil && t.Year() >= 1 {
			if t.Nanosecond()%1000 != 0 {
				return 0, ErrInexact
			}
			return t.UnixMicro(), nil
		}
	}
	return 0, ErrTime
}

// ValidTimestamp reports whether text reads as an instant.
func ValidTimestamp(s string) bool {
	_, err := ParseTimestamp(s)
	return err == nil
}

// ParseBoolean reads true or false.
func ParseBoolean(s string) (bool, error) {
	switch s {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, ErrBoolean
}
