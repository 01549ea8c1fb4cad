package statement

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
)

// slow is scan, one byte after the other.
func slow(src []byte) bool {
	depth, inString := 0, false
	for i := 0; i < len(src); i++ {
		switch c := src[i]; {
		case c == '"':
			inString = !inString
		case c == '\\':
			if bytes.HasPrefix(src[i:], []byte(`\ufffd`)) {
				return false
			}
			i++
		case inString:
		case c == 'n':
			return false
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return false
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return true
}

// TestScanLeapsOverNothing: what stands in strings is passed over in leaps, and the verdict is that of a look at every byte.
func TestScanLeapsOverNothing(t *testing.T) {
	pieces := []string{
		`"`, `\`, `\"`, `\\`, `\ufffd`, `\u00e9`, "n", "null", "{", "}", "[", "]", "é", "x", ",", strings.Repeat("y", 511), strings.Repeat("z", 512), strings.Repeat("n", 513),
	}
	var yes, no int
	for range 200_000 {
		var b strings.Builder
		for range rand.IntN(12) {
			b.WriteString(pieces[rand.IntN(len(pieces))])
		}
		src := []byte(b.String())
		want := slow(src)
		if got := scan(src) == nil; got != want {
			t.Fatalf("%.80q: %v, want %v", src, got, want)
		}
		if want {
			yes++
		} else {
			no++
		}
	}
	if yes < 1000 || no < 1000 {
		t.Errorf("%d accepted, %d refused: no test", yes, no)
	}
}

// TestScanOfBackslashes: a long string of escapes is read once, not once for each.
func TestScanOfBackslashes(t *testing.T) {
	src, err := json.Marshal(strings.Repeat(`\`, MaxPayload/2))
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			if err := scan(src); err != nil {
				b.Fatal(err)
			}
		}
	}); n.NsPerOp() > 2e9 {
		t.Errorf("%d bytes take %s", len(src), n)
	}
}
