package rowgroup

// Kind is how a column's values are held and stored.
type Kind int

const (
	Boolean   Kind = iota + 1
	Int64          // INT64, a signed integer
	Decimal        // INT32 up to nine digits, else INT64: integers of 10^-Scale
	Date           // INT32, days since 1970-01-01
	Timestamp      // INT64, microseconds since 1970-01-01, without a zone
	Double
	Text // BYTE_ARRAY, UTF-8
)

// Column is one column of a table.
type Column struct {
	Name             string
	Kind             Kind
	Precision, Scale int // of a Decimal, 1 to 18 digits
	Nullable         bool
}

func (c *Column) narrow() bool {
	return c.Kind == Date || c.Kind == Decimal && c.Precision <= 9
}

// Values are the values of one column in one row group, those alone that are there: NULL takes a place in Present and none in
// the values. Only the field of the column's kind is used.
type Values struct {
	Rows    int
	Present []bool // a row each; nil: no row is NULL
	Bools   []bool
	Ints    []int64 // Int64, Decimal, Date, Timestamp
	Doubles []float64
	Text    Strings
	Codes   []int32 // Text by its place in Dict, instead of in Text; used where Dict has values
	Dict    Strings
	Range   *Range // of Ints, where the caller knows it already
}

// Range is the least and the greatest of some values.
type Range struct{ Min, Max int64 }

// RangeOf looks at all values; nil if there are none.
func RangeOf(v []int64) *Range {
	if len(v) == 0 {
		return nil
	}
	lo, hi := v[0], v[0]
	for _, x := range v[1:] {
		lo, hi = min(lo, x), max(hi, x)
	}
	return &Range{lo, hi}
}

// Count is how many values are there.
func (v *Values) Count(k Kind) int {
	switch k {
	case Boolean:
		return len(v.Bools)
	case Double:
		return len(v.Doubles)
	case Text:
		if v.Dict.Len() > 0 {
			return len(v.Codes)
		}
		return v.Text.Len()
	}
	return len(v.Ints)
}

// At is the i-th text that is there.
func (v *Values) At(i int) []byte {
	if v.Dict.Len() > 0 {
		return v.Dict.At(int(v.Codes[i]))
	}
	return v.Text.At(i)
}

// Reset forgets the values and keeps the memory.
func (v *Values) Reset() {
	*v = Values{
		Bools: v.Bools[:0], Ints: v.Ints[:0], Doubles: v.Doubles[:0], Codes: v.Codes[:0],
		Text: Strings{v.Text.Bytes[:0], v.Text.Ends[:0]}, Dict: Strings{v.Dict.Bytes[:0], v.Dict.Ends[:0]},
	}
}

// Wipe overwrites the values.
func (v *Values) Wipe() {
	clear(v.Bools[:cap(v.Bools)])
	clear(v.Ints[:cap(v.Ints)])
	clear(v.Doubles[:cap(v.Doubles)])
	clear(v.Codes[:cap(v.Codes)])
	clear(v.Text.Bytes[:cap(v.Text.Bytes)])
	clear(v.Dict.Bytes[:cap(v.Dict.Bytes)])
}

// Strings are texts one behind the other.
type Strings struct {
	Bytes []byte
	Ends  []int // of each text in Bytes
}

// Len is how many there are.
func (s *Strings) Len() int { return len(s.Ends) }

// At is the i-th.
func (s *Strings) At(i int) []byte {
	from := 0
	if i > 0 {
		from = s.Ends[i-1]
	}
	return s.Bytes[from:s.Ends[i]]
}

// Append adds one.
func (s *Strings) Append(text string) {
	s.Bytes = append(s.Bytes, text...)
	s.Ends = append(s.Ends, len(s.Bytes))
}
