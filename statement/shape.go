package statement

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"
	"sync"
)

// shape is what the one encoding of a type looks like: struct fields in their order, lists, strings, integers, booleans, and bytes as
// base64. Types that bring a codec of their own, maps, interfaces, arrays and floats have none.
type shape struct {
	kind   kind
	elem   *shape // of a pointer or list
	fields []field
}

type kind int

const (
	kindString kind = iota
	kindInt
	kindUint
	kindBool
	kindBytes
	kindList
	kindPointer
	kindStruct
)

type field struct {
	key       string // with quotes and colon
	index     []int
	omitEmpty bool
	shape     *shape
}

// shapes caches what shapeOf finds, as package json caches types: *shape, nil where there is none.
var shapes sync.Map

func shapeOf(t reflect.Type) *shape {
	if s, ok := shapes.Load(t); ok {
		return s.(*shape)
	}
	s := shaper{}.of(t)
	shapes.Store(t, s)
	return s
}

// shaper remembers the types that it has begun, for those that contain themselves.
type shaper map[reflect.Type]*shape

var codecs = []reflect.Type{
	reflect.TypeFor[json.Marshaler](), reflect.TypeFor[json.Unmarshaler](), reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextUnmarshaler](),
}

func ownCodec(t reflect.Type) bool {
	for _, c := range codecs {
		if t.Implements(c) || reflect.PointerTo(t).Implements(c) {
			return true
		}
	}
	return t == reflect.TypeFor[json.Number]()
}

func (m shaper) of(t reflect.Type) *shape {
	if s := m[t]; s != nil {
		return s
	}
	if ownCodec(t) {
		return nil
	}
	s := &shape{}
	m[t] = s
	ok := true
	switch t.Kind() {
	case reflect.String:
		s.kind = kindString
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		s.kind = kindInt
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		s.kind = kindUint
	case reflect.Bool:
		s.kind = kindBool
	case reflect.Slice:
		s.kind = kindList
		if t.Elem().Kind() == reflect.Uint8 && !ownCodec(t.Elem()) {
			s.kind = kindBytes
			break
		}
		s.elem = m.of(t.Elem())
		ok = s.elem != nil
	case reflect.Pointer:
		s.kind, s.elem = kindPointer, m.of(t.Elem())
		ok = s.elem != nil && s.elem.kind != kindPointer
	case reflect.Struct:
		s.kind = kindStruct
		s.fields, ok = m.fields(t, nil)
		ok = ok && distinct(s.fields)
	default:
		ok = false
	}
	if !ok {
		return nil
	}
	return s
}

// fields are those of a struct and of structs embedded in it, in order.
func (m shaper) fields(t reflect.Type, index []int) (out []field, ok bool) {
	for i := range t.NumField() {
		f := t.Field(i)
		at := append(append([]int{}, index...), i)
		tag, tagged := f.Tag.Lookup("json")
		if f.Anonymous {
			if tagged || f.Type.Kind() != reflect.Struct || ownCodec(f.Type) {
				return nil, false
			}
			inner, ok := m.fields(f.Type, at)
			if !ok {
				return nil, false
			}
			out = append(out, inner...)
			continue
		}
		if !f.IsExported() || tag == "-" {
			continue
		}
		name, option, _ := strings.Cut(tag, ",")
		if name == "" {
			name = f.Name
		}
		if option != "" && option != "omitempty" || strings.Trim(name, plainName) != "" {
			return nil, false
		}
		s := m.of(f.Type)
		if s == nil {
			return nil, false
		}
		out = append(out, field{key: `"` + name + `":`, index: at, omitEmpty: option != "", shape: s})
	}
	return out, true
}

const plainName = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

// distinct refuses names that hide one another, in package json's way.
func distinct(list []field) bool {
	seen := map[string]bool{}
	for _, f := range list {
		if seen[f.key] {
			return false
		}
		seen[f.key] = true
	}
	return true
}

// empty is what omitempty leaves out.
func (s *shape) empty(v reflect.Value) bool {
	switch s.kind {
	case kindString, kindBytes, kindList:
		return v.Len() == 0
	case kindStruct:
		return false
	}
	return v.IsZero()
}
