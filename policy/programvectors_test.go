package policy_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/policy"
)

const programVectorFile = "testdata/vectors/plan-2.json"

// programQueries are the queries of the vectors of docs/spec/plan-2.md, by what they show.
var programQueries = []struct{ comment, purpose, sql string }{
	{"conditions, means and an order", "benchmarking", "SELECT product, count(*) FILTER (WHERE defaulted) AS bad, avg(rate) AS \"<&>\u2028é\" FROM pool.loans WHERE balance >= 10000 GROUP BY product ORDER BY bad DESC NULLS FIRST LIMIT 0 OFFSET 3"},
	{"subtotals, of which units are released again", "benchmarking", "SELECT region, count(*) AS n, count(DISTINCT customer_id) AS u, median(rate), grouping(region) FROM pool.loans GROUP BY ROLLUP (region)"},
	{"sums of each unit", "benchmarking", "WITH p AS (SELECT customer_id, sum(balance) AS owed FROM pool.loans GROUP BY customer_id) SELECT count(*), sum(owed), quantile_cont(owed, 0.9) FROM p WHERE owed >= 50000"},
	{"a join with units that have no partner", "measurement", "WITH seen AS (SELECT DISTINCT household_id FROM media.views) SELECT seen.household_id IS NULL AS unseen, sum(s.amount) FROM retailer.sales s LEFT JOIN seen ON s.household_id = seen.household_id GROUP BY unseen"},
	{"windows, joins and unions of released tables", "benchmarking", "WITH t AS (SELECT product, date_trunc('year', opened) AS y, sum(balance * rate) AS n FROM pool.loans GROUP BY product, y), u AS (SELECT product, n FROM t UNION ALL SELECT 'x', 1.5 FROM t) SELECT a.product, sum(a.n) OVER (PARTITION BY a.product ORDER BY a.n ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM u a JOIN t b ON a.product = b.product"},
}

func programPlans(t testing.TB) map[string]*policy.Plan {
	t.Helper()
	out := map[string]*policy.Plan{}
	for _, q := range programQueries {
		r := freeWorld(t)
		r.Purpose = q.purpose

		out[q.comment] = mustCompile(t, r, q.sql)
	}
	return out
}

func makeProgramVectors(t *testing.T) vectors {
	v := vectors{}
	plans := programPlans(t)
	text := map[string]string{}
	for _, q := range programQueries {
		p, salt := plans[q.comment], bytes.Repeat([]byte{0x5a}, 32)
		text[q.comment] = string(p.Encode())
		v.Success = append(v.Success, planVector{q.comment, string(p.Encode()), p.Digest(), hex.EncodeToString(salt), p.SaltedDigest(salt)})
	}
	base, totals, units, join, above := v.Success[0].Plan, v.Success[1].Plan, v.Success[2].Plan, v.Success[3].Plan, v.Success[4].Plan
	for _, f := range []struct{ comment, plan, old, new string }{
		{"white space", base, `{"encoding"`, `{ "encoding"`},
		{"white space within", base, `,"program"`, `, "program"`},
		{"trailing newline", base, "", "\n"},
		{"trailing value", base, "", "{}"},
		{"unknown field", base, `"asker"`, `"more":1,"asker"`},
		{"unknown field in a release", base, `"keys":[`, `"more":1,"keys":[`},
		{"field in another case", base, `"purpose"`, `"Purpose"`},
		{"field twice", base, `"purpose":"benchmarking"`, `"purpose":"benchmarking","purpose":"benchmarking"`},
		{"encoding of another version", base, `"plan/2"`, `"plan/3"`},
		{"a program under the older name", base, `"plan/2"`, `"plan/1"`},
		{"fields of plan/1", base, `"program":`, `"post":{},"program":`},
		{"no program", base, base[strings.Index(base, `,"program"`):], `}`},
		{"null for a list", join, `"affiliates":[]`, `"affiliates":null`},
		{"float", base, `"offset":3`, `"offset":3.0`},
		{"source that nothing reads", base, `"sources":[0,1,2]`, `"sources":[0,1]`},
		{"source out of range", base, `"sources":[0,1,2]`, `"sources":[0,1,3]`},
		{"source twice in a table", base, `"sources":[0,1,2]`, `"sources":[0,1,1]`},
		{"column that nothing reads", base, `"columns":["balance","customer_id","defaulted","product","rate"]},{"owner":"` + fingerprint("b"), `"columns":["balance","customer_id","defaulted","product","rate","region"]},{"owner":"` + fingerprint("b")},
		{"unit that is not opened", base, `"columns":["balance","customer_id","defaulted","product","rate"]},{"owner":"` + fingerprint("b"), `"columns":["balance","defaulted","product","rate"]},{"owner":"` + fingerprint("b")},
		{"table out of range", join, `"table":1`, `"table":2`},
		{"no guard", base, `"min_units":10`, `"min_units":0`},
		{"no rounding of counts", base, `"round_count":5`, `"round_count":0`},
		{"mode without rules", base, `"mode":"guard"`, `"mode":"free"`},
		{"own mode with a guard", base, `"mode":"guard"`, `"mode":"own"`},
		{"lattice mode with conditions", base, `"mode":"guard"`, `"mode":"lattice"`},
		{"noise without a rule", base, `"mode":"guard"`, `"mode":"dp"`},
		{"clamped without noise", base, `"hi":100000000000`, `"hi":100000000000,"clamp":true`},
		{"condition that is none", base, `"where":{"op":"ge","type":"boolean"`, `"where":{"op":"ge","type":"int64"`},
		{"column out of range", base, `"when":{"op":"col","type":"boolean","index":3}`, `"when":{"op":"col","type":"boolean","index":9}`},
		{"column of another type", base, `"when":{"op":"col","type":"boolean","index":3}`, `"when":{"op":"col","type":"boolean","index":0}`},
		{"no aggregate", join, `"aggs":[{"op":"sum","arg":{"op":"col","type":"decimal(12,2)","index":0},"scale":2}]`, `"aggs":[]`},
		{"unknown aggregate", join, `"aggs":[{"op":"sum"`, `"aggs":[{"op":"max"`},
		{"scale that is not the column's", units, `"scale":2,"q":"0.9"`, `"scale":1,"q":"0.9"`},
		{"quantile at the end", units, `"q":"0.9"`, `"q":"0.96"`},
		{"quantile that is not one", units, `"q":"0.9"`, `"q":"9e-1"`},
		{"distinct units of units", units, `"aggs":[{"op":"sum"`, `"aggs":[{"op":"count_units"},{"op":"sum"`},
		{"survivors of a later release", totals, `"within":{"release":0,"agg":1}`, `"within":{"release":2,"agg":0}`},
		{"survivors of another aggregate", totals, `"within":{"release":0,"agg":1}`, `"within":{"release":0,"agg":7}`},
		{"domain beside NULL", totals, `"keys":[{"expr":{"op":"col","type":"varchar","index":0}}]`, `"keys":[{"expr":{"op":"col","type":"varchar","index":0},"values":["N"]}]`},
		{"release out of range", join, `"op":"release","release":0`, `"op":"release","release":1`},
		{"a column of rows in the result", above, `"op":"window","type":"double","index":0,"value":"sum"`, `"op":"dim","type":"double","index":0`},
		{"unknown window", above, `"value":"sum"`, `"value":"list"`},
		{"frame that is not canonical", above, `rows between 1 preceding`, `rows between 01 preceding`},
		{"unknown operator", join, `{"op":"not"`, `{"op":"md5"`},
		{"two columns of one name", totals, `"name":"u"`, `"name":"N"`},
	} {
		bad := strings.Replace(f.plan, f.old, f.new, 1)
		if f.old == "" {
			bad = f.plan + f.new
		}
		if bad == f.plan {
			t.Fatalf("%s changes nothing", f.comment)
		}
		v.Failure = append(v.Failure, planFault{f.comment, bad})
	}
	return v
}

func TestProgramVectors(t *testing.T) {
	if *update {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetIndent("", " ")
		if err := e.Encode(makeProgramVectors(t)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(programVectorFile, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(programVectorFile)
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(b, &v); err != nil || len(v.Success) != len(programQueries) || len(v.Failure) == 0 {
		t.Fatal("no vectors", err)
	}
	plans := programPlans(t)
	for _, s := range v.Success {
		p, err := policy.DecodePlan([]byte(s.Plan))
		if err != nil {
			t.Fatalf("%s: %v", s.Comment, err)
		}
		salt, err := hex.DecodeString(s.Salt)
		if err != nil {
			t.Fatal(err)
		}
		if string(p.Encode()) != s.Plan || p.Digest() != s.Digest || p.SaltedDigest(salt) != s.SaltedDigest {
			t.Errorf("%s: encoding or digest differs", s.Comment)
		}
		if string(plans[s.Comment].Encode()) != s.Plan {
			t.Errorf("%s: the compiler gives another plan", s.Comment)
		}
	}
	for _, f := range v.Failure {
		t.Run(f.Comment, func(t *testing.T) {
			if p, err := policy.DecodePlan([]byte(f.Plan)); err == nil || p != nil {
				t.Error("accepted")
			}
		})
	}
}

// A divisor stands twice in the text, so a small plan could be a huge statement.
func TestDecodedProgramBombs(t *testing.T) {
	for name, twice := range map[string]func(x, one policy.Expr) policy.Expr{
		"division": func(x, one policy.Expr) policy.Expr {
			return policy.Expr{Op: policy.OpDiv, Type: policy.Double, Args: []policy.Expr{one, x}}
		},
		"band": func(x, _ policy.Expr) policy.Expr {
			return policy.Expr{Op: policy.OpBand, Type: policy.Int64, Value: "10", Args: []policy.Expr{x}}
		},
	} {
		p := mustCompile(t, freeWorld(t), "SELECT count(*) AS n FROM pool.loans")
		x := p.Program.Result.Select[0].Expr
		for range 60 {
			x = twice(x, policy.Expr{Op: policy.OpConst, Type: policy.Int64, Value: "1"})
		}
		p.Program.Result.Select[0].Expr = x
		if _, err := policy.DecodePlan(p.Encode()); err == nil {
			t.Errorf("%s: a plan whose text would double 60 times is accepted", name)
		}
	}
}
