package privacy

import (
	"encoding/csv"
	"math/big"
	"os"
	"slices"
	"strconv"
	"testing"
)

// market is one set of the lattice of the real bird-strike pool; testdata/README.md says how it was made.
type market struct {
	owners []string
	cells  []string
	counts Base
	costs  Base
}

func loadMarket(t *testing.T, set string) *market {
	t.Helper()
	f, err := os.Open("testdata/birdstrikes-cells.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	m := &market{counts: Base{Kind: Count, UniqueUnits: true}, costs: Base{Kind: Sum, UniqueUnits: true}}
	for _, row := range rows[1:] {
		if !slices.Contains(m.owners, row[2]) {
			m.owners = append(m.owners, row[2])
		}
	}
	for _, row := range rows[1:] {
		if row[0] == set {
			m.add(t, row)
		}
	}
	if len(m.owners) != 18 || len(m.cells) < 3 {
		t.Fatalf("%d owners, %d cells", len(m.owners), len(m.cells))
	}
	return m
}

// add takes set, cell, owner, reports, costs, cost, weight.
func (m *market) add(t *testing.T, row []string) {
	i := slices.Index(m.cells, row[1])
	if i < 0 {
		i = len(m.cells)
		m.cells = append(m.cells, row[1])
		m.counts.Cells = append(m.counts.Cells, Cell{Key: key(row[1])})
		m.costs.Cells = append(m.costs.Cells, Cell{Key: key(row[1])})
	}
	n := make([]int64, 4)
	for j := range n {
		var err error
		if n[j], err = strconv.ParseInt(row[3+j], 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	owner := slices.Index(m.owners, row[2])
	m.counts.Cells[i].Parts = append(m.counts.Cells[i].Parts, part(owner, n[0], n[0]))
	m.costs.Cells[i].Parts = append(m.costs.Cells[i].Parts, Part{Owner: owner, Units: n[1], Value: big.NewInt(n[2]), Weight: big.NewInt(n[3])})
}

func (m *market) asker(name string) func(*Lists) { return asks(slices.Index(m.owners, name)) }

// suppressed lists the hidden cells after the rule alone, and those that go with them.
func (m *market) suppressed(t *testing.T, b Base, lists ...func(*Lists)) (primary, secondary []string) {
	t.Helper()
	p := parties(t, len(m.owners), lists...)
	g := &guard{airlines(), p}
	for i, show := range shown(protect(t, p, b)) {
		holds := g.holds(b.tally(p, b.Cells[i].Parts))
		switch {
		case !holds && show:
			t.Fatalf("%s is shown and does not hold", m.cells[i])
		case !holds:
			primary = append(primary, m.cells[i])
		case !show:
			secondary = append(secondary, m.cells[i])
		}
	}
	slices.Sort(primary)
	slices.Sort(secondary)
	return primary, secondary
}

func TestBirdStrikes(t *testing.T) {
	for _, tc := range []struct {
		set, base, asker   string
		primary, secondary []string
	}{
		{set: "size", base: "counts"},
		{set: "size", base: "costs"},
		{set: "phase", base: "counts", primary: []string{"Parked", "Taxi"}},
		{set: "phase", base: "costs", primary: []string{"Descent", "Landing Roll", "Parked", "Take-off run", "Taxi"}},
		// Dusk and Dawn fall (one airline has 81 % and 66 %), and so would what the total minus the rest shows: 54 %.
		{set: "time", base: "costs", primary: []string{"Dawn", "Dusk"}, secondary: []string{"Night"}},
		{set: "time", base: "counts"},
		{set: "damage", base: "costs", primary: []string{"Medium"}, secondary: []string{"Minor", "None"}},
		// An airline that asks knows its own strikes: beside them too few are left in Parked and Taxi together.
		{set: "phase", base: "counts", asker: "AMERICAN AIRLINES", primary: []string{"Parked", "Taxi"}, secondary: []string{"Descent"}},
		{set: "damage", base: "costs", asker: "SOUTHWEST AIRLINES", primary: []string{"Medium"}, secondary: []string{"None"}},
	} {
		t.Run(tc.set+" "+tc.base+" "+tc.asker, func(t *testing.T) {
			m := loadMarket(t, tc.set)
			var lists []func(*Lists)
			if tc.asker != "" {
				lists = append(lists, m.asker(tc.asker))
			}
			b := map[string]Base{"counts": m.counts, "costs": m.costs}[tc.base]
			primary, secondary := m.suppressed(t, b, lists...)
			if !slices.Equal(primary, tc.primary) || !slices.Equal(secondary, tc.secondary) {
				t.Errorf("suppressed %v and with them %v, want %v and %v", primary, secondary, tc.primary, tc.secondary)
			}
		})
	}
}

// attack subtracts what is shown from the total, owner by owner to know what was learned, and gives the verdict of a second
// reading of the rule on it. An attacker has the sums only; what they are sums of decides whether they give anybody away.
func (m *market) attack(t *testing.T, b Base, show []bool) (learned *big.Int, safe bool) {
	t.Helper()
	union := make([]ownerPart, len(m.owners))
	total, seen := new(big.Int), new(big.Int)
	for i := range b.Cells {
		for _, p := range b.Cells[i].Parts {
			total.Add(total, p.Value)
			if show[i] {
				seen.Add(seen, p.Value)
				continue
			}
			union[p.Owner].units += p.Units
			union[p.Owner].weight += p.Weight.Int64()
		}
	}
	s := &scene{rules: airlines(), lists: Lists{Owners: len(m.owners)}, unique: true}
	for o := range m.owners {
		s.lists.Recognised = append(s.lists.Recognised, o)
	}
	return new(big.Int).Sub(total, seen), nothing(union) || s.oracle(union)
}

// Total costs by size are all shown; subtracting the shown times of day or phases must give a union that is itself safe.
func TestAttackBySubtraction(t *testing.T) {
	for _, set := range []string{"size", "phase", "time", "damage"} {
		m := loadMarket(t, set)
		for name, b := range map[string]Base{"counts": m.counts, "costs": m.costs} {
			learned, safe := m.attack(t, b, shown(protect(t, parties(t, 18), b)))
			if !safe {
				t.Errorf("%s by %s: subtraction gives %v, which the rule hides", name, set, learned)
			}
		}
	}
}

// The attack is real: with the rule alone, without hiding further cells, it succeeds by time of day.
func TestAttackSucceedsWithoutSecondary(t *testing.T) {
	m := loadMarket(t, "time")
	p := parties(t, 18)
	g := &guard{airlines(), p}
	show := make([]bool, len(m.cells))
	for i, c := range m.costs.Cells {
		show[i] = g.holds(m.costs.tally(p, c.Parts))
	}
	if _, safe := m.attack(t, m.costs, show); safe {
		t.Fatal("the union of the cells that fall would have been safe: this data shows nothing")
	}
}

func TestBirdStrikesRounding(t *testing.T) {
	m := loadMarket(t, "size")
	counts, costs := protect(t, parties(t, 18), m.counts), protect(t, parties(t, 18), m.costs)
	for i := range m.cells {
		exact := m.counts.Cells[i].total()
		got, _ := counts.Value(i)
		if d := new(big.Int).Sub(got, exact); d.CmpAbs(big.NewInt(2)) > 0 || got.Int64()%5 != 0 {
			t.Errorf("%s: %v strikes left as %v", m.cells[i], exact, got)
		}
		sum := m.costs.Cells[i].total()
		cost, _ := costs.Value(i)
		if text := cost.String(); len(text) > 4 && text[4:] != "00000000"[:len(text)-4] || new(big.Int).Mul(new(big.Int).Sub(cost, sum), big.NewInt(2000)).CmpAbs(sum) > 0 {
			t.Errorf("%s: cost %v left as %v", m.cells[i], sum, cost)
		}
	}
}
