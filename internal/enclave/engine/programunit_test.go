package engine

import (
	"slices"
	"testing"

	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/privacy"
	"github.com/cordon-exchange/cordon/result"
)

// shownCells gives the shown values of a result by the key in its first columns.
func shownCells(got *result.Table, keys int) map[string][]string {
	out := map[string][]string{}
	for _, r := range got.Rows {
		key := make([]privacy.Value, keys)
		for i := range key {
			text, _ := r[i].Text()
			key[i] = privacy.Value{Null: r[i].IsNull(), Text: text}
		}
		for _, v := range r[keys:] {
			text, shown := v.Text()
			if !shown {
				text = "hidden"
			}
			out[identity(key)] = append(out[identity(key)], text)
		}
	}
	return out
}

// unitsIn counts the units of each cell, of all owners.
func unitsIn(rows []countedRow) map[string]int {
	type unit struct {
		owner int
		id    string
	}
	seen := map[string]map[unit]bool{}
	for _, r := range rows {
		id := identity(r.key)
		if seen[id] == nil {
			seen[id] = map[unit]bool{}
		}
		seen[id][unit{r.owner, r.unit}] = true
	}
	out := map[string]int{}
	for id, u := range seen {
		out[id] = len(u)
	}
	return out
}

// Non-interference: without one unit and all its rows, only cells with enough units before or after say anything else.
func TestOneUnitMoreOrLess(t *testing.T) {
	cases := []struct {
		sql  string
		pass func(row) bool
		keys []func(row) (privacy.Value, bool)
	}{
		{"SELECT phase, count(*), sum(cost), avg(pax), count(DISTINCT customer) FROM pool.strikes GROUP BY phase", nil, []func(row) (privacy.Value, bool){byPhase}},
		{"SELECT size, phase, count(*), median(cost), stddev(cost) FROM pool.strikes GROUP BY size, phase", nil, []func(row) (privacy.Value, bool){bySize, byPhase}},
		{"SELECT phase, count(*) FILTER (WHERE cost >= 5000), count(DISTINCT CASE WHEN cost >= 5000 THEN customer END), count(*) FROM pool.strikes WHERE size = 'Large' GROUP BY phase", large, []func(row) (privacy.Value, bool){byPhase}},
	}
	differ := 0
	for seed := range uint64(3) {
		m := newFreeMarket(9, seed)
		for _, c := range cases {
			rows := m.rowsBy(c.pass, keysOf(c.keys...))
			before, unitsBefore := shownCells(m.run(t, c.sql), len(c.keys)), unitsIn(rows)
			gone := rows[int(seed)*7%len(rows)] // some unit
			less := *m
			less.rows = slices.Clone(m.rows)
			less.rows[gone.owner] = slices.DeleteFunc(slices.Clone(m.rows[gone.owner]), func(r row) bool { return r.customer != nil && *r.customer == gone.unit })
			after, unitsAfter := shownCells(less.run(t, c.sql), len(c.keys)), unitsIn(less.rowsBy(c.pass, keysOf(c.keys...)))
			for id := range unitsBefore {
				a, b := before[id], after[id]
				if slices.Equal(a, b) {
					continue
				}
				differ++
				if a != nil && unitsBefore[id] < 10 || b != nil && unitsAfter[id] < 10 {
					t.Errorf("%s: a cell of %d units, then %d, says %v and %v", c.sql, unitsBefore[id], unitsAfter[id], a, b)
				}
			}
		}
	}
	if differ == 0 {
		t.Error("no cell differs: the test shows nothing")
	}
}

// What a condition leaves out is judged too, since the whole minus it would show that. Units with rows of both kinds are in a
// conditional count of units: what it leaves out is the others alone, however many rows those units have beside.
func TestComplements(t *testing.T) {
	m := newFreeMarket(9, 1)
	for o := range m.rows {
		one := m.rows[o][0]
		m.rows[o] = nil
		for i := range 20 {
			one.customer, one.cost = ptr("u"+itoa(i)), ptr(int64(100))
			for _, size := range []string{"Large", "Small", "Medium"} {
				switch {
				case size == "Large" && i == 0: // one unit of each owner has no large row
				case size == "Medium" && i != 0: // nor has another unit than it a medium one
				default:
					one.size = ptr(size)
					m.rows[o] = append(m.rows[o], one)
				}
			}
		}
	}
	for item, want := range map[string]bool{
		"count(DISTINCT customer) FILTER (WHERE size = 'Large')": false, "count(*) FILTER (WHERE size <> 'Medium')": false,
		"sum(cost) FILTER (WHERE size <> 'Medium')": false, "sum(CASE WHEN size <> 'Medium' THEN cost ELSE 0 END)": false,
		"count_if(size <> 'Medium')": false, "avg(cost) FILTER (WHERE size <> 'Medium')": false, "count(*) FILTER (WHERE size = 'Large')": true,
	} {
		got := m.run(t, "SELECT count(DISTINCT customer) AS whole, "+item+" FROM pool.strikes")
		if len(got.Rows) != 1 {
			t.Fatal("rows", len(got.Rows))
		}
		_, whole := got.Rows[0][0].Text()
		if _, shown := got.Rows[0][1].Text(); !whole || shown != want {
			t.Errorf("%s, of which nine units are left out, is shown: %v", item, shown)
		}
	}
}

// Several conditions can be subtracted from each other and from the whole: what lies between them is judged, too, and where it
// does not hold no condition is shown.
func TestAtoms(t *testing.T) {
	m := newFreeMarket(9, 1)
	for o := range m.rows {
		one := m.rows[o][0]
		m.rows[o] = nil
		for i := range 60 {
			one.customer, one.cost, one.size = ptr("u"+itoa(i)), ptr(int64(100)), ptr([]string{"Large", "Small", "Medium"}[i%3])
			if i%3 == 2 && i > 2 { // one unit of each owner is medium
				one.size = ptr("Small")
			}
			m.rows[o] = append(m.rows[o], one)
		}
	}
	for sql, want := range map[string]bool{
		"count(*) FILTER (WHERE size = 'Large'), count(*) FILTER (WHERE size = 'Small')":                                           false, // and the whole
		"count(*) FILTER (WHERE size = 'Large'), count(*) FILTER (WHERE size IN ('Large', 'Medium'))":                              false, // one in the other
		"sum(cost) FILTER (WHERE size = 'Large'), sum(cost) FILTER (WHERE size <> 'Small')":                                        false,
		"count(*) FILTER (WHERE size = 'Large'), count(*) FILTER (WHERE size IN ('Small', 'Medium'))":                              true,
		"sum(cost) FILTER (WHERE size = 'Large'), count(*) FILTER (WHERE size = 'Large'), avg(cost) FILTER (WHERE size = 'Large')": true,
	} {
		got := m.run(t, "SELECT count(*) AS whole, "+sql+" FROM pool.strikes")
		_, whole := got.Rows[0][0].Text()
		for _, v := range got.Rows[0][1:] {
			if _, shown := v.Text(); !whole || shown != want {
				t.Errorf("%s: shown %v", sql, shown)
			}
		}
	}
}

// Releases over the same rows with keys within keys: the totals of one are margins of the other.
func TestMarginsOfOtherReleases(t *testing.T) {
	m := newFreeMarket(9, 1)
	got := m.run(t, `WITH a AS (SELECT size, phase, count(*) AS n FROM pool.strikes GROUP BY size, phase), b AS (SELECT size, count(*) AS n FROM pool.strikes GROUP BY size)
		SELECT a.size, a.phase, a.n, b.n AS total FROM a JOIN b ON a.size = b.size`)
	rows := m.rowsBy(nil, keysOf(bySize))
	shown := map[string]map[string]bool{}
	for _, r := range got.Rows {
		size, _ := r[0].Text()
		phase, _ := r[1].Text()
		if _, ok := r[2].Text(); ok {
			if shown[size] == nil {
				shown[size] = map[string]bool{}
			}
			shown[size][phase] = true
		}
	}
	for size, phases := range shown {
		hidden := asked{op: policy.AggCount}.released(t, slices.DeleteFunc(slices.Clone(rows), func(c countedRow) bool {
			phase := ""
			if c.row.phase != nil {
				phase = *c.row.phase
			}
			return *c.row.size != size || phases[phase]
		}), len(m.rows))
		left := slices.ContainsFunc(rows, func(c countedRow) bool {
			phase := ""
			if c.row.phase != nil {
				phase = *c.row.phase
			}
			return *c.row.size == size && !phases[phase]
		})
		if left && len(hidden) != 1 {
			t.Errorf("%s: total minus the shown phases is a cell that does not hold", size)
		}
	}
	if len(shown) == 0 {
		t.Error("nothing is shown")
	}
}

// The asker knows where its own units lie: a quantile needs others beyond it.
func TestQuantileCountsTheOthers(t *testing.T) {
	m := newFreeMarket(9, 1)
	for o := range m.rows {
		kept := m.rows[o][:0:0]
		n := 4
		if o == 0 {
			n = 400
		}
		for i := range n {
			r := m.rows[o][0]
			r.customer, r.size, r.cost = ptr("u"+itoa(i)), ptr("Large"), ptr(int64(100*i))
			kept = append(kept, r)
		}
		m.rows[o] = kept
	}
	sql := "SELECT quantile_cont(cost, 0.9), median(cost) FROM pool.strikes"
	ask := m.request
	m.request = func(r *policy.Request) {
		ask(r)
		r.Requester, r.Recipients = fingerprint(0), []string{fingerprint(0)}
	}
	got := m.run(t, sql)
	if _, shown := got.Rows[0][0].Text(); shown {
		t.Error("at 0.9 of 432 units there are three of others beyond")
	}
	if _, shown := got.Rows[0][1].Text(); !shown {
		t.Error("the median is hidden: the test shows nothing")
	}
}
