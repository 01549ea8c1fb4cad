//go:build cgo

package duckdbtest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/policy"
)

const sumsPolicy = `
policy: 1
dataset: measures
unit: %s
columns:
  id: {roles: [unit]}
  k: {roles: [dimension, filter], values: [a, b, c]}
  f: {roles: [dimension, filter]}
%soutput: guard-free
guard: {min_units: 10, rounding: {count: 1, value_digits: 15}}
purposes: [research]
analysts: [` + "%s" + `]
operators: [` + "%s" + `]
evidence: {accept: [simulated], builds: ["%s"], perimeters: [process]}
valid: {from: 2026-01-01, until: 2027-01-01}
max_queries: {per_analyst: 1000, period: 30d}
`

// measured is a column of numbers: of a type, with a clamp, in whole numbers of 10^-scale.
type measured struct {
	typ, sql      string
	digits, scale int
	lo, hi        int64
	nullable      bool
}

var measuredColumns = []measured{
	{"int32", "INTEGER", 0, 0, -50, 50, false},
	{"int32", "INTEGER", 0, 2, 0, 5000, true},
	{"int64", "BIGINT", 0, 0, 0, 1 << 40, false},
	{"int64", "BIGINT", 0, 1, -1 << 30, -1 << 20, true},
	{"decimal(4,1)", "DECIMAL(4,1)", 1, 1, -999, 999, true},
	{"decimal(4,2)", "DECIMAL(4,2)", 2, 3, 5, 8005, false},
	{"decimal(9,2)", "DECIMAL(9,2)", 2, 2, 0, 100_000_000, false},
	{"decimal(9,4)", "DECIMAL(9,4)", 4, 4, -1_000_000, 3, true},
	{"decimal(18,2)", "DECIMAL(18,2)", 2, 2, 0, 1_000_000_000_000, false},
	{"decimal(18,2)", "DECIMAL(18,2)", 2, 2, -100, 100, false},
	{"decimal(18,6)", "DECIMAL(18,6)", 6, 6, 0, 100_000_000_000_000_000, true},
}

// asked is an aggregate of them, as an analyst writes it and as DuckDB's own aggregates say it.
type summed struct {
	op   string // sum, stddev
	a, b int    // b is -1 where it is no product
	when bool
}

func (s summed) query() string {
	x := fmt.Sprintf("m%d", s.a)
	if s.b >= 0 {
		x += fmt.Sprintf(" * m%d", s.b)
	}
	filter := ""
	if s.when {
		filter = " FILTER (WHERE f = 'x')"
	}
	return s.op + "(" + x + ")" + filter
}

// whole numbers of 10^-scale, 128 bits wide.
func whole(i int) string {
	m := measuredColumns[i]
	return fmt.Sprintf("CAST(CAST(m%d AS DECIMAL(28,%d)) * CAST('1%s' AS DECIMAL(%d,0)) AS HUGEINT)", i, m.digits, strings.Repeat("0", m.scale), m.scale+1)
}

// columns are the contributions, in their order.
func (s summed) columns(units string) (out []string) {
	x := whole(s.a)
	nullable := measuredColumns[s.a].nullable
	if s.b >= 0 {
		x += " * " + whole(s.b)
		nullable = nullable || measuredColumns[s.b].nullable
	}
	part, rest := "true", "false"
	if s.when {
		part, rest = "coalesce(f = 'x', false)", "NOT coalesce(f = 'x', false)"
	}
	if nullable {
		part, rest = part+" AND "+x+" IS NOT NULL", rest+" AND "+x+" IS NOT NULL"
	}
	of := func(agg, cond string) string { return fmt.Sprintf("coalesce(%s FILTER (WHERE %s), 0)", agg, cond) }
	counted := func(units, cond string) string { return "least(" + of(units, cond) + ", " + atMost(units) + ")" }
	squares := "0"
	if s.op == "stddev" {
		squares = of("sum("+x+" * "+x+")", part)
	}
	return []string{of("count(*)", part), counted(units, part), counted(units, rest), of("sum("+x+")", part), of("sum(abs("+x+"))", part), of("sum("+x+")", rest), of("sum(abs("+x+"))", rest), squares, of("count(*)", rest)}
}

// atMost: rows are counted as they are, units of a column up to the threshold.
func atMost(units string) string {
	if units == "count(*)" {
		return "1000000"
	}
	return "10"
}

func sumsWorld(t testing.TB, unit string) policy.Request {
	var list strings.Builder
	schema := []policy.Column{{Name: "id", Type: policy.Int64}, {Name: "k", Type: policy.Varchar}, {Name: "f", Type: policy.Varchar, Nullable: true}}
	for i, m := range measuredColumns {
		fmt.Fprintf(&list, "  m%d: {roles: [measure], aggregates: [count, sum, avg, stddev, median, quantile_cont], clamp: [%s, %s], scale: %d}\n", i, decimalText(m.lo, m.scale), decimalText(m.hi, m.scale), m.scale)
		schema = append(schema, policy.Column{Name: fmt.Sprintf("m%d", i), Type: policy.Type(m.typ), Nullable: m.nullable})
	}
	p, err := policy.Parse([]byte(fmt.Sprintf(sumsPolicy, unit, list.String(), fingerprint("e"), fingerprint("0"), digest("b"))))
	if err != nil {
		t.Fatal(err)
	}
	return policy.Request{Encoding: policy.EncodingProgram, Requester: fingerprint("e"), Recipients: []string{fingerprint("e")}, Operator: fingerprint("0"), Purpose: "research", At: time.Date(2026, 5, 5, 0, 0, 0, 0, time.UTC),
		Tables: []policy.Table{{Name: "a.measures", Members: []policy.Source{{Owner: fingerprint("a"), OwnerName: "a", Dataset: "measures", Version: "v1", Offer: digest("a"), Schema: schema, Policy: p}}}}}
}

func decimalText(n int64, scale int) string {
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	s := fmt.Sprintf("%0*d", scale+1, n)
	if scale == 0 {
		return sign + s
	}
	return sign + s[:len(s)-scale] + "." + s[len(s)-scale:]
}

// value is one of the type, between the bounds: often one of them.
func (m measured) value(random *rand.Rand) string {
	step := int64(1) // of what the type has no places for
	for range m.scale - m.digits {
		step *= 10
	}
	n := m.lo + random.Int64N(m.hi-m.lo+1)
	switch random.IntN(6) {
	case 0:
		n = m.lo
	case 1:
		n = m.hi
	}
	switch n -= ((n % step) + step) % step; {
	case m.nullable && random.IntN(4) == 0:
		return "NULL"
	case n < m.lo:
		n += step
	}
	return fmt.Sprintf("CAST('%s' AS %s)", decimalText(n, m.scale), m.sql)
}

// Every contribution to random aggregates of random rows is what DuckDB's own aggregates of 128-bit whole numbers say: with NULLs, values
// at the bounds, conditions, groups, more measures than one aggregate of the engine takes, and units of rows or of a column.
func TestSumsAgainstDuckDB(t *testing.T) {
	random := rand.New(rand.NewPCG(56, 2))
	for unit, distinct := range map[string]string{"{column: id, rows_are_units: true}": "count(*)", "{column: id}": "count(DISTINCT id)"} {
		r := sumsWorld(t, unit)
		fused, plain := 0, 0
		for range 15 {
			db := open(t)
			path := filepath.Join(t.TempDir(), "rows.parquet")
			var lines []string
			for range 200 + random.IntN(300) {
				row := []string{fmt.Sprint(random.IntN(150)), "'" + string("abc"[random.IntN(3)]) + "'", []string{"'x'", "'y'", "NULL"}[random.IntN(3)]}
				for _, m := range measuredColumns {
					row = append(row, m.value(random))
				}
				lines = append(lines, "("+strings.Join(row, ", ")+")")
			}
			names := "id, k, f"
			types := "CAST(id AS BIGINT) AS id, k, f"
			for i, m := range measuredColumns {
				names += fmt.Sprintf(", m%d", i)
				types += fmt.Sprintf(", CAST(m%d AS %s) AS m%d", i, m.sql, i)
			}
			exec(t, db, "COPY (SELECT "+types+" FROM (VALUES "+strings.Join(lines, ", ")+") AS t("+names+")) TO '"+path+"' (FORMAT parquet)")
			var list []summed
			var queries, want []string
			for len(list) < 1+random.IntN(12) {
				s := summed{"sum", random.IntN(len(measuredColumns)), random.IntN(len(measuredColumns)+6) - 6, random.IntN(3) == 0}
				if s.b = max(s.b, -1); s.b < 0 && random.IntN(4) == 0 {
					s.op = "stddev"
				}
				if slices.Contains(list, s) || s.b >= 0 && slices.Contains(list, summed{s.op, s.b, s.a, s.when}) {
					break
				}
				list = append(list, s)
			}
			for i, s := range list {
				queries = append(queries, fmt.Sprintf("%s AS x%d", s.query(), i))
			}
			grouped := random.IntN(3) > 0
			r.SQL = "SELECT " + strings.Join(queries, ", ") + " FROM a.measures"
			key, group := "", ""
			if grouped {
				r.SQL, key, group = "SELECT k, "+strings.Join(queries, ", ")+" FROM a.measures GROUP BY k", "k, ", " GROUP BY k"
			}
			p, err := policy.Compile(r)
			if err != nil {
				continue // a product that leaves no room
			}
			registerSums(t, db, p)
			n := p.Program.Releases[0]
			for _, a := range n.Aggs {
				if i := slices.IndexFunc(list, func(s summed) bool { return s.is(a, n) }); i >= 0 {
					want = append(want, list[i].columns(distinct)...)
				} else {
					t.Fatalf("%s: what is %+v", r.SQL, a)
				}
			}
			text := p.ReleaseText(0, []string{path}).SQL()
			got := rows(t, db, "SELECT "+key2(grouped)+strings.Join(contributed(len(n.Aggs)), ", ")+" FROM ("+text+") WHERE NOT coalesce(dishonest, false) ORDER BY ALL")
			naive := rows(t, db, "SELECT "+key+strings.Join(want, ", ")+" FROM read_parquet('"+path+"')"+group+" ORDER BY ALL")
			if !slices.Equal(got, naive) {
				t.Fatalf("%s\n%s\n%s\n%s\n%s", r.SQL, strings.Join(got, "\n"), strings.Join(naive, "\n"), text, strings.Join(want, ", "))
			}
			if strings.Contains(text, `"sum"(`) {
				plain++
			}
			fused += strings.Count(text, `"sums_`)
			os.Remove(path)
		}
		if fused == 0 || plain == 0 {
			t.Errorf("%d in one pass, %d wider: the test shows too little", fused, plain)
		}
	}
}

// Quantiles of one source come with its contributions, and are those of DuckDB over the same rows.
func TestQuantilesOfOneSource(t *testing.T) {
	db := open(t)
	r := sumsWorld(t, "{column: id, rows_are_units: true}")
	r.SQL = "SELECT k, sum(m6), median(m8), quantile_cont(m10, 0.9), median(m0) FILTER (WHERE f = 'x') FROM a.measures WHERE k <> 'b' GROUP BY k"
	p, err := policy.Compile(r)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rows.parquet")
	exec(t, db, "COPY (SELECT i AS id, chr(CAST(97 + i % 3 AS INTEGER)) AS k, CASE WHEN i % 7 > 1 THEN 'x' WHEN i % 7 > 0 THEN 'y' END AS f, CAST(i % 90 AS INTEGER) - 45 AS m0, CAST(i % 777 AS DECIMAL(9,2)) AS m6, "+
		"CAST(i * 7919 % 100003 AS DECIMAL(18,2)) AS m8, CASE WHEN i % 5 > 0 THEN CAST(i * 48271 % 99991 AS DECIMAL(18,6)) END AS m10 FROM range(5000) t(i)) TO '"+path+"' (FORMAT parquet)")
	registerSums(t, db, p)
	if _, more := p.QuantileText(0, []string{path}); more || p.OwnQuantiles(0) != 3 {
		t.Errorf("%d quantiles, others %t", p.OwnQuantiles(0), more)
	}
	var names, want []string
	for j, a := range p.Program.Releases[0].Aggs {
		if a.Op != policy.AggQuantile {
			continue
		}
		names = append(names, fmt.Sprintf("q%d", j))
		x := p.Program.Releases[0].From.Reads[a.Arg.Index].Column
		filter := ""
		if a.When != nil {
			filter = " FILTER (WHERE f = 'x')"
		}
		want = append(want, "quantile_cont(CAST("+x+" AS DOUBLE), "+a.Q+")"+filter)
	}
	got := rows(t, db, "SELECT d0, "+strings.Join(names, ", ")+" FROM ("+p.ReleaseText(0, []string{path}).SQL()+") ORDER BY ALL")
	naive := rows(t, db, "SELECT k, "+strings.Join(want, ", ")+" FROM read_parquet('"+path+"') WHERE k <> 'b' GROUP BY k ORDER BY ALL")
	if len(names) != 3 || len(got) != 2 || !slices.Equal(got, naive) {
		t.Errorf("%s\n%s", strings.Join(got, "\n"), strings.Join(naive, "\n"))
	}
}

// Quantiles of whole numbers are, to the last of a DOUBLE's digits but one, those of the numbers with a point: of every type, with NULL,
// with few rows and many, and where values are the largest that the type has, which no clamp allows.
func TestQuantilesOfWholeNumbers(t *testing.T) {
	db := open(t)
	r := sumsWorld(t, "{column: id, rows_are_units: true}")
	whole := map[int]bool{}
	for i, m := range measuredColumns {
		whole[i] = m.typ == "int32" || m.typ == "int64" || strings.HasPrefix(m.typ, "decimal(4") || strings.HasPrefix(m.typ, "decimal(9")
	}
	path := filepath.Join(t.TempDir(), "rows.parquet")
	for _, rowCount := range []int{1, 2, 7, 30, 5001} {
		columns := "i AS id, chr(CAST(97 + i % 3 AS INTEGER)) AS k, 'x' AS f"
		for i, m := range measuredColumns {
			most := strings.Repeat("9", 9)
			var precision int
			if n, _ := fmt.Sscanf(m.typ, "decimal(%d", &precision); n == 1 {
				most = strings.Repeat("9", precision)
			}
			x := fmt.Sprintf("CASE WHEN random() < 0.1 THEN %s ELSE CAST(random() * %s AS HUGEINT) END", most, most)
			x = "(CASE WHEN random() < 0.5 THEN 1 ELSE -1 END) * " + x
			if m.digits > 0 {
				x = fmt.Sprintf("CAST(%s AS DECIMAL(19,0)) * CAST('0.%s1' AS DECIMAL(%d,%d))", x, strings.Repeat("0", m.digits-1), m.digits+1, m.digits)
			}
			if m.nullable {
				x = "CASE WHEN random() < 0.3 THEN NULL ELSE " + x + " END"
			}
			columns += fmt.Sprintf(", CAST(%s AS %s) AS m%d", x, m.sql, i)
		}
		exec(t, db, fmt.Sprintf("COPY (SELECT %s FROM range(%d) t(i)) TO '%s' (FORMAT parquet)", columns, rowCount, path))
		for i := range measuredColumns {
			for _, q := range []string{"0.5", "0.9", "0.37"} {
				r.SQL = fmt.Sprintf("SELECT k, quantile_cont(m%d, %s) FROM a.measures GROUP BY k", i, q)
				p, err := policy.Compile(r)
				if err != nil {
					t.Fatal(err)
				}
				registerSums(t, db, p)
				text := p.ReleaseText(0, []string{path}).SQL()
				if strings.Contains(text, "AS DOUBLE), CAST('"+q) == whole[i] {
					t.Errorf("%s: %s", measuredColumns[i].typ, text)
				}
				n := fmt.Sprintf("q%d", slices.IndexFunc(p.Program.Releases[0].Aggs, func(a policy.Agg) bool { return a.Op == policy.AggQuantile }))
				wrong := rows(t, db, fmt.Sprintf(`SELECT d0, %s, w FROM (%s) JOIN (SELECT k, quantile_cont(CAST(m%d AS DOUBLE), %s) AS w FROM read_parquet('%s') GROUP BY k) ON d0 = k
					WHERE (%s IS NULL) <> (w IS NULL) OR abs(%s - w) > 4e-16 * greatest(abs(w), abs(%s)) + 1e-15 * (SELECT max(abs(CAST(m%d AS DOUBLE))) FROM read_parquet('%s'))`, n, text, i, q, path, n, n, n, i, path))
				if len(wrong) > 0 {
					t.Errorf("%s, %s of %d rows: %v", measuredColumns[i].typ, q, rowCount, wrong)
				}
			}
		}
	}
}

func key2(grouped bool) string {
	if grouped {
		return "d0, "
	}
	return ""
}

func contributed(aggs int) (out []string) {
	for j := range aggs {
		for k := range policy.ContributedColumns {
			out = append(out, fmt.Sprintf("coalesce(a%d_%d, 0)", j, k))
		}
	}
	return out
}

// is: the aggregate is this one. Factors of a product may stand either way.
func (s summed) is(a policy.Agg, n policy.ReleaseNode) bool {
	if string(a.Op) != s.op || (a.When != nil) != s.when {
		return false
	}
	name := func(i int) string { return n.From.Reads[i].Column }
	if a.Arg.Op == policy.OpMul {
		x, y := name(a.Arg.Args[0].Index), name(a.Arg.Args[1].Index)
		b := fmt.Sprintf("m%d", s.b)
		return s.b >= 0 && (x == fmt.Sprintf("m%d", s.a) && y == b || y == fmt.Sprintf("m%d", s.a) && x == b)
	}
	return s.b < 0 && name(a.Arg.Index) == fmt.Sprintf("m%d", s.a)
}
