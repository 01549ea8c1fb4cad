package policy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/policy"
)

func fingerprint(c string) string { return "cordon1" + strings.Repeat(c, 64) }
func digest(c string) string      { return "sha256:" + strings.Repeat(c, 64) }

func readPolicy(t testing.TB, name string) *policy.Policy {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "policies", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Parse(b)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return p
}

func columns(spec string) (out []policy.Column) {
	for _, f := range strings.Fields(spec) {
		name, typ, _ := strings.Cut(f, ":")
		plain := strings.TrimSuffix(typ, "?")
		out = append(out, policy.Column{Name: name, Type: policy.Type(plain), Nullable: plain != typ})
	}
	return out
}

var schemas = map[string]string{
	"strikes":  "report_id:varchar size:varchar phase:varchar? damage:varchar crew:varchar? cost:int64? speed:decimal(5,1)",
	"loans":    "loan_id:int64 customer_id:varchar? region:varchar? product:varchar opened:date balance:decimal(18,2)? rate:double defaulted:boolean employee_count:int32",
	"patients": "patient_id:varchar zip:varchar birth_year:int32 sex:varchar diagnosis:varchar cost:decimal(12,2)",
	"sales":    "household_id:varchar? store:varchar sku:varchar day:date amount:decimal(12,2)",
	"views":    "household_id:varchar? campaign:varchar day:date impressions:int32",
}

func source(t testing.TB, c, owner, dataset, policyName string) policy.Source {
	return policy.Source{Owner: fingerprint(c), OwnerName: owner, Dataset: dataset, Version: "v1", Offer: digest(c),
		Schema: columns(schemas[dataset]), Policy: readPolicy(t, policyName)}
}

func pool(name string, members ...policy.Source) policy.Table {
	return policy.Table{Name: name, Pool: digest("e"), Epoch: 3, Members: members}
}

func single(s policy.Source) policy.Table {
	return policy.Table{Name: s.OwnerName + "." + s.Dataset, Members: []policy.Source{s}}
}

// world is a request over all data sets of the tests; a, b and c own strikes under the policies named.
func world(t testing.TB, strikes ...string) policy.Request {
	t.Helper()
	r := policy.Request{Requester: fingerprint("e"), Recipients: []string{fingerprint("e")}, Purpose: "research",
		At: time.Date(2026, 5, 5, 0, 0, 0, 0, time.UTC), Operator: fingerprint("d")}
	names := []string{"alpha", "bravo", "delta"}
	var members []policy.Source
	for i, p := range strikes {
		s := source(t, string("abc"[i]), names[i], "strikes", p)
		members = append(members, s)
		r.Tables = append(r.Tables, single(s))
	}
	if len(members) > 0 {
		r.Tables = append(r.Tables, pool("pool.strikes", members...))
	}
	return r
}

func corpusWorld(t testing.TB) policy.Request {
	r := world(t)
	var loans, patients []policy.Source
	for i, bank := range []string{"bank_a", "bank_b", "bank_c"} {
		loans = append(loans, source(t, string("abc"[i]), bank, "loans", "loans"))
		r.Tables = append(r.Tables, single(loans[i]))
	}
	for i, h := range []string{"hospital_a", "hospital_b"} {
		patients = append(patients, source(t, string("78"[i]), h, "patients", "patients"))
		r.Tables = append(r.Tables, single(patients[i]))
	}
	r.Tables = append(r.Tables, pool("pool.loans", loans...), pool("pool.patients", patients...),
		single(source(t, "5", "retailer", "sales", "sales")), single(source(t, "6", "media", "views", "views")))
	return r
}
