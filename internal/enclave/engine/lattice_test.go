package engine

import (
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/privacy"
	"github.com/cordon-exchange/cordon/result"
)

// crossed is a market whose policy has a set of three columns beside single ones.
func crossed(t *testing.T, seed uint64) *market {
	m := newMarket(9, seed)
	m.policy = replaced(t, reportsAreUnits, "output: {lattice: [[size], [phase], [day], []]}", "output: {lattice: [[size], [phase], [day, phase], [day, phase, size], []]}")
	m.schema = slices.Clone(m.schema)
	for i := range m.schema {
		m.schema[i].Nullable = m.schema[i].Nullable && m.schema[i].Name != "pax"
	}
	for o := range m.rows {
		for i := range m.rows[o] {
			if r := &m.rows[o][i]; r.pax == nil {
				r.pax = ptr(int64(0))
			}
		}
	}
	return m
}

// tableOf counts by hand what each owner gives to each cell of several columns.
func (m *market) tableOf(kind privacy.Kind, value func(row) *int64, columns ...func(row) *string) map[string]*privacy.Cell {
	cells := map[string]*privacy.Cell{}
	at := func(r row) *privacy.Cell {
		var key []privacy.Value
		for _, column := range columns {
			v, _ := textKey(column(r))
			key = append(key, v)
		}
		id := identity(key)
		if cells[id] == nil {
			cells[id] = &privacy.Cell{Key: key}
		}
		return cells[id]
	}
	give := func(parts *[]privacy.Part, owner int, v int64) {
		if n := len(*parts); n == 0 || (*parts)[n-1].Owner != owner {
			*parts = append(*parts, privacy.Part{Owner: owner, Value: new(big.Int), Weight: new(big.Int)})
		}
		p := &(*parts)[len(*parts)-1]
		p.Units++
		p.Value.Add(p.Value, big.NewInt(v))
		p.Weight.Add(p.Weight, new(big.Int).Abs(big.NewInt(v)))
	}
	for o, rows := range m.rows {
		for _, r := range rows {
			c, v := at(r), value(r)
			switch {
			case kind == privacy.Count && v == nil:
				give(&c.Complement, o, 1)
			case kind == privacy.Count:
				give(&c.Parts, o, 1)
			case v != nil:
				give(&c.Parts, o, *v)
			}
		}
	}
	return cells
}

func size(r row) *string  { return r.size }
func phase(r row) *string { return r.phase }
func day(r row) *string   { return r.day }

// findRow finds the row whose first columns are the key.
func findRow(table *result.Table, key []privacy.Value) []result.Value {
	for _, r := range table.Rows {
		same := true
		for i, k := range key {
			text, _ := r[i].Text()
			same = same && r[i].IsNull() == k.Null && text == k.Text
		}
		if same {
			return r
		}
	}
	return nil
}

// Every base over a set of three columns is that of counting by hand, cell by cell, whatever the order of the keys.
func TestSetOfSeveralColumns(t *testing.T) {
	shown, hidden := 0, 0
	for seed := range uint64(3) {
		m := crossed(t, seed)
		got := m.run(t, "SELECT day, phase, size, count(*) AS n, count(DISTINCT customer) AS u, count(pax) AS k, sum(cost) AS c FROM pool.strikes GROUP BY size, day, phase")
		counts := m.tableOf(privacy.Count, everyRow, day, phase, size)
		n, k := m.protect(t, privacy.Count, counts), m.protect(t, privacy.Count, m.tableOf(privacy.Count, paxOf, day, phase, size))
		c := m.protect(t, privacy.Sum, m.tableOf(privacy.Sum, costOf, day, phase, size))
		for id, cell := range counts {
			r := findRow(got, cell.Key)
			if r == nil {
				if n[id] != nil || k[id] != nil || c[id] != nil {
					t.Errorf("%v is missing", cell.Key)
				}
				hidden++
				continue
			}
			shown++
			expect(t, r[3], n[id], 0)
			expect(t, r[4], n[id], 0)
			expect(t, r[5], k[id], 0)
			expect(t, r[6], c[id], 2)
		}
	}
	if shown < 20 || hidden < 20 {
		t.Errorf("%d cells shown, %d hidden: the test shows too little", shown, hidden)
	}
}

// Fewer columns than the set has: what is shown of it is added up, and no more.
func TestFewerColumnsAddUpShownCells(t *testing.T) {
	m := crossed(t, 1)
	got := m.run(t, "SELECT size, day, count(*) AS n FROM pool.strikes WHERE phase <> 'Taxi' GROUP BY size, day")
	want := map[string]*big.Int{}
	counts := m.tableOf(privacy.Count, everyRow, day, phase, size)
	for id, v := range m.protect(t, privacy.Count, counts) {
		if key := counts[id].Key; !key[1].Null && key[1].Text != "Taxi" {
			at := identity([]privacy.Value{key[2], key[0]})
			if want[at] == nil {
				want[at] = new(big.Int)
			}
			want[at].Add(want[at], v)
		}
	}
	for _, r := range got.Rows {
		var key []privacy.Value
		for _, v := range r[:2] {
			text, _ := v.Text()
			key = append(key, privacy.Value{Null: v.IsNull(), Text: text})
		}
		expect(t, r[2], want[identity(key)], 0)
		delete(want, identity(key))
	}
	if len(want) > 0 || len(got.Rows) == 0 {
		t.Errorf("%d groups are missing, %d rows", len(want), len(got.Rows))
	}
}

// Declared values: a combination that nobody has is told like one that is suppressed.
func TestEmptyCombinationsAreToldAsSuppressed(t *testing.T) {
	m := newMarket(9, 2)
	m.policy = replaced(t, reportsAreUnits, "phase: {roles: [dimension, filter]}", `phase: {roles: [dimension, filter], values: [Approach, Climb, Descent, Parked, Taxi, "It's \"odd\", é"]}`)
	m.policy = strings.Replace(m.policy, "[day], []]", "[phase, size], []]", 1)
	for o := range m.rows {
		for i := range m.rows[o] {
			if p := m.rows[o][i].phase; p != nil && *p == "Climb" && *m.rows[o][i].size == "Small" {
				m.rows[o][i].size = ptr("Large")
			}
		}
	}
	got := m.run(t, "SELECT phase, size, count(*) AS n FROM pool.strikes GROUP BY phase, size")
	if r := findRow(got, []privacy.Value{{Text: "Climb"}, {Text: "Small"}}); r == nil || !r[2].IsSuppressed() {
		t.Error("the empty cell is not told as suppressed")
	}
	if len(got.Rows) < 3*6 {
		t.Errorf("%d rows", len(got.Rows))
	}
}
