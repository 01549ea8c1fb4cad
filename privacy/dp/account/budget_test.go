package account

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/statement"
)

func digest(name string) statement.Digest { return statement.Sum([]byte(name)) }

func org(name string) statement.Fingerprint {
	return statement.Fingerprint("cordon1" + strings.TrimPrefix(string(digest(name)), "sha256:"))
}

func cost(rho, delta string) Cost {
	r, ok := new(big.Rat).SetString(rho)
	d, ok2 := new(big.Rat).SetString(delta)
	if !ok || !ok2 {
		panic("not a number: " + rho + ", " + delta)
	}
	return Cost{Rho: r, Delta: d}
}

func charge(at int64, release, who, rho, delta string) Charge {
	return Charge{AtMS: at, Release: digest(release), Org: org(who), Cost: cost(rho, delta)}
}

func open(t testing.TB, terms Terms, events ...Event) *Budget {
	t.Helper()
	b, err := Open(terms, events)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// step is a charge and what must come of it.
type step struct {
	Charge
	fresh bool
	err   error
}

func play(t *testing.T, b *Budget, steps []step) {
	t.Helper()
	for i, s := range steps {
		before := b.Events()
		_, fresh, err := b.Charge(s.Charge)
		if fresh != s.fresh || !errors.Is(err, s.err) {
			t.Fatalf("step %d: fresh %v, %v", i+1, fresh, err)
		}
		if n := len(b.Events()) - len(before); n != 0 && !fresh || n != 1 && fresh {
			t.Fatalf("step %d: %d events", i+1, n)
		}
	}
}

func TestTotal(t *testing.T) {
	b := open(t, Terms{Total: cost("1", "1/1000")})
	play(t, b, []step{
		{charge(1, "a", "x", "1/3", "0"), true, nil},
		{charge(2, "b", "y", "1/3", "1/1000"), true, nil},
		{charge(3, "c", "x", "1/3", "1/1000000"), false, ErrOverspent},    // delta is gone
		{charge(3, "c", "x", "333334/1000000", "0"), false, ErrOverspent}, // a millionth too much
		{charge(3, "c", "x", "1/3", "0"), true, nil},                      // to the last bit
		{charge(4, "d", "z", "1/1000000000", "0"), false, ErrOverspent},
		{charge(5, "a", "x", "1/3", "0"), false, nil}, // paid
	})
	if left := b.Left(); left.Rho.Sign() != 0 || left.Delta.Sign() != 0 {
		t.Errorf("left %v", left)
	}
}

// TestEitherAccount: a total covers what one of its accounts covers. Few large charges are within the sum of epsilon, many small
// ones within that of rho, none is outside of delta, and one that is not pure ends the first account.
func TestEitherAccount(t *testing.T) {
	total := Terms{Total: Cost{Rho: big.NewRat(1, 10), Delta: big.NewRat(1, 1000), Epsilon: big.NewRat(1, 1)}}
	pure := func(name string, epsilon *big.Rat, delta string) Charge {
		c := charge(1, name, "x", PureRho(epsilon).RatString(), delta)
		c.Cost.Epsilon = epsilon
		return c
	}
	half, hundredth := big.NewRat(1, 2), big.NewRat(1, 100)
	play(t, open(t, total), []step{
		{pure("a", half, "0"), true, nil}, // rho 1/8
		{pure("d", hundredth, "1/999"), false, ErrOverspent},
		{pure("b", half, "0"), true, nil},
		{pure("c", hundredth, "0"), false, ErrOverspent},
	})
	b, n := open(t, total), 0
	for ; n < 3000; n++ {
		if _, _, err := b.Charge(pure(fmt.Sprint(n), hundredth, "0")); err != nil {
			break
		}
	}
	if n != 2000 { // a tenth of rho, 20 of epsilon
		t.Errorf("%d small charges", n)
	}
	play(t, open(t, total), []step{
		{charge(1, "a", "x", "1/100", "0"), true, nil}, // not pure
		{pure("b", half, "0"), false, ErrOverspent},
		{pure("c", big.NewRat(3, 10), "0"), true, nil}, // rho 9/200
	})
	none := Terms{Total: cost("1/10", "1/1000")}
	play(t, open(t, none), []step{{pure("a", half, "0"), false, ErrOverspent}})
	for name, e := range map[string]Event{
		"epsilon of another rho": {AtMS: 1, Release: digest("a"), Org: org("x"), Rho: "1/7", Delta: "0", Epsilon: "1/2"},
		"no amount":              {AtMS: 1, Release: digest("a"), Org: org("x"), Rho: "1/8", Delta: "0", Epsilon: "0.5"},
	} {
		if _, err := e.Cost(); !errors.Is(err, ErrEvent) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if left := open(t, total).Left(); left.Epsilon.Cmp(big.NewRat(1, 1)) != 0 {
		t.Errorf("left %v", left)
	}
	if _, err := Open(Terms{Total: Cost{Rho: big.NewRat(1, 1), Delta: new(big.Rat), Epsilon: big.NewRat(-1, 1)}}, nil); !errors.Is(err, ErrTerms) {
		t.Error("a total below zero")
	}
}

// TestSameReleaseIsChargedOnce, whoever asks, and each organisation's cap once.
func TestSameReleaseIsChargedOnce(t *testing.T) {
	b := open(t, Terms{Total: cost("1", "0"), Caps: []Cap{{Scope: Each, Most: cost("1/2", "0")}, {Scope: Everyone, PeriodMS: 100, Most: cost("3/5", "0")}}})
	play(t, b, []step{
		{charge(1, "a", "x", "1/2", "0"), true, nil},
		{charge(2, "a", "x", "1/2", "0"), false, nil},
		{charge(3, "a", "y", "1/2", "0"), true, nil}, // to its cap, not to the total or to everyone's
		{charge(4, "b", "y", "1/10", "0"), false, ErrOverspent},
		{charge(5, "b", "z", "1/10", "0"), true, nil},
		{charge(6, "a", "z", "1/2", "0"), false, ErrOverspent},
		{charge(7, "a", "x", "1/4", "0"), false, ErrEvent}, // the same release at another price
	})
	if left := b.Left(); left.Rho.Cmp(big.NewRat(4, 10)) != 0 {
		t.Errorf("left %v", left.Rho)
	}
}

func TestCaps(t *testing.T) {
	for name, c := range map[string]struct {
		cap   Cap
		steps []step
	}{
		"one named": {Cap{Scope: Only, Org: org("x"), Most: cost("1/10", "0")}, []step{
			{charge(1, "a", "x", "1/10", "0"), true, nil},
			{charge(2, "b", "x", "1/10", "0"), false, ErrOverspent},
			{charge(2, "b", "y", "1/10", "0"), true, nil},
		}},
		"each": {Cap{Scope: Each, Most: cost("1/10", "0")}, []step{
			{charge(1, "a", "x", "1/10", "0"), true, nil},
			{charge(2, "b", "y", "1/10", "0"), true, nil},
			{charge(3, "c", "y", "1/10", "0"), false, ErrOverspent},
		}},
		"everyone": {Cap{Scope: Everyone, Most: cost("1/5", "0")}, []step{
			{charge(1, "a", "x", "1/10", "0"), true, nil},
			{charge(2, "b", "y", "1/10", "0"), true, nil},
			{charge(3, "c", "z", "1/10", "0"), false, ErrOverspent},
		}},
		"a period": {Cap{Scope: Each, PeriodMS: 100, Most: cost("1/10", "0")}, []step{
			{charge(1000, "a", "x", "1/10", "0"), true, nil},
			{charge(1099, "b", "x", "1/10", "0"), false, ErrOverspent},
			{charge(1100, "b", "x", "1/10", "0"), true, nil},
			{charge(500, "c", "x", "1/10", "0"), false, ErrOverspent}, // a clock that went back opens nothing
		}},
		"delta": {Cap{Scope: Each, Most: cost("1", "1/100")}, []step{
			{charge(1, "a", "x", "1/10", "1/100"), true, nil},
			{charge(2, "b", "x", "1/10", "1/100"), false, ErrOverspent},
			{charge(3, "c", "x", "1/10", "0"), true, nil},
		}},
		"looser than the total": {Cap{Scope: Each, Most: cost("100", "0")}, []step{
			{charge(1, "a", "x", "2", "0"), true, nil},
			{charge(2, "b", "x", "1/10", "0"), false, ErrOverspent},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, open(t, Terms{Total: cost("2", "1/10"), Caps: []Cap{c.cap}}), c.steps)
		})
	}
}

// TestClockGoesBack: what is charged then counts as charged at the last event's time, so the list stays in order.
func TestClockGoesBack(t *testing.T) {
	b := open(t, Terms{Total: cost("1", "0")})
	play(t, b, []step{{charge(1000, "a", "x", "1/10", "0"), true, nil}, {charge(500, "b", "x", "1/10", "0"), true, nil}})
	if at := b.Events()[1].AtMS; at != 1000 {
		t.Errorf("charged at %d", at)
	}
}

// TestReplay: a crash after the event is durable pays nothing twice, whenever it comes, and tighter terms leave nothing.
func TestReplay(t *testing.T) {
	terms := Terms{Total: cost("1", "0"), Caps: []Cap{{Scope: Each, Most: cost("2/3", "0")}}}
	b := open(t, terms)
	for i, r := range []string{"a", "b"} {
		e, fresh, err := b.Check(charge(int64(i+1), r, "x", "1/3", "0"))
		if err != nil || !fresh {
			t.Fatal(err)
		}
		crashed := open(t, terms, append(b.Events(), e)...)
		if _, fresh, err := crashed.Charge(charge(9, r, "x", "1/3", "0")); fresh || err != nil {
			t.Fatalf("after a crash: charged again %v, %v", fresh, err)
		}
		if err := b.Apply(e); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := b.Check(charge(3, "c", "x", "1/3", "0")); !errors.Is(err, ErrOverspent) {
		t.Errorf("over the cap: %v", err)
	}
	tight := open(t, Terms{Total: cost("1/2", "0")}, b.Events()...)
	if left := tight.Left(); left.Rho.Sign() != 0 {
		t.Errorf("left %v under tighter terms", left.Rho)
	}
	if _, _, err := tight.Check(charge(4, "d", "y", "1/1000", "0")); !errors.Is(err, ErrOverspent) {
		t.Errorf("under tighter terms: %v", err)
	}
}

func TestCheckChangesNothing(t *testing.T) {
	b := open(t, Terms{Total: cost("1", "0")})
	for range 3 {
		if _, fresh, err := b.Check(charge(1, "a", "x", "1", "0")); !fresh || err != nil {
			t.Fatalf("fresh %v, %v", fresh, err)
		}
	}
	if len(b.Events()) != 0 || b.Left().Rho.Cmp(big.NewRat(1, 1)) != 0 {
		t.Fatal("a check was charged")
	}
}

func TestEventsRefused(t *testing.T) {
	good := Event{AtMS: 5, Release: digest("a"), Org: org("x"), Rho: "1/2", Delta: "0"}
	terms := Terms{Total: cost("1", "0")}
	for name, change := range map[string]func(*Event){
		"no time":          func(e *Event) { e.AtMS = 0 },
		"no release":       func(e *Event) { e.Release = "" },
		"no organisation":  func(e *Event) { e.Org = "" },
		"free":             func(e *Event) { e.Rho = "0" },
		"no rho":           func(e *Event) { e.Rho = "" },
		"no delta":         func(e *Event) { e.Delta = "" },
		"a delta of 1":     func(e *Event) { e.Delta = "1" },
		"below zero":       func(e *Event) { e.Rho = "-1/2" },
		"not lowest terms": func(e *Event) { e.Rho = "2/4" },
		"a decimal":        func(e *Event) { e.Rho = "0.5" },
		"too fine":         func(e *Event) { e.Rho = "1/36893488147419103232" },
	} {
		e := good
		change(&e)
		if _, err := Open(terms, []Event{e}); !errors.Is(err, ErrEvent) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := e.Encode(); !errors.Is(err, ErrEvent) {
			t.Errorf("%s encodes: %v", name, err)
		}
	}
	later, dear := good, good
	later.Release, later.AtMS = digest("b"), 4
	dear.Org, dear.Rho = org("y"), "1/4"
	for name, second := range map[string]Event{"twice": good, "back in time": later, "another price": dear} {
		if _, err := Open(terms, []Event{good, second}); !errors.Is(err, ErrEvent) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTermsRefused(t *testing.T) {
	for name, terms := range map[string]Terms{
		"nothing":          {},
		"no delta":         {Total: Cost{Rho: big.NewRat(1, 1)}},
		"below zero":       {Total: cost("-1", "0")},
		"a cap on nobody":  {Total: cost("1", "0"), Caps: []Cap{{Most: cost("1", "0")}}},
		"an empty cap":     {Total: cost("1", "0"), Caps: []Cap{{Scope: Each}}},
		"only whom":        {Total: cost("1", "0"), Caps: []Cap{{Scope: Only, Most: cost("1", "0")}}},
		"each, named":      {Total: cost("1", "0"), Caps: []Cap{{Scope: Each, Org: org("x"), Most: cost("1", "0")}}},
		"each, misnamed":   {Total: cost("1", "0"), Caps: []Cap{{Scope: Each, Org: "x", Most: cost("1", "0")}}},
		"another scope":    {Total: cost("1", "0"), Caps: []Cap{{Scope: Only + 1, Most: cost("1", "0")}}},
		"a period to come": {Total: cost("1", "0"), Caps: []Cap{{Scope: Each, PeriodMS: -1, Most: cost("1", "0")}}},
	} {
		if b, err := Open(terms, nil); !errors.Is(err, ErrTerms) || b != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestChargesRefused(t *testing.T) {
	for name, c := range map[string]Charge{
		"nothing":    {},
		"no cost":    {AtMS: 1, Release: digest("a"), Org: org("x")},
		"below zero": charge(1, "a", "x", "-1", "0"),
		"free":       charge(1, "a", "x", "0", "0"),
		"no time":    charge(0, "a", "x", "1/2", "0"),
	} {
		if _, fresh, err := open(t, Terms{Total: cost("1", "0")}).Check(c); !errors.Is(err, ErrEvent) || fresh {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCosts(t *testing.T) {
	if got := PureRho(big.NewRat(1, 2)); got.Cmp(big.NewRat(1, 8)) != 0 {
		t.Errorf("pure: %v", got)
	}
	if got, err := GaussianRho(big.NewRat(12, 1), big.NewRat(3, 1)); err != nil || got.Cmp(big.NewRat(2, 1)) != 0 {
		t.Errorf("Gaussian: %v %v", got, err)
	}
	if _, err := GaussianRho(big.NewRat(1, 1), new(big.Rat)); !errors.Is(err, ErrAmount) {
		t.Errorf("without noise: %v", err)
	}
}

// FuzzAmount and FuzzEvent: what is accepted encodes to the same bytes; what is refused gives nothing.
func FuzzAmount(f *testing.F) {
	for _, s := range []string{"0", "1", "1/2", "2/4", "01", "-1", "+1", "1/0", "0/1", "1e3", "0x1", "1_0", "0.5", "/2", "1/", "", strings.Repeat("9", 400)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		x, err := Amount(s).Rat()
		if err != nil {
			if x != nil {
				t.Fatal("refused, but something came back")
			}
			return
		}
		if again, err := AmountOf(x); err != nil || string(again) != s || x.Sign() < 0 {
			t.Fatalf("%q encodes to %q: %v", s, again, err)
		}
	})
}

func FuzzEvent(f *testing.F) {
	good, err := Event{AtMS: 5, Release: digest("a"), Org: org("x"), Rho: "1/2", Delta: "0"}.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(bytes.Replace(good, []byte("1/2"), []byte("2/4"), 1))
	f.Add(append(bytes.Clone(good), ' '))
	f.Fuzz(func(t *testing.T, src []byte) {
		e, err := DecodeEvent(src)
		if err != nil {
			if e != (Event{}) {
				t.Fatal("refused, but something came back")
			}
			return
		}
		if again, err := e.Encode(); err != nil || !bytes.Equal(again, src) {
			t.Fatalf("%s encodes to %s: %v", src, again, err)
		}
	})
}
