package policy_test

import (
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/policy"
)

// freeSchemas are the data sets of the corpus as its policies describe them: measures are exact numbers.
var freeSchemas = map[string]string{
	"loans":    "loan_id:int64 customer_id:varchar? region:varchar? product:varchar opened:date balance:decimal(18,2)? rate:decimal(9,3) defaulted:boolean employee_count:int32",
	"patients": schemas["patients"],
	"sales":    schemas["sales"],
	"views":    schemas["views"],
}

func freeSource(t testing.TB, c, owner, dataset, policyName string) policy.Source {
	return policy.Source{Owner: fingerprint(c), OwnerName: owner, Dataset: dataset, Version: "v1", Offer: digest(c),
		Schema: columns(freeSchemas[dataset]), Policy: readPolicy(t, policyName)}
}

// freeWorld is a request over the data sets of the corpus, under policies that take the whole grammar.
func freeWorld(t testing.TB) policy.Request {
	r := world(t)
	r.Encoding, r.Purpose = policy.EncodingProgram, "benchmarking"
	var loans, patients []policy.Source
	for i, bank := range []string{"bank_a", "bank_b", "bank_c"} {
		loans = append(loans, freeSource(t, string("abc"[i]), bank, "loans", "free-loans"))
		r.Tables = append(r.Tables, single(loans[i]))
	}
	for i, h := range []string{"hospital_a", "hospital_b"} {
		patients = append(patients, freeSource(t, string("78"[i]), h, "patients", "dp-patients"))
		r.Tables = append(r.Tables, single(patients[i]))
	}
	r.Tables = append(r.Tables, pool("pool.loans", loans...), pool("pool.patients", patients...),
		single(freeSource(t, "5", "retailer", "sales", "free-sales")), single(freeSource(t, "6", "media", "views", "free-views")))
	return r
}

// edited is a source whose policy reads otherwise.
func edited(t testing.TB, s policy.Source, old, new string) policy.Source {
	t.Helper()
	text := replaceOnce(t, string(s.Policy.Text()), old, new)
	p, err := policy.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	s.Policy = p
	return s
}

func replaceOnce(t testing.TB, text, old, new string) string {
	t.Helper()
	if strings.Count(text, old) != 1 {
		t.Fatalf("%q stands %d times", old, strings.Count(text, old))
	}
	return strings.Replace(text, old, new, 1)
}
