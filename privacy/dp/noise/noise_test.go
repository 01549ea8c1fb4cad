package noise

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

func digest(name string) statement.Digest { return statement.Sum([]byte(name)) }

func keyed(t testing.TB, name string) Keyed {
	t.Helper()
	k, err := seal.DataKeyFromBytes(statement.LabelledSum("cordon/test/v1", []byte("noise key"), []byte(name)).Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return Keyed{digest(name), k}
}

func source(t testing.TB, release string, names ...string) *Source {
	t.Helper()
	var keys []Keyed
	for _, n := range names {
		keys = append(keys, keyed(t, n))
	}
	s, err := New(digest(release), keys)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// head is the beginning of a stream.
func head(t testing.TB, s *Source, purpose, cell string, index uint32) string {
	t.Helper()
	st, err := s.Stream(purpose, []byte(cell), index)
	if err != nil {
		t.Fatal(err)
	}
	x, err := st.Below(new(big.Int).Lsh(big.NewInt(1), 256))
	if err != nil {
		t.Fatal(err)
	}
	return x.Text(16)
}

func TestSameInputsSameNoise(t *testing.T) {
	want := head(t, source(t, "release", "a", "b", "c"), "noise", "cell", 1)
	if got := head(t, source(t, "release", "c", "a", "b"), "noise", "cell", 1); got != want {
		t.Error("the order of keys matters")
	}
}

// TestEveryInputCounts changes one input at a time: every stream is another.
func TestEveryInputCounts(t *testing.T) {
	other := keyed(t, "another")
	other.Offer = digest("c")
	swapped, err := New(digest("release"), []Keyed{keyed(t, "a"), keyed(t, "b"), other})
	if err != nil {
		t.Fatal(err)
	}
	renamed := keyed(t, "c")
	renamed.Offer = digest("d")
	moved, err := New(digest("release"), []Keyed{keyed(t, "a"), keyed(t, "b"), renamed})
	if err != nil {
		t.Fatal(err)
	}
	s := source(t, "release", "a", "b", "c")
	seen := map[string]string{}
	for name, got := range map[string]string{
		"as it is":       head(t, s, "noise", "cell", 1),
		"release":        head(t, source(t, "other", "a", "b", "c"), "noise", "cell", 1),
		"one key fewer":  head(t, source(t, "release", "a", "b"), "noise", "cell", 1),
		"one key other":  head(t, swapped, "noise", "cell", 1),
		"one offer":      head(t, moved, "noise", "cell", 1),
		"purpose":        head(t, s, "groups", "cell", 1),
		"cell":           head(t, s, "noise", "cells", 1),
		"no cell":        head(t, s, "noise", "", 1),
		"index":          head(t, s, "noise", "cell", 2),
		"purpose + cell": head(t, s, "noisec", "ell", 1),
	} {
		if twin, ok := seen[got]; ok {
			t.Errorf("%q has the stream of %q", name, twin)
		}
		seen[got] = name
	}
}

// TestEveryKeyCounts replaces one key at a time, whichever offer comes first.
func TestEveryKeyCounts(t *testing.T) {
	want := head(t, source(t, "release", "a", "b", "c"), "noise", "cell", 1)
	for i := range 3 {
		keys := []Keyed{keyed(t, "a"), keyed(t, "b"), keyed(t, "c")}
		keys[i].Key = keyed(t, "another").Key
		s, err := New(digest("release"), keys)
		if err != nil {
			t.Fatal(err)
		}
		if head(t, s, "noise", "cell", 1) == want {
			t.Errorf("key %d does not count", i)
		}
	}
}

func TestOrderIsSecretPerUnit(t *testing.T) {
	a, b := source(t, "release", "a", "b").Order(), source(t, "release", "a", "c").Order()
	seen := map[[OrderSize]byte]bool{}
	for _, r := range [][OrderSize]byte{
		a.Rank([]byte("u"), []byte("g")), a.Rank([]byte("u"), []byte("h")), a.Rank([]byte("v"), []byte("g")), a.Rank([]byte("ug"), nil),
		b.Rank([]byte("u"), []byte("g")),
	} {
		if seen[r] {
			t.Fatal("two ranks are one")
		}
		seen[r] = true
	}
	if !seen[source(t, "release", "b", "a").Order().Rank([]byte("u"), []byte("g"))] {
		t.Fatal("a rank changes")
	}
}

func TestRefused(t *testing.T) {
	a, b := keyed(t, "a"), keyed(t, "b")
	wiped := keyed(t, "c")
	wiped.Key.Wipe()
	for name, c := range map[string]struct {
		release statement.Digest
		keys    []Keyed
		want    error
	}{
		"no release":     {"", []Keyed{a}, ErrRelease},
		"no keys":        {digest("r"), nil, ErrKeys},
		"no key":         {digest("r"), []Keyed{a, {Offer: digest("b")}}, ErrKeys},
		"no offer":       {digest("r"), []Keyed{a, {Key: b.Key}}, ErrKeys},
		"an offer twice": {digest("r"), []Keyed{a, b, a}, ErrKeys},
		"a wiped key":    {digest("r"), []Keyed{a, wiped}, ErrKeys},
		"too many":       {digest("r"), make([]Keyed, maxOffers+1), ErrKeys},
	} {
		if s, err := New(c.release, c.keys); !errors.Is(err, c.want) || s != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCallersKeysAreLeft(t *testing.T) {
	keys := []Keyed{keyed(t, "b"), keyed(t, "a")}
	before, first := keys[0].Key.BytesUnsafe(), keys[0].Offer
	if _, err := New(digest("r"), keys); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(keys[0].Key.BytesUnsafe(), before) || keys[0].Offer != first {
		t.Fatal("the caller's keys were changed or sorted")
	}
}

func TestSourceDoesNotPrint(t *testing.T) {
	s := source(t, "release", "a")
	for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s"} {
		if got := fmt.Sprintf(verb, *s) + fmt.Sprintf(verb, s); strings.ReplaceAll(got, "noise.Source", "") != "" {
			t.Errorf("%s prints %q", verb, got)
		}
	}
}

// fixed is a stream of bytes that a test chose, instead of the counter mode's.
type fixed struct{ bytes []byte }

func (f *fixed) XORKeyStream(dst, _ []byte) { copy(dst, f.bytes) }

// TestBelowIsUniform enumerates all first bytes: every integer is hit by equally many, and the others start again.
func TestBelowIsUniform(t *testing.T) {
	for n := int64(2); n <= 256; n++ {
		hits, again := make([]int, n), 0
		for first := range 256 {
			s := &Stream{ctr: &fixed{[]byte{byte(first)}}, left: 1}
			x, err := s.Below(big.NewInt(n))
			if errors.Is(err, ErrExhausted) {
				again++
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			hits[x.Int64()]++
		}
		for x, h := range hits {
			if h != hits[0] || h == 0 {
				t.Fatalf("below %d: %d is hit %d times, 0 %d times", n, x, h, hits[0])
			}
		}
		if again >= 128 {
			t.Fatalf("below %d: %d of 256 start again", n, again)
		}
	}
}

func TestBelowTakesWholeBytesInOrder(t *testing.T) {
	s := &Stream{ctr: &fixed{[]byte{0xff, 0x23, 0x45, 0x67, 0x01}}, left: 5}
	for _, c := range []struct{ n, want int64 }{{1, 0}, {0x1000, 0xf23}, {0x100, 0x45}, {0x10, 0x7}, {1, 0}, {2, 1}} {
		if x, err := s.Below(big.NewInt(c.n)); err != nil || x.Int64() != c.want {
			t.Errorf("below %#x: %v %v, not %#x", c.n, x, err, c.want)
		}
	}
	if x, err := s.Below(big.NewInt(2)); !errors.Is(err, ErrExhausted) || x != nil {
		t.Error("a stream at its end gives something")
	}
}

func TestStreamEnds(t *testing.T) {
	s, err := source(t, "release", "a").Stream("noise", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	word, seen := new(big.Int).Lsh(big.NewInt(1), 128), map[string]bool{}
	for range maxStream / 16 {
		x, err := s.Below(word)
		if err != nil || seen[x.String()] {
			t.Fatalf("again, or %v", err)
		}
		seen[x.String()] = true
	}
	if x, err := s.Below(big.NewInt(2)); !errors.Is(err, ErrExhausted) || x != nil {
		t.Fatal("the stream does not end")
	}
}

func TestRange(t *testing.T) {
	s, err := source(t, "release", "a").Stream("noise", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []*big.Int{new(big.Int), big.NewInt(-1), new(big.Int).Lsh(big.NewInt(1), 8*maxBytes+1)} {
		if x, err := s.Below(n); !errors.Is(err, ErrRange) || x != nil {
			t.Errorf("below %v...: %v", n.Sign(), err)
		}
	}
}

func BenchmarkStream(b *testing.B) {
	s := source(b, "release", "a", "b", "c")
	for b.Loop() {
		if _, err := s.Stream("noise", []byte("cell"), 1); err != nil {
			b.Fatal(err)
		}
	}
}
