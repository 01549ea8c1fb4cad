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

// Vectors of docs/spec/plan-1.md. Each success names a query of this file and holds the plan's bytes as text.
type vectors struct {
	Success []planVector `json:"success"`
	Failure []planFault  `json:"failure"`
}

type planVector struct {
	Comment      string `json:"comment"`
	Plan         string `json:"plan"`
	Digest       string `json:"digest"`
	Salt         string `json:"salt"`
	SaltedDigest string `json:"salted_digest"`
}

type planFault struct {
	Comment string `json:"comment"`
	Plan    string `json:"plan"`
}

const vectorFile = "testdata/vectors/plan-1.json"

func vectorPlans(t testing.TB) map[string]*policy.Plan {
	t.Helper()
	out := map[string]*policy.Plan{}
	add := func(comment, requester, q string, policies ...string) {
		r := world(t, policies...)
		r.Requester, r.Recipients, r.SQL = fingerprint(requester), []string{fingerprint(requester)}, q
		p, err := policy.Compile(r)
		if err != nil {
			t.Fatal(err)
		}
		out[comment] = p
	}
	add("counts and means by a declared domain", "e", "SELECT size, count(*) AS n, avg(cost) AS mean FROM pool.strikes GROUP BY size", "strikes", "strikes", "strikes")
	add("every clause; text that JSON libraries like to escape", "e", "SELECT upper(phase) AS \"<&>\u2028é\", sum(cost)/count(*) FROM pool.strikes WHERE phase <> '\"\\\t' AND phase IS NOT NULL GROUP BY 1 HAVING count(*) >= 2.50 ORDER BY 2 DESC NULLS FIRST LIMIT 0 OFFSET 3", "strikes", "strikes", "strikes")
	add("merged guard with affiliates of the asker", "f", "SELECT size, sum(cost) FROM pool.strikes GROUP BY size", "strikes-strict", "strikes", "strikes")
	add("an owner's own data", "a", "SELECT crew, count(DISTINCT report_id) FROM alpha.strikes GROUP BY crew", "strikes-units")
	add("one data set without contributor rules", "e", "SELECT count(*) FROM alpha.strikes", "strikes-alone")
	return out
}

func makeVectors(t *testing.T) vectors {
	v := vectors{}
	plans := vectorPlans(t)
	for _, comment := range []string{"counts and means by a declared domain", "every clause; text that JSON libraries like to escape",
		"merged guard with affiliates of the asker", "an owner's own data", "one data set without contributor rules"} {
		p, salt := plans[comment], bytes.Repeat([]byte{0x5a}, 32)
		v.Success = append(v.Success, planVector{comment, string(p.Encode()), p.Digest(), hex.EncodeToString(salt), p.SaltedDigest(salt)})
	}
	base, all := v.Success[0].Plan, v.Success[1].Plan
	for _, f := range []struct{ comment, plan, old, new string }{
		{"white space", base, `{"encoding"`, `{ "encoding"`},
		{"trailing newline", base, "", "\n"},
		{"trailing value", base, "", "{}"},
		{"unknown field", base, `{"encoding"`, `{"more":1,"encoding"`},
		{"field in another case", base, `"purpose"`, `"Purpose"`},
		{"field twice", base, `"purpose":"research"`, `"purpose":"research","purpose":"research"`},
		{"fields in another order", base, `"encoding":"plan/1","purpose":"research"`, `"purpose":"research","encoding":"plan/1"`},
		{"missing field", base, `"purpose":"research",`, ``},
		{"null for a list", base, `"order_by":[]`, `"order_by":null`},
		{"null for an optional", base, `"offset":0`, `"limit":null,"offset":0`},
		{"float", base, `"offset":0`, `"offset":0.0`},
		{"exponent", base, `"offset":0`, `"offset":0e0`},
		{"negative zero", base, `"offset":0`, `"offset":-0`},
		{"negative offset", base, `"offset":0`, `"offset":-1`},
		{"other encoding", base, `"plan/1"`, `"plan/2"`},
		{"encoding of another version", base, `"plan/1"`, `"plan/3"`},
		{"escaped where plain is canonical", base, `"research"`, `"\u0072esearch"`},
		{"escaped angle bracket", all, `"<&>`, `"\u003c&>`},
		{"asker not sorted", v.Success[2].Plan, `"asker":["cordon1aaaa`, `"asker":["cordon1zaaa`},
		{"no asker", base, `"asker":["cordon1` + strings.Repeat("e", 64) + `"]`, `"asker":[]`},
		{"columns that are not those of the plan", base, `"columns":["cost","size"]`, `"columns":["cost","crew","size"]`},
		{"fewer columns than the plan reads", base, `"columns":["cost","size"]`, `"columns":["size"]`},
		{"one offer twice", base, "sha256:" + strings.Repeat("b", 64), "sha256:" + strings.Repeat("a", 64)},
		{"one data set with two sources", base, `"pool":"sha256:` + strings.Repeat("e", 64) + `","epoch":3,`, ``},
		{"unknown mode", base, `"mode":"lattice"`, `"mode":"free"`},
		{"own mode under a guard", base, `"mode":"lattice"`, `"mode":"own"`},
		{"lattice mode without a guard", v.Success[3].Plan, `"mode":"own"`, `"mode":"lattice"`},
		{"zero units", base, `"min_units":10`, `"min_units":0`},
		{"share past 100", base, `"max_share_pct":50`, `"max_share_pct":101`},
		{"no rounding of counts", base, `"round_count":5`, `"round_count":0`},
		{"sixteen digits", base, `"value_digits":4`, `"value_digits":16`},
		{"base of no measure", base, `{"op":"sum","measure":0}`, `{"op":"sum","measure":1}`},
		{"count of a measure", base, `{"op":"count","measure":-1}`, `{"op":"count","measure":0}`},
		{"unknown base", base, `{"op":"sum","measure":0}`, `{"op":"max","measure":0}`},
		{"base twice", base, `{"op":"sum","measure":0}`, `{"op":"count","measure":-1}`},
		{"clamp upside down", base, `"lo":0,"hi":20000000`, `"lo":5,"hi":4`},
		{"measure that is no exact number", base, `"type":"int64","nullable":true,"scale":0`, `"type":"double","nullable":true,"scale":0`},
		{"domain not sorted", base, `["Large","Medium","Small"]`, `["Medium","Large","Small"]`},
		{"dimension above the release", base, `{"op":"key","type":"varchar","index":0}`, `{"op":"dim","type":"varchar","index":0}`},
		{"base below the release", base, `"group":[{"op":"dim","type":"varchar","index":0}]`, `"group":[{"op":"base","type":"int64","index":0}]`},
		{"key out of range", base, `{"op":"key","type":"varchar","index":0}`, `{"op":"key","type":"varchar","index":1}`},
		{"key of another type", base, `{"op":"key","type":"varchar","index":0}`, `{"op":"key","type":"int64","index":0}`},
		{"average of two counts", base, `{"op":"base","type":"decimal(38,0)","index":1}`, `{"op":"base","type":"int64","index":0}`},
		{"operator of another type", all, `{"op":"upper","type":"varchar"`, `{"op":"upper","type":"int64"`},
		{"unknown operator", all, `{"op":"upper"`, `{"op":"md5"`},
		{"constant that is not canonical", all, `"type":"decimal(3,2)","index":0,"value":"2.50"`, `"type":"decimal(3,2)","index":0,"value":"2.5"`},
		{"condition that is none", all, `"having":{"op":"ge","type":"boolean"`, `"having":{"op":"ge","type":"int64"`},
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

func TestVectors(t *testing.T) {
	if *update {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetIndent("", " ")
		if err := e.Encode(makeVectors(t)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(vectorFile, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(b, &v); err != nil || len(v.Success) == 0 || len(v.Failure) == 0 {
		t.Fatal("no vectors", err)
	}
	plans := vectorPlans(t)
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
		if p.SaltedDigest([]byte("other")) == s.SaltedDigest || p.SaltedDigest(nil) == p.Digest() {
			t.Errorf("%s: the salt does not count", s.Comment)
		}
	}
	for _, f := range v.Failure {
		if p, err := policy.DecodePlan([]byte(f.Plan)); err == nil || p != nil {
			t.Errorf("%s: accepted", f.Comment)
		}
	}
}
