package testenv

import (
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/statement"
)

// Under guard-free policies the contract names plan/2, and a query of the whole grammar goes through brokers and enclave: a
// subquery, a condition inside an aggregate, a total, a window.
func TestProgramThroughTheExchange(t *testing.T) {
	t.Parallel()
	m := New(t).NewMarketUnder(func(p string) string {
		return strings.Replace(p, "output: {lattice: [[], [size]]}", "output: guard-free", 1)
	})
	m.Host(nil)
	v, err := m.Institute.Propose(t.Context(), time.Hour, "pool."+Pool)
	m.Must(err)
	if v.Terms.PlanEncoding != policy.EncodingProgram {
		t.Errorf("the contract names %q", v.Terms.PlanEncoding)
	}
	j, err := m.Institute.Ask(t.Context(), v.Digest, `WITH t AS (SELECT size, count(*) AS n, sum(cost) FILTER (WHERE size <> 'Large') AS c FROM pool.strikes GROUP BY ROLLUP (size))
		SELECT size, n, c, rank() OVER (ORDER BY n DESC) AS place FROM t ORDER BY place, size`, Patience)
	m.Must(err)
	table, err := m.Institute.Open(t.Context(), j.Digest)
	m.Must(err)
	// Medium and Unknown have three owners each, of whom the rule leaves two; together they hold, so nothing else is hidden. The
	// total is of what is shown.
	want := "\"size\",\"n\",\"c\",\"place\"\n,240,600300,1\n\"Large\",120,suppressed,2\n\"Small\",120,600300,2\n" +
		"\"Medium\",suppressed,suppressed,4\n\"Unknown\",suppressed,suppressed,4\n"
	if got := strings.ReplaceAll(csvOf(t, table), "\r", ""); got != want {
		t.Errorf("got %q", got)
	}
	if _, err := m.Institute.Receipt(t.Context(), j.Digest); err != nil {
		t.Error(err)
	}
	for _, o := range m.Owners {
		if openExposures(o, statement.Digest(j.Digest)) != 0 {
			t.Errorf("%s has an open exposure", o.Name)
		}
	}
	_, err = m.Institute.Ask(t.Context(), v.Digest, "WITH t AS (SELECT report_id, cost FROM pool.strikes) SELECT * FROM t", Patience)
	wantFault(t, err, fault.Refused, "unit", "")
}
