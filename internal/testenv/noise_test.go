package testenv

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/fault"
	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/receipt"
	"github.com/cordon-exchange/cordon/statement"
)

// Under differential privacy: the noise is about as wide as one unit is, the same question has the same answer and is charged
// once, others are answered until the budget ends, and answers leave at ticks.
func TestNoiseThroughTheExchange(t *testing.T) {
	t.Parallel()
	const rule = "output: dp\ntiming: tick 1s\ndp: {epsilon_max_query: 1, epsilon: 10, delta: 0.000001, max_groups_per_unit: 1, max_rows_per_unit: 1}"
	m := New(t).NewMarketUnder(func(p string) string { return strings.Replace(p, "output: {lattice: [[], [size]]}", rule, 1) })
	m.Host(nil)
	v, err := m.Institute.Propose(t.Context(), time.Hour, "pool."+Pool)
	m.Must(err)
	ask := func(sql string) (string, statement.Digest, error) {
		j, err := m.Institute.Ask(t.Context(), v.Digest, sql, Patience)
		if err != nil {
			return "", "", err
		}
		table, err := m.Institute.Open(t.Context(), j.Digest)
		m.Must(err)
		return strings.ReplaceAll(csvOf(t, table), "\r", ""), j.Digest, nil
	}
	const sql = "SELECT size, count(*) AS n FROM pool.strikes GROUP BY size ORDER BY size"
	first, job, err := ask(sql)
	m.Must(err)
	lines := strings.Split(strings.TrimSpace(first), "\n")
	truth := map[string]int{`"Large"`: 120, `"Medium"`: 60, `"Small"`: 120, `"Unknown"`: 60}
	exact := 0
	for _, l := range lines[1:] {
		key, text, _ := strings.Cut(l, ",")
		n, err := strconv.Atoi(text)
		m.Must(err)
		if d := n - truth[key]; d < -120 || d > 120 { // 20 times the scale: six owners' units, epsilon 1
			t.Errorf("%s: %d, far from %d", key, n, truth[key])
		} else if d == 0 {
			exact++
		}
	}
	if len(lines) != 5 || exact == 4 {
		t.Errorf("no noise: %q", first)
	}
	account, err := m.Institute.Receipt(t.Context(), job)
	m.Must(err)
	bundle, err := receipt.Decode(account.Bundle)
	m.Must(err)
	r, err := statement.DecodeUnverified[statement.Receipt](bundle.Receipt.Payload)
	m.Must(err)
	if r.TickMS != 1000 || r.Clear.Micros < 1e6 || !strings.Contains(account.Text, "answered at ticks of 1s") || !strings.Contains(account.Text, "(noise key)") {
		t.Errorf("tick of %d ms, %d µs in clear\n%s", r.TickMS, r.Clear.Micros, account.Text)
	}
	again, _, err := ask(strings.Replace(sql, " ORDER BY", "  ORDER  BY", 1))
	m.Must(err)
	if again != first {
		t.Errorf("the same question has another noise: %q and %q", first, again)
	}
	charges := func(p *Party) (n int) {
		for _, e := range p.Ledger().Entries {
			if e.Kind == ledger.KindBudget {
				n++
			}
		}
		return n
	}
	for _, o := range m.Owners {
		if n := charges(o); n != 1 {
			t.Errorf("%s charged %d times", o.Name, n)
		}
	}
	asked := 1
	for _, size := range []string{"Large", "Medium", "Small", "Unknown"} {
		for _, what := range []string{"count(*)", "sum(cost)", "avg(cost)"} {
			if _, _, err = ask(fmt.Sprintf("SELECT %s AS x FROM pool.strikes WHERE size = '%s'", what, size)); err != nil {
				break
			}
			asked++
		}
		if err != nil {
			break
		}
	}
	wantFault(t, err, fault.Refused, "dp-budget", "")
	for _, o := range m.Owners {
		var b api.Budgets
		m.Must(o.Call(t.Context(), api.PathBudget, api.Empty{}, &b))
		if len(b.Own) != 1 || len(b.Own[0].Charges) != asked || len(b.Own[0].Organisations) != 1 || b.Own[0].Organisations[0].Name != "institute" {
			t.Errorf("%s shows %+v after %d questions", o.Name, b.Own, asked)
		}
	}
	if kept, _, err := ask(sql); err != nil || kept != first {
		t.Errorf("what was paid for is not answered any more: %v", err)
	}
}
