package account

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/statement"
)

var update = flag.Bool("update", false, "write the vectors anew")

// vectors are docs/spec/dp.md, section 11. Deltas are to 12 digits: how good an alpha is found is left to implementations.
type vectors struct {
	Comment       string             `json:"comment"`
	Total         vectorCost         `json:"total"`
	Caps          []vectorCap        `json:"caps"`
	Charges       []vectorCharge     `json:"charges"`
	Left          vectorCost         `json:"left"`
	Conversions   []vectorConversion `json:"conversions"`
	RefuseEvents  []vectorRefuse     `json:"refuse_events"` // each behind the first charge's event
	RefuseAmounts []Amount           `json:"refuse_amounts"`
}

type vectorCost struct {
	Rho     Amount `json:"rho"`
	Delta   Amount `json:"delta"`
	Epsilon Amount `json:"epsilon,omitempty"`
}

type vectorCap struct {
	Scope    Scope                 `json:"scope"` // 1 everyone, 2 each, 3 only
	Org      statement.Fingerprint `json:"org,omitempty"`
	PeriodMS int64                 `json:"period_ms"`
	Most     vectorCost            `json:"most"`
}

type vectorCharge struct {
	AtMS    int64                 `json:"at_ms"`
	Release statement.Digest      `json:"release"`
	Org     statement.Fingerprint `json:"org"`
	Cost    vectorCost            `json:"cost"`
	Outcome string                `json:"outcome"` // charged, paid, overspent or refused
	Event   string                `json:"event,omitempty"`
}

type vectorConversion struct {
	Rho     Amount `json:"rho"`
	Epsilon Amount `json:"epsilon"`
	Delta   string `json:"delta"`
}

type vectorRefuse struct {
	Name  string `json:"name"`
	Event string `json:"event"`
}

func (c vectorCost) cost(t *testing.T) Cost {
	t.Helper()
	rho, err := c.Rho.Rat()
	delta, err2 := c.Delta.Rat()
	if err != nil || err2 != nil {
		t.Fatal("no cost")
	}
	out := Cost{Rho: rho, Delta: delta}
	if c.Epsilon != "" {
		if out.Epsilon, err = c.Epsilon.Rat(); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func TestVectors(t *testing.T) {
	file := filepath.Join("testdata", "budget.json")
	if *update {
		v := chosen()
		fill(t, &v)
		v.RefuseEvents = spoilt(v.Charges[0].Event)
		b, err := json.MarshalIndent(v, "", "  ")
		if err == nil {
			err = os.MkdirAll("testdata", 0o755)
		}
		if err == nil {
			err = os.WriteFile(file, append(b, '\n'), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(src, &v); err != nil || len(v.Charges) == 0 || len(v.Conversions) == 0 || len(v.RefuseEvents) == 0 || len(v.RefuseAmounts) == 0 {
		t.Fatalf("a part of the vectors is missing: %v", err)
	}
	b := fill(t, &v)
	if again, err := json.MarshalIndent(v, "", "  "); err != nil || string(again)+"\n" != string(src) {
		t.Errorf("the vectors come out otherwise: %v", err)
	}
	for _, r := range v.RefuseEvents {
		e, err := DecodeEvent([]byte(r.Event))
		if err == nil {
			_, err = Open(b.terms, []Event{b.Events()[0], e})
		}
		if !errors.Is(err, ErrEvent) {
			t.Errorf("%s: %v", r.Name, err)
		}
	}
	for _, a := range v.RefuseAmounts {
		if x, err := a.Rat(); !errors.Is(err, ErrAmount) || x != nil {
			t.Errorf("%q is an amount", a)
		}
	}
}

// fill computes the outputs.
func fill(t *testing.T, v *vectors) *Budget {
	t.Helper()
	terms := Terms{Total: v.Total.cost(t)}
	for _, c := range v.Caps {
		terms.Caps = append(terms.Caps, Cap{c.Scope, c.Org, c.PeriodMS, c.Most.cost(t)})
	}
	b := open(t, terms)
	for i := range v.Charges {
		c := &v.Charges[i]
		c.Outcome, c.Event = outcome(t, b, Charge{c.AtMS, c.Release, c.Org, c.Cost.cost(t)})
	}
	rho, err := AmountOf(b.Left().Rho)
	delta, err2 := AmountOf(b.Left().Delta)
	if err != nil || err2 != nil {
		t.Fatal("what is left is no amount")
	}
	v.Left = vectorCost{Rho: rho, Delta: delta}
	for i := range v.Conversions {
		c := &v.Conversions[i]
		cost := vectorCost{Rho: c.Rho, Delta: c.Epsilon}.cost(t)
		d, err := Delta(cost.Rho, cost.Delta)
		if err != nil {
			t.Fatal(err)
		}
		f, _ := d.Float64()
		text, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		c.Delta = twelve(string(text))
	}
	return b
}

// twelve cuts a number to 12 digits.
func twelve(s string) string {
	mantissa, exponent, scientific := strings.Cut(s, "e")
	if scientific {
		exponent = "e" + exponent
	}
	return mantissa[:min(len(mantissa), 13)] + exponent
}

func outcome(t *testing.T, b *Budget, c Charge) (string, string) {
	t.Helper()
	e, fresh, err := b.Charge(c)
	switch {
	case errors.Is(err, ErrOverspent):
		return "overspent", ""
	case err != nil:
		return "refused", ""
	case !fresh:
		return "paid", ""
	}
	line, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := DecodeEvent(line); err != nil || again != e {
		t.Fatal("an event does not come back")
	}
	return "charged", string(line)
}

// chosen are the inputs.
func chosen() vectors {
	v := vectors{
		Comment: "docs/spec/dp.md, section 11",
		Total:   vectorCost{"1", "1/1000", ""},
		Caps: []vectorCap{
			{Scope: Each, Most: vectorCost{"1/2", "1/1000", ""}},
			{Scope: Everyone, PeriodMS: 1000, Most: vectorCost{"3/4", "1/1000", ""}},
			{Scope: Only, Org: org("z"), Most: vectorCost{"1/8", "0", ""}},
		},
		RefuseAmounts: []Amount{"", "-1", "+1", "01", "2/4", "1/1", "1/0", "0.5", "1e3", " 1", "0x1", "1_0"},
	}
	for _, c := range []struct {
		at           int64
		release, who string
		rho, delta   Amount
		epsilon      Amount
	}{
		{1000, "a", "x", "1/2", "0", ""}, {1001, "a", "x", "1/2", "0", ""}, {1002, "b", "x", "1/8", "0", ""}, {1003, "a", "y", "1/2", "0", ""},
		{1004, "c", "z", "1/8", "0", ""}, {1005, "d", "z", "1/8", "0", ""}, {1006, "e", "w", "1/4", "0", ""}, {2000, "e", "w", "1/4", "1/1000", ""},
		{1500, "f", "v", "1/16", "1/1000000", ""}, {2001, "f", "v", "1/16", "0", ""}, {2002, "a", "z", "1/4", "0", ""}, {2003, "g", "u", "1/8", "0", ""},
		{2004, "h", "t", "1/128", "0", "1/8"}, {2005, "h", "s", "1/128", "0", ""}, {2006, "i", "s", "1/128", "0", "1/9"},
	} {
		v.Charges = append(v.Charges, vectorCharge{AtMS: c.at, Release: digest(c.release), Org: org(c.who), Cost: vectorCost{c.rho, c.delta, c.epsilon}})
	}
	for _, c := range [][2]Amount{{"1/40", "1"}, {"1/2", "3"}, {"1/1000", "1/10"}, {"3", "3"}, {"0", "1"}} {
		v.Conversions = append(v.Conversions, vectorConversion{Rho: c[0], Epsilon: c[1]})
	}
	return v
}

// spoilt are events that can't stand behind the first.
func spoilt(first string) (out []vectorRefuse) {
	other := strings.Replace(first, string(digest("a")), string(digest("b")), 1)
	for _, c := range []struct{ name, from, to string }{
		{"back in time", `"at_ms":1000`, `"at_ms":999`}, {"no time", `"at_ms":1000`, `"at_ms":0`}, {"not lowest terms", `"1/2"`, `"2/4"`},
		{"free", `"1/2"`, `"0"`}, {"a delta of 1", `"delta":"0"`, `"delta":"1"`}, {"too fine", `"1/2"`, `"1/36893488147419103232"`},
		{"an unknown field", `{`, `{"x":1,`}, {"a space", `}`, `} `}, {"no organisation", string(org("x")), ""},
		{"epsilon of another rho", `"delta":"0"`, `"delta":"0","epsilon":"1/2"`}, {"no epsilon", `"delta":"0"`, `"delta":"0","epsilon":"one"`},
	} {
		out = append(out, vectorRefuse{c.name, strings.Replace(other, c.from, c.to, 1)})
	}
	dear := strings.Replace(first, string(org("x")), string(org("y")), 1)
	return append(out, vectorRefuse{"twice", first}, vectorRefuse{"another price", strings.Replace(dear, "1/2", "1/4", 1)})
}
