package evidence_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/statement"
)

var (
	build    = statement.Sum([]byte("build"))
	operator = statement.Fingerprint("cordon1" + string(build[7:]))
	data     = evidence.HelloBinding("job", "session")
)

func claims() *evidence.Claims {
	return &evidence.Claims{Kind: evidence.Nitro, Build: build, Operator: operator, Perimeter: statement.Perimeter{Form: "f"}, ReportData: data}
}

func policy() evidence.Policy {
	return evidence.Policy{Kinds: []string{"j", evidence.Nitro}, Builds: []statement.Digest{build}, Operators: []statement.Fingerprint{operator}, Perimeters: []string{"f"}}
}

func TestAppraise(t *testing.T) {
	type what struct {
		c *evidence.Claims
		p evidence.Policy
		d evidence.ReportData
	}
	for _, x := range []struct {
		name string
		edit func(*what)
		want error
	}{
		{"as agreed", func(*what) {}, nil},
		{"debug, allowed by name", func(w *what) { w.c.Debug, w.p.AllowDebug = true, true }, nil},
		{"no claims", func(w *what) { w.c = nil }, evidence.ErrPolicy},
		{"no policy", func(w *what) { w.p = evidence.Policy{} }, evidence.ErrPolicy},
		{"no kinds", func(w *what) { w.p.Kinds = nil }, evidence.ErrPolicy},
		{"no builds", func(w *what) { w.p.Builds = nil }, evidence.ErrPolicy},
		{"no operators", func(w *what) { w.p.Operators = nil }, evidence.ErrPolicy},
		{"no perimeters", func(w *what) { w.p.Perimeters = nil }, evidence.ErrPolicy},
		{"another kind", func(w *what) { w.c.Kind = evidence.Simulated }, evidence.ErrKind},
		{"a kind that nobody knows", func(w *what) { w.c.Kind = "j" }, evidence.ErrKind},
		{"another build", func(w *what) { w.c.Build = statement.Sum(nil) }, evidence.ErrBuild},
		{"no build", func(w *what) { w.c.Build = "" }, evidence.ErrBuild},
		{"debug", func(w *what) { w.c.Debug = true }, evidence.ErrDebug},
		{"another operator", func(w *what) { w.c.Operator = "cordon1" }, evidence.ErrOperator},
		{"no operator", func(w *what) { w.c.Operator = "" }, evidence.ErrOperator},
		{"another perimeter", func(w *what) { w.c.Perimeter.Form = "g" }, evidence.ErrPerimeter},
		{"another binding", func(w *what) { w.d[0] ^= 1 }, evidence.ErrBinding},
		{"last byte of the binding", func(w *what) { w.d[63] ^= 1 }, evidence.ErrBinding},
		{"no binding on both sides", func(w *what) { w.d, w.c.ReportData = evidence.ReportData{}, evidence.ReportData{} }, evidence.ErrBinding},
	} {
		w := what{claims(), policy(), data}
		x.edit(&w)
		if err := evidence.Appraise(w.c, w.p, w.d); !errors.Is(err, x.want) || (err == nil) != (x.want == nil) {
			t.Errorf("%s: %v, want %v", x.name, err, x.want)
		}
	}
}

func TestVerifiers(t *testing.T) {
	e := &statement.Evidence{Kind: evidence.Nitro, Raw: []byte("x")}
	fails := errors.New("not genuine")
	answer := func(c *evidence.Claims, err error) evidence.Verifiers {
		return evidence.Verifiers{evidence.Nitro: func(context.Context, *statement.Evidence, time.Time) (*evidence.Claims, error) { return c, err }}
	}
	for _, x := range []struct {
		name string
		v    evidence.Verifiers
		e    *statement.Evidence
		want error
	}{
		{"genuine", answer(claims(), nil), e, nil},
		{"no verifiers", nil, e, evidence.ErrKind},
		{"no verifier of the kind", evidence.Verifiers{"j": nil}, e, evidence.ErrKind},
		{"a nil verifier", evidence.Verifiers{evidence.Nitro: nil}, e, evidence.ErrKind},
		{"no evidence", answer(claims(), nil), nil, evidence.ErrMalformed},
		{"empty evidence", answer(claims(), nil), &statement.Evidence{Kind: evidence.Nitro}, evidence.ErrMalformed},
		{"no kind", answer(claims(), nil), &statement.Evidence{Raw: []byte("x")}, evidence.ErrMalformed},
		{"not genuine", answer(claims(), fails), e, fails},
		{"claims of another kind", answer(&evidence.Claims{Kind: "j"}, nil), e, evidence.ErrKind},
		{"neither claims nor error", answer(nil, nil), e, evidence.ErrKind},
	} {
		c, err := x.v.Verify(context.Background(), x.e, time.Now())
		if !errors.Is(err, x.want) || (c == nil) == (x.want == nil) {
			t.Errorf("%s: %v", x.name, err)
		}
	}
}

func TestIntersect(t *testing.T) {
	p, q := policy(), policy()
	q.Kinds, q.Perimeters, q.AllowDebug = []string{evidence.Nitro, "l"}, []string{"g"}, true
	got := p.Intersect(q)
	if !slices.Equal(got.Kinds, []string{evidence.Nitro}) || !slices.Equal(got.Builds, p.Builds) || !slices.Equal(got.Operators, p.Operators) || len(got.Perimeters) != 0 || got.AllowDebug {
		t.Errorf("%+v", got)
	}
	if err := evidence.Appraise(claims(), got, data); !errors.Is(err, evidence.ErrPolicy) {
		t.Errorf("nothing in common accepts: %v", err)
	}
}

func TestBindingsDiffer(t *testing.T) {
	r := []statement.Digest{"b", "a"}
	base := evidence.QuoteBinding("job", "session", "plan", r)
	if base != evidence.QuoteBinding("job", "session", "plan", []statement.Digest{"a", "b"}) || r[0] != "b" {
		t.Error("the order of readies matters, or was changed")
	}
	seen := map[evidence.ReportData]string{base: "base"}
	for name, b := range map[string]evidence.ReportData{
		"hello":         evidence.HelloBinding("job", "session"),
		"another hello": evidence.HelloBinding("jobs", "ession"),
		"job":           evidence.QuoteBinding("job2", "session", "plan", r),
		"session":       evidence.QuoteBinding("job", "session2", "plan", r),
		"plan":          evidence.QuoteBinding("job", "session", "plan2", r),
		"a ready less":  evidence.QuoteBinding("job", "session", "plan", r[:1]),
		"a ready twice": evidence.QuoteBinding("job", "session", "plan", []statement.Digest{"a", "b", "b"}),
		"run together":  evidence.QuoteBinding("job", "session", "plan", []statement.Digest{"ab"}),
		"shifted":       evidence.QuoteBinding("job", "session", "plana", []statement.Digest{"b"}),
		"no ready":      evidence.QuoteBinding("job", "session", "plan", nil),
	} {
		if seen[b] != "" {
			t.Errorf("%s and %s bind to the same", name, seen[b])
		}
		seen[b] = name
	}
}
