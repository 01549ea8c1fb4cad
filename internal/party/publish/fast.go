package publish

import (
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/cordon-exchange/cordon/internal/party/rowgroup"
	"github.com/cordon-exchange/cordon/internal/party/tabular"
	"github.com/cordon-exchange/cordon/result"
)

// What is here only ever takes a value that put takes too, and as the same one: whatever it is not sure of, it leaves to put.
// TestFastIsPut compares the two.

// fast appends values from a row on and returns the first row that it leaves.
func (c *converter) fast(v *rowgroup.Values, b *tabular.Batch, col arrow.Array, from, to int) int {
	for from < to {
		if col.IsNull(from) {
			if !c.column.Nullable {
				return from
			}
			null(v)
			from++
			continue
		}
		end := to
		if col.NullN() > 0 {
			for end = from + 1; end < to && !col.IsNull(end); end++ {
			}
		}
		n := c.run(v, b, col, from, end)
		there(v, n)
		if from += n; from < end {
			return from
		}
	}
	return to
}

// run appends rows without NULL, and says how many it took.
func (c *converter) run(v *rowgroup.Values, b *tabular.Batch, col arrow.Array, from, to int) int {
	switch c.column.kind() {
	case rowgroup.Int64, rowgroup.Decimal, rowgroup.Date, rowgroup.Timestamp:
		if c.ints == nil {
			return 0
		}
		before := len(v.Ints)
		v.Ints = c.ints.run(v.Ints, col, from, to)
		return len(v.Ints) - before
	case rowgroup.Text:
		return c.texts(v, b, col, from, to)
	case rowgroup.Boolean:
		return c.booleans(v, col, from, to)
	}
	return c.doubles(v, col, from, to)
}

func (c *converter) booleans(v *rowgroup.Values, col arrow.Array, from, to int) int {
	a, ok := col.(*array.Boolean)
	if !ok || c.column.domain != nil {
		return 0
	}
	for i := from; i < to; i++ {
		v.Bools = append(v.Bools, a.Value(i))
	}
	return to - from
}

func (c *converter) doubles(v *rowgroup.Values, col arrow.Array, from, to int) int {
	a, ok := col.(*array.Float64)
	if !ok || c.column.domain != nil {
		return 0
	}
	for i, x := range a.Float64Values()[from:to] {
		if x-x != 0 { // not finite
			return i
		}
		v.Doubles = append(v.Doubles, x+0) // no -0
	}
	return to - from
}

// intRule says which whole numbers a column takes: those between lo and hi, after scaling, and of a domain.
type intRule struct {
	column *column
	scale  int
	lo, hi int64
	domain []int64 // sorted; nil: any
}

// intRuleOf is nil where a rule is of another kind: a measure of another scale than its column's.
func intRuleOf(c *column) *intRule {
	r := &intRule{column: c, lo: math.MinInt64, hi: math.MaxInt64}
	switch c.kind() {
	case rowgroup.Int64:
	case rowgroup.Decimal:
		precision, scale, _ := result.Type(c.Type).Decimal()
		r.scale, r.hi = scale, pow10(precision)-1
		r.lo = -r.hi
	case rowgroup.Date:
		r.lo, r.hi = firstDay, lastDay
	case rowgroup.Timestamp:
		r.lo, r.hi = firstDay*dayMicros, (lastDay+1)*dayMicros-1
	default:
		return nil
	}
	if m := c.measure; m != nil {
		if m.scale != r.scale || r.column.kind() == rowgroup.Date || r.column.kind() == rowgroup.Timestamp {
			return nil
		}
		r.lo, r.hi = max(r.lo, m.lo), min(r.hi, m.hi)
	}
	r.domain = intsOf(c)
	return r
}

const (
	firstDay = -719162 // 0001-01-01
	lastDay  = 2932896 // 9999-12-31

	dayMicros = 86400 * 1000000
)

func pow10(n int) int64 {
	v := int64(1)
	for range n {
		v *= 10
	}
	return v
}

// intsOf are the declared values of a column as its integers, sorted; nil if there are none.
func intsOf(c *column) []int64 {
	if c.domain == nil {
		return nil
	}
	put, v := typedPutter(c.Type), rowgroup.Values{}
	for text := range c.domain {
		n := len(v.Ints)
		if canonical, err := put(&v, text); err != nil || canonical != text {
			v.Ints = v.Ints[:n] // no value has this text
		}
	}
	slices.Sort(v.Ints)
	return append([]int64{}, v.Ints...)
}

// takes says whether the column takes a value, already scaled.
func (r *intRule) takes(x int64) bool {
	if x < r.lo || x > r.hi {
		return false
	}
	if r.domain == nil {
		return true
	}
	_, ok := slices.BinarySearch(r.domain, x)
	return ok
}

// run appends values up to the first that it leaves.
func (r *intRule) run(dst []int64, col arrow.Array, from, to int) []int64 {
	if s, ok := col.(*array.String); ok {
		return r.strings(dst, s, from, to)
	}
	switch r.column.kind() {
	case rowgroup.Date:
		if a, ok := col.(*array.Date32); ok {
			return wholes(r, dst, a.Date32Values()[from:to], 1)
		}
		return dst
	case rowgroup.Timestamp:
		if a, ok := col.(*array.Timestamp); ok {
			return r.instants(dst, a, from, to)
		}
		return dst
	}
	m := pow10(r.scale)
	switch a := col.(type) {
	case *array.Int8:
		return wholes(r, dst, a.Int8Values()[from:to], m)
	case *array.Int16:
		return wholes(r, dst, a.Int16Values()[from:to], m)
	case *array.Int32:
		return wholes(r, dst, a.Int32Values()[from:to], m)
	case *array.Int64:
		return wholes(r, dst, a.Int64Values()[from:to], m)
	case *array.Uint8:
		return wholes(r, dst, a.Uint8Values()[from:to], m)
	case *array.Uint16:
		return wholes(r, dst, a.Uint16Values()[from:to], m)
	case *array.Uint32:
		return wholes(r, dst, a.Uint32Values()[from:to], m)
	case *array.Decimal128:
		return r.decimals(dst, a, from, to)
	case *array.Float64:
		return r.floats(dst, a, from, to)
	}
	return dst
}

// wholes takes whole numbers times m.
func wholes[T int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | arrow.Date32](r *intRule, dst []int64, v []T, m int64) []int64 {
	lo, hi := ceilDiv(r.lo, m), floorDiv(r.hi, m)
	for _, x := range v {
		x := int64(x)
		if x < lo || x > hi || r.domain != nil && !r.takes(x*m) {
			return dst
		}
		dst = append(dst, x*m)
	}
	return dst
}

func floorDiv(a, m int64) int64 {
	q := a / m
	if a%m < 0 {
		q--
	}
	return q
}

func ceilDiv(a, m int64) int64 {
	q := a / m
	if a%m > 0 {
		q++
	}
	return q
}

// decimals takes those of 64 bits that lose nothing in the column's scale.
func (r *intRule) decimals(dst []int64, a *array.Decimal128, from, to int) []int64 {
	scale := int(a.DataType().(arrow.DecimalType).GetScale())
	m, d := int64(1), int64(1)
	if scale <= r.scale {
		m = pow10(r.scale - scale)
	} else {
		d = pow10(scale - r.scale)
	}
	lo, hi := ceilDiv(r.lo, m), floorDiv(r.hi, m)
	for _, n := range a.Values()[from:to] {
		x, ok := int64Of(n)
		if !ok {
			return dst
		}
		if d > 1 {
			if x%d != 0 {
				return dst
			}
			x /= d
		}
		if x < lo || x > hi || r.domain != nil && !r.takes(x*m) {
			return dst
		}
		dst = append(dst, x*m)
	}
	return dst
}

func int64Of(n decimal128.Num) (int64, bool) {
	x := int64(n.LowBits())
	return x, n.HighBits() == x>>63
}

// maxExact bounds what floats takes: of decimals with up to 15 digits, no two are the same double, so that the one that is
// found is the shortest that reads back the same.
const maxExact = 1e15

func (r *intRule) floats(dst []int64, a *array.Float64, from, to int) []int64 {
	m := float64(pow10(r.scale)) // exact
	for _, x := range a.Float64Values()[from:to] {
		y := math.Round(x * m)
		if !(math.Abs(y) < maxExact) || y/m != x || !r.takes(int64(y)) {
			return dst
		}
		dst = append(dst, int64(y))
	}
	return dst
}

// instants takes timestamps of whole microseconds.
func (r *intRule) instants(dst []int64, a *array.Timestamp, from, to int) []int64 {
	m, d := int64(1), int64(1)
	switch a.DataType().(*arrow.TimestampType).Unit {
	case arrow.Second:
		m = 1000000
	case arrow.Millisecond:
		m = 1000
	case arrow.Nanosecond:
		d = 1000
	}
	lo, hi := ceilDiv(r.lo, m), floorDiv(r.hi, m)
	for _, t := range a.TimestampValues()[from:to] {
		x := int64(t)
		if x%d != 0 {
			return dst
		}
		if x /= d; x < lo || x > hi || r.domain != nil && !r.takes(x*m) {
			return dst
		}
		dst = append(dst, x*m)
	}
	return dst
}

// strings reads numbers and dates in their plain form.
func (r *intRule) strings(dst []int64, a *array.String, from, to int) []int64 {
	kind := r.column.kind()
	for i := from; i < to; i++ {
		var x int64
		ok := false
		switch kind {
		case rowgroup.Date:
			x, ok = plainDate(a.Value(i))
		case rowgroup.Int64, rowgroup.Decimal:
			x, ok = plainNumber(a.Value(i), r.scale)
		}
		if !ok || !r.takes(x) {
			return dst
		}
		dst = append(dst, x)
	}
	return dst
}

// plainNumber reads up to 18 digits, no more of them behind the point than the scale has, as an integer of 10^-scale.
func plainNumber(s string, scale int) (int64, bool) {
	digits, negative := s, false
	if len(s) > 0 && s[0] == '-' {
		digits, negative = s[1:], true
	}
	v, point := int64(0), -1
	for i := range len(digits) {
		c := digits[i]
		switch {
		case c >= '0' && c <= '9':
			v = v*10 + int64(c-'0')
		case c == '.' && point < 0 && i > 0:
			point = i
		default:
			return 0, false
		}
	}
	decimals, n := 0, len(digits)
	if point >= 0 {
		n--
		if decimals = n - point; decimals == 0 {
			return 0, false
		}
	}
	if n == 0 || decimals > scale || n-decimals+scale > 18 {
		return 0, false
	}
	if v *= pow10(scale - decimals); negative {
		v = -v
	}
	return v, true
}

// plainDate reads "2006-01-02" as days since 1970-01-01, of the years that tables have.
func plainDate(s string) (int64, bool) {
	if len(s) != 10 || s[4] != '-' || s[7] != '-' {
		return 0, false
	}
	number := func(s string) (n int) {
		for i := range len(s) {
			if s[i] < '0' || s[i] > '9' {
				return -1 << 20
			}
			n = n*10 + int(s[i]-'0')
		}
		return n
	}
	y, m, d := number(s[:4]), number(s[5:7]), number(s[8:])
	if y < 1 || m < 1 || m > 12 || d < 1 || d > monthDays[m-1] && !(m == 2 && d == 29 && leap(y)) {
		return 0, false
	}
	days := y*365 + (y-1)/4 - (y-1)/100 + (y-1)/400 + yearDay[m-1] + d
	if m > 2 && leap(y) {
		days++
	}
	return int64(days) + firstDay - 366, true
}

var (
	monthDays = [12]int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}
	yearDay   = [12]int{0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334}
)

func leap(y int) bool { return y%4 == 0 && (y%100 != 0 || y%400 == 0) }

// texts appends texts, whole runs where there is no rule for them.
func (c *converter) texts(v *rowgroup.Values, b *tabular.Batch, col arrow.Array, from, to int) int {
	switch a := col.(type) {
	case *array.Dictionary:
		return c.coded(v, b, a, from, to)
	case *array.String:
		if c.column.domain == nil && v.Dict.Len() == 0 {
			if n := wholeTexts(&v.Text, a, from, to); n > 0 {
				return n
			}
		}
		for i := from; i < to; i++ {
			if !c.mayAppend(v, a.Value(i)) {
				return i - from
			}
		}
		return to - from
	case *array.StringView:
		for i := from; i < to; i++ {
			if !c.mayAppend(v, a.Value(i)) {
				return i - from
			}
		}
		return to - from
	}
	return 0
}

// mayAppend takes a text that is well-formed and declared.
func (c *converter) mayAppend(v *rowgroup.Values, s string) bool {
	if code, ok := c.words[s]; ok {
		v.Codes = append(v.Codes, code)
		return true
	}
	if !c.allowed(s) {
		return false
	}
	c.word(v, s)
	return true
}

func (c *converter) allowed(s string) bool {
	return utf8.ValidString(s) && (c.column.domain == nil || c.column.domain[s])
}

// word appends a text: by the row group's dictionary where it has one, or where all texts are declared.
func (c *converter) word(v *rowgroup.Values, s string) {
	if v.Dict.Len() == 0 && (c.column.domain == nil || v.Text.Len() > 0) {
		v.Text.Append(s)
		return
	}
	v.Codes = append(v.Codes, c.code(v, s))
}

func (c *converter) code(v *rowgroup.Values, s string) int32 {
	code, ok := c.words[s]
	if !ok {
		s = strings.Clone(s)
		code = int32(v.Dict.Len())
		c.words[s] = code
		v.Dict.Append(s)
	}
	return code
}

// coded takes codes of a batch's dictionary.
func (c *converter) coded(v *rowgroup.Values, b *tabular.Batch, a *array.Dictionary, from, to int) int {
	words, ok := a.Dictionary().(*array.String)
	if !ok || words.NullN() > 0 {
		return 0
	}
	if c.batch != b {
		c.batch, c.codes = b, append(c.codes[:0], make([]int32, words.Len())...)
	}
	for i := from; i < to; i++ {
		at := a.GetValueIndex(i)
		code := c.codes[at]
		if code == 0 {
			s := words.Value(at)
			if !c.allowed(s) {
				return i - from
			}
			if v.Text.Len() > 0 { // the row group began with texts that have no dictionary
				v.Text.Append(s)
				continue
			}
			code = c.code(v, s) + 1
			c.codes[at] = code
		}
		v.Codes = append(v.Codes, code-1)
	}
	return to - from
}

// wholeTexts copies a run if all of it is UTF-8 and no text ends within a character.
func wholeTexts(dst *rowgroup.Strings, a *array.String, from, to int) int {
	if from == to {
		return 0
	}
	offsets, first := a.ValueOffsets(), a.ValueOffset(0)
	bytes := a.ValueBytes()[offsets[from]-int32(first) : offsets[to]-int32(first)]
	if !utf8.Valid(bytes) {
		return 0
	}
	base, last := len(dst.Bytes), offsets[from]
	n := len(dst.Ends)
	for _, end := range offsets[from+1 : to+1] {
		at := int(end - offsets[from])
		if end < last || at < len(bytes) && !utf8.RuneStart(bytes[at]) {
			dst.Ends = dst.Ends[:n]
			return 0
		}
		last = end
		dst.Ends = append(dst.Ends, base+at)
	}
	dst.Bytes = append(dst.Bytes, bytes...)
	return to - from
}
