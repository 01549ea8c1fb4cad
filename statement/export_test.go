package statement

import "reflect"

// What Unmarshal and Marshal are made of, for tests that compare the two ways.
var (
	Read           = read
	Write          = write
	UnmarshalAgain = unmarshalAgain
	MarshalAgain   = marshalAgain
)

// HasShape reports whether v, a pointer, is read in one pass.
func HasShape(v any) bool { return shapeOf(reflect.TypeOf(v).Elem()) != nil }
