//go:build cgo

package duckdbtest

import (
	"bytes"
	"database/sql"
	"flag"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/policy"
)

var update = flag.Bool("update", false, "rewrite the engine's accounts that package canon is tested with")

// The accounts that package canon is tested with, without cgo, are this engine's.
func TestAccountsAreCurrent(t *testing.T) {
	db := open(t)
	p := parsed(t, "strikes-units.yaml")
	refs := []string{"/proc/self/fd/9", "/proc/self/fd/10", "/proc/self/fd/11"}
	for i, q := range queries {
		plan := compile(t, p, q)
		for kind, text := range map[string]string{"scan": plan.ScanSQL(refs), "post": plan.PostSQL("released")} {
			file := filepath.Join("..", "internal", "canon", "testdata", fmt.Sprintf("%s-%02d.json", kind, i))
			got := account(t, db, "json_serialize_sql", text)
			if *update {
				if err := os.WriteFile(file, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != string(want) {
				t.Errorf("%s is not what the engine says today; run with -update", file)
			}
		}
	}
}

// contribution is what a scan must say of one key and source, computed row by row in Go.
type contribution struct {
	rows, n   int64
	units     map[string]bool
	withValue map[string]bool
	without   map[string]bool
	sum, abs  *big.Int
}

// TestScanAgainstGo recomputes every contribution from the raw rows.
func TestScanAgainstGo(t *testing.T) {
	db := open(t)
	refs := fixture(t, db)
	exec(t, db, "COPY (SELECT * REPLACE (CASE WHEN speed = 7 THEN NULL ELSE report_id END AS report_id) FROM read_parquet('"+refs[0]+"')) TO '"+refs[0]+"2' (FORMAT parquet)")
	refs[0] += "2"
	measures := map[string]int{"loss": 3, "speed": 1, "cost": 0}
	for _, name := range []string{"strikes.yaml", "strikes-units.yaml"} {
		for measure, scale := range measures {
			for _, dim := range []string{"size", "phase", "flown", "damaged", "engines"} {
				plan := compile(t, parsed(t, name), "SELECT "+dim+", sum("+measure+"), count(*) FROM pool.strikes GROUP BY "+dim)
				got := scanned(t, db, plan, refs)
				var want []string
				for i, ref := range refs {
					raw := rows(t, db, "SELECT "+dim+", report_id, "+measure+" FROM read_parquet('"+ref+"')")
					want = append(want, contributions(t, raw, i, scale, name == "strikes.yaml")...)
				}
				slices.Sort(got)
				slices.Sort(want)
				if !slices.Equal(got, want) {
					t.Errorf("%s of %s by %s:\n%s\nwant\n%s", name, measure, dim, strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
			}
		}
	}
}

func contributions(t *testing.T, raw []string, src, scale int, rowsAreUnits bool) (out []string) {
	cells := map[string]*contribution{}
	for i, line := range raw {
		f := strings.Split(line, "|")
		if !rowsAreUnits && f[1] == "<nil>" {
			continue // a row without a unit counts nowhere
		}
		unit := f[1]
		if rowsAreUnits {
			unit = strconv.Itoa(i)
		}
		c := cells[f[0]]
		if c == nil {
			c = &contribution{units: map[string]bool{}, withValue: map[string]bool{}, without: map[string]bool{}, sum: new(big.Int), abs: new(big.Int)}
			cells[f[0]] = c
		}
		c.rows++
		c.units[unit] = true
		if f[2] == "<nil>" {
			c.without[unit] = true
			continue
		}
		c.n++
		c.withValue[unit] = true
		v := scaled(t, f[2], scale)
		c.sum.Add(c.sum, v)
		c.abs.Add(c.abs, new(big.Int).Abs(v))
	}
	number := func(units map[string]bool) int {
		if rowsAreUnits {
			return len(units)
		}
		return min(len(units), 10) // the policies' threshold
	}
	for key, c := range cells {
		out = append(out, fmt.Sprintf("%s|%d|%d|%d|false|%d|%d|%d|%v|%v", key, src, c.rows, number(c.units), c.n, number(c.withValue), number(c.without), c.sum, c.abs))
	}
	return out
}

// scaled reads a decimal as an integer of 10^-scale.
func scaled(t *testing.T, s string, scale int) *big.Int {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		t.Fatalf("not a number: %s", s)
	}
	r.Mul(r, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)))
	if !r.IsInt() {
		t.Fatalf("%s does not fit scale %d", s, scale)
	}
	return new(big.Int).Set(r.Num())
}

func post(t *testing.T, db *sql.DB, q, values string) []string {
	t.Helper()
	plan := compile(t, parsed(t, "strikes.yaml"), q)
	released(t, db, plan)
	exec(t, db, "INSERT INTO memory.main.released VALUES "+values)
	return rows(t, db, plan.PostSQL("released"))
}

func TestPost(t *testing.T) {
	db := open(t)
	for name, c := range map[string]struct {
		sql, released string
		want          []string
	}{
		"declared keys stay, suppressed and marked": {"SELECT size, count(*) FROM pool.strikes GROUP BY size",
			"('Small', 10), ('Large', NULL), ('Medium', 5)",
			[]string{"Large|<nil>|false|true", "Medium|5|false|false", "Small|10|false|false"}},
		"other keys go with their last base": {"SELECT phase, count(*), sum(cost) FROM pool.strikes GROUP BY phase",
			"('Climb', 10, NULL), ('Taxi', NULL, NULL), (NULL, NULL, NULL)",
			[]string{"Climb|10|<nil>|false|false|true"}},
		"a total adds up what is shown": {"SELECT count(*), sum(cost) FROM pool.strikes WHERE size <> 'Medium'",
			"('Small', 10, 7), ('Large', 5, NULL), ('Medium', 100, 100)", []string{"15|7|false|false"}},
		"a total of nothing is suppressed": {"SELECT count(*) FROM pool.strikes WHERE size = 'None'",
			"('Small', 10)", []string{"<nil>|true"}},
		"an average takes cells that show both": {"SELECT avg(cost) FROM pool.strikes",
			"('Climb', 300, 100), ('Taxi', 1000000, NULL), ('Parked', NULL, 5)", []string{"3|false"}},
		"an average keeps four digits": {"SELECT size, avg(cost) FROM pool.strikes GROUP BY size",
			"('Small', 10000000, 3), ('Large', 2, 3), ('Medium', 0, 0)",
			[]string{"Large|0.6667|false|false", "Medium|<nil>|false|false", "Small|3.333e+06|false|false"}},
		"HAVING on a suppressed value is not true": {"SELECT size FROM pool.strikes GROUP BY size HAVING count(*) > 7 OR NOT count(*) > 7",
			"('Small', 10), ('Large', NULL), ('Medium', 5)", []string{"Medium|false", "Small|false"}},
		"division by zero": {"SELECT size, count(*) / (count(*) - 10) FROM pool.strikes GROUP BY size",
			"('Small', 10), ('Large', 20)", []string{"Large|2|false|false", "Small|<nil>|false|false"}},
		"failing casts": {"SELECT CAST(sum(cost) AS integer), CAST(upper(size) AS integer) FROM pool.strikes GROUP BY size",
			"('Small', 99999999999)", []string{"<nil>|<nil>|false|false"}},
		"order, limit, offset; ties by key": {"SELECT size, count(*) FROM pool.strikes GROUP BY size ORDER BY 2 DESC LIMIT 2 OFFSET 1",
			"('Small', 10), ('Large', 10), ('Medium', 20)", []string{"Large|10|false|false", "Small|10|false|false"}},
		"keys are functions of dimensions": {"SELECT CASE WHEN size = 'Large' THEN 'L' ELSE 'other' END AS s, count(*) FROM pool.strikes GROUP BY s",
			"('Small', 10), ('Large', 5), ('Medium', 20)", []string{"L|5|false|false", "other|30|false|false"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := post(t, db, c.sql, c.released); !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// Averages are rounded as strconv does it: an independent program can recompute each bit.
func TestAverageDigits(t *testing.T) {
	db := open(t)
	for s := int64(1); s < 1e9; s = s*3 + 7 {
		for _, n := range []int64{5, 35, 640, 99995} {
			want, err := strconv.ParseFloat(strconv.FormatFloat(float64(s)/float64(n), 'e', 3, 64), 64)
			if err != nil {
				t.Fatal(err)
			}
			got := post(t, db, "SELECT avg(cost) FROM pool.strikes GROUP BY size", fmt.Sprintf("('Small', %d, %d)", s, n))
			if got[0] != fmt.Sprintf("%v|false", want) {
				t.Fatalf("%d/%d gives %s, want %v", s, n, got[0], want)
			}
		}
	}
}

// What the engine says of another text, file, column or type is an alarm.
func TestDisagreement(t *testing.T) {
	db := open(t)
	refs := fixture(t, db)
	p := parsed(t, "strikes.yaml")
	plan := compile(t, p, "SELECT size, sum(cost) FROM pool.strikes WHERE size = 'Small' GROUP BY size")
	registerSums(t, db, plan)
	scan, text := plan.ScanSQL(refs), plan.PostSQL("released")
	sums := `"` + plan.Sums()[0].Name() + `"`
	released(t, db, plan)
	refuse := func(name string, err error) {
		if err == nil {
			t.Errorf("%s: no alarm", name)
		}
	}
	told := func(function, s string) []byte {
		b := account(t, db, function, s)
		if bytes.Contains(b, []byte(`"error":true`)) {
			t.Fatalf("the engine refuses %s: %s", s, b)
		}
		return b
	}
	parse := func(s string) []byte { return told("json_serialize_sql", s) }
	bind := func(s string) []byte { return told("json_serialize_plan", s) }
	refuse("other constant", plan.RecheckPost("released", parse(strings.Replace(text, "'Small'", "'Large'", 1))))
	refuse("other table", plan.RecheckPost("released", parse(strings.Replace(text, `"released"`, `"other"`, 1))))
	refuse("no WHERE", plan.RecheckScan(refs, parse(scan+" HAVING true")))
	refuse("max for its sums", plan.RecheckScan(refs, parse(strings.Replace(scan, sums, `"max"`, 1))))
	refuse("count for sum", plan.RecheckScan(refs, parse(strings.Replace(scan, `'s0'`, `'rows'`, 1))))
	refuse("unqualified", plan.RecheckScan(refs, parse(strings.Replace(scan, `"system"."main".`+sums, sums, 1))))
	refuse("other file", plan.RecheckScan(refs, parse(strings.Replace(scan, refs[0], refs[1], 1))))
	refuse("UNION for UNION ALL", plan.RecheckScan(refs, parse(strings.Replace(scan, "UNION ALL", "UNION", 1))))
	refuse("two statements", plan.RecheckScan(refs, parse(scan+"; SELECT 1")))
	refuse("no statement", plan.RecheckScan(refs, parse("-- nothing")))
	refuse("bound: other file", plan.RecheckScanPlan(refs, bind(strings.Replace(scan, refs[0], refs[1], 1))))
	refuse("bound: one more column", plan.RecheckScanPlan(refs, bind(strings.Replace(scan, sums+`("t"."cost")`, sums+`(CAST("t"."engines" AS BIGINT))`, 1))))
	refuse("bound: other function", plan.RecheckScanPlan(refs, bind(strings.Replace(scan, sums+`("t"."cost"), 'bad')`, `"mode"({'bad': "t"."cost" < 0}), 'bad')`, 1))))
	refuse("bound: window", plan.RecheckPostPlan("released", bind(strings.Replace(text, "SELECT ", "SELECT row_number() OVER (), ", 1))))
	refuse("bound: join", plan.RecheckPostPlan("released", bind(`SELECT * FROM memory.main.released a, memory.main.released b`)))
	exec(t, db, "CREATE TABLE memory.main.other AS FROM memory.main.released")
	refuse("bound: other table", plan.RecheckPostPlan("released", bind(strings.Replace(text, `"released"`, `"other"`, 1))))
	exec(t, db, "COPY (SELECT * REPLACE (CAST(cost AS INTEGER) AS cost) FROM read_parquet('"+refs[0]+"')) TO '"+refs[0]+"3' (FORMAT parquet)")
	other := append([]string{refs[0] + "3"}, refs[1:]...)
	refuse("bound: other physical type", plan.RecheckScanPlan(other, bind(plan.ScanSQL(other))))
	if err := plan.RecheckScanPlan(refs, bind(scan)); err != nil {
		t.Error(err)
	}
}

// A macro that shadows a function does not change canonical text.
func TestMacrosDoNotShadow(t *testing.T) {
	db := open(t)
	refs := fixture(t, db)
	plan := compile(t, parsed(t, "strikes.yaml"), "SELECT size, sum(cost), count(cost) FROM pool.strikes GROUP BY size")
	before := scanned(t, db, plan, refs)
	for _, m := range []string{`sum(x) AS max(x)`, `"*"(a, b) AS a`, `count(x) AS 1`, `min(x) AS 0`, `read_parquet(x) AS TABLE SELECT 1`} {
		_, _ = db.Exec("CREATE OR REPLACE MACRO " + m)
	}
	after := scanned(t, db, plan, refs)
	slices.Sort(before)
	slices.Sort(after)
	if !slices.Equal(before, after) {
		t.Error("a macro changed the answer")
	}
}

// A query that names no column reads the unit's, also where the policy says that each row is a unit: no row counts that
// nobody has read. So it is for one's own data.
func TestNoColumn(t *testing.T) {
	db := open(t)
	refs := fixture(t, db) // with two rows to a unit, against the policy's word
	p, err := policy.Parse([]byte(strings.Replace(string(read(t, "strikes.yaml")), "[[size]", "[[], [size]", 1)))
	if err != nil {
		t.Fatal(err)
	}
	own := request(p, "SELECT count(*) FROM pool.strikes")
	own.Requester, own.Recipients = fingerprint("a"), []string{fingerprint("a")}
	for i := range own.Tables {
		own.Tables[i].Members = own.Tables[i].Members[:1]
	}
	ownPlan, err := policy.Compile(own)
	if err != nil || ownPlan.Mode != policy.ModeOwn {
		t.Fatal(err)
	}
	capped, exact := []string{"0|300|10|false", "1|200|10|false", "2|100|10|false"}, []string{"0|300|150|false"}
	for _, plan := range []*policy.Plan{compile(t, p, "SELECT count(*) FROM pool.strikes"), ownPlan} {
		all := capped
		if plan == ownPlan {
			all = exact
		}
		if len(plan.Dims) != 0 || !slices.Equal(plan.Columns(digest("a")), []string{"report_id"}) {
			t.Fatalf("%s: opens %v", plan.Mode, plan.Columns(digest("a")))
		}
		mine := refs[:len(plan.Sources)]
		if err := plan.RecheckScanPlan(mine, account(t, db, "json_serialize_plan", plan.ScanSQL(mine))); err != nil {
			t.Error(plan.Mode, err)
		}
		if got := scanned(t, db, plan, mine); !slices.Equal(got, all[:len(mine)]) {
			t.Error(plan.Mode, got)
		}
	}
}
