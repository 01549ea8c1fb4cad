package publish

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/tabular"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/result"
)

// Reasons why a value is refused. None of them tells the value.
var (
	errNull   = errors.New("is NULL, and the column never is")
	errClamp  = errors.New("is outside the clamp that the policy declares")
	errDomain = errors.New("is not one of the values that the policy declares")
	errTwice  = errors.New("stands in two rows, and the policy says that each row is a unit of its own")
	errScale  = errors.New("has more decimals than the policy's scale")
)

// putter checks one cell, appends it to an arrow column and returns its canonical text, nil for NULL.
type putter func(b array.Builder, c tabular.Cell) (*string, error)

func refusedValue(place string, c *column, err error) error {
	return fault.New(fault.Input, fmt.Sprintf("%s, column %s: the value %s", place, c.Name, reason(err)),
		"mend the file, or change the policy or --schema; nothing was published", err)
}

func reason(err error) string {
	for _, e := range []error{tabular.ErrNumber, tabular.ErrTime, tabular.ErrBoolean} {
		if errors.Is(err, e) {
			return "is " + err.Error()
		}
	}
	return err.Error()
}

// putterOf binds a column's rules. The returned func remembers what it saw, so it serves one table.
func putterOf(c *column) putter {
	put := typedPutter(c.Type)
	seen := map[[16]byte]struct{}{}
	return func(b array.Builder, cell tabular.Cell) (*string, error) {
		if cell.Null {
			if !c.Nullable {
				return nil, errNull
			}
			b.AppendNull()
			return nil, nil
		}
		if err := c.measure.check(cell.Text); err != nil {
			return nil, err
		}
		canonical, err := put(b, cell.Text)
		if err != nil {
			return nil, err
		}
		if c.domain != nil && !c.domain[canonical] {
			return nil, errDomain
		}
		if c.unique {
			h := sha256.Sum256([]byte(canonical))
			if _, twice := seen[[16]byte(h[:16])]; twice {
				return nil, errTwice
			}
			seen[[16]byte(h[:16])] = struct{}{}
		}
		return &canonical, nil
	}
}

func (m *measure) check(text string) error {
	if m == nil {
		return nil
	}
	v, err := tabular.ParseDecimal(text, 19, m.scale)
	if errors.Is(err, tabular.ErrInexact) {
		return errScale
	}
	if err != nil {
		return err
	}
	if v >= m.lo && v <= m.hi {
		return nil
	}
	if !m.keeps {
		return errClamp
	}
	m.outside++
	return nil
}

// typedPutter appends text as a type and returns its canonical text.
func typedPutter(t policy.Type) func(array.Builder, string) (string, error) {
	switch t {
	case "boolean":
		return putBoolean
	case "int64":
		return putInt
	case "date":
		return putDate
	case "timestamp":
		return putTimestamp
	case "double":
		return putDouble
	case "varchar":
		return putText
	}
	precision, scale, _ := result.Type(t).Decimal()
	return func(b array.Builder, s string) (string, error) {
		v, err := tabular.ParseDecimal(s, precision, scale)
		if err != nil {
			return "", err
		}
		b.(*array.Decimal128Builder).Append(decimal128.FromI64(v))
		return decimalText(v, scale), nil
	}
}

func decimalText(v int64, scale int) string {
	s := strconv.FormatInt(v, 10)
	if scale == 0 {
		return s
	}
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	if len(s) <= scale {
		s = strings.Repeat("0", scale-len(s)+1) + s
	}
	return sign + s[:len(s)-scale] + "." + s[len(s)-scale:]
}

func putBoolean(b array.Builder, s string) (string, error) {
	v, err := tabular.ParseBoolean(s)
	if err == nil {
		b.(*array.BooleanBuilder).Append(v)
	}
	return s, err
}

func putInt(b array.Builder, s string) (string, error) {
	v, err := tabular.ParseInt(s)
	if err == nil {
		b.(*array.Int64Builder).Append(v)
	}
	return strconv.FormatInt(v, 10), err
}

func putDate(b array.Builder, s string) (string, error) {
	v, err := tabular.ParseDate(s)
	if err == nil {
		b.(*array.Date32Builder).Append(arrow.Date32(v))
	}
	return s, err
}

func putTimestamp(b array.Builder, s string) (string, error) {
	v, err := tabular.ParseTimestamp(s)
	if err != nil {
		return "", err
	}
	b.(*array.TimestampBuilder).Append(arrow.Timestamp(v))
	return result.FormatTimestamp(arrow.Timestamp(v).ToTime(arrow.Microsecond)), nil
}

func putDouble(b array.Builder, s string) (string, error) {
	v, err := tabular.ParseDouble(s)
	if err != nil {
		return "", err
	}
	b.(*array.Float64Builder).Append(v)
	text, _ := result.FormatDouble(v)
	return text, nil
}

func putText(b array.Builder, s string) (string, error) {
	b.(*array.StringBuilder).Append(s)
	return s, nil
}

func arrowType(t policy.Type) arrow.DataType {
	switch t {
	case "boolean":
		return arrow.FixedWidthTypes.Boolean
	case "int64":
		return arrow.PrimitiveTypes.Int64
	case "date":
		return arrow.FixedWidthTypes.Date32
	case "timestamp":
		return &arrow.TimestampType{Unit: arrow.Microsecond}
	case "double":
		return arrow.PrimitiveTypes.Float64
	case "varchar":
		return arrow.BinaryTypes.String
	}
	precision, scale, _ := result.Type(t).Decimal()
	return &arrow.Decimal128Type{Precision: int32(precision), Scale: int32(scale)}
}
