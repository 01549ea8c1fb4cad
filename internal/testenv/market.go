package testenv

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
	"github.com/cordon-exchange/cordon/statement"
)

// Names of the market's data.
const (
	Pool       = "strikes"
	Purpose    = "safety-benchmarking"
	UnitColumn = "report_id" // made by publishing
	Schema     = "size:varchar!,cost:int64!"
)

// Market is owners with one pool, six unless a test says otherwise, and an institute that owns nothing.
type Market struct {
	*Env
	Owners    []*Party
	Institute *Party
	Pool      *api.Pool
	Contract  statement.Digest // of the institute over the pool; granted by all
	more      map[int]int      // rows more that the next version of an owner has
}

// NewMarket starts everybody, publishes, forms the pool and agrees on a contract. There is no host yet.
func (e *Env) NewMarket() *Market {
	e.Helper()
	return e.NewMarketUnder(func(policy string) string { return policy })
}

// NewMarketUnder is NewMarket with a policy that was changed.
func (e *Env) NewMarketUnder(change func(policy string) string) *Market {
	e.Helper()
	policy := func(m *Market) string { return change(m.policy()) }
	return e.newMarket(Schema, (*Market).csv, policy, "alpha", "bravo", "charlie", "delta", "echo", "foxtrot")
}

// newMarket does so with other owners, whose files csv writes.
func (e *Env) newMarket(schema string, csv func(*Market, int) string, policy func(*Market) string, owners ...string) *Market {
	e.Helper()
	m := &Market{Env: e}
	for _, name := range owners {
		m.Owners = append(m.Owners, e.Party(name, Pool))
	}
	m.Institute = e.Party("institute")
	for i, o := range m.Owners {
		_, err := o.publish(e.Context(), csv(m, i), Pool, policy(m), schema)
		e.Must(err)
	}
	m.form(e.Context())
	c, err := m.Institute.Propose(e.Context(), time.Hour, "pool."+Pool)
	e.Must(err)
	if len(c.Missing) > 0 {
		e.Fatalf("not granted by %v", c.Missing)
	}
	m.Contract = c.Digest
	return m
}

// Sizes and who has rows of them. No size of three owners meets the policy's min of four; the union of the last two does.
var sizes = []struct {
	name        string
	first, last int
}{{"Large", 0, 5}, {"Medium", 0, 2}, {"Small", 0, 5}, {"Unknown", 3, 5}}

// rowsEach is the number of rows of an owner for each size that it has.
const rowsEach = 20

// cost of owner n's rows of a size.
func cost(size string, n int) int { return len(size)*1000 + n }

// csv writes the rows of owner n.
func (m *Market) csv(n int) string {
	var b strings.Builder
	b.WriteString("size,cost\n")
	for range m.more[n] {
		fmt.Fprintf(&b, "%s,%d\n", sizes[0].name, cost(sizes[0].name, n))
	}
	for _, s := range sizes {
		for i := 0; i < rowsEach && n >= s.first && n <= s.last; i++ {
			fmt.Fprintf(&b, "%s,%d\n", s.name, cost(s.name, n))
		}
	}
	path := filepath.Join(m.dir, fmt.Sprintf("owner-%d.csv", n))
	m.Must(os.WriteFile(path, []byte(b.String()), 0o600))
	return path
}

func (m *Market) policy() string {
	var owners []string
	for _, o := range m.Owners {
		owners = append(owners, string(o.Fingerprint()))
	}
	day := func(d int) string { return time.Now().AddDate(0, 0, d).UTC().Format(time.DateOnly) }
	return fmt.Sprintf(`policy: 1
dataset: strikes
unit: {column: report_id, rows_are_units: true}
columns:
  report_id: {roles: [unit]}
  size: {roles: [dimension, filter], values: [Large, Medium, Small, Unknown]}
  cost: {roles: [measure], aggregates: [count, sum, avg], clamp: [0, 1000000], scale: 0}
output: {lattice: [[], [size]]}
guard:
  min_units: 10
  contributors: {min: 4, max_share_pct: 50, p_percent: 10, from: [%[1]s]}
  coalition: 1
  rounding: {count: 5, value_digits: 4}
purposes: [%[2]s]
analysts: [%[3]s, %[1]s]
operators: [%[4]s]
evidence: {accept: [simulated], builds: ["%[5]s"], perimeters: [%[6]s]}
valid: {from: %[7]s, until: %[8]s}
max_queries: {per_analyst: 200, period: 30d}
price: 3
standing:
  - {analysts: [%[3]s], purposes: [%[2]s], until: %[8]s, max_contracts: 20}
`, strings.Join(owners, ", "), Purpose, m.Institute.Fingerprint(), m.Operator.Fingerprint(), Build, Form, day(-1), day(30))
}

// form proposes the pool's first epoch, and waits until all have signed.
func (m *Market) form(ctx context.Context) {
	m.Helper()
	in := api.PoolPropose{Name: Pool}
	for _, o := range m.Owners {
		in.Members = append(in.Members, o.Name+"."+Pool)
		in.Pins = append(in.Pins, o.pin())
	}
	var p api.Pool
	m.Must(m.Owners[0].Call(ctx, api.PathPoolPropose, in, &p))
	m.Until("all members have signed the pool", func() bool {
		var l api.Pools
		m.Must(m.Owners[0].Call(ctx, api.PathPools, api.PoolList{Name: Pool}, &l))
		if len(l.Pools) == 1 && len(l.Pools[0].Missing) == 0 {
			m.Pool = &l.Pools[0]
		}
		return m.Pool != nil
	})
}
