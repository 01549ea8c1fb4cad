package testenv

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/statement"
)

// TestGrantsCompose: two owners that never dealt with each other, whose policies name the institute alone, grant one contract each for
// its own data. A query over both tables runs, each charges for its own, and neither recognises, joins or lists the other.
func TestGrantsCompose(t *testing.T) {
	t.Parallel()
	e := New(t)
	m := &Market{Env: e, Owners: []*Party{e.Party("alpha"), e.Party("bravo")}, Institute: e.Party("institute")}
	contributors := regexp.MustCompile(`(?m)^  (contributors|coalition): .*\n`)
	standing := regexp.MustCompile(`(?ms)^standing:.*`)
	for i, o := range m.Owners {
		text := contributors.ReplaceAllString(standing.ReplaceAllString(m.policy(), ""), "")
		text = strings.Replace(text, "output: {lattice: [[], [size]]}", "output: guard-free", 1)
		text = regexp.MustCompile(`(?m)^analysts: .*$`).ReplaceAllString(text, "analysts: ["+string(m.Institute.Fingerprint())+"]")
		other := m.Owners[1-i]
		if strings.Contains(text, string(other.Fingerprint())) {
			t.Fatalf("the policy of %s names %s", o.Name, other.Name)
		}
		_, err := o.publish(t.Context(), m.csv(i), Pool, text, Schema)
		m.Must(err)
	}
	m.Host(nil)
	c := proposal(e, time.Hour, "alpha.strikes", "bravo.strikes")
	c.WaitMS = 0
	var v struct {
		Digest statement.Digest `json:"digest"`
		State  string           `json:"state"`
	}
	m.Must(m.Institute.Call(t.Context(), "/v1/contracts/propose", c, &v))
	for i, o := range m.Owners {
		if v.State != "waiting" {
			t.Fatalf("%s with %d of 2 grants", v.State, i)
		}
		m.Must(o.Call(t.Context(), "/v1/contracts/grant", map[string]any{"digest": v.Digest}, &v))
	}
	if v.State != "granted" {
		t.Fatalf("%s with both grants", v.State)
	}
	j, err := m.Institute.Ask(t.Context(), v.Digest, `WITH a AS (SELECT size, count(*) AS n FROM alpha.strikes GROUP BY size), b AS (SELECT size, count(*) AS n FROM bravo.strikes GROUP BY size)
		SELECT a.size, a.n AS of_alpha, b.n AS of_bravo FROM a JOIN b ON a.size = b.size ORDER BY a.size`, Patience)
	m.Must(err)
	table, err := m.Institute.Open(t.Context(), j.Digest)
	m.Must(err)
	if got := strings.ReplaceAll(csvOf(t, table), "\r", ""); !strings.Contains(got, "\"Large\",20,20\n") {
		t.Errorf("got %q", got)
	}
	for _, o := range m.Owners {
		if n, _ := count(o, "charge", j.Digest); n != 1 {
			t.Errorf("%s charged %d times", o.Name, n)
		}
	}
}
