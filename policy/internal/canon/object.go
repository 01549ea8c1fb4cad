package canon

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
)

// ErrForm says that the engine's answer is not of the form that this package knows; it carries none of it.
var ErrForm = errors.New("the engine's account of a query has an unknown form")

const (
	maxSerialized = 16 << 20
	maxNesting    = 2000
)

// object is a JSON object of which every field must be taken; reader keeps the first fault of all.
type object struct {
	r      *reader
	fields map[string]any
}

type reader struct{ bad bool }

func (r *reader) fail() { r.bad = true }

// parse reads one JSON object.
func (r *reader) parse(b []byte) object {
	if len(b) > maxSerialized {
		r.fail()
		return r.object(nil)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		r.fail()
		return r.object(nil)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		r.fail()
	}
	return r.object(v)
}

func (r *reader) object(v any) object {
	m, ok := v.(map[string]any)
	if !ok {
		r.fail()
		m = map[string]any{}
	}
	return object{r, m}
}

func (o object) take(key string) any {
	v, ok := o.fields[key]
	if !ok {
		o.r.fail()
	}
	delete(o.fields, key)
	return v
}

// text, flag, list and child take a field of that type.
func (o object) text(key string) string {
	v, ok := o.take(key).(string)
	if !ok {
		o.r.fail()
	}
	return v
}

func (o object) flag(key string) bool {
	v, ok := o.take(key).(bool)
	if !ok {
		o.r.fail()
	}
	return v
}

func (o object) list(key string) []any {
	v, ok := o.take(key).([]any)
	if !ok {
		o.r.fail()
	}
	return v
}

func (o object) child(key string) object { return o.r.object(o.take(key)) }

// must takes a field that has one meaning that we use.
func (o object) must(key string, want any) {
	if !reflect.DeepEqual(o.take(key), want) {
		o.r.fail()
	}
}

// location drops the place in the text, which has no meaning.
func (o object) location() {
	if _, ok := o.take("query_location").(json.Number); !ok {
		o.r.fail()
	}
}

// done refuses fields that nobody took.
func (o object) done() {
	if len(o.fields) > 0 {
		o.r.fail()
	}
}
