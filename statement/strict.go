package statement

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"unicode/utf8"
)

// ErrNotStrict is returned for JSON that is not the one encoding of its value.
var ErrNotStrict = errors.New("statement: not strictly encoded")

// Marshal returns the one encoding of v (docs/spec/statement.md, section 1):
// struct order, no HTML escapes, no trailing newline. What Unmarshal would not
// read back is refused here already: a nil that would print as null, and text
// that is not UTF-8, which encoding/json would silently replace. v must hold no
// maps and no floats.
func Marshal(v any) ([]byte, error) {
	out, err := encode(v)
	if err != nil {
		return nil, err
	}
	if err := written(out); err != nil {
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

// written looks through what encode wrote. Outside strings only "null" has an
// "n", and inside them only a replaced byte is spelled \ufffd: a true U+FFFD is
// written as itself.
func written(out []byte) error {
	inString := false
	for i := 0; i < len(out); i++ {
		switch {
		case out[i] == '"':
			inString = !inString
		case out[i] == '\\':
			if bytes.HasPrefix(out[i:], []byte(`\ufffd`)) {
				return fmt.Errorf("%w: invalid UTF-8", ErrNotStrict)
			}
			i++ // the escaped character is no quote and no backslash
		case out[i] == 'n' && !inString:
			return fmt.Errorf("%w: null", ErrNotStrict)
		}
	}
	return nil
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

// scan walks the tokens once: depth, null, duplicate keys, trailing bytes.
func scan(src []byte) error {
	d := json.NewDecoder(bytes.NewReader(src))
	d.UseNumber()
	if err := scanValue(d, 0); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: trailing bytes", ErrNotStrict)
	}
	return nil
}

func scanValue(d *json.Decoder, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%w: nested deeper than %d", ErrNotStrict, maxDepth)
	}
	t, err := d.Token()
	if err != nil {
		return fmt.Errorf("%w: %s", ErrNotStrict, decodeReason(err))
	}
	switch t {
	case nil:
		return fmt.Errorf("%w: null", ErrNotStrict)
	case json.Delim('{'):
		return scanObject(d, depth)
	case json.Delim('['):
		return scanArray(d, depth)
	}
	return nil
}

func scanObject(d *json.Decoder, depth int) error {
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return fmt.Errorf("%w: %s", ErrNotStrict, decodeReason(err))
		}
		key, ok := t.(string)
		if !ok || seen[key] {
			return fmt.Errorf("%w: duplicate key", ErrNotStrict)
		}
		seen[key] = true
		if err := scanValue(d, depth+1); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return closing(err)
}

func scanArray(d *json.Decoder, depth int) error {
	for d.More() {
		if err := scanValue(d, depth+1); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return closing(err)
}

func closing(err error) error {
	if err != nil {
		return fmt.Errorf("%w: unclosed value", ErrNotStrict)
	}
	return nil
}
