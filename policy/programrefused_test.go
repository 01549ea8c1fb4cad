package policy_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/policy"
)

// refusedAs compiles a query that must be refused by this rule and code.
func refusedAs(t *testing.T, r policy.Request, sql, rule string) {
	t.Helper()
	r.SQL = sql
	_, err := policy.Compile(r)
	var ref *policy.Refusal
	if !errors.As(err, &ref) {
		t.Errorf("accepted (%v): %s", err, sql)
		return
	}
	if got := ref.Rule + "/" + ref.Code; got != rule {
		t.Errorf("refused by %s, want %s: %s", got, rule, sql)
	}
}

func mustCompile(t testing.TB, r policy.Request, sql string) *policy.Plan {
	t.Helper()
	r.SQL = sql
	p, err := policy.Compile(r)
	if err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
	return p
}

// Ways round a label, a bin, a grain or a role: through names, projections, conditions and arithmetic.
func TestWaysRoundLabels(t *testing.T) {
	r := freeWorld(t)
	x := func(item, rest string) string { return "WITH x AS (SELECT " + item + " FROM pool.loans) " + rest }
	for _, c := range []struct{ name, sql, rule string }{
		{"unit shown", "SELECT customer_id, count(*) FROM pool.loans GROUP BY customer_id", "unit/named"},
		{"unit compared", "SELECT count(*) FROM pool.loans WHERE customer_id = 'C1'", "unit/named"},
		{"unit in a condition of an aggregate", "SELECT count(*) FILTER (WHERE customer_id = 'C1') FROM pool.loans", "unit/named"},
		{"unit under another name", x("customer_id AS region", "SELECT region, count(*) FROM x GROUP BY region"), "unit/named"},
		{"unit made to a text", x("customer_id || '' AS c", "SELECT count(*) FROM x"), "unit/named"},
		{"measure as a key", "SELECT balance, count(*) FROM pool.loans GROUP BY balance", "columns/measure"},
		{"measure compared with no bin", "SELECT count(*) FROM pool.loans WHERE balance > 1001", "columns/bins"},
		{"measure equal to a bin", "SELECT count(*) FROM pool.loans WHERE balance = 1000", "columns/measure"},
		{"measure in a list of bins", "SELECT count(*) FROM pool.loans WHERE balance IN (1000, 10000)", "columns/measure"},
		{"measure compared after arithmetic", "SELECT count(*) FROM pool.loans WHERE balance + 1 > 1000", "columns/measure"},
		{"measure compared in a CASE", "SELECT count(*) FROM pool.loans WHERE CASE WHEN balance > 1001 THEN true ELSE false END", "columns/bins"},
		{"measure under coalesce", "SELECT count(*) FROM pool.loans WHERE coalesce(balance, 0) > 1000", "columns/measure"},
		{"measure under nullif", "SELECT count(nullif(balance, 1001)) FROM pool.loans", "aggregates/expression"},
		{"measure that is NULL", "SELECT count(*) FROM pool.loans WHERE balance IS NULL", "columns/measure"},
		{"measure compared through a subquery", x("balance AS b", "SELECT count(*) FROM x WHERE b > 1001"), "columns/bins"},
		{"two measures compared", "SELECT count(*) FROM pool.loans WHERE balance > rate", "columns/measure"},
		{"date finer than its grain", "SELECT date_trunc('week', opened) AS w, count(*) FROM pool.loans GROUP BY w", "columns/grain"},
		{"date as it is", "SELECT opened, count(*) FROM pool.loans GROUP BY opened", "columns/grain"},
		{"date under coalesce", "SELECT coalesce(opened, DATE '2026-01-01') AS d, count(*) FROM pool.loans GROUP BY d", "columns/grain"},
		{"date compared within a month", "SELECT count(*) FROM pool.loans WHERE opened < DATE '2026-01-15'", "columns/grain"},
		{"date compared within a month in a CASE", "SELECT CASE WHEN opened < DATE '2026-01-15' THEN 1 END AS d, count(*) FROM pool.loans GROUP BY d", "columns/grain"},
		{"date equal to a day", "SELECT count(*) FROM pool.loans WHERE opened = DATE '2026-01-01'", "columns/grain"},
		{"date through a subquery", x("opened AS o", "SELECT o, count(*) FROM x GROUP BY o"), "columns/grain"},
		{"column without a role", "SELECT loan_id, count(*) FROM pool.loans GROUP BY loan_id", "columns/no-role"},
		{"constant inside a sum", "SELECT sum(balance + 1000000000) FROM pool.loans", "aggregates/expression"},
		{"product with two constants", "SELECT sum(balance * 2 * 3) FROM pool.loans", "aggregates/expression"},
		{"constant inside a product", "SELECT sum(balance * (rate * 2)) FROM pool.loans", "aggregates/expression"},
		{"per-unit product against the bins of a factor", "WITH p AS (SELECT customer_id, sum(rate * employee_count) AS x FROM pool.loans GROUP BY customer_id) SELECT count_if(x >= 3) FROM p", "columns/bins"},
		{"per-unit sum against no bin", "WITH p AS (SELECT customer_id, sum(rate) AS x FROM pool.loans GROUP BY customer_id) SELECT count_if(x >= 4) FROM p", "columns/bins"},
		{"per-unit count of rows has no bins", "WITH p AS (SELECT customer_id, count(*) AS x FROM pool.loans GROUP BY customer_id) SELECT count_if(x >= 3) FROM p", "columns/bins"},
		{"HAVING on a unit", "WITH p AS (SELECT customer_id, sum(rate) AS x FROM pool.loans GROUP BY customer_id HAVING count(*) = 1) SELECT count(*) FROM p", "grammar/having-below"},
		{"quantile beyond the range", "SELECT quantile_cont(balance, 0.96) FROM pool.loans", "aggregates/quantile"},
		{"quantile below the range", "SELECT quantile_cont(balance, 0.0499) FROM pool.loans", "aggregates/quantile"},
		{"limit below a release", "SELECT count(*) FROM (SELECT balance FROM pool.loans LIMIT 1) x", "grammar/limit-below"},
		{"order below a release", "SELECT count(*) FROM (SELECT balance FROM pool.loans ORDER BY balance) x", "grammar/limit-below"},
		{"window over rows", "SELECT count(*) FROM (SELECT row_number() OVER (ORDER BY balance) AS n FROM pool.loans) x", "grammar/window"},
		{"condition that holds a window", "SELECT product, count(*) FROM pool.loans GROUP BY product HAVING row_number() OVER (ORDER BY count(*)) = 1", "grammar/window"},
		{"maximum of rows", "SELECT max(balance) FROM pool.loans", "aggregates/not-listed"},
		{"distinct values of a measure", "SELECT count(DISTINCT balance) FROM pool.loans", "aggregates/distinct"},
		{"distinct rows", "SELECT count(*) FROM (SELECT DISTINCT product FROM pool.loans) x", "grammar/distinct"},
		{"cast of rows", "SELECT count(*) FROM pool.loans WHERE CAST(region AS INTEGER) = 1", "grammar/cast-of-rows"},
		{"text longer than its form", "SELECT left(zip, 4) AS z, count(*) FROM pool.patients GROUP BY z", "columns/grain"},
		{"text shorter than its form, in two", "SELECT left(zip, 2) AS z, count(*) FROM pool.patients GROUP BY z", "columns/grain"},
		{"text as it is", "SELECT upper(zip) AS z, count(*) FROM pool.patients GROUP BY z", "columns/grain"},
		{"band narrower than its form", "SELECT floor(birth_year / 5) * 5 AS d, count(*) FROM pool.patients GROUP BY d", "columns/grain"},
		{"constant within a band", "SELECT count(*) FROM pool.patients WHERE birth_year < 1965", "columns/grain"},
		{"first year of a band", "SELECT count(*) FROM pool.patients WHERE birth_year <= 1960", "columns/grain"},
		{"noise for a product", "SELECT sum(cost * cost) FROM pool.patients", "dp/bounds"},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := r
			if strings.Contains(c.sql, "patients") {
				q.Purpose = "public-health"
			}
			refusedAs(t, q, c.sql, c.rule)
		})
	}
}

func TestJoinsThatAreNone(t *testing.T) {
	r := freeWorld(t)
	r.Purpose = "measurement"
	from := func(s string) string { return "SELECT count(*) FROM " + s }
	for _, c := range []struct{ name, sql, rule string }{
		{"no key", from("retailer.sales s, media.views v"), "joins/key"},
		{"another column", from("retailer.sales s JOIN media.views v ON s.store = v.campaign"), "joins/key"},
		{"more than the key", from("retailer.sales s JOIN media.views v ON s.household_id = v.household_id AND s.store = 'S01'"), "joins/key"},
		{"key or not", from("retailer.sales s JOIN media.views v ON s.household_id = v.household_id OR true"), "joins/key"},
		{"key equal to itself", from("retailer.sales s JOIN media.views v ON s.household_id = s.household_id"), "joins/key"},
		{"USING another column", from("retailer.sales s JOIN media.views v USING (day)"), "joins/key"},
		{"rows with themselves", from("retailer.sales s JOIN retailer.sales v ON s.household_id = v.household_id"), "joins/self"},
		{"themselves under another name", "WITH a AS (SELECT household_id FROM retailer.sales), b AS (SELECT household_id FROM retailer.sales) SELECT count(*) FROM a JOIN b ON a.household_id = b.household_id", "joins/self"},
		{"not listed", from("bank_a.loans a JOIN bank_b.loans b ON a.customer_id = b.customer_id"), "joins/not-listed"},
		{"the kind is not listed", from("hospital_a.patients a LEFT JOIN hospital_b.patients b ON a.patient_id = b.patient_id"), "joins/not-listed"},
		{"weights", "SELECT sum(s.amount * v.impressions) FROM retailer.sales s JOIN media.views v ON s.household_id = v.household_id", "aggregates/weights"},
		{"difference of two releases", "WITH a AS (SELECT sum(balance) AS n FROM pool.loans), b AS (SELECT sum(balance) AS n FROM pool.loans WHERE product <> 'yacht') SELECT a.n - b.n FROM a CROSS JOIN b", "release/overlap"},
		{"ranges that meet", "SELECT count(*) FROM pool.loans WHERE opened >= DATE '2023-01-01' UNION ALL SELECT count(*) FROM pool.loans WHERE opened < DATE '2023-02-01'", "release/overlap"},
		{"key of an outer join in WHERE", from("retailer.sales s LEFT JOIN media.views v ON s.household_id = v.household_id WHERE s.household_id = v.household_id"), "unit/named"},
		{"units of the outer side", "WITH e AS (SELECT DISTINCT v.household_id FROM retailer.sales s LEFT JOIN media.views v ON s.household_id = v.household_id) SELECT count(*) FROM e", "unit/named"},
		{"units of the outer side, grouped", "WITH e AS (SELECT v.household_id, count(*) AS n FROM retailer.sales s LEFT JOIN media.views v ON s.household_id = v.household_id GROUP BY s.household_id) SELECT count(*) FROM e", "release/not-grouped"},
		{"rows and released", "WITH t AS (SELECT store, count(*) AS n FROM retailer.sales GROUP BY store) SELECT count(*) FROM retailer.sales s JOIN t ON s.store = t.store", "grammar/join"},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := r
			if !strings.Contains(c.sql, "sales") {
				q.Purpose = "benchmarking"
			}
			if strings.Contains(c.sql, "patients") {
				q.Purpose = "public-health"
			}
			refusedAs(t, q, c.sql, c.rule)
		})
	}
	per := func(t string) string {
		return "(SELECT household_id, count(*) AS n FROM " + t + " GROUP BY household_id)"
	}
	mustCompile(t, r, from(per("retailer.sales")+" a JOIN "+per("retailer.sales")+" b ON a.household_id = b.household_id"))
	refusedAs(t, r, from("retailer.sales a JOIN "+per("retailer.sales")+" b ON a.household_id = b.household_id"), "joins/self")
	refusedAs(t, r, from(per("retailer.sales")+" a JOIN "+per("retailer.sales")+" b ON a.n = b.n"), "joins/key")
	key := from("retailer.sales s JOIN media.views v ON s.household_id = v.household_id")
	for name, c := range map[string]struct{ dataset, old, new, rule string }{
		"identity space": {"views", "domain: household", "domain: person", "joins/domain"},
		"contributors": {"views", "guard: {min_units: 25, rounding: {count: 5, value_digits: 4}}",
			"guard: {min_units: 25, contributors: {min: 1, max_share_pct: 100, p_percent: 0, from: [" + fingerprint("5") + "]}, coalition: 1, rounding: {count: 5, value_digits: 4}}", "contributors/too-few"},
		"one side does not list the other": {"views", "with: retailer.sales", "with: retailer.other", "joins/not-listed"},
	} {
		q := replaced(t, r, "media.views", func(s policy.Source) policy.Source { return edited(t, s, c.old, c.new) })
		t.Run(name, func(t *testing.T) {
			refusedAs(t, q, key, map[bool]string{true: "joins/contributors", false: c.rule}[name == "contributors"])
		})
	}
	types := replaced(t, r, "media.views", func(s policy.Source) policy.Source {
		s.Schema = columns(replaceOnce(t, freeSchemas["views"], "household_id:varchar?", "household_id:int64?"))
		return s
	})
	refusedAs(t, types, key, "joins/types")
}

// replaced is a request in which a data set, wherever it stands, is another.
func replaced(t testing.TB, r policy.Request, name string, by func(policy.Source) policy.Source) policy.Request {
	t.Helper()
	var tables []policy.Table
	n := 0
	for _, table := range r.Tables {
		members := append([]policy.Source{}, table.Members...)
		for i, m := range members {
			if m.OwnerName+"."+m.Dataset == name {
				members[i] = by(m)
				n++
			}
		}
		table.Members = members
		tables = append(tables, table)
	}
	if n == 0 {
		t.Fatal("no such data set", name)
	}
	r.Tables = tables
	return r
}

// The strictest of a pool's policies decides: a form, a bin or a role that one of them lacks is nobody's.
func TestPoolsTakeTheStrictest(t *testing.T) {
	r := freeWorld(t)
	for name, c := range map[string]struct{ old, new, sql, rule string }{
		"grain":           {"grain: month", "grain: year", "SELECT date_trunc('month', opened) AS m, count(*) FROM pool.loans GROUP BY m", "columns/grain"},
		"constants":       {"grain: month", "grain: year", "SELECT count(*) FROM pool.loans WHERE opened < DATE '2026-03-01'", "columns/grain"},
		"bins":            {"bins: [3, 6, 9]", "bins: [3, 9]", "SELECT count(*) FROM pool.loans WHERE rate < 6", "columns/bins"},
		"dimension":       {"region: {roles: [dimension, filter]}", "region: {}", "SELECT region, count(*) FROM pool.loans GROUP BY region", "columns/no-role"},
		"filter":          {"region: {roles: [dimension, filter]}", "region: {roles: [dimension]}", "SELECT count(*) FROM pool.loans WHERE region = 'N'", "columns/no-role"},
		"filter, renamed": {"region: {roles: [dimension, filter]}", "region: {roles: [dimension]}", "SELECT count(*) FROM (SELECT region AS x FROM pool.loans) t WHERE x = 'N'", "columns/no-role"},
		"filter, changed": {"region: {roles: [dimension, filter]}", "region: {roles: [dimension]}", "SELECT count(*) FROM (SELECT upper(region) AS x FROM pool.loans) t WHERE x = 'N'", "columns/no-role"},
		"filter, of units": {"region: {roles: [dimension, filter]}", "region: {roles: [dimension]}",
			"SELECT count(*) FROM (SELECT customer_id, region AS x, count(*) AS n FROM pool.loans GROUP BY customer_id, region) t WHERE x = 'N'", "columns/no-role"},
		"aggregate":        {"count, stddev, median, quantile_cont], clamp: [0, 100]", "count], clamp: [0, 100]", "SELECT median(rate) FROM pool.loans", "aggregates/not-permitted"},
		"product per unit": {"count, stddev, median, quantile_cont], clamp: [0, 100]", "count], clamp: [0, 100]", "SELECT median(x) FROM (SELECT customer_id, sum(employee_count * rate) AS x FROM pool.loans GROUP BY customer_id) t", "aggregates/not-permitted"},
		"clamp":            {"clamp: [0, 100], scale: 3", "clamp: [0, 101], scale: 3", "SELECT sum(rate) FROM pool.loans", "columns/clamp"},
		"wide clamps":      {"clamp: [0, 1000000000], scale: 2", "clamp: [0, 10000000000000000], scale: 2", "SELECT stddev(balance) FROM bank_b.loans", "contributors/too-few"},
	} {
		t.Run(name, func(t *testing.T) {
			refusedAs(t, replaced(t, r, "bank_b.loans", func(s policy.Source) policy.Source { return edited(t, s, c.old, c.new) }), c.sql, c.rule)
		})
	}
	wide := replaced(t, r, "retailer.sales", func(s policy.Source) policy.Source {
		return edited(t, s, "clamp: [0, 100000]", "clamp: [0, 10000000000000000]")
	})
	wide.Purpose = "measurement"
	refusedAs(t, wide, "SELECT stddev(amount) FROM retailer.sales", "limits/product")
	refusedAs(t, wide, "SELECT sum(amount * amount) FROM retailer.sales", "limits/product")
	per := "SELECT stddev(x) FROM (SELECT household_id, sum(%s) AS x FROM retailer.sales GROUP BY household_id) t"
	refusedAs(t, wide, fmt.Sprintf(per, "amount"), "aggregates/not-permitted")
	r.Purpose = "measurement"
	mustCompile(t, r, fmt.Sprintf(per, "amount"))
	refusedAs(t, r, fmt.Sprintf(per, "amount * amount"), "aggregates/not-permitted")
}

// A union that was written out by hand is the pool, or nothing.
func TestUnionsAreThePool(t *testing.T) {
	r := freeWorld(t)
	arm := func(bank, items, rest string) string {
		return "SELECT " + items + " FROM bank_" + bank + ".loans" + rest
	}
	three := func(a, b, c string) string {
		return "WITH u AS (" + a + " UNION ALL " + b + " UNION ALL " + c + ") SELECT region, sum(rate) FROM u GROUP BY region"
	}
	a, b, c := arm("a", "region, rate", ""), arm("b", "region, rate", ""), arm("c", "region, rate", "")
	p := mustCompile(t, r, three(a, b, c))
	if q := mustCompile(t, r, "SELECT region, sum(rate) FROM pool.loans GROUP BY region"); p.Program.Tables[0].Name != "pool.loans" || len(q.Sources) != len(p.Sources) || q.Digest() != p.Digest() {
		t.Error("the union by hand is not the pool")
	}
	for name, sql := range map[string]string{
		"a member twice":     three(a, b, b),
		"all, and one twice": "WITH u AS (" + a + " UNION ALL " + b + " UNION ALL " + c + " UNION ALL " + c + ") SELECT region, sum(rate) FROM u GROUP BY region",
		"a member is absent": "WITH u AS (" + a + " UNION ALL " + b + ") SELECT region, sum(rate) FROM u GROUP BY region",
		"another member":     three(a, b, "SELECT sex, cost FROM hospital_a.patients"),
		"another column":     three(a, b, arm("c", "product AS region, rate", "")),
		"columns exchanged":  three(a, arm("b", "product AS region, rate", ""), c),
		"another condition":  three(a, b, arm("c", "region, rate", " WHERE region = 'N'")),
		"another constant":   three(arm("a", "region, rate", " WHERE region = 'N'"), arm("b", "region, rate", " WHERE region = 'N'"), arm("c", "region, rate", " WHERE region = 'S'")),
		"another expression": three(arm("a", "upper(region) AS region, rate", ""), arm("b", "lower(region), rate", ""), arm("c", "upper(region), rate", "")),
		"a constant":         three(arm("a", "'a' AS region, rate", ""), arm("b", "'b', rate", ""), arm("c", "'c', rate", "")),
		"the pool and one":   "WITH u AS (SELECT region, rate FROM pool.loans UNION ALL " + a + ") SELECT region, sum(rate) FROM u GROUP BY region",
		"released and rows":  "WITH u AS (" + a + " UNION ALL SELECT region, sum(rate) FROM pool.loans GROUP BY region) SELECT region, sum(rate) FROM u GROUP BY region",
	} {
		t.Run(name, func(t *testing.T) {
			q := r
			q.SQL = sql
			if _, err := policy.Compile(q); err == nil {
				t.Error("accepted")
			}
		})
	}
}

// A condition on a partner reads the join's own mark, wherever the join stands in another.
func TestPartnersOfInnerJoins(t *testing.T) {
	r := freeWorld(t)
	r.Purpose = "measurement"
	third := freeSource(t, "9", "maker", "sales", "free-sales")
	third.Dataset = "sales"
	third = edited(t, third, "joins: [{with: media.views", "joins: [{with: retailer.sales, on: [household_id], kind: [inner, left, outer], trust: partner-honest}, {with: media.views")
	r = replaced(t, r, "retailer.sales", func(s policy.Source) policy.Source {
		return edited(t, s, "joins: [{", "joins: [{with: maker.sales, on: [household_id], kind: [inner, left, outer], trust: partner-honest}, {")
	})
	r = replaced(t, r, "media.views", func(s policy.Source) policy.Source {
		return edited(t, s, "joins: [{", "joins: [{with: maker.sales, on: [household_id], kind: [inner, left, outer], trust: partner-honest}, {")
	})
	r.Tables = append(r.Tables, single(third))
	inner := "(SELECT s.household_id, s.amount, v.household_id AS seen FROM retailer.sales s LEFT JOIN media.views v ON s.household_id = v.household_id) t"
	for join, want := range map[string]string{"JOIN": `[{"op":"col","type":"boolean","index":0}]`, "LEFT JOIN": `"op":"or"`} {
		p := mustCompile(t, r, "SELECT count(*), sum(m.amount) FROM maker.sales m "+join+" "+inner+" ON m.household_id = t.household_id WHERE t.seen IS NULL")
		if w := p.Program.Releases[0].From.Where; w == nil || w.Type != policy.Boolean {
			t.Fatal("the condition is lost")
		} else if text := string(p.Encode()); join == "LEFT JOIN" && !strings.Contains(text, want) {
			t.Errorf("%s: a row without a partner has none further in: %s", join, text)
		} else if join == "JOIN" && w.Args[0].Index == 0 {
			t.Errorf("the condition reads column 0, which is the other side's: %s", text)
		}
	}
}

// Names that stand for much, named often, do not double without bound.
func TestProgramBombs(t *testing.T) {
	r := freeWorld(t)
	chain := func(first, next string, n int) string {
		sql := "WITH a0 AS (" + first + ")"
		for i := 1; i < n; i++ {
			sql += fmt.Sprintf(", a%d AS (", i) + strings.ReplaceAll(next, "$", fmt.Sprintf("a%d", i-1)) + ")"
		}
		return sql
	}
	nest := strings.Repeat("(", 40) + "(product = 'a')" + strings.Repeat(" BETWEEN false AND true)", 40)
	for name, sql := range map[string]string{
		"joins of released tables":  chain("SELECT count(*) AS n FROM pool.loans", "SELECT x.n FROM $ x JOIN $ y ON x.n = y.n", 30) + " SELECT n FROM a29",
		"unions of released tables": chain("SELECT count(*) AS n FROM pool.loans", "SELECT n FROM $ UNION ALL SELECT n FROM $", 60) + " SELECT n FROM a59",
		"projections of rows":       chain("SELECT product AS s, rate FROM pool.loans", "SELECT s || s AS s, rate FROM $", 60) + " SELECT s, sum(rate) FROM a59 GROUP BY s",
		"conditions of rows":        chain("SELECT product = 'a' AS s, rate FROM pool.loans", "SELECT s AND s AS s, rate FROM $", 60) + " SELECT count(*) FROM a59 WHERE s",
		"a condition":               "SELECT count(*) FROM pool.loans WHERE " + nest,
		"a condition in a FILTER":   "SELECT count(*) FILTER (WHERE " + nest + ") FROM pool.loans",
		"a divisor":                 "SELECT " + strings.Repeat("(1 / ", 40) + "count(*)" + strings.Repeat(")", 40) + " FROM pool.loans",
		"grouping sets":             "SELECT count(DISTINCT customer_id), " + strings.Repeat("median(rate), ", 1) + "stddev(rate), median(balance), stddev(balance), median(employee_count), stddev(employee_count), quantile_cont(rate, 0.1), quantile_cont(rate, 0.2), quantile_cont(rate, 0.3) FROM pool.loans GROUP BY CUBE(region, product, defaulted, year(opened), month(opened))",
	} {
		t.Run(name, func(t *testing.T) {
			r.SQL = sql
			start := time.Now()
			_, err := policy.Compile(r)
			var ref *policy.Refusal
			if !errors.As(err, &ref) || ref.Rule != "limits" {
				t.Errorf("%v", err)
			}
			if d := time.Since(start); d > time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
}

// Whose own data is joined with another's does not weaken the other's rules.
func TestOwnDataInAJoin(t *testing.T) {
	r := freeWorld(t)
	r.Purpose = "measurement"
	r.Requester, r.Recipients = fingerprint("5"), []string{fingerprint("5")}
	for _, from := range []string{"retailer.sales s JOIN media.views v", "media.views v JOIN retailer.sales s"} {
		p := mustCompile(t, r, "SELECT s.store, sum(v.impressions) FROM "+from+" ON s.household_id = v.household_id GROUP BY s.store")
		if n := p.Program.Releases[0]; n.Mode != policy.ModeGuard || n.Guard.MinUnits != 25 || n.Guard.RoundCount != 5 || n.Guard.ValueDigits != 4 {
			t.Errorf("%s: %s %+v", from, n.Mode, n.Guard)
		}
	}
	// What its own policy would have of others does not bind it.
	r = replaced(t, r, "retailer.sales", func(s policy.Source) policy.Source {
		text := replaceOnce(t, string(s.Policy.Text()), "output: guard-free", "output: dp\ndp: {epsilon_max_query: 1, epsilon: 10, delta: 0.000001, max_groups_per_unit: 3}")
		text = replaceOnce(t, text, ", stddev, median, quantile_cont", "")
		p, err := policy.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		s.Policy = p
		return s
	})
	mustCompile(t, r, "SELECT s.store, sum(v.impressions) FROM retailer.sales s JOIN media.views v ON s.household_id = v.household_id GROUP BY s.store")
}

// A NULL stands beside a declared domain, so that its cell would be there by data alone.
func TestDomainsBesideNull(t *testing.T) {
	r := world(t, "strikes", "strikes", "strikes")
	r.Encoding = policy.EncodingProgram
	p := mustCompile(t, r, "SELECT size, count(*) FROM pool.strikes GROUP BY size")
	if len(p.Program.Releases[0].Keys[0].Values) == 0 {
		t.Error("the declared domain is lost")
	}
	for i := range r.Tables {
		for k := range r.Tables[i].Members {
			r.Tables[i].Members[k].Schema = columns(replaceOnce(t, schemas["strikes"], "size:varchar", "size:varchar?"))
		}
	}
	if p := mustCompile(t, r, "SELECT size, count(*) FROM pool.strikes GROUP BY size"); len(p.Program.Releases[0].Keys[0].Values) != 0 {
		t.Error("a cell for each declared value, and for NULL where there is one")
	}
}

// In lattice mode a release is the whole set, whatever the query says: conditions stand above it.
func TestLatticeReleasesTheWholeSet(t *testing.T) {
	r := world(t, "strikes", "strikes", "strikes")
	r.Encoding = policy.EncodingProgram
	sql := "SELECT upper(size) AS s, count(*) FILTER (WHERE size <> 'Small') FROM pool.strikes WHERE size <> 'Large' GROUP BY s"
	n := mustCompile(t, r, sql).Program.Releases[0]
	if n.Mode != policy.ModeLattice || n.From.Where != nil || n.Aggs[0].When != nil || len(n.Keys) != 1 || n.Keys[0].Expr.Op != policy.OpCol {
		t.Errorf("a part of the set is released: %+v", n)
	}
	condition := &policy.Expr{Op: policy.OpConst, Type: policy.Boolean, Value: "true"}
	for name, spoil := range map[string]func(*policy.ReleaseNode){
		"a condition on rows":      func(n *policy.ReleaseNode) { n.From.Where = condition },
		"a condition on aggregate": func(n *policy.ReleaseNode) { n.Aggs[0].When = condition },
	} {
		p := mustCompile(t, r, sql)
		spoil(&p.Program.Releases[0])
		if _, err := policy.DecodePlan(p.Encode()); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// A bound that the column's type has too few places for is that of the values within.
func TestBoundsBetweenPlaces(t *testing.T) {
	r := replaced(t, freeWorld(t), "retailer.sales", func(s policy.Source) policy.Source {
		return edited(t, s, "clamp: [0, 100000], scale: 2, bins: [10, 50, 100, 500]", "clamp: [0.005, 100000.005], scale: 3")
	})
	r.Purpose = "measurement"
	p := mustCompile(t, r, "SELECT sum(amount) FROM retailer.sales")
	if p.InputTexts([]string{"a"}) != nil {
		t.Error("rows are looked at twice")
	}
	sums := p.Sums()
	if len(sums) != 1 || len(sums[0].Columns) != 1 || sums[0].Columns[0].Lo != 1 || sums[0].Columns[0].Hi != 100000_00 || !sums[0].Columns[0].Checked {
		t.Errorf("%+v", sums)
	}
	p = mustCompile(t, r, "SELECT sum(total) FROM (SELECT household_id, sum(amount) AS total FROM retailer.sales GROUP BY household_id) AS h")
	for _, want := range []string{"'0.01'", "'100000.00'"} {
		if text := p.InputTexts([]string{"a"})[0].SQL(); !strings.Contains(text, want) {
			t.Errorf("no bound %s in %s", want, text)
		}
	}
}

// An owner counts to the asker's side by its own word alone, in every release of a program: not by a policy of another table.
func TestAffiliatesOfAnotherTable(t *testing.T) {
	r := freeWorld(t)
	group := "affiliates: [[" + fingerprint("a") + ", " + fingerprint("e") + "]]"
	var others []policy.Source
	for _, c := range []string{"1", "2", "3", "4"} {
		s := freeSource(t, c, "other"+c, "loans", "free-loans")
		s = edited(t, s, "from: ["+fingerprint("a")+", "+fingerprint("b")+", "+fingerprint("c")+"]", "from: ["+fingerprint("1")+", "+fingerprint("2")+", "+fingerprint("3")+", "+fingerprint("4")+"]")
		others = append(others, edited(t, s, "coalition: 1", "coalition: 1\n  "+group))
	}
	table := pool("pool.others", others...)
	table.Pool = digest("f")
	r.Tables = append(r.Tables, table)
	alone := "SELECT count(*) AS n FROM pool.others"
	mustCompile(t, r, alone)
	refusedAs(t, r, alone+" UNION ALL SELECT sum(employee_count) FROM pool.loans", "contributors/not-its-word")
}

// The older encoding has no rules for what is no lattice, and refuses it.
func TestOlderEncodingIsForLattices(t *testing.T) {
	r := freeWorld(t)
	r.Encoding = policy.Encoding
	for _, sql := range []string{"SELECT count(*) FROM pool.loans", "SELECT region, sum(rate) FROM pool.loans GROUP BY region"} {
		refusedAs(t, r, sql, "output/mode")
	}
	if policy.EncodingFor(r.Tables) != policy.EncodingProgram || policy.EncodingFor(world(t, "strikes", "strikes", "strikes").Tables) != policy.Encoding {
		t.Error("a contract would name another encoding than its policies need")
	}
}
