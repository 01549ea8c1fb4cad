package engine

import (
	"context"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"testing"

	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/privacy"
	"github.com/cordon-exchange/cordon/result"
)

var airlines = privacy.Rules{MinUnits: 10, MinContributors: 5, MaxSharePct: 50, PPercent: 10, Coalition: 1, RoundCount: 5, ValueDigits: 4}

func (m *market) protect(t *testing.T, kind privacy.Kind, cells map[string]*privacy.Cell, asker ...int) map[string]*big.Int {
	t.Helper()
	l := privacy.Lists{Owners: len(m.rows), Asker: asker}
	for o := range m.rows {
		l.Recognised = append(l.Recognised, o)
	}
	parties, err := privacy.NewParties(l)
	if err != nil {
		t.Fatal(err)
	}
	b := privacy.Base{Kind: kind, UniqueUnits: true}
	for _, c := range cells {
		b.Cells = append(b.Cells, *c)
	}
	released, err := privacy.Protect(airlines, parties, b)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*big.Int{}
	for i, c := range b.Cells {
		if v, ok := released.Value(i); ok {
			out[identity(c.Key)] = v
		}
	}
	return out
}

func everyRow(row) *int64 { return ptr(int64(1)) }
func costOf(r row) *int64 { return r.cost }
func paxOf(r row) *int64  { return r.pax }
func textKey(s *string) (privacy.Value, bool) {
	if s == nil {
		return privacy.Value{Null: true}, true
	}
	return privacy.Value{Text: *s}, true
}
func byPhase(r row) (privacy.Value, bool) { return textKey(r.phase) }
func bySize(r row) (privacy.Value, bool)  { return textKey(r.size) }

// cell finds a row of the result by its first column.
func cellRow(t *testing.T, table *result.Table, key privacy.Value) []result.Value {
	t.Helper()
	for _, r := range table.Rows {
		text, _ := r[0].Text()
		if r[0].IsNull() == key.Null && text == key.Text {
			return r
		}
	}
	return nil
}

// The engine's answer is that of counting by hand in Go, cell by cell.
func TestRunAgainstCountingByHand(t *testing.T) {
	for seed := range uint64(4) {
		for _, tc := range []struct {
			set   string
			keyOf func(row) (privacy.Value, bool)
		}{{"size", bySize}, {"phase", byPhase}} {
			m := newMarket(9, seed)
			got := m.run(t, "SELECT "+tc.set+", count(*) AS n, sum(cost) AS c, avg(pax) AS p FROM pool.strikes GROUP BY "+tc.set)
			counts := m.cellsOf(tc.keyOf, everyRow, true)
			n := m.protect(t, privacy.Count, counts)
			c := m.protect(t, privacy.Sum, m.cellsOf(tc.keyOf, costOf, false))
			pax, paxN := m.protect(t, privacy.Sum, m.cellsOf(tc.keyOf, paxOf, false)), m.protect(t, privacy.Count, m.cellsOf(tc.keyOf, paxOf, true))
			seen := 0
			for id, cell := range counts {
				r := cellRow(t, got, cell.Key[0])
				if r == nil {
					if tc.set == "size" || n[id] != nil || c[id] != nil || pax[id] != nil {
						t.Errorf("%s %v is missing", tc.set, cell.Key)
					}
					continue
				}
				seen++
				expect(t, r[1], n[id], 0)
				expect(t, r[2], c[id], 2)
				mean, shown := r[3].Text()
				if shown != (pax[id] != nil && paxN[id] != nil) {
					t.Errorf("mean of %v shown: %v", cell.Key, shown)
				}
				if shown {
					expectMean(t, mean, pax[id], paxN[id])
				}
			}
			if seen != len(got.Rows) {
				t.Errorf("%d rows too many", len(got.Rows)-seen)
			}
			if tc.set == "phase" && got.Suppressed == 0 {
				t.Error("nothing was suppressed: the test shows too little")
			}
		}
	}
}

func expect(t *testing.T, v result.Value, want *big.Int, scale int) {
	t.Helper()
	text, shown := v.Text()
	if want == nil {
		if !v.IsSuppressed() {
			t.Errorf("got %q, want suppressed", text)
		}
		return
	}
	if !shown || text != result.FormatDecimal(want, scale) {
		t.Errorf("got %q, want %s", text, result.FormatDecimal(want, scale))
	}
}

// expectMean: four significant digits, within one unit of the last of them.
func expectMean(t *testing.T, text string, sum, n *big.Int) {
	t.Helper()
	got, ok := new(big.Rat).SetString(text)
	if !ok {
		t.Fatalf("mean %q", text)
	}
	want := new(big.Rat).SetFrac(sum, n)
	off := new(big.Rat).Sub(got, want)
	limit := new(big.Rat).Mul(new(big.Rat).Abs(want), big.NewRat(5001, 10_000_000))
	if off.Abs(off).Cmp(limit) > 0 {
		t.Errorf("mean %s, want %s", text, want.FloatString(3))
	}
	if rounded, err := strconv.ParseFloat(strconv.FormatFloat(must(got.Float64()), 'e', 3, 64), 64); err != nil || rounded != must(got.Float64()) {
		t.Errorf("mean %s has more than four digits", text)
	}
}

func must(f float64, _ bool) float64 { return f }

func TestDeclaredCellsWithoutRowsAreSuppressed(t *testing.T) {
	m := newMarket(9, 1)
	for o := range m.rows {
		for i := range m.rows[o] {
			if *m.rows[o][i].size == "Large" {
				m.rows[o][i].size = ptr("Small")
			}
		}
	}
	got := m.run(t, "SELECT size, count(*) AS n FROM pool.strikes GROUP BY size")
	if len(got.Rows) != 3 {
		t.Fatalf("%d rows, want 3", len(got.Rows))
	}
	if r := cellRow(t, got, privacy.Value{Text: "Large"}); !r[1].IsSuppressed() {
		t.Error("an empty cell is shown")
	}
	if got.Suppressed != 5 {
		t.Errorf("suppressed %d, want 5", got.Suppressed)
	}
}

func TestGrandTotal(t *testing.T) {
	m := newMarket(9, 1)
	got := m.run(t, "SELECT count(*) AS n, sum(cost) AS c FROM pool.strikes")
	all := func(row) (privacy.Value, bool) { return privacy.Value{Text: "all"}, true }
	id := identity([]privacy.Value{{Text: "all"}})
	expect(t, got.Rows[0][0], m.protect(t, privacy.Count, m.cellsOf(all, everyRow, true))[id], 0)
	expect(t, got.Rows[0][1], m.protect(t, privacy.Sum, m.cellsOf(all, costOf, false))[id], 2)
}

func TestGrandTotalOfNothingIsSuppressed(t *testing.T) {
	m := newMarket(9, 1)
	for o := range m.rows {
		m.rows[o] = nil
	}
	got := m.run(t, "SELECT count(*) AS n, sum(cost) AS c FROM pool.strikes")
	if !got.Rows[0][0].IsSuppressed() || !got.Rows[0][1].IsSuppressed() {
		t.Error("totals of nothing are shown")
	}
}

func TestDateDimension(t *testing.T) {
	got := newMarket(9, 1).run(t, "SELECT day, count(*) AS n FROM pool.strikes GROUP BY day ORDER BY day")
	if len(got.Rows) != 3 || got.Columns[0].Type != "date" {
		t.Fatalf("%+v", got)
	}
	if s, _ := got.Rows[0][0].Text(); s != "2026-01-01" {
		t.Errorf("first day %s", s)
	}
}

// The requester's own rows are not evidence of others': one of the contributors asks, and its own cells change sides.
func TestAskerAmongTheOwners(t *testing.T) {
	m := newMarket(9, 2)
	m.request = func(r *policy.Request) { r.Requester, r.Recipients = fingerprint(0), []string{fingerprint(0)} }
	got := m.run(t, "SELECT phase, count(*) AS n FROM pool.strikes GROUP BY phase")
	counts := m.cellsOf(byPhase, everyRow, true)
	n := m.protect(t, privacy.Count, counts, 0)
	for id, cell := range counts {
		if r := cellRow(t, got, cell.Key[0]); r != nil {
			expect(t, r[1], n[id], 0)
		} else if n[id] != nil {
			t.Errorf("%v is missing", cell.Key)
		}
	}
}

// Rows without a unit are nobody's, and a unit with many rows is one unit.
func TestUnitsAreCounted(t *testing.T) {
	m := newMarket(9, 3)
	m.policy = replaced(t, reportsAreUnits, "unit: {column: customer, rows_are_units: true}", "unit: {column: customer}")
	for o := range m.rows {
		for i := range m.rows[o] {
			m.rows[o][i].size = ptr("Small")
			m.rows[o][i].customer = ptr("the one")
		}
		m.rows[o][0].customer = nil
	}
	got := m.run(t, "SELECT size, count(*) AS n FROM pool.strikes GROUP BY size")
	if r := cellRow(t, got, privacy.Value{Text: "Small"}); !r[1].IsSuppressed() {
		t.Error("nine customers were taken for many")
	}
	for o := range m.rows {
		m.rows[o][1].customer = ptr("another")
	}
	rows := int64(0)
	for _, r := range m.rows {
		rows += int64(len(r)) - 1
	}
	got = m.run(t, "SELECT size, count(*) AS n, count(DISTINCT customer) AS u FROM pool.strikes GROUP BY size")
	r := cellRow(t, got, privacy.Value{Text: "Small"})
	expect(t, r[1], privacy.RoundCount(big.NewInt(rows), 5), 0)
	expect(t, r[2], big.NewInt(20), 0) // 18 customers
}

// All rows without a cost are one owner's: count minus the count behind the mean would show them.
func TestRowsWithoutAValueAreGuarded(t *testing.T) {
	m := newMarket(9, 4)
	for o := range m.rows {
		for i := range m.rows[o] {
			m.rows[o][i].cost = ptr(int64(1000 + i))
		}
	}
	const sql = "SELECT count(*) AS n, sum(cost) AS c, avg(cost) AS mean FROM pool.strikes"
	if got := m.run(t, sql); got.Rows[0][2].IsSuppressed() {
		t.Fatal("the mean is hidden although every row has a cost")
	}
	for i := range 20 {
		m.rows[0][i].cost = nil
	}
	got := m.run(t, sql)
	if got.Rows[0][0].IsSuppressed() || got.Rows[0][1].IsSuppressed() || !got.Rows[0][2].IsSuppressed() {
		t.Errorf("%+v", got.Rows[0])
	}
}

func TestAffiliatesAreOneContributor(t *testing.T) {
	m := newMarket(6, 4)
	for o := range m.rows {
		n := 100
		if o < 2 {
			n = 300 // 30 % each, 60 % together
		}
		m.rows[o] = slices.Repeat([]row{{size: ptr("Small")}}, n)
	}
	const sql = "SELECT size, count(*) AS n FROM pool.strikes WHERE size = 'Small' GROUP BY size"
	if got := m.run(t, sql); got.Rows[0][1].IsSuppressed() {
		t.Fatal("hidden although nobody has more than 30 %")
	}
	m.policy = replaced(t, m.policy, "coalition: 1,", "coalition: 1, affiliates: [["+fingerprint(0)+", "+fingerprint(1)+"]],")
	if got := m.run(t, sql); !got.Rows[0][1].IsSuppressed() {
		t.Error("shown although two affiliates have 60 %")
	}
}

// A key that nobody declared says by being there that such rows exist, so it goes with its last base.
func TestKeysWithoutAShownBaseAreNotReleased(t *testing.T) {
	m := newMarket(9, 1)
	plan := m.compile(t, "SELECT phase, count(*) AS n FROM pool.strikes GROUP BY phase")
	j, err := newJob(bind(t, m.files(t, plan)...), plan)
	if err != nil {
		t.Fatal(err)
	}
	all := 0
	err = runSteps(j, func(done step) {
		if done.name == "scan" {
			all = len(j.cells.keys)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, bases := range j.released.bases {
		if !bases[0].shown {
			t.Errorf("key %v is released with nothing shown", j.released.keys[i])
		}
	}
	if len(j.released.keys) == 0 || len(j.released.keys) == all {
		t.Fatalf("%d of %d keys released: the test can't fail", len(j.released.keys), all)
	}
}

func TestOwnDataIsExact(t *testing.T) {
	m := newMarket(1, 5)
	m.request = func(r *policy.Request) { r.Requester, r.Recipients = fingerprint(0), []string{fingerprint(0)} }
	got := m.run(t, "SELECT size, count(*) AS n FROM pool.strikes GROUP BY size")
	want := map[string]int{}
	for _, r := range m.rows[0] {
		want[*r.size]++
	}
	for _, r := range got.Rows {
		size, _ := r[0].Text()
		if n, _ := r[1].Text(); n != strconv.Itoa(want[size]) {
			t.Errorf("%s: %s, want exactly %d", size, n, want[size])
		}
	}
	if got.Suppressed != 0 || len(got.Rows) != len(want) {
		t.Errorf("%+v", got)
	}
}

func TestSameAnswerTwice(t *testing.T) {
	m := newMarket(9, 6)
	sql := "SELECT phase, count(*) AS n, avg(cost) AS c FROM pool.strikes GROUP BY phase"
	if a, b := m.run(t, sql), m.run(t, sql); !reflect.DeepEqual(a, b) {
		t.Errorf("%+v\n%+v", a, b)
	}
}

func TestSumsNearTheBounds(t *testing.T) {
	m := newMarket(9, 7)
	const most = 1_000_000_000_000
	n := int64(0)
	for o := range m.rows {
		for i := range m.rows[o] {
			m.rows[o][i].pax = ptr(int64(most))
			n++
		}
	}
	got := m.run(t, "SELECT sum(pax) AS p FROM pool.strikes")
	expect(t, got.Rows[0][0], privacy.RoundDigits(new(big.Int).Mul(big.NewInt(n), big.NewInt(most)), 4), 0)
}

func TestOneJobPerEngine(t *testing.T) {
	m := newMarket(9, 1)
	plan := m.compile(t, "SELECT size, count(*) AS n FROM pool.strikes GROUP BY size")
	e := bind(t, m.files(t, plan)...)
	if _, err := e.Run(context.Background(), plan); err != nil {
		t.Fatal(err)
	}
	_, err := e.Run(context.Background(), plan)
	wantCode(t, err, CodeSetup)
}

// Who prepares one plan must not get another one answered, whose text nobody checked.
func TestRunAnswersThePlanThatWasPrepared(t *testing.T) {
	ctx := context.Background()
	m := newMarket(9, 1)
	plan := m.compile(t, byCost)
	e := bind(t, m.files(t, plan)...)
	if err := e.Prepare(ctx, plan); err != nil {
		t.Fatal(err)
	}
	wantCode(t, e.Prepare(ctx, plan), CodeSetup)
	other := *plan
	_, err := e.Run(ctx, &other)
	wantCode(t, err, CodePlan)
	_, err = e.Run(ctx, plan)
	wantCode(t, err, CodeSetup)
}

func TestPreparedRunAnswers(t *testing.T) {
	ctx := context.Background()
	m := newMarket(9, 1)
	plan := m.compile(t, byCost)
	e := bind(t, m.files(t, plan)...)
	if err := e.Prepare(ctx, plan); err != nil {
		t.Fatal(err)
	}
	got, err := e.Run(ctx, plan)
	if err != nil || len(got.Rows) == 0 {
		t.Fatal(got, err)
	}
}
