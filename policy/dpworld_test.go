package policy

import (
	"math/big"
	"strings"
	"time"
)

func cols(spec string) (out []Column) {
	for _, f := range strings.Fields(spec) {
		name, typ, _ := strings.Cut(f, ":")
		plain := strings.TrimSuffix(typ, "?")
		out = append(out, Column{Name: name, Type: Type(plain), Nullable: plain != typ})
	}
	return out
}

func fpr(c string) string { return "cordon1" + strings.Repeat(c, 64) }

// corpusPolicy builds a policy of the corpus. rules: name=roles[;bins=..][;grain=..][;only=left3|floor10]
func corpusPolicy(dataset, unit, domain string, mode outputMode, g guardRule, purposes string, rules string, joins ...joinRule) *Policy {
	p := &Policy{dataset: dataset, unit: unitRule{column: unit, domain: domain}, columns: map[string]columnRule{}, output: mode, guard: g,
		purposes: []string{purposes}, analysts: []string{Any}, operators: []string{fpr("d")}, joins: joins,
		from: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), until: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)}
	for _, r := range strings.Fields(rules) {
		parts := strings.Split(r, ";")
		name, roles, _ := strings.Cut(parts[0], "=")
		c := columnRule{name: name}
		for _, role := range strings.Split(roles, ",") {
			c.unit = c.unit || role == "unit"
			c.dimension, c.filter = c.dimension || role == "dim", c.filter || role == "dim"
			if strings.HasPrefix(role, "measure") {
				c.measure, c.aggregates, c.clamp = true, []string{"count", "sum", "avg", "stddev", "median", "quantile_cont"}, [2]int64{0, 1 << 40}
				c.scale = int(role[len(role)-1] - '0')
			}
		}
		for _, o := range parts[1:] {
			k, v, _ := strings.Cut(o, "=")
			switch {
			case k == "bins":
				for _, b := range strings.Split(v, ",") {
					c.bins = append(c.bins, scalar{text: b})
				}
			case k == "grain":
				c.grain = v
			case v == "left3":
				c.onlyAs = onlyAs{"left", 3}
			case v == "floor10":
				c.onlyAs = onlyAs{"floor", 10}
			}
		}
		p.columns[name] = c
		p.order = append(p.order, name)
	}
	return p
}

func corpusRequest() Request {
	banks := []string{fpr("a"), fpr("b"), fpr("c")}
	loansGuard := guardRule{minUnits: 10, hasContributors: true, minContributors: 3, maxSharePct: 50, pPercent: 10, coalition: 1, from: banks, roundCount: 5, valueDigits: 4}
	r := Request{Requester: fpr("e"), Recipients: []string{fpr("e")}, Purpose: "x", Encoding: EncodingProgram,
		At: time.Date(2026, 5, 5, 0, 0, 0, 0, time.UTC), Operator: fpr("d")}
	src := func(c, owner, dataset, schema string, p *Policy) Source {
		return Source{Owner: fpr(c), OwnerName: owner, Dataset: dataset, Version: "v1", Offer: "sha256:" + strings.Repeat(c, 64), Schema: cols(schema), Policy: p}
	}
	var loans, patients []Source
	for i, n := range []string{"bank_a", "bank_b", "bank_c"} {
		p := corpusPolicy("loans", "customer_id", "", outputGuardFree, loansGuard, "benchmarking",
			"loan_id= customer_id=unit region=dim product=dim opened=dim;grain=month defaulted=dim balance=measure2;bins=1000,10000,50000,250000 rate=measure3;bins=3,6,9 employee_count=measure0;bins=10,50,250")
		loans = append(loans, src(string("abc"[i]), n, "loans", "loan_id:int64 customer_id:varchar? region:varchar? product:varchar opened:date balance:decimal(18,2)? rate:decimal(9,3) defaulted:boolean employee_count:int32", p))
	}
	for i, n := range []string{"hospital_a", "hospital_b"} {
		p := corpusPolicy("patients", "patient_id", "patient", outputDP, guardRule{minUnits: 1, roundCount: 1, valueDigits: 15}, "public-health",
			"patient_id=unit zip=dim;only=left3 birth_year=dim;only=floor10 sex=dim diagnosis=dim cost=measure2", joinRule{with: "hospital_a.patients", on: []string{"patient_id"}, inner: true}, joinRule{with: "hospital_b.patients", on: []string{"patient_id"}, inner: true})
		p.dp = &dpRule{epsilonMaxQuery: big.NewRat(1, 1), epsilon: big.NewRat(10, 1), delta: big.NewRat(1, 1000000), maxGroupsPerUnit: 3, maxRowsPerUnit: defaultMaxRows}
		patients = append(patients, src(string("78"[i]), n, "patients", "patient_id:varchar zip:varchar birth_year:int32 sex:varchar diagnosis:varchar cost:decimal(12,2)", p))
	}
	sales := src("5", "retailer", "sales", "household_id:varchar? store:varchar sku:varchar day:date amount:decimal(12,2)", corpusPolicy("sales", "household_id", "household", outputGuardFree, guardRule{minUnits: 25, roundCount: 5, valueDigits: 4}, "measurement",
		"household_id=unit store=dim sku=dim day=dim;grain=week amount=measure2;bins=10,50,100,500", joinRule{with: "media.views", on: []string{"household_id"}, inner: true, left: true}))
	views := src("6", "media", "views", "household_id:varchar? campaign:varchar day:date impressions:int32", corpusPolicy("views", "household_id", "household", outputGuardFree, guardRule{minUnits: 25, roundCount: 5, valueDigits: 4}, "measurement",
		"household_id=unit campaign=dim day=dim;grain=week impressions=measure0;bins=1,3,5,10,50", joinRule{with: "retailer.sales", on: []string{"household_id"}, inner: true, left: true}))
	pool := func(name, d string, m []Source) Table {
		return Table{Name: name, Pool: "sha256:" + strings.Repeat(d, 64), Epoch: 1, Members: m}
	}
	for _, s := range append(append(append([]Source{}, loans...), patients...), sales, views) {
		r.Tables = append(r.Tables, Table{Name: s.name(), Members: []Source{s}})
	}
	r.Tables = append(r.Tables, pool("pool.loans", "1", loans), pool("pool.patients", "2", patients))
	return r
}
