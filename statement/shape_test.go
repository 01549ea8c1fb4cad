package statement_test

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/statement/vectors"
)

type embedded struct {
	First string `json:"first"`
	Last  int8   `json:"last,omitempty"`
}

type word string

// everything has all that a shape can have.
type everything struct {
	embedded
	Text   string       `json:"text"`
	Word   word         `json:"word,omitempty"`
	Small  int8         `json:"small"`
	Big    int64        `json:"big,omitempty"`
	U8     uint8        `json:"u8"`
	U64    uint64       `json:"u64,omitempty"`
	Yes    bool         `json:"yes"`
	No     bool         `json:"no,omitempty"`
	Bytes  []byte       `json:"bytes"`
	More   []byte       `json:"more,omitempty"`
	Words  []word       `json:"words"`
	Lists  [][]int64    `json:"lists,omitempty"`
	In     inner        `json:"in"`
	Maybe  *inner       `json:"maybe,omitempty"`
	Number *int64       `json:"number,omitempty"`
	Self   *everything  `json:"self,omitempty"`
	Selves []everything `json:"selves,omitempty"`
	Untag  string
	Hidden string `json:"-"`
	_      int
}

// agree compares one pass with decoding and encoding again: the same verdict, the same value, the same bytes.
func agree(t *testing.T, src []byte, zero func() any) (accepted bool) {
	t.Helper()
	one, again := zero(), zero()
	if !statement.HasShape(one) {
		t.Fatalf("%T has no shape", one)
	}
	ok, err := statement.Read(src, one), statement.UnmarshalAgain(src, again)
	if ok != (err == nil) {
		t.Fatalf("%T: one pass says %v, decoding and encoding again %v: %.200q", one, ok, err, src)
	}
	if !ok {
		if !reflect.ValueOf(one).Elem().IsZero() {
			t.Fatalf("%T: refused, but something came back", one)
		}
		return false
	}
	if !reflect.DeepEqual(one, again) {
		t.Fatalf("%T: one pass gives %+v, decoding %+v", one, one, again)
	}
	if out, ok := statement.Write(one); !ok || !bytes.Equal(out, src) {
		t.Fatalf("%T: written as %.200q, not %.200q", one, out, src)
	}
	return true
}

// edits are what may be wrong with an encoding in ways that package json lets through, or nearly.
var edits = []string{
	" ", "\n", "\t", ",", ":", `"`, `\`, `\"`, `\/`, `\n`, `\u000a`, `\u001f`, `\u001F`, `\u0041`, `\u2028`, `\u2029`, `\u202a`, `\ufffd`, `\ud83d\ude00`, `\u00e9`,
	"\u2028", "\u2029", "\u20ac", "\ufffd", "\xff", "\xe2\x80", "\xed\xa0\x80", "\x00", "\x1f", "\x7f", "é", "<", "&", "null", "true", "false", "0", "-0", "00", "-", "+1", "1.0",
	"1e2", "127", "128", "-129", "255", "256", "9223372036854775808", "18446744073709551616", "{", "}", "[", "]", "[]", "{}", `""`, `"=="`, "=", "A", "AA==", "AB==", `"AA\u003d="`, `,"more":""`,
	`,"x":1`, `,"first":"a"`, `"First":"a"`, `,"lists":[]`, `,"no":false`, `,"big":0`, `,"maybe":null`, `,"Hidden":"x"`, `,"hidden":"x"`,
}

// changed makes a few random edits: another piece put in, bytes taken away, or parts of the text itself moved or doubled.
func changed(src []byte) []byte {
	out := bytes.Clone(src)
	for range 1 + rand.IntN(3) {
		at := rand.IntN(len(out) + 1)
		to := min(len(out), at+rand.IntN(8))
		switch rand.IntN(4) {
		case 0:
			to = at
		case 1: // a part of itself
			from := rand.IntN(len(out) + 1)
			part := bytes.Clone(out[from:min(len(out), from+rand.IntN(30))])
			out = append(bytes.Clone(out[:at]), append(part, out[at:]...)...)
			continue
		case 2:
			out = append(out[:at], out[to:]...)
			continue
		}
		out = append(bytes.Clone(out[:at]), append([]byte(edits[rand.IntN(len(edits))]), out[to:]...)...)
	}
	return out
}

// TestOnePass: what is read in one pass is what decoding and encoding again accepts, value by value, for every kind of statement and
// message, and for a type that has all that there is.
func TestOnePass(t *testing.T) {
	zeros := map[string]func() any{
		"party": func() any { return new(statement.Party) }, "offer": func() any { return new(statement.Offer) },
		"pool": func() any { return new(statement.Pool) }, "contract": func() any { return new(statement.Contract) },
		"grant": func() any { return new(statement.Grant) }, "job": func() any { return new(statement.Job) },
		"ready": func() any { return new(statement.Ready) }, "refusal": func() any { return new(statement.Refusal) },
		"release": func() any { return new(statement.Release) }, "receipt": func() any { return new(statement.Receipt) },
		"ack": func() any { return new(statement.Ack) }, "revocation": func() any { return new(statement.Revocation) },
		"order": func() any { return new(statement.Order) }, "invoice": func() any { return new(statement.Invoice) }, "settlement": func() any { return new(statement.Settlement) },
		"charge": func() any { return new(statement.Charge) }, "closing": func() any { return new(statement.Closing) }, "refund": func() any { return new(statement.Refund) },
		"counter": func() any { return new(statement.Counter) }, "rejection": func() any { return new(statement.Rejection) },
		"template": func() any { return new(statement.Template) }, "accreditation": func() any { return new(statement.Accreditation) },
		"certificate": func() any { return new(statement.Certificate) }, "approval": func() any { return new(statement.Approval) },
	}
	type sample struct {
		src  []byte
		zero func() any
	}
	var samples []sample
	file := vectors.Statements()
	for _, s := range file.Success {
		zero := zeros[s.Kind]
		if zero == nil {
			t.Fatalf("no type for %s", s.Kind)
		}
		samples = append(samples, sample{[]byte(s.Payload), zero})
		for _, x := range file.Failure {
			if x.Of == s.Name {
				agree(t, x.Change.Apply([]byte(s.Payload)), zero)
			}
		}
	}
	for _, s := range vectors.Envelopes().Success {
		samples = append(samples, sample{[]byte(s.Envelope), func() any { return new(statement.Envelope) }})
	}
	n := int64(math.MinInt64)
	for _, v := range []everything{
		{Bytes: []byte{}, Words: []word{}, In: inner{Bytes: []byte{}}},
		{
			embedded: embedded{"a\u2028\u2029\ufffd\"\\\b\f\n\r\t\x00\x1f\x7fé€😀<>&", math.MinInt8}, Text: "plain", Word: "é", Small: math.MaxInt8, Big: n, U8: 255, U64: math.MaxUint64,
			Yes: true, No: true, Bytes: []byte{0}, More: []byte{1, 2}, Words: []word{"", "\\", "x"}, Lists: [][]int64{{}, {0, -1}}, In: inner{Bytes: []byte("abc"), List: []string{""}},
			Maybe: &inner{Bytes: []byte{}}, Number: &n, Self: &everything{Bytes: []byte{}, Words: []word{}, In: inner{Bytes: []byte{}}}, Untag: "u",
			Selves: []everything{{Bytes: []byte{9}, Words: []word{"y"}, In: inner{Bytes: []byte{8}}}},
		},
	} {
		src, err := statement.MarshalAgain(v)
		if err != nil {
			t.Fatal(err)
		}
		if out, ok := statement.Write(v); !ok || !bytes.Equal(out, src) {
			t.Fatalf("written as %s, not %s", out, src)
		}
		for range 20 { // as much as all statements together
			samples = append(samples, sample{src, func() any { return new(everything) }})
		}
	}
	var yes, no int
	for _, s := range samples {
		if !agree(t, s.src, s.zero) {
			t.Fatalf("refused: %s", s.src)
		}
		for range 2000 {
			if agree(t, changed(s.src), s.zero) {
				yes++
			} else {
				no++
			}
		}
	}
	if yes < 1000 || no < 1000 {
		t.Errorf("%d accepted, %d refused: no test", yes, no)
	}
}

// TestOneText: every string is written and read as package json does, alone and in the middle of others.
func TestOneText(t *testing.T) {
	type text struct {
		S string `json:"s"`
	}
	zero := func() any { return new(text) }
	try := func(s string) {
		t.Helper()
		agree(t, []byte(`{"s":"`+s+`"}`), zero) // as it is
		want, err := statement.MarshalAgain(text{s})
		out, ok := statement.Write(text{s})
		if ok != (err == nil) || ok && !bytes.Equal(out, want) {
			t.Fatalf("%q: written as %s, package json %s, %v", s, out, want, err)
		}
		if ok && !agree(t, out, zero) {
			t.Fatalf("%q: not read back", s)
		}
	}
	for r := range rune(0x11000) {
		try(string(r))
		try("a" + string(r) + "b\n" + string(r))
	}
	for a := range 256 {
		try(string([]byte{byte(a)}))
		for b := range 256 {
			try(string([]byte{0xe2, byte(a), byte(b)}))
			agree(t, []byte(`{"s":"\`+string([]byte{byte(a), byte(b)})+`"}`), zero)
			agree(t, []byte(`{"s":"\u00`+string([]byte{byte(a), byte(b)})+`"}`), zero)
			agree(t, []byte(`{"s":"\u20`+string([]byte{byte(a), byte(b)})+`"}`), zero)
		}
	}
}

// TestShapes: types that package json treats in ways of their own have none, nor has what contains them.
func TestShapes(t *testing.T) {
	for name, v := range map[string]any{
		"map": &struct{ M map[string]int }{}, "interface": &struct{ A any }{}, "array": &struct{ A [2]int }{}, "float": &struct{ F float64 }{},
		"codec": &struct{ R json.RawMessage }{}, "codec within": &struct {
			L []struct{ R *json.RawMessage }
		}{}, "number": &struct{ N json.Number }{},
		"another option": &struct {
			N int `json:"n,string"`
		}{}, "name twice": &struct {
			embedded
			F string `json:"first"`
		}{}, "embedded pointer": &struct{ *embedded }{}, "embedded word": &struct{ word }{}, "a name to escape": &struct {
			N int `json:"n<"`
		}{}, "pointer to a pointer": &struct{ P **int }{}, "channel": &struct{ C chan int }{},
	} {
		if statement.HasShape(v) {
			t.Errorf("%s: has a shape", name)
		}
	}
	for name, v := range map[string]any{"nil bytes": everything{Words: []word{}, In: inner{Bytes: []byte{}}}, "nil list": everything{Bytes: []byte{}, In: inner{Bytes: []byte{}}}, "nil pointer": struct{ P *inner }{}, "deep": deep(33), "invalid": everything{Text: "\xff", Bytes: []byte{}, Words: []word{}, In: inner{Bytes: []byte{}}}} {
		if out, ok := statement.Write(v); ok {
			t.Errorf("%s: written as %.100s", name, out)
		}
	}
	if _, ok := statement.Write(deep(32)); !ok {
		t.Error("32 levels are not written")
	}
	for _, n := range []int{32, 33} {
		src := strings.Repeat(`{"next":`, n-1) + "{}" + strings.Repeat("}", n-1)
		if agree(t, []byte(src), func() any { return new(chain) }) != (n == 32) {
			t.Errorf("%d levels", n)
		}
	}
}

type chain struct {
	Next *chain `json:"next,omitempty"`
}

func deep(n int) *chain {
	c := &chain{}
	for range n - 1 {
		c = &chain{c}
	}
	return c
}
