package dp_test

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"testing"

	"github.com/cordon-exchange/cordon/privacy"
	"github.com/cordon-exchange/cordon/privacy/dp"
	"github.com/cordon-exchange/cordon/privacy/dp/account"
	"github.com/cordon-exchange/cordon/privacy/dp/bound"
	"github.com/cordon-exchange/cordon/privacy/dp/noise"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

func digest(name string) statement.Digest { return statement.Sum([]byte(name)) }

// offers of two owners, sorted.
func offers() []statement.Digest {
	a, b := digest("offer of a"), digest("offer of b")
	if a > b {
		a, b = b, a
	}
	return []statement.Digest{a, b}
}

// keys of both owners; each seed gives others.
func keys(t testing.TB, seed uint64) []noise.Keyed {
	t.Helper()
	var out []noise.Keyed
	for _, o := range offers() {
		raw := statement.LabelledSum("cordon/test/v1", []byte(o), binary.BigEndian.AppendUint64(nil, seed))
		k, err := seal.DataKeyFromBytes(raw.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, noise.Keyed{Offer: o, Key: k})
	}
	return out
}

func key(text string) []privacy.Value { return []privacy.Value{{Text: text}} }

func given(t testing.TB, texts ...string) [][]byte {
	t.Helper()
	var out [][]byte
	for _, s := range texts {
		g, err := bound.Encode(key(s))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, []byte(g))
	}
	return out
}

func laplace(epsilon account.Amount, c int64) dp.Rule {
	return dp.Rule{Mechanism: dp.Laplace, Epsilon: epsilon, MaxGroups: c}
}

func gaussian(rho account.Amount, c int64) dp.Rule {
	return dp.Rule{Mechanism: dp.Gaussian, Rho: rho, MaxGroups: c}
}

func specOf(r dp.Rule, groups [][]byte, aggregates ...dp.Aggregate) dp.Spec {
	s := dp.Spec{Node: digest("plan"), Offers: offers(), Rule: r, Aggregates: aggregates, Groups: dp.Given, Given: groups, Copies: 1}
	if groups == nil {
		s.Groups = dp.Selected
	}
	return s
}

func check(t testing.TB, s dp.Spec) *dp.Checked {
	t.Helper()
	c, err := dp.Check(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// part of a unit: rows, and the sum of each measure.
func part(unit, group string, values ...dp.Value) dp.Part {
	return dp.Part{Unit: bound.Unit{Domain: "people", ID: unit}, Key: key(group), Values: values}
}

func rows(n int64) dp.Value { return dp.Value{Rows: n} }

func sum(rows, total int64) dp.Value { return dp.Value{Rows: rows, Sum: big.NewInt(total)} }

func table(t testing.TB, c *dp.Checked, seed uint64, parts []dp.Part) []dp.Row {
	t.Helper()
	r, err := c.Open(keys(t, seed))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		if err := r.Add(p); err != nil {
			t.Fatal(err)
		}
	}
	out, err := r.Table()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func text(rows []dp.Row) string { return fmt.Sprint(rows) }
