package token

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/cordon-exchange/cordon/evidence/stage"
)

// Limits of nesting, and of values in one text, so that many small ones do not cost more than their bytes.
const (
	maxDepth  = 16
	maxValues = 2048
)

// object is a JSON object, its values by exact name. encoding/json alone takes the last of two equal names, and "AUD" for "aud".
type object map[string]json.RawMessage

// parseObject reads one object and nothing after it. No object in it may have a name twice.
func parseObject(src []byte) (object, error) {
	if !utf8.Valid(src) {
		return nil, fmt.Errorf("%w: not UTF-8", stage.Parse)
	}
	dec := json.NewDecoder(bytes.NewReader(src))
	dec.UseNumber()
	if err := once(dec, 0, new(int)); err != nil {
		return nil, fmt.Errorf("%w: %w", stage.Parse, err)
	}
	var o object
	if err := json.Unmarshal(src, &o); err != nil || o == nil {
		return nil, fmt.Errorf("%w: not an object, or more after it", stage.Parse)
	}
	return o, nil
}

// once reads one value and refuses names that come twice in an object of it.
func once(dec *json.Decoder, depth int, values *int) error {
	if *values++; depth > maxDepth || *values > maxValues {
		return fmt.Errorf("nested too deep, or too many values")
	}
	t, err := dec.Token()
	if err != nil {
		return err
	}
	open, nested := t.(json.Delim)
	if !nested {
		return nil
	}
	seen := map[string]bool{}
	for dec.More() {
		if open == '{' {
			name, err := dec.Token()
			if err != nil {
				return err
			}
			n, ok := name.(string)
			if !ok || seen[n] {
				return fmt.Errorf("a name twice in an object")
			}
			seen[n] = true
		}
		if err := once(dec, depth+1, values); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}

// text reads a member that is a string. An absent one is empty.
func (o object) text(name string) (string, error) {
	var s *string
	if raw, ok := o[name]; ok {
		if err := json.Unmarshal(raw, &s); err != nil || s == nil {
			return "", fmt.Errorf("%w: %s is not a text", stage.Parse, name)
		}
		return *s, nil
	}
	return "", nil
}

// texts reads a member that is a string or an array of them.
func (o object) texts(name string) ([]string, error) {
	raw, ok := o[name]
	if !ok {
		return nil, nil
	}
	if raw[0] == '"' {
		s, err := o.text(name)
		return []string{s}, err
	}
	var list []*string
	if err := json.Unmarshal(raw, &list); err != nil || list == nil {
		return nil, fmt.Errorf("%w: %s is not a text or several", stage.Parse, name)
	}
	out := make([]string, len(list))
	for i, s := range list {
		if s == nil {
			return nil, fmt.Errorf("%w: %s is not a text or several", stage.Parse, name)
		}
		out[i] = *s
	}
	return out, nil
}

// seconds reads a member that is a time in whole seconds since 1970, which must be there.
func (o object) seconds(name string) (int64, error) {
	var n *int64
	if err := json.Unmarshal(o[name], &n); err != nil || n == nil || *n <= 0 {
		return 0, fmt.Errorf("%w: %s is not a time", stage.Parse, name)
	}
	return *n, nil
}

// member reads a member that is an object. An absent one is empty.
func (o object) member(name string) (object, error) {
	raw, ok := o[name]
	if !ok {
		return object{}, nil
	}
	return parseObject(raw)
}
