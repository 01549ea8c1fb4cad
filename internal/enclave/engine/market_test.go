package engine

import (
	"context"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/privacy"
	"github.com/cordon-exchange/cordon/result"
)

// row is one record of an owner; nil is NULL.
type row struct {
	customer, size, phase *string
	cost                  *int64 // cents
	pax                   *int64
	day                   *string
}

// market is data of several owners that agree on a policy.
type market struct {
	rows    [][]row // by owner
	policy  string  // text, with %s for the list of owners
	schema  []policy.Column
	request func(*policy.Request)
}

func fingerprint(owner int) string { return fmt.Sprintf("cordon1%064x", owner+1) }

const outsider = "cordon1ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

const reportsAreUnits = `
policy: 1
dataset: strikes
unit: {column: customer, rows_are_units: true}
columns:
  customer: {roles: [unit]}
  size: {roles: [dimension, filter], values: [Large, Medium, Small]}
  phase: {roles: [dimension, filter]}
  day: {roles: [dimension]}
  cost: {roles: [measure], aggregates: [sum, avg, count], clamp: [-50000, 200000], scale: 2}
  pax: {roles: [measure], aggregates: [sum, avg, count], clamp: [0, 1000000000000], scale: 0}
output: {lattice: [[size], [phase], [day], []]}
guard: {min_units: 10, contributors: {min: 5, max_share_pct: 50, p_percent: 10, from: [%s]}, coalition: 1, rounding: {count: 5, value_digits: 4}}
purposes: [safety]
analysts: [any]
operators: [` + outsider + `]
evidence: {accept: [simulated], builds: [sha256:0000000000000000000000000000000000000000000000000000000000000000], perimeters: [process]}
valid: {from: 2026-01-01, until: 2027-01-01}
max_queries: {per_analyst: 200, period: 30d}
`

var strikesSchema = []policy.Column{
	{Name: "customer", Type: policy.Varchar, Nullable: true}, {Name: "size", Type: policy.Varchar}, {Name: "phase", Type: policy.Varchar, Nullable: true},
	{Name: "cost", Type: policy.Decimal(15, 2), Nullable: true}, {Name: "pax", Type: policy.Int64, Nullable: true}, {Name: "day", Type: policy.Date, Nullable: true},
}

func ptr[T any](v T) *T { return &v }

// newMarket makes rows that give cells of every kind: held, hidden for each reason, empty.
func newMarket(owners int, seed uint64) *market {
	m := &market{policy: reportsAreUnits, schema: strikesSchema, rows: make([][]row, owners), request: func(*policy.Request) {}}
	r := rand.New(rand.NewPCG(seed, 1))
	phases := []string{"Approach", "Climb", "Descent", "Parked", "Taxi", "It's \"odd\", é"}
	for o := range owners {
		for range 40 + r.IntN(200) {
			one := row{customer: ptr(fmt.Sprint(r.IntN(60))), size: ptr([]string{"Large", "Medium", "Small"}[min(r.IntN(4), 2)]), day: ptr(fmt.Sprintf("2026-01-%02d", 1+r.IntN(3)))}
			if p := r.IntN(7); p < len(phases) {
				if p != 3 || o < 3 {
					one.phase = &phases[p]
				}
			}
			if r.IntN(5) > 0 {
				one.cost = ptr(r.Int64N(2_000_000) - 500_000)
			}
			if r.IntN(3) > 0 {
				one.pax = ptr(r.Int64N(1_000_000_000_000))
			}
			if r.IntN(20) == 0 {
				one.customer = nil
			}
			m.rows[o] = append(m.rows[o], one)
		}
	}
	return m
}

func (m *market) parsed(t testing.TB) *policy.Policy {
	t.Helper()
	var from []string
	for o := range m.rows {
		from = append(from, fingerprint(o))
	}
	p, err := policy.Parse([]byte(fmt.Sprintf(m.policy, strings.Join(from, ", "))))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (m *market) compile(t testing.TB, sql string) *policy.Plan {
	t.Helper()
	p := m.parsed(t)
	table := policy.Table{Name: "pool.strikes", Pool: "sha256:" + strings.Repeat("0", 64), Epoch: 1}
	if strings.Contains(sql, "owner0.strikes") {
		table = policy.Table{Name: "owner0.strikes"}
	}
	for o := range m.rows {
		table.Members = append(table.Members, policy.Source{Owner: fingerprint(o), OwnerName: fmt.Sprintf("owner%d", o), Dataset: "strikes", Version: "v1",
			Offer: fmt.Sprintf("sha256:%064x", o+1), Schema: m.schema, Policy: p})
	}
	req := policy.Request{SQL: sql, Tables: []policy.Table{table}, Requester: outsider, Recipients: []string{outsider}, Purpose: "safety", At: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)}
	m.request(&req)
	plan, err := policy.Compile(req)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// columns of an owner as the plan opens them.
func columnsOf(rows []row, want []string) []column {
	text := func(s *string) string {
		if s == nil {
			return null
		}
		return *s
	}
	number := func(n *int64, scale int) string {
		if n == nil {
			return null
		}
		return result.FormatDecimal(big.NewInt(*n), scale)
	}
	all := map[string]column{
		"customer": {typ: arrow.BinaryTypes.String}, "size": {typ: arrow.BinaryTypes.String}, "phase": {typ: arrow.BinaryTypes.String}, "day": {typ: arrow.FixedWidthTypes.Date32},
		"cost": {typ: &arrow.Decimal128Type{Precision: 15, Scale: 2}}, "pax": {typ: arrow.PrimitiveTypes.Int64},
	}
	var out []column
	for _, name := range want {
		c := all[name]
		c.name = name
		for _, r := range rows {
			c.values = append(c.values, map[string]string{"customer": text(r.customer), "size": text(r.size), "phase": text(r.phase), "day": text(r.day),
				"cost": number(r.cost, 2), "pax": number(r.pax, 0)}[name])
		}
		out = append(out, c)
	}
	return out
}

func (m *market) files(t testing.TB, plan *policy.Plan) []string {
	t.Helper()
	var paths []string
	for o, rows := range m.rows {
		paths = append(paths, memFile(t, parquetBytes(t, columnsOf(rows, plan.Sources[o].Columns)...)))
	}
	return paths
}

func (m *market) run(t testing.TB, sql string) *result.Table {
	t.Helper()
	plan := m.compile(t, sql)
	got, err := bind(t, m.files(t, plan)...).Run(context.Background(), plan)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// cellsOf counts contributions without SQL: by key of the rows, for one base each.
func (m *market) cellsOf(keyOf func(row) (privacy.Value, bool), value func(row) *int64, counting bool) map[string]*privacy.Cell {
	out := map[string]*privacy.Cell{}
	for o, rows := range m.rows {
		parts, missing := map[string]*privacy.Part{}, map[string]*privacy.Part{}
		for _, r := range rows {
			key, ok := keyOf(r)
			if !ok {
				continue
			}
			id := identity([]privacy.Value{key})
			if out[id] == nil {
				out[id] = &privacy.Cell{Key: []privacy.Value{key}}
			}
			v, target := value(r), parts
			if v == nil {
				v, target = ptr(int64(0)), missing
			}
			if counting {
				v = ptr(int64(1))
			}
			p := target[id]
			if p == nil {
				p = &privacy.Part{Owner: o, Value: new(big.Int), Weight: new(big.Int)}
				target[id] = p
			}
			p.Units++
			p.Value.Add(p.Value, big.NewInt(*v))
			p.Weight.Add(p.Weight, new(big.Int).Abs(big.NewInt(*v)))
		}
		for id, p := range parts {
			out[id].Parts = append(out[id].Parts, *p)
		}
		if counting {
			for id, p := range missing {
				out[id].Complement = append(out[id].Complement, *p)
			}
		}
	}
	return out
}
