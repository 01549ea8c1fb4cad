package publish

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/rowgroup"
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

// converter puts one column's values into row groups, some rows at a time, and checks each by the column's rules. What is plain
// goes whole runs at once (package file fast.go); everything else, and every value that is refused, goes through put, one by one:
// put alone says what a rule is. It serves one worker.
type converter struct {
	column  *column
	place   int // in a batch's columns; rowID for the numbering
	put     func(v *rowgroup.Values, text string) (canonical string, err error)
	outside int64 // values beyond the clamp that were kept

	ints  *intRule
	words map[string]int32 // of the row group's dictionary, where texts go by one
	batch *tabular.Batch   // whose dictionary codes are
	codes []int32          // in the row group's dictionary, plus 1, of the batch's; 0 is not yet known
}

func newConverter(c *column, place int) *converter {
	return &converter{column: c, place: place, put: typedPutter(c.Type), ints: intRuleOf(c), words: map[string]int32{}}
}

// begin is called before each row group.
func (c *converter) begin() {
	clear(c.words)
	c.batch = nil
}

// add appends rows of a batch, up to the first that is refused: it says which, and why.
func (c *converter) add(v *rowgroup.Values, b *tabular.Batch, from, to int) (bad int, err error) {
	col := b.Columns[c.place]
	for from < to {
		if from = c.fast(v, b, col, from, to); from == to {
			break
		}
		if err := c.one(v, b, from); err != nil {
			return from, err
		}
		from++
	}
	return to, nil
}

// one appends one value by its text.
func (c *converter) one(v *rowgroup.Values, b *tabular.Batch, row int) error {
	cell, err := b.Cell(c.place, row)
	if err != nil {
		return err
	}
	if cell.Null {
		if !c.column.Nullable {
			return refusedValue(b.Place(row), c.column, errNull)
		}
		null(v)
		return nil
	}
	if err := c.value(v, cell.Text); err != nil {
		return refusedValue(b.Place(row), c.column, err)
	}
	return nil
}

// value checks and appends one text that is not NULL.
func (c *converter) value(v *rowgroup.Values, text string) error {
	if err := c.measure(text); err != nil {
		return err
	}
	before := *v
	canonical, err := c.put(v, text)
	if err == nil && c.column.domain != nil && !c.column.domain[canonical] {
		err = errDomain
	}
	if err != nil {
		*v = before
		return err
	}
	if c.column.kind() == rowgroup.Text {
		c.word(v, text)
	}
	there(v, 1)
	return nil
}

func (c *converter) measure(text string) error {
	m := c.column.measure
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
	c.outside++
	return nil
}

// there says that n values were appended, null that a row has none.
func there(v *rowgroup.Values, n int) {
	v.Rows += n
	if v.Present != nil {
		for range n {
			v.Present = append(v.Present, true)
		}
	}
}

func null(v *rowgroup.Values) {
	if v.Present == nil {
		v.Present = make([]bool, v.Rows, max(rowGroup, v.Rows+1))
		for i := range v.Present {
			v.Present[i] = true
		}
	}
	v.Present = append(v.Present, false)
	v.Rows++
}

// kind is how a column's type is stored.
func (c *column) kind() rowgroup.Kind {
	switch c.Type {
	case "boolean":
		return rowgroup.Boolean
	case "int64":
		return rowgroup.Int64
	case "date":
		return rowgroup.Date
	case "timestamp":
		return rowgroup.Timestamp
	case "double":
		return rowgroup.Double
	case "varchar":
		return rowgroup.Text
	}
	return rowgroup.Decimal
}

// stored is the column in a row group.
func (c *column) stored() rowgroup.Column {
	precision, scale, _ := result.Type(c.Type).Decimal()
	return rowgroup.Column{Name: c.Name, Kind: c.kind(), Precision: precision, Scale: scale, Nullable: c.Nullable}
}

// typedPutter appends text as a type and returns its canonical text. Text itself is appended by word.
func typedPutter(t policy.Type) func(*rowgroup.Values, string) (string, error) {
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
		return func(_ *rowgroup.Values, s string) (string, error) { return s, nil }
	}
	precision, scale, _ := result.Type(t).Decimal()
	return func(b *rowgroup.Values, s string) (string, error) {
		v, err := tabular.ParseDecimal(s, precision, scale)
		if err != nil {
			return "", err
		}
		b.Ints = append(b.Ints, v)
		return string(appendDecimal(nil, v, scale)), nil
	}
}

// appendDecimal writes an integer of 10^-scale with all its decimals.
func appendDecimal(dst []byte, v int64, scale int) []byte {
	if scale == 0 {
		return strconv.AppendInt(dst, v, 10)
	}
	var digits [24]byte
	s := strconv.AppendInt(digits[:0], v, 10)
	if s[0] == '-' {
		dst, s = append(dst, '-'), s[1:]
	}
	if len(s) <= scale {
		dst = append(append(dst, "0."...), strings.Repeat("0", scale-len(s))...)
		return append(dst, s...)
	}
	dst = append(append(dst, s[:len(s)-scale]...), '.')
	return append(dst, s[len(s)-scale:]...)
}

func putBoolean(b *rowgroup.Values, s string) (string, error) {
	v, err := tabular.ParseBoolean(s)
	if err == nil {
		b.Bools = append(b.Bools, v)
	}
	return s, err
}

func putInt(b *rowgroup.Values, s string) (string, error) {
	v, err := tabular.ParseInt(s)
	if err == nil {
		b.Ints = append(b.Ints, v)
	}
	return strconv.FormatInt(v, 10), err
}

func putDate(b *rowgroup.Values, s string) (string, error) {
	v, err := tabular.ParseDate(s)
	if err == nil {
		b.Ints = append(b.Ints, int64(v))
	}
	return s, err
}

func putTimestamp(b *rowgroup.Values, s string) (string, error) {
	v, err := tabular.ParseTimestamp(s)
	if err != nil {
		return "", err
	}
	b.Ints = append(b.Ints, v)
	return timestampText(v), nil
}

func timestampText(v int64) string {
	return result.FormatTimestamp(arrow.Timestamp(v).ToTime(arrow.Microsecond))
}

func putDouble(b *rowgroup.Values, s string) (string, error) {
	v, err := tabular.ParseDouble(s)
	if err != nil {
		return "", err
	}
	b.Doubles = append(b.Doubles, v)
	text, _ := result.FormatDouble(v)
	return text, nil
}
