package statement

import (
	"encoding/base64"
	"reflect"
	"slices"
	"strconv"
	"unicode/utf8"
)

// write encodes v as Marshal does. False: it has no encoding, or no shape; why, the encoder of package json and scan say.
func write(v any) ([]byte, bool) {
	p := reflect.ValueOf(v)
	for p.Kind() == reflect.Pointer && !p.IsNil() {
		p = p.Elem()
	}
	if !p.IsValid() {
		return nil, false
	}
	s := shapeOf(p.Type())
	if s == nil {
		return nil, false
	}
	w := writer{out: make([]byte, 0, startSize), ok: true}
	w.value(s, p)
	return w.out, w.ok
}

// roomAfter is for what follows long bytes, so that they are not copied for it.
const roomAfter = 256

// startSize has room for most statements and entries.
const startSize = 1 << 10

type writer struct {
	out   []byte
	depth int
	ok    bool
}

func (w *writer) value(s *shape, v reflect.Value) {
	switch s.kind {
	case kindString:
		text := v.String()
		w.ok = w.ok && utf8.ValidString(text)
		w.out = appendText(w.out, text)
	case kindInt:
		w.out = strconv.AppendInt(w.out, v.Int(), 10)
	case kindUint:
		w.out = strconv.AppendUint(w.out, v.Uint(), 10)
	case kindBool:
		w.out = strconv.AppendBool(w.out, v.Bool())
	case kindBytes:
		w.ok = w.ok && !v.IsNil()
		w.out = slices.Grow(w.out, base64.StdEncoding.EncodedLen(v.Len())+roomAfter)
		w.out = append(base64.StdEncoding.AppendEncode(append(w.out, '"'), v.Bytes()), '"')
	case kindPointer:
		if v.IsNil() {
			w.ok = false
			return
		}
		w.value(s.elem, v.Elem())
	default:
		w.nested(s, v)
	}
}

func (w *writer) nested(s *shape, v reflect.Value) {
	if w.depth++; w.depth > maxDepth {
		w.ok = false
		return
	}
	if s.kind == kindList {
		w.list(s, v)
	} else {
		w.object(s, v)
	}
	w.depth--
}

func (w *writer) list(s *shape, v reflect.Value) {
	w.ok = w.ok && !v.IsNil()
	w.out = append(w.out, '[')
	for i := range v.Len() {
		if i > 0 {
			w.out = append(w.out, ',')
		}
		w.value(s.elem, v.Index(i))
	}
	w.out = append(w.out, ']')
}

func (w *writer) object(s *shape, v reflect.Value) {
	sep := byte('{')
	for i := range s.fields {
		f := &s.fields[i]
		at := v.FieldByIndex(f.index)
		if f.omitEmpty && f.shape.empty(at) {
			continue
		}
		w.out = append(append(w.out, sep), f.key...)
		sep = ','
		w.value(f.shape, at)
	}
	if sep == '{' {
		w.out = append(w.out, sep)
	}
	w.out = append(w.out, '}')
}

const hexDigits = "0123456789abcdef"

// appendText appends a string that is UTF-8, in quotes, as package json does without escapes for HTML.
func appendText(out []byte, s string) []byte {
	out = append(out, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c != 0xe2 { // which the two separators of lines begin with
			continue
		}
		n := 1
		escape := ""
		switch c {
		case '"', '\\':
			escape = `\` + string(c)
		case '\b':
			escape = `\b`
		case '\f':
			escape = `\f`
		case '\n':
			escape = `\n`
		case '\r':
			escape = `\r`
		case '\t':
			escape = `\t`
		case 0xe2:
			if n = 3; len(s)-i < n || s[i:i+n] != "\u2028" && s[i:i+n] != "\u2029" {
				continue
			}
			escape = `\u202` + hexDigit(s[i+2]-0xa0)
		default:
			escape = `\u00` + hexDigit(c>>4) + hexDigit(c&0xf)
		}
		out = append(append(out, s[start:i]...), escape...)
		i += n - 1
		start = i + 1
	}
	return append(append(out, s[start:]...), '"')
}

func hexDigit(n byte) string { return hexDigits[n : n+1] }
