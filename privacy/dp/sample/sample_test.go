package sample_test

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"testing"

	"github.com/cordon-exchange/cordon/privacy/dp/noise"
	"github.com/cordon-exchange/cordon/privacy/dp/sample"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// stream is fixed by its name, so that a failure can be looked at again. A sample takes from the stream of its number.
func source(t testing.TB, name string) *noise.Source {
	t.Helper()
	key, err := seal.DataKeyFromBytes(statement.LabelledSum("cordon/test/v1", []byte(name)).Bytes())
	if err != nil {
		t.Fatal(err)
	}
	s, err := noise.New(statement.Sum([]byte("release")), []noise.Keyed{{Offer: statement.Sum([]byte("offer")), Key: key}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// many joins streams, because one gives no more than a release needs.
type many struct {
	t      testing.TB
	source *noise.Source
	now    *noise.Stream
	index  uint32
	left   int
}

func newMany(t testing.TB, name string) *many { return &many{t: t, source: source(t, name)} }

func (m *many) Below(n *big.Int) (*big.Int, error) {
	if m.left == 0 {
		s, err := m.source.Stream("test", nil, m.index)
		if err != nil {
			m.t.Fatal(err)
		}
		m.now, m.left = s, 1<<13
		m.index++
	}
	m.left--
	return m.now.Below(n)
}

// draws of a case, and what they are drawn from.
const draws = 200_000

type distribution struct {
	name string
	draw func(sample.Uniform) (*big.Int, error)
	pmf  func(x int) float64 // not yet normalised
	tail int                 // where nothing is left
}

func laplace(t, s int64) distribution {
	return distribution{
		fmt.Sprintf("laplace %d/%d", t, s),
		func(u sample.Uniform) (*big.Int, error) { return sample.Laplace(u, big.NewInt(t), big.NewInt(s)) },
		func(x int) float64 { return math.Exp(-math.Abs(float64(x)) * float64(s) / float64(t)) },
		int(60*t/s) + 20,
	}
}

func gaussian(p, q int64) distribution {
	v := float64(p) / float64(q)
	return distribution{
		fmt.Sprintf("gaussian %d/%d", p, q),
		func(u sample.Uniform) (*big.Int, error) { return sample.Gaussian(u, big.NewRat(p, q)) },
		func(x int) float64 { return math.Exp(-float64(x) * float64(x) / (2 * v)) },
		int(14*math.Sqrt(v)) + 20,
	}
}

// distributions: scales above and below 1, fractions, sigma² below 1 and next to a square.
func distributions() []distribution {
	return []distribution{
		laplace(1, 1), laplace(1, 3), laplace(3, 2), laplace(7, 1), laplace(40, 3),
		gaussian(1, 1), gaussian(1, 2), gaussian(1, 10), gaussian(4, 1), gaussian(399, 100), gaussian(22, 7), gaussian(100, 1),
	}
}

// level of each of the tests of each distribution, so that all of them together fail once in a million seeds.
func level() float64 { return 1e-6 / float64(5*len(distributions())) }

func (d distribution) exact() map[int]float64 {
	p, sum := map[int]float64{}, 0.0
	for x := -d.tail; x <= d.tail; x++ {
		p[x] = d.pmf(x)
		sum += p[x]
	}
	for x := range p {
		p[x] /= sum
	}
	return p
}

func (d distribution) counts(t *testing.T) map[int]int {
	t.Helper()
	u, seen := newMany(t, d.name), map[int]int{}
	for range draws {
		x, err := d.draw(u)
		if err != nil {
			t.Fatal(err)
		}
		if !x.IsInt64() || x.CmpAbs(big.NewInt(int64(d.tail))) > 0 {
			t.Fatalf("%v is beyond the tail", x)
		}
		seen[int(x.Int64())]++
	}
	return seen
}

func TestDistributions(t *testing.T) {
	for _, d := range distributions() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			p, seen := d.exact(), d.counts(t)
			chiSquare(t, d, p, seen)
			kolmogorov(t, d, p, seen)
			zero(t, p, seen)
			signs(t, seen)
			moments(t, p, seen)
		})
	}
}

// chiSquare joins what is expected fewer than 10 times into the tails.
func chiSquare(t *testing.T, d distribution, p map[int]float64, seen map[int]int) {
	t.Helper()
	stat, cells, restP, rest := 0.0, 0, 0.0, 0
	for x := -d.tail; x <= d.tail; x++ {
		if p[x]*draws < 10 {
			restP, rest = restP+p[x], rest+seen[x]
			continue
		}
		stat += square(float64(seen[x])-p[x]*draws) / (p[x] * draws)
		cells++
	}
	if restP*draws >= 1 {
		stat += square(float64(rest)-restP*draws) / (restP * draws)
		cells++
	}
	if tail := chiSquareTail(stat, float64(cells-1)); tail < level() {
		t.Errorf("chi-square %.1f over %d cells has probability %.1e", stat, cells, tail)
	}
}

// kolmogorov uses the inequality of Dvoretzky, Kiefer and Wolfowitz, which holds for discrete distributions too.
func kolmogorov(t *testing.T, d distribution, p map[int]float64, seen map[int]int) {
	t.Helper()
	want, got, most := 0.0, 0.0, 0.0
	for x := -d.tail; x <= d.tail; x++ {
		want, got = want+p[x], got+float64(seen[x])/draws
		most = max(most, math.Abs(want-got))
	}
	if bound := 2 * math.Exp(-2*draws*most*most); bound < level() {
		t.Errorf("distance %.4f has probability %.1e at most", most, bound)
	}
}

func zero(t *testing.T, p map[int]float64, seen map[int]int) {
	t.Helper()
	if z := (float64(seen[0]) - p[0]*draws) / math.Sqrt(draws*p[0]*(1-p[0])); math.Erfc(math.Abs(z)/math.Sqrt2) < level() {
		t.Errorf("zero came %d times instead of %.0f: %.1f standard errors", seen[0], p[0]*draws, z)
	}
}

func signs(t *testing.T, seen map[int]int) {
	t.Helper()
	up, down := 0, 0
	for x, n := range seen {
		if x > 0 {
			up += n
		} else if x < 0 {
			down += n
		}
	}
	if z := float64(up-down) / math.Sqrt(float64(up+down)); math.Erfc(math.Abs(z)/math.Sqrt2) < level() {
		t.Errorf("%d above zero, %d below", up, down)
	}
}

// moments: mean and variance within 5 standard errors.
func moments(t *testing.T, p map[int]float64, seen map[int]int) {
	t.Helper()
	var mean, second, v2, v4 float64
	for x, w := range p {
		v2 += w * square(float64(x))
		v4 += w * square(square(float64(x)))
	}
	for x, n := range seen {
		mean += float64(x) * float64(n) / draws
		second += square(float64(x)) * float64(n) / draws
	}
	if math.Abs(mean) > 5*math.Sqrt(v2/draws) {
		t.Errorf("mean %.4f", mean)
	}
	if math.Abs(second-v2) > 5*math.Sqrt((v4-v2*v2)/draws) {
		t.Errorf("variance %.4f instead of %.4f", second, v2)
	}
}

func square(x float64) float64 { return x * x }

// chiSquareTail is the upper tail of the chi-square distribution: the regularised incomplete gamma function Q(k/2, x/2).
func chiSquareTail(x, k float64) float64 {
	a, y := k/2, x/2
	lg, _ := math.Lgamma(a)
	front := math.Exp(-y + a*math.Log(y) - lg)
	if y < a+1 { // series of the lower tail
		sum, term := 1/a, 1/a
		for n := 1.0; n < 10_000; n++ {
			term *= y / (a + n)
			sum += term
		}
		return 1 - front*sum
	}
	f := 0.0 // continued fraction of the upper tail, from the end
	for n := 1000.0; n >= 1; n-- {
		f = n * (n - a) / (y + 2*n + 1 - a - f)
	}
	return front / (y + 1 - a - f)
}

func TestChiSquareTail(t *testing.T) {
	for _, c := range []struct{ x, k, want float64 }{{3.841459, 1, 0.05}, {18.30704, 10, 0.05}, {2.705543, 1, 0.1}, {149.4493, 100, 0.001}, {61.4, 4, 1.47e-12}} {
		if got := chiSquareTail(c.x, c.k); math.Abs(got-c.want) > 0.01*c.want {
			t.Errorf("tail of %v at %v is %v, not %v", c.k, c.x, got, c.want)
		}
	}
}

// bits gives the bits of a pattern, and fails when they are used up. Integers are drawn by rejection from the fewest bits.
type bits struct {
	pattern uint64
	left    int
}

var errBits = errors.New("no more bits")

func (b *bits) Below(n *big.Int) (*big.Int, error) {
	size := new(big.Int).Sub(n, big.NewInt(1)).BitLen()
	for {
		if b.left < size {
			return nil, errBits
		}
		x := new(big.Int).SetUint64(b.pattern >> (b.left - size) & (1<<size - 1))
		b.left -= size
		if x.Cmp(n) < 0 {
			return x, nil
		}
	}
}

// TestBernoulliExpByEnumeration runs the sampler on every string of 16 bits. Each decided string is a share of 2^-16 of the exact
// probability, so the shares of true and false must lie on both sides of it, with the undecided between.
func TestBernoulliExpByEnumeration(t *testing.T) {
	const depth = 16
	for _, c := range []struct {
		a, b      int64
		undecided float64 // at most
	}{{0, 1, 0}, {1, 1, 0.09}, {1, 2, 0.06}, {1, 3, 0.06}, {3, 4, 0.06}, {2, 7, 0.06}, {3, 2, 0.2}, {2, 1, 0.2}, {5, 2, 0.2}, {9, 1, 0.3}} {
		yes, no := 0, 0
		for pattern := range uint64(1 << depth) {
			switch ok, err := sample.BernoulliExp(&bits{pattern, depth}, big.NewRat(c.a, c.b)); {
			case err == nil && ok:
				yes++
			case err == nil:
				no++
			case !errors.Is(err, errBits):
				t.Fatal(err)
			}
		}
		want, all := math.Exp(-float64(c.a)/float64(c.b)), float64(uint64(1)<<depth)
		open := (all - float64(yes) - float64(no)) / all
		if float64(yes)/all > want || float64(no)/all > 1-want || open > c.undecided {
			t.Errorf("exp(-%d/%d) = %.5f: true %.5f, false %.5f, undecided %.5f", c.a, c.b, want, float64(yes)/all, float64(no)/all, open)
		}
	}
}

func TestParametersRefused(t *testing.T) {
	u, one, long := newMany(t, "refused"), big.NewInt(1), new(big.Int).Lsh(big.NewInt(1), 1024)
	for name, draw := range map[string]func() error{
		"laplace of scale 0":      func() error { _, err := sample.Laplace(u, new(big.Int), one); return err },
		"laplace by 0":            func() error { _, err := sample.Laplace(u, one, new(big.Int)); return err },
		"laplace of a minus":      func() error { _, err := sample.Laplace(u, big.NewInt(-1), one); return err },
		"laplace without a scale": func() error { _, err := sample.Laplace(u, nil, one); return err },
		"laplace too long":        func() error { _, err := sample.Laplace(u, long, one); return err },
		"gaussian of 0":           func() error { _, err := sample.Gaussian(u, new(big.Rat)); return err },
		"gaussian of a minus":     func() error { _, err := sample.Gaussian(u, big.NewRat(-1, 2)); return err },
		"gaussian of nothing":     func() error { _, err := sample.Gaussian(u, nil); return err },
		"gaussian too long":       func() error { _, err := sample.Gaussian(u, new(big.Rat).SetInt(long)); return err },
		"exp of a plus":           func() error { _, err := sample.BernoulliExp(u, big.NewRat(-1, 2)); return err },
		"more than sure":          func() error { _, err := sample.Bernoulli(u, big.NewInt(2), one); return err },
		"of nothing":              func() error { _, err := sample.Bernoulli(u, one, new(big.Int)); return err },
		"less than never":         func() error { _, err := sample.Bernoulli(u, big.NewInt(-1), one); return err },
	} {
		if err := draw(); !errors.Is(err, sample.ErrParameter) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNoBitsNoSample: a sampler whose source ends gives an error, never what it has so far.
func TestNoBitsNoSample(t *testing.T) {
	for depth := range 12 {
		for pattern := range uint64(1 << depth) {
			if x, err := sample.Gaussian(&bits{pattern, depth}, big.NewRat(100, 1)); err != nil && x != nil {
				t.Fatal("an error and a sample")
			}
			if x, err := sample.Laplace(&bits{pattern, depth}, big.NewInt(10), big.NewInt(1)); err != nil && x != nil {
				t.Fatal("an error and a sample")
			}
		}
	}
}

func BenchmarkLaplace(b *testing.B) {
	for _, p := range [][2]int64{{1, 1}, {40, 3}, {1_000_000, 1}} {
		b.Run(fmt.Sprintf("%d_%d", p[0], p[1]), func(b *testing.B) {
			u := newMany(b, "bench")
			for b.Loop() {
				if _, err := sample.Laplace(u, big.NewInt(p[0]), big.NewInt(p[1])); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkGaussian(b *testing.B) {
	for _, p := range [][2]int64{{1, 2}, {22, 7}, {1_000_000_000_000, 1}} {
		b.Run(fmt.Sprintf("%d_%d", p[0], p[1]), func(b *testing.B) {
			u := newMany(b, "bench")
			for b.Loop() {
				if _, err := sample.Gaussian(u, big.NewRat(p[0], p[1])); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
