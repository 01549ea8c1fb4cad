package statement

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"unicode/utf8"
)

// ErrNotStrict is returned for JSON that is not the one encoding of its value.
var ErrNotStrict = errors.New("statement: not strictly encoded")

// Marshal returns the one encoding of v (docs/spec/statement.md, section 1):
// struct order, no HTML escapes, no trailing newline. What Unmarshal would not
// read back is refused here already: a nil that would print as null, and text
// that is not UTF-8, which encoding/json would silently replace. v is made of
// structs, slices, strings, integers and booleans: no maps, no floats, nothing
// that brings a codec of its own.
func Marshal(v any) ([]byte, error) {
	if out, ok := write(v); ok {
		return out, nil
	}
	return marshalAgain(v)
}

// marshalAgain is Marshal by package json. It is for what write does not take: it says why, or v is of a type that has no shape.
func marshalAgain(v any) ([]byte, error) {
	out, err := encode(v)
	if err != nil {
		return nil, err
	}
	if err := scan(out); err != nil {
		return nil, err
	}
	return out, nil
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// scan passes once over JSON and refuses what decoding and encoding again would
// let through: null, which becomes a nil and then null again, nesting past the
// limit, and \ufffd, which stands for a byte that is no UTF-8 (a true U+FFFD is
// written as itself). Outside strings only null has an "n". Whether src is JSON
// at all is for the decoder to say.
func scan(src []byte) error {
	depth, inString := 0, false
	for i := 0; i < len(src); i++ {
		if inString {
			if i += plain(src[i:]); i == len(src) {
				break
			}
		}
		switch c := src[i]; {
		case c == '"':
			inString = !inString
		case c == '\\':
			if bytes.HasPrefix(src[i:], []byte(`\ufffd`)) {
				return fmt.Errorf("%w: invalid UTF-8", ErrNotStrict)
			}
			i++ // what is escaped is no quote and no backslash
		case inString:
		case c == 'n':
			return fmt.Errorf("%w: null", ErrNotStrict)
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return fmt.Errorf("%w: nested deeper than %d", ErrNotStrict, maxDepth)
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}

// plain is how many bytes of a string come before one that means something, as far as they are looked at: quote or backslash. It looks at
// a bounded number, so that many backslashes do not have the rest read again for each.
func plain(src []byte) int {
	const most = 512
	n := min(len(src), most)
	if q := bytes.IndexByte(src[:n], '"'); q >= 0 {
		n = q
	}
	if e := bytes.IndexByte(src[:n], '\\'); e >= 0 {
		n = e
	}
	return n
}

// Unmarshal decodes src into v, which must be a pointer to a zero value, and refuses every encoding but the one that
// Marshal would give: duplicate keys, keys differing in case, unknown fields,
// null, trailing bytes, other spellings of numbers or strings, invalid UTF-8.
// On error v is zero.
func Unmarshal(src []byte, v any) error { return UnmarshalUpTo(src, MaxPayload, v) }

// UnmarshalUpTo is Unmarshal for files that hold many statements: limit is in bytes.
func UnmarshalUpTo(src []byte, limit int, v any) error {
	err := unmarshal(src, limit, v)
	if p := reflect.ValueOf(v); err != nil && p.Kind() == reflect.Pointer && !p.IsNil() {
		p.Elem().SetZero()
	}
	return err
}

func unmarshal(src []byte, limit int, v any) error {
	if len(src) > limit {
		return fmt.Errorf("%w: larger than %d bytes", ErrNotStrict, limit)
	}
	if read(src, v) {
		return nil
	}
	return unmarshalAgain(src, v)
}

// unmarshalAgain decodes, and encodes again. It is for what read does not take: it says why, or v is of a type that has no shape.
func unmarshalAgain(src []byte, v any) error {
	if !utf8.Valid(src) {
		return fmt.Errorf("%w: invalid UTF-8", ErrNotStrict)
	}
	if err := scan(src); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(src))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%w: %s", ErrNotStrict, decodeReason(err))
	}
	// A key that is there twice or in other letters, bytes behind the value, another
	// spelling of a string, number or base64 text, an empty field written out: all of
	// them are gone or different now.
	again, err := encode(v)
	if err != nil || !bytes.Equal(again, src) {
		return fmt.Errorf("%w: re-encoding gives other bytes", ErrNotStrict)
	}
	return nil
}

// decodeReason says what is wrong without quoting the input.
func decodeReason(err error) string {
	var t *json.UnmarshalTypeError
	if errors.As(err, &t) {
		return "wrong type in field " + t.Field
	}
	var s *json.SyntaxError
	if errors.As(err, &s) {
		return fmt.Sprintf("syntax error at byte %d", s.Offset)
	}
	return "unknown or unreadable field"
}
