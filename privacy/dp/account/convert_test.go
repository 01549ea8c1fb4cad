package account

import (
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

func near(t *testing.T, what string, x *big.Rat, want, within float64) {
	t.Helper()
	got, _ := x.Float64()
	if math.Abs(got-want) > within*want {
		t.Errorf("%s is %v, not %v", what, got, want)
	}
}

// TestReferenceValues are those of the authors' program, cdp2adp.py.
func TestReferenceValues(t *testing.T) {
	d, err := Delta(big.NewRat(1, 40), big.NewRat(1, 1))
	if err != nil {
		t.Fatal(err)
	}
	near(t, "delta", d, 1.336e-6, 3e-4)
	e, err := Epsilon(big.NewRat(1, 40), big.NewRat(1, 1_000_000))
	if err != nil {
		t.Fatal(err)
	}
	near(t, "epsilon", e, 1.0141, 5e-5)
	r, err := Rho(big.NewRat(1, 1), big.NewRat(1, 1_000_000))
	if err != nil {
		t.Fatal(err)
	}
	near(t, "rho", r, 0.02436, 2e-4)
}

// floatDelta is the bound in floating point, over many alphas: the least that any of them gives.
func floatDelta(rho, eps float64) float64 {
	least := 1.0
	for a := 1.0001; a < 1e6; a += (a - 1) * 0.001 {
		least = min(least, math.Exp((a-1)*(a*rho-eps)+a*math.Log1p(-1/a))/(a-1))
	}
	return least
}

// TestDeltaIsTheBound compares with another computation of the bound, and that the exact one is not below.
func TestDeltaIsTheBound(t *testing.T) {
	for _, c := range [][4]int64{{1, 40, 1, 1}, {1, 2, 3, 1}, {1, 100, 1, 2}, {1, 1, 10, 1}, {1, 1000, 1, 10}, {3, 1, 1, 1}, {1, 10, 0, 1}} {
		rho, eps := big.NewRat(c[0], c[1]), big.NewRat(c[2], c[3])
		d, err := Delta(rho, eps)
		if err != nil {
			t.Fatal(err)
		}
		r, _ := rho.Float64()
		e, _ := eps.Float64()
		got, _ := d.Float64()
		if want := floatDelta(r, e); got < want*(1-1e-5) || got > want*1.02 {
			t.Errorf("delta(%v, %v) = %v, not %v", rho, eps, got, want)
		}
	}
}

// gaussianDelta is exact for the continuous Gaussian of this rho (Balle and Wang 2018): no bound may be below it.
func gaussianDelta(rho, eps float64) float64 {
	sigma := math.Sqrt(1 / (2 * rho))
	a, b := eps*sigma-0.5/sigma, eps*sigma+0.5/sigma
	return math.Erfc(a/math.Sqrt2)/2 - math.Exp(eps)*math.Erfc(b/math.Sqrt2)/2
}

func TestConversionsAgree(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 12 {
		rho := big.NewRat(1+rng.Int64N(2000), 1000)
		delta := big.NewRat(1, 1<<(4+rng.IntN(40)))
		eps, err := Epsilon(rho, delta)
		if err != nil {
			t.Fatal(err)
		}
		d, err := Delta(rho, eps)
		if err != nil || d.Cmp(delta) > 0 {
			t.Errorf("epsilon(%v, %v) = %v has delta %v: %v", rho, delta, eps, d, err)
		}
		r, _ := rho.Float64()
		e, _ := eps.Float64()
		if got, _ := delta.Float64(); got < gaussianDelta(r, e)*(1-1e-9) {
			t.Errorf("epsilon(%v, %v) = %v is below what the Gaussian needs", rho, delta, e)
		}
		back, err := Rho(eps, delta)
		if err != nil || back.Cmp(new(big.Rat).Mul(rho, big.NewRat(1001, 1000))) > 0 || back.Cmp(new(big.Rat).Mul(rho, big.NewRat(999, 1000))) < 0 {
			t.Errorf("rho(epsilon(%v)) = %v: %v", rho, back, err)
		}
		if d, err := Delta(back, eps); err != nil || d.Cmp(delta) > 0 {
			t.Errorf("rho(%v, %v) = %v has delta %v: %v", eps, delta, back, d, err)
		}
	}
}

func TestMonotone(t *testing.T) {
	last := new(big.Rat)
	for i := int64(1); i < 20; i++ {
		d, err := Delta(big.NewRat(i, 40), big.NewRat(2, 1))
		if err != nil || d.Cmp(last) < 0 {
			t.Fatalf("delta falls as rho grows, to %v: %v", d, err)
		}
		last = d
	}
	for i := int64(1); i < 20; i++ {
		d, err := Delta(big.NewRat(1, 2), big.NewRat(i, 2))
		if err != nil || i > 1 && d.Cmp(last) > 0 {
			t.Fatalf("delta grows with epsilon, to %v: %v", d, err)
		}
		last = d
	}
}

// TestBoundsOfExpAndLog: on the right side, and close.
func TestBoundsOfExpAndLog(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	slack := new(big.Rat).SetFrac(big.NewInt(1), new(big.Int).Lsh(big.NewInt(1), 200))
	for range 200 {
		x := big.NewRat(rng.Int64N(1<<30), 1<<24) // up to 64
		lo, hi := expBound(x, false), expBound(x, true)
		if lo.Cmp(hi) >= 0 || new(big.Rat).Sub(hi, lo).Cmp(new(big.Rat).Mul(hi, slack)) > 0 {
			t.Fatalf("exp(%v) is not between close bounds", x)
		}
		f, _ := x.Float64()
		near(t, "exp", lo, math.Exp(f), 1e-12)
		near(t, "exp", expUpper(new(big.Rat).Neg(x)), math.Exp(-f), 1e-12)
		if expUpper(new(big.Rat).Neg(x)).Cmp(new(big.Rat).Inv(hi)) < 0 {
			t.Fatalf("exp(-%v) is below its bound", x)
		}
		alpha := new(big.Rat).Add(big.NewRat(101, 100), x)
		a, _ := alpha.Float64()
		near(t, "log", new(big.Rat).Neg(logUpper(alpha)), -math.Log1p(-1/a), 1e-12)
	}
	if expUpper(big.NewRat(-1_000_000, 1)).Sign() <= 0 && expBound(big.NewRat(maxExponent, 1), false).Sign() <= 0 {
		t.Fatal("a bound above zero is zero")
	}
	// ln(1/2) = -0.693147180559945309417232121458176568...: the bound is above it, by little.
	ln2, _ := new(big.Rat).SetString("0.693147180559945309417232121458176568")
	least, _ := new(big.Rat).SetString("0.000000000000000000000000000000000001")
	d := ln2.Add(ln2, logUpper(big.NewRat(2, 1)))
	if d.Cmp(new(big.Rat).Neg(least)) < 0 || d.Cmp(least) > 0 {
		t.Fatalf("ln(1/2) is off by %v", d.FloatString(50))
	}
}

func TestTotalSharesDelta(t *testing.T) {
	c, err := Total(big.NewRat(1, 1), big.NewRat(1, 500_000))
	if err != nil {
		t.Fatal(err)
	}
	near(t, "rho", c.Rho, 0.02436, 2e-4)
	if c.Delta.Cmp(big.NewRat(1, 2_000_000)) != 0 || c.Epsilon.Cmp(big.NewRat(1, 1)) != 0 {
		t.Errorf("delta left is %v", c.Delta)
	}
}

func TestConversionRefused(t *testing.T) {
	ok, none := big.NewRat(1, 2), big.NewRat(-1, 2)
	for name, do := range map[string]func() (*big.Rat, error){
		"rho below 0":      func() (*big.Rat, error) { return Delta(none, ok) },
		"rho of nothing":   func() (*big.Rat, error) { return Delta(nil, ok) },
		"rho too large":    func() (*big.Rat, error) { return Delta(big.NewRat(2000, 1), ok) },
		"rho too small":    func() (*big.Rat, error) { return Delta(big.NewRat(1, 1<<41), ok) },
		"epsilon below 0":  func() (*big.Rat, error) { return Delta(ok, none) },
		"delta of 0":       func() (*big.Rat, error) { return Epsilon(ok, new(big.Rat)) },
		"delta of 1":       func() (*big.Rat, error) { return Epsilon(ok, big.NewRat(1, 1)) },
		"delta of nothing": func() (*big.Rat, error) { return Rho(ok, nil) },
		"total of nothing": func() (*big.Rat, error) { _, err := Total(ok, nil); return nil, err },
	} {
		if x, err := do(); !errors.Is(err, ErrConvert) || x != nil {
			t.Errorf("%s: %v %v", name, x, err)
		}
	}
}
