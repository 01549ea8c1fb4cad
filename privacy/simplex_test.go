package privacy

import (
	"math/bits"
	"testing"
)

// A small exact simplex over fractions: the attacker who puts all answers together. It knows nothing of how cells are hidden.

// frac is n/d with d above 0, in lowest terms.
type frac struct{ n, d int64 }

func mul64(a, b int64) int64 {
	hi, lo := bits.Mul64(uint64(max(a, -a)), uint64(max(b, -b)))
	if hi != 0 || lo > 1<<62 {
		panic("a fraction is too large for this test")
	}
	if (a < 0) != (b < 0) {
		return -int64(lo)
	}
	return int64(lo)
}

func lowest(n, d int64) frac {
	if n == 0 {
		return frac{0, 1}
	}
	a, b := max(n, -n), d
	for b != 0 {
		a, b = b, a%b
	}
	return frac{n / a, d / a}
}

func (x frac) mul(y frac) frac {
	a, b := lowest(x.n, y.d), lowest(y.n, x.d)
	return frac{mul64(a.n, b.n), mul64(a.d, b.d)}
}

func (x frac) inverse() frac {
	if x.n < 0 {
		return frac{-x.d, -x.n}
	}
	return frac{x.d, x.n}
}

func (x frac) sub(y frac) frac {
	if x.d == 1 && y.d == 1 {
		return frac{x.n - y.n, 1}
	}
	return lowest(mul64(x.n, y.d)-mul64(y.n, x.d), mul64(x.d, y.d))
}

func (x frac) less(y frac) bool { return mul64(x.n, y.d) < mul64(y.n, x.d) }

// polytope is all tables that agree with the answers: no cell below zero, and each equation met.
type polytope struct {
	rows  [][]frac // coefficients, and the right side last
	basis []int
	vars  int
}

// newPolytope finds a corner to start from. Each equation is a list of variables that add up to its total.
func newPolytope(t testing.TB, vars int, equations [][]int, totals []int64) *polytope {
	t.Helper()
	p := &polytope{vars: vars}
	all := vars + len(equations) // one artificial variable for each equation
	for i, e := range equations {
		if totals[i] < 0 {
			t.Fatal("a negative total")
		}
		row := make([]frac, all+1)
		for j := range row {
			row[j] = frac{0, 1}
		}
		for _, v := range e {
			row[v] = frac{1, 1}
		}
		row[vars+i], row[all] = frac{1, 1}, frac{totals[i], 1}
		p.rows, p.basis = append(p.rows, row), append(p.basis, vars+i)
	}
	cost := make([]frac, all)
	for j := range cost {
		cost[j] = frac{0, 1}
		if j >= vars {
			cost[j] = frac{-1, 1}
		}
	}
	if best := p.maximise(cost, all); best.n != 0 {
		t.Fatal("no table agrees with the answers")
	}
	p.dropArtificial()
	return p
}

func (p *polytope) dropArtificial() {
	var rows [][]frac
	var basis []int
	for i := range p.rows {
		for j := 0; j < p.vars && p.basis[i] >= p.vars; j++ {
			if p.rows[i][j].n != 0 {
				p.pivot(i, j)
			}
		}
		if p.basis[i] < p.vars { // else the equation follows from others
			rows, basis = append(rows, p.rows[i]), append(basis, p.basis[i])
		}
	}
	for i, r := range rows {
		rows[i] = append(append([]frac{}, r[:p.vars]...), r[len(r)-1])
	}
	p.rows, p.basis = rows, basis
}

func (p *polytope) pivot(i, j int) {
	inverse := p.rows[i][j].inverse()
	for k := range p.rows[i] {
		p.rows[i][k] = p.rows[i][k].mul(inverse)
	}
	for r := range p.rows {
		if f := p.rows[r][j]; r != i && f.n != 0 {
			for k, v := range p.rows[i] {
				if v.n != 0 {
					p.rows[r][k] = p.rows[r][k].sub(f.mul(v))
				}
			}
		}
	}
	p.basis[i] = j
}

// maximise takes Bland's rule, which always ends. The variables are below n.
func (p *polytope) maximise(cost []frac, n int) frac {
	for {
		enter := -1
		for j := 0; j < n && enter < 0; j++ {
			gain := cost[j]
			for i, b := range p.basis {
				if cost[b].n != 0 && p.rows[i][j].n != 0 {
					gain = gain.sub(cost[b].mul(p.rows[i][j]))
				}
			}
			if gain.n > 0 {
				enter = j
			}
		}
		if enter < 0 {
			break
		}
		leave := -1
		var least frac
		for i, r := range p.rows {
			if r[enter].n <= 0 {
				continue
			}
			ratio := r[len(r)-1].mul(r[enter].inverse())
			if leave < 0 || ratio.less(least) || !least.less(ratio) && p.basis[i] < p.basis[leave] {
				leave, least = i, ratio
			}
		}
		if leave < 0 {
			panic("unbounded: the grand total is missing")
		}
		p.pivot(leave, enter)
	}
	best := frac{0, 1}
	for i, b := range p.basis {
		v := cost[b].mul(p.rows[i][len(p.rows[i])-1])
		best = best.sub(frac{-v.n, v.d})
	}
	return best
}

// most is the largest value that a sum of variables can have.
func (p *polytope) most(of []int) frac {
	cost := make([]frac, p.vars)
	for j := range cost {
		cost[j] = frac{0, 1}
	}
	for _, v := range of {
		cost[v] = frac{1, 1}
	}
	return p.maximise(cost, p.vars)
}

func TestSimplex(t *testing.T) {
	// a b | 10    The first column is 7, so b+d is 8; a is at most 7 and, as d is at most 5, b at least 3.
	// c d |  5
	p := newPolytope(t, 4, [][]int{{0, 1}, {2, 3}, {0, 2}, {0, 1, 2, 3}}, []int64{10, 5, 7, 15})
	for _, tc := range []struct {
		of   []int
		want int64
	}{{[]int{0}, 7}, {[]int{1}, 8}, {[]int{2}, 5}, {[]int{0, 3}, 12}, {[]int{0, 1}, 10}} {
		if got := p.most(tc.of); got != (frac{tc.want, 1}) {
			t.Errorf("most of %v is %v, want %d", tc.of, got, tc.want)
		}
	}
}
