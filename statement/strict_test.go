package statement_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/statement"
)

type inner struct {
	Bytes []byte   `json:"bytes"`
	List  []string `json:"list,omitempty"`
}

type outer struct {
	Name  string  `json:"name"`
	Count int64   `json:"count"`
	In    *inner  `json:"in,omitempty"`
	Many  []inner `json:"many,omitempty"`
}

func TestMarshalRefusesWhatNobodyCouldRead(t *testing.T) {
	for name, v := range map[string]any{
		"nil bytes":                outer{In: &inner{}},
		"nil bytes in a list":      outer{Many: []inner{{Bytes: []byte{}}, {}}},
		"nil pointer":              struct{ P *inner }{},
		"nil":                      nil,
		"invalid UTF-8":            outer{Name: "a\xffb"},
		"invalid UTF-8 after a \\": outer{Name: "\\\xff"},
		"half a character":         outer{Name: "\u20ac"[:2]},
		"a surrogate in UTF-8":     outer{Name: "\xed\xa0\x80"},
		"a channel":                make(chan int),
	} {
		if out, err := statement.Marshal(v); out != nil || err == nil {
			t.Errorf("%s: written as %s", name, out)
		}
	}
}

func TestMarshalWritesAllText(t *testing.T) {
	for _, s := range []string{"", "n", "null", `\`, `\\ufffd`, `\ufffd`, `"null"`, "\ufffd", "\u2028<>&\x00\x1f\x7f", `\"`, `\\"`, "nil\\"} {
		out, err := statement.Marshal(outer{Name: s, In: &inner{Bytes: []byte(s), List: []string{s, "null"}}})
		if err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		var v outer
		if err := statement.Unmarshal(out, &v); err != nil || v.Name != s || string(v.In.Bytes) != s {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestUnmarshalReturnsNothingOfWhatItRefuses(t *testing.T) {
	for _, src := range []string{
		`{"name":"secret","count":1} `, `{"name":"secret","count":1.0}`, `{"name":"secret","count":1,"in":{"bytes":null}}`,
		`{"name":"secret","count":"x"}`, `{"name":"secret","count":1,"more":1}`, `{"name":"secret","count":1,"many":[]}`, `{"name":"secret"`,
	} {
		v := outer{}
		err := statement.Unmarshal([]byte(src), &v)
		if !errors.Is(err, statement.ErrNotStrict) || v.Name != "" || v.Count != 0 || v.In != nil || v.Many != nil {
			t.Errorf("%s: %v, %+v", src, err, v)
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error quotes its input: %v", err)
		}
	}
}

func TestUnmarshalNeedsAPointer(t *testing.T) {
	for _, v := range []any{nil, outer{}, (*outer)(nil)} {
		if err := statement.Unmarshal([]byte(`{"name":"","count":0}`), v); err == nil {
			t.Errorf("%T: accepted", v)
		}
	}
}

func TestUnmarshalLimits(t *testing.T) {
	src := []byte(`{"name":"` + strings.Repeat("x", 100) + `","count":0}`)
	var v outer
	if err := statement.UnmarshalUpTo(src, len(src), &v); err != nil {
		t.Fatal(err)
	}
	if err := statement.UnmarshalUpTo(src, len(src)-1, &v); !errors.Is(err, statement.ErrNotStrict) {
		t.Fatalf("past the limit: %v", err)
	}
	big := append(append([]byte(`{"name":"`), bytes.Repeat([]byte("x"), statement.MaxPayload)...), `","count":0}`...)
	if err := statement.Unmarshal(big, &v); !errors.Is(err, statement.ErrNotStrict) || v.Name != "" {
		t.Fatalf("past the limit of payloads: %v", err)
	}
}

func TestNesting(t *testing.T) {
	var deep any
	if err := statement.Unmarshal([]byte(strings.Repeat("[", 32)+strings.Repeat("]", 32)), &deep); err != nil {
		t.Errorf("32 levels: %v", err)
	}
	if err := statement.Unmarshal([]byte(strings.Repeat("[", 33)+strings.Repeat("]", 33)), &deep); !errors.Is(err, statement.ErrNotStrict) {
		t.Errorf("33 levels: %v", err)
	}
}
