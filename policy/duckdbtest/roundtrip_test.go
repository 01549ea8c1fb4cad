//go:build cgo

package duckdbtest

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/policy"
)

var schema = []policy.Column{
	{Name: "report_id", Type: policy.Varchar, Nullable: true},
	{Name: "size", Type: policy.Varchar},
	{Name: "phase", Type: policy.Varchar, Nullable: true},
	{Name: "flown", Type: policy.Date, Nullable: true},
	{Name: "damaged", Type: policy.Boolean},
	{Name: "engines", Type: policy.Int32, Nullable: true},
	{Name: "cost", Type: policy.Int64, Nullable: true},
	{Name: "loss", Type: policy.Decimal(12, 2)},
	{Name: "speed", Type: policy.Int32, Nullable: true},
}

// fixture writes a Parquet file for each of three owners.
func fixture(t testing.TB, db *sql.DB) (refs []string) {
	dir := t.TempDir()
	for i, owner := range []string{"a", "b", "c"} {
		path := filepath.Join(dir, owner+".parquet")
		exec(t, db, `COPY (SELECT '`+owner+`' || (i // 2) AS report_id,
			['Small','Medium','Large'][1 + i % 3] AS size,
			CASE WHEN i % 7 = 0 THEN NULL ELSE ['Climb','Taxi','Parked'][1 + i % 3] END AS phase,
			CASE WHEN i % 11 = 0 THEN NULL ELSE DATE '2020-01-01' + CAST(i % 4 AS INTEGER) END AS flown,
			i % 2 = 0 AS damaged,
			CASE WHEN i % 5 = 0 THEN NULL ELSE CAST(i % 4 AS INTEGER) END AS engines,
			CASE WHEN i % 13 = 0 THEN NULL ELSE CAST(i * 37 AS BIGINT) END AS cost,
			CAST(i - 49.75 AS DECIMAL(12,2)) AS loss,
			CASE WHEN i % 3 = 0 THEN NULL ELSE CAST(i % 100 - 4 AS INTEGER) END AS speed
			FROM range(`+[]string{"300", "200", "100"}[i]+`) r(i)) TO '`+path+`' (FORMAT parquet)`)
		refs = append(refs, path)
	}
	return refs
}

func request(p *policy.Policy, q string) policy.Request {
	r := policy.Request{SQL: q, Requester: fingerprint("e"), Recipients: []string{fingerprint("e")}, Purpose: "safety",
		At: time.Date(2026, 5, 5, 0, 0, 0, 0, time.UTC)}
	table := policy.Table{Name: "pool.strikes", Pool: digest("1"), Epoch: 1}
	for _, o := range []string{"a", "b", "c"} {
		s := policy.Source{Owner: fingerprint(o), OwnerName: o, Dataset: "strikes", Version: "v1", Offer: digest(o), Schema: schema, Policy: p}
		table.Members = append(table.Members, s)
		r.Tables = append(r.Tables, policy.Table{Name: o + ".strikes", Members: []policy.Source{s}})
	}
	r.Tables = append(r.Tables, table)
	return r
}

func compile(t testing.TB, p *policy.Policy, q string) *policy.Plan {
	t.Helper()
	plan, err := policy.Compile(request(p, q))
	if err != nil {
		t.Fatalf("%v\n%s", err, q)
	}
	return plan
}

// queries use every operator of the grammar.
var queries = []string{
	"SELECT size, count(*), avg(cost) AS mean FROM pool.strikes GROUP BY size ORDER BY 2 DESC NULLS FIRST LIMIT 3 OFFSET 1",
	"SELECT upper(size) AS s, sum(cost)/count(*) FROM pool.strikes WHERE size <> 'La''rge' GROUP BY s HAVING count(*) > 10 ORDER BY s",
	"SELECT phase, sum(loss), avg(loss), count(loss), sum(speed), avg(speed) FROM pool.strikes GROUP BY phase",
	"SELECT count(*), sum(cost) FROM pool.strikes WHERE phase LIKE 'C%' OR phase ILIKE '%x_' OR phase IS NULL OR NOT (phase IN ('a','b')) OR NOT (phase LIKE 'q')",
	"SELECT CASE WHEN flown < DATE '2020-01-02' THEN 'early' WHEN flown = '2020-01-03' THEN 'mid' ELSE 'late' END AS w, count(*) FROM pool.strikes GROUP BY w",
	"SELECT damaged, round(sum(cost), -2), round(avg(loss)), floor(avg(loss)), ceil(count(*)), abs(sum(loss)), -sum(loss), -count(*), floor(count(*)) FROM pool.strikes WHERE damaged GROUP BY damaged",
	"SELECT engines, count(*) + 1, count(*) - count(cost), count(*) * 2.5, coalesce(sum(cost), 0), nullif(count(*), 5), if(count(*) > 3, 'many', 'few') FROM pool.strikes WHERE engines BETWEEN 1 AND 3 OR engines NOT BETWEEN 0 AND 2 GROUP BY engines",
	"SELECT coalesce(phase, 'none') || '-' || lower(trim(' x ')) AS p, count(*) FROM pool.strikes GROUP BY ALL HAVING sum(cost) IS NOT NULL AND NOT (count(*) = 4 AND sum(cost) > 1.5) ORDER BY count(*) / 2 DESC, p",
	"SELECT CAST(avg(loss) AS INTEGER), sum(loss)::varchar, CAST(count(*) AS DECIMAL(18,3)), count(*)::double, CAST('2020-01-01' AS DATE), NULL FROM pool.strikes",
	"SELECT size = 'Small' AS small, size IS NOT NULL, count(*) FROM pool.strikes GROUP BY 1, 2 HAVING NOT NOT (count(*) IS NULL) OR (size = 'Small') IS TRUE",
	"SELECT count(*) FROM pool.strikes WHERE 1 = 1 AND (size = 'a' AND (size = 'b' AND size = 'c')) AND (size = 'd' OR (size = 'e' OR NOT size = 'f'))",
	"SELECT size FROM pool.strikes GROUP BY size",
}

func TestTheEngineReadsCanonicalTextAsThePlan(t *testing.T) {
	db := open(t)
	for _, name := range []string{"strikes.yaml", "strikes-units.yaml"} {
		p := parsed(t, name)
		refs := []string{"/proc/self/fd/9", "/proc/self/fd/10", "/proc/self/fd/11"}
		for _, q := range queries {
			plan := compile(t, p, q)
			if err := plan.RecheckScan(refs, account(t, db, "json_serialize_sql", plan.ScanSQL(refs))); err != nil {
				t.Errorf("%s: scan of %s: %v\n%s", name, q, err, plan.ScanSQL(refs))
			}
			if err := plan.RecheckPost("released", account(t, db, "json_serialize_sql", plan.PostSQL("released"))); err != nil {
				t.Errorf("%s: post of %s: %v\n%s", name, q, err, plan.PostSQL("released"))
			}
		}
	}
}

// released makes an empty released table for the plan.
func released(t testing.TB, db *sql.DB, plan *policy.Plan) {
	t.Helper()
	sqlTypes := map[policy.Type]string{policy.Int64: "BIGINT", policy.Int32: "INTEGER"}
	var cols []string
	add := func(name string, typ policy.Type) {
		s := sqlTypes[typ]
		if s == "" {
			s = string(typ)
		}
		cols = append(cols, name+" "+s)
	}
	for i, d := range plan.Dims {
		add(fmt.Sprintf("d%d", i), d.Type)
	}
	for i := range plan.Bases {
		add(fmt.Sprintf("b%d", i), plan.BaseType(i))
	}
	exec(t, db, "CREATE OR REPLACE TABLE memory.main.released ("+strings.Join(cols, ", ")+")")
}

func TestTheBoundPlanReadsWhatThePlanOpens(t *testing.T) {
	db := open(t)
	refs := fixture(t, db)
	for _, name := range []string{"strikes.yaml", "strikes-units.yaml"} {
		p := parsed(t, name)
		for _, q := range queries {
			plan := compile(t, p, q)
			registerSums(t, db, plan)
			if err := plan.RecheckScanPlan(refs, account(t, db, "json_serialize_plan", plan.ScanSQL(refs))); err != nil {
				t.Errorf("%s: scan of %s: %v", name, q, err)
			}
			released(t, db, plan)
			if err := plan.RecheckPostPlan("released", account(t, db, "json_serialize_plan", plan.PostSQL("released"))); err != nil {
				t.Errorf("%s: post of %s: %v", name, q, err)
			}
			rows(t, db, plan.ScanSQL(refs))
			rows(t, db, plan.PostSQL("released"))
		}
	}
}
