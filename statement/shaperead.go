package statement

import (
	"bytes"
	"encoding/base64"
	"reflect"
	"strconv"
	"unicode/utf8"
)

// read decodes the one encoding of v's type into v, a pointer to a zero value, in one pass: each field where it must stand, each
// value spelled as Marshal would spell it. False: it is not that encoding, or of no shape; v is as it was. Why, unmarshalAgain finds out.
func read(src []byte, v any) bool {
	p := reflect.ValueOf(v)
	if p.Kind() != reflect.Pointer || p.IsNil() || !p.Elem().IsZero() {
		return false
	}
	s := shapeOf(p.Type().Elem())
	if s == nil {
		return false
	}
	r := reader{src: src}
	if r.value(s, p.Elem()) && r.at == len(src) {
		return true
	}
	p.Elem().SetZero()
	return false
}

type reader struct {
	src       []byte
	at, depth int
}

// take reads exactly one byte, if it is this one.
func (r *reader) take(c byte) bool {
	if r.at < len(r.src) && r.src[r.at] == c {
		r.at++
		return true
	}
	return false
}

func (r *reader) takeText(s string) bool {
	if len(r.src)-r.at >= len(s) && string(r.src[r.at:r.at+len(s)]) == s {
		r.at += len(s)
		return true
	}
	return false
}

func (r *reader) value(s *shape, v reflect.Value) bool {
	switch s.kind {
	case kindString:
		text, ok := r.text()
		v.SetString(text)
		return ok
	case kindInt:
		n, err := strconv.ParseInt(r.number(), 10, 64)
		v.SetInt(n)
		return err == nil && !v.OverflowInt(n)
	case kindUint:
		n, err := strconv.ParseUint(r.number(), 10, 64)
		v.SetUint(n)
		return err == nil && !v.OverflowUint(n)
	case kindBool:
		if r.takeText("true") {
			v.SetBool(true)
			return true
		}
		return r.takeText("false")
	case kindBytes:
		b, ok := r.base64()
		v.SetBytes(b)
		return ok
	case kindPointer:
		v.Set(reflect.New(v.Type().Elem()))
		return r.value(s.elem, v.Elem())
	}
	if r.depth++; r.depth > maxDepth {
		return false
	}
	defer func() { r.depth-- }()
	if s.kind == kindList {
		return r.list(s, v)
	}
	return r.object(s, v)
}

func (r *reader) object(s *shape, v reflect.Value) bool {
	if !r.take('{') {
		return false
	}
	first := true
	for i := range s.fields {
		f := &s.fields[i]
		start := r.at
		if !first && !r.take(',') || !r.takeText(f.key) {
			r.at = start
			if f.omitEmpty {
				continue
			}
			return false
		}
		first = false
		at := v.FieldByIndex(f.index)
		if !r.value(f.shape, at) || f.omitEmpty && f.shape.empty(at) {
			return false
		}
	}
	return r.take('}')
}

func (r *reader) list(s *shape, v reflect.Value) bool {
	if !r.take('[') {
		return false
	}
	v.Set(reflect.MakeSlice(v.Type(), 0, 0)) // an empty list is not nil
	if r.take(']') {
		return true
	}
	for n := 0; ; n++ {
		v.Grow(1)
		v.SetLen(n + 1)
		if !r.value(s.elem, v.Index(n)) {
			return false
		}
		if r.take(']') {
			return true
		}
		if !r.take(',') {
			return false
		}
	}
}

// number is an integer without leading zeros; "" if there is none. A sign before zero is none.
func (r *reader) number() string {
	start := r.at
	r.take('-')
	digits := r.at
	for r.at < len(r.src) && r.src[r.at] >= '0' && r.src[r.at] <= '9' {
		r.at++
	}
	text := r.src[start:r.at]
	if zero := r.at > digits && r.src[digits] == '0'; zero && len(text) > 1 {
		return ""
	}
	return string(text)
}

// base64 reads bytes: the decoder passes over line ends, which the length tells.
func (r *reader) base64() ([]byte, bool) {
	if !r.take('"') {
		return nil, false
	}
	n := bytes.IndexByte(r.src[r.at:], '"')
	if n < 0 {
		return nil, false
	}
	text := r.src[r.at : r.at+n]
	r.at += n + 1
	out := make([]byte, base64.StdEncoding.DecodedLen(n))
	got, err := base64.StdEncoding.Strict().Decode(out, text)
	return out[:got], err == nil && base64.StdEncoding.EncodedLen(got) == n
}

// text reads a string.
func (r *reader) text() (string, bool) {
	if !r.take('"') {
		return "", false
	}
	start, ascii := r.at, true
	for ; r.at < len(r.src); r.at++ {
		switch c := r.src[r.at]; {
		case c == '"':
			out := r.src[start:r.at]
			r.at++
			return string(out), ascii || isPlain(out)
		case c == '\\':
			return r.escaped(r.src[start:r.at], ascii)
		case c < ' ':
			return "", false
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return "", false
}

// isPlain reports whether text is UTF-8 without the two separators of lines that are written as escapes.
func isPlain(text []byte) bool {
	return utf8.Valid(text) && !bytes.Contains(text, []byte("\u2028")) && !bytes.Contains(text, []byte("\u2029"))
}

// escaped goes on with a string at its first escape.
func (r *reader) escaped(before []byte, ascii bool) (string, bool) {
	if !ascii && !isPlain(before) {
		return "", false
	}
	out := bytes.Clone(before)
	for r.at < len(r.src) {
		rest := r.src[r.at:]
		switch c := rest[0]; {
		case c == '"':
			r.at++
			return string(out), true
		case c == '\\':
			decoded, n := unescape(rest)
			if n == 0 {
				return "", false
			}
			out = append(out, decoded...)
			r.at += n
		case c < ' ':
			return "", false
		default:
			u, n := utf8.DecodeRune(rest)
			if u == utf8.RuneError && n == 1 || u == '\u2028' || u == '\u2029' {
				return "", false
			}
			out = append(out, rest[:n]...)
			r.at += n
		}
	}
	return "", false
}

// unescape decodes an escape, where it is the one that its character has, and gives its length; 0 if it is not.
func unescape(src []byte) (decoded string, n int) {
	if len(src) < 2 {
		return "", 0
	}
	switch src[1] {
	case '"', '\\':
		return string(src[1]), 2
	case 'b':
		return "\b", 2
	case 'f':
		return "\f", 2
	case 'n':
		return "\n", 2
	case 'r':
		return "\r", 2
	case 't':
		return "\t", 2
	}
	const most = 6
	if len(src) < most || src[1] != 'u' {
		return "", 0
	}
	u, err := strconv.ParseUint(string(src[2:most]), 16, 16)
	if err != nil {
		return "", 0
	}
	decoded = string(rune(u))
	// What another escape stands for, or none, is not written so; neither are capital letters.
	if again := appendText(nil, decoded); !bytes.Equal(again[1:len(again)-1], src[:most]) {
		return "", 0
	}
	return decoded, most
}
