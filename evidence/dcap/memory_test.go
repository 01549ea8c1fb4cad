package dcap

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/evidence/remembered"
	"github.com/cordon-exchange/cordon/evidence/stage"
)

// warm remembers what verified in any test of this package.
var warm = remembered.New()

// bothWays is Verify, which must say the same when it remembers what all tests before it had verified, and again when it remembers this.
func bothWays(t testing.TB, raw []byte, c *Collateral, opt Options) (*Verified, error) {
	t.Helper()
	v, err := Verify(raw, c, opt)
	opt.Trail, opt.Memory = nil, warm
	for range 2 {
		w, again := Verify(raw, c, opt)
		if fmt.Sprint(err) != fmt.Sprint(again) || (v == nil) != (w == nil) || v != nil && !reflect.DeepEqual(v.TCB, w.TCB) {
			t.Errorf("out of memory: %v, else %v", again, err)
		}
	}
	return v, err
}

// TestRememberedUnderItsRoot: a chain that led to one root is not taken to lead to another.
func TestRememberedUnderItsRoot(t *testing.T) {
	r := open(t, "tdx", "gcp-cos113/2025-06-11")
	q, err := Parse(r.raw)
	if err != nil {
		t.Fatal(err)
	}
	m, c := remembered.New(), q.certChain
	if err := under(m, c.root, r.At, c.leaf, c.issuer); err != nil {
		t.Fatal(err)
	}
	if err := under(m, c.issuer, r.At, c.leaf, c.issuer); err == nil {
		t.Error("leads to a root that it does not end at")
	}
}

// TestMemoryForgetsInTime: at every time around the ends of what is remembered the verdict is the same as without a memory, also when
// the clock goes back.
func TestMemoryForgetsInTime(t *testing.T) {
	r := open(t, "tdx", "gcp-cos113/2025-06-11")
	m := remembered.New()
	ends := []time.Time{r.At}
	s, err := Inspect(r.collateral, Options{Roots: r.roots, At: r.At, Memory: m})
	if err != nil {
		t.Fatal(err)
	}
	q, err := Parse(r.raw)
	if err != nil {
		t.Fatal(err)
	}
	ends = append(ends, s.Issued, s.Expires, q.certChain.leaf.NotAfter, q.certChain.issuer.NotAfter, q.certChain.leaf.NotBefore)
	for _, end := range append(ends, r.At) {
		for _, d := range []time.Duration{-time.Second, 0, time.Nanosecond, time.Second, 24 * time.Hour} {
			at := end.Add(d)
			cold, want := Verify(r.raw, r.collateral, Options{Roots: r.roots, At: at})
			w, got := Verify(r.raw, r.collateral, Options{Roots: r.roots, At: at, Memory: m})
			if fmt.Sprint(got) != fmt.Sprint(want) || cold != nil && !reflect.DeepEqual(cold.TCB, w.TCB) {
				t.Errorf("at %s: %v, without a memory %v", at, got, want)
			}
		}
	}
	after, err := Verify(r.raw, r.collateral, Options{Roots: r.roots, At: s.Expires.Add(time.Second), Memory: m})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Sound(after); !errors.Is(err, stage.StaleCollateral) {
		t.Errorf("after its end: %v", err)
	}
}
