package dp_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/privacy/dp"
)

// faulty are specifications with one thing wrong each.
func faulty(t testing.TB) map[string]dp.Spec {
	out := map[string]dp.Spec{"nothing": {}}
	selected := laplace("1", 2)
	selected.Delta, selected.MinUnits = "1/1000", 3
	add := func(name string, s dp.Spec, change func(*dp.Spec)) {
		change(&s)
		out[name] = s
	}
	fresh := func() dp.Spec { return specOf(laplace("1", 2), given(t, "a", "b"), all()...) }
	for name, change := range map[string]func(*dp.Spec){
		"no node":                 func(s *dp.Spec) { s.Node = "" },
		"no offers":               func(s *dp.Spec) { s.Offers = nil },
		"an offer twice":          func(s *dp.Spec) { s.Offers[1] = s.Offers[0] },
		"offers out of order":     func(s *dp.Spec) { s.Offers[0], s.Offers[1] = s.Offers[1], s.Offers[0] },
		"no mechanism":            func(s *dp.Spec) { s.Rule.Mechanism = "" },
		"another mechanism":       func(s *dp.Spec) { s.Rule.Mechanism = "uniform" },
		"no epsilon":              func(s *dp.Spec) { s.Rule.Epsilon = "" },
		"epsilon of 0":            func(s *dp.Spec) { s.Rule.Epsilon = "0" },
		"epsilon too large":       func(s *dp.Spec) { s.Rule.Epsilon = "65" },
		"epsilon below 0":         func(s *dp.Spec) { s.Rule.Epsilon = "-1" },
		"epsilon too fine":        func(s *dp.Spec) { s.Rule.Epsilon = "1/2147483648" },
		"epsilon and rho":         func(s *dp.Spec) { s.Rule.Rho = "1" },
		"rho for laplace":         func(s *dp.Spec) { s.Rule.Epsilon, s.Rule.Rho = "", "1" },
		"epsilon for gaussian":    func(s *dp.Spec) { s.Rule.Mechanism = dp.Gaussian },
		"no max_groups":           func(s *dp.Spec) { s.Rule.MaxGroups = 0 },
		"max_groups too large":    func(s *dp.Spec) { s.Rule.MaxGroups = 1<<16 + 1 },
		"delta without selection": func(s *dp.Spec) { s.Rule.Delta = "1/1000" },
		"min_units without it":    func(s *dp.Spec) { s.Rule.MinUnits = 3 },
		"no aggregates":           func(s *dp.Spec) { s.Aggregates = nil },
		"another aggregate":       func(s *dp.Spec) { s.Aggregates[0].Kind = "max" },
		"no cap":                  func(s *dp.Spec) { s.Aggregates[0].Cap = 0 },
		"a cap too large":         func(s *dp.Spec) { s.Aggregates[0].Cap = 1<<32 + 1 },
		"a cap for units":         func(s *dp.Spec) { s.Aggregates[1].Cap = 1 },
		"a clamp for rows":        func(s *dp.Spec) { s.Aggregates[0].Hi = "1" },
		"a cap for a sum":         func(s *dp.Spec) { s.Aggregates[2].Cap = 1 },
		"no clamp":                func(s *dp.Spec) { s.Aggregates[2].Lo, s.Aggregates[2].Hi = "", "" },
		"half a clamp":            func(s *dp.Spec) { s.Aggregates[2].Hi = "" },
		"an inverse clamp":        func(s *dp.Spec) { s.Aggregates[2].Hi = "-11" },
		"a clamp to 0":            func(s *dp.Spec) { s.Aggregates[2].Lo, s.Aggregates[2].Hi = "0", "0" },
		"a clamp not an integer":  func(s *dp.Spec) { s.Aggregates[2].Hi = "1.5" },
		"a clamp in another form": func(s *dp.Spec) { s.Aggregates[2].Hi = "+40" },
		"a clamp too long":        func(s *dp.Spec) { s.Aggregates[2].Hi = strings.Repeat("9", 40) },
		"a mean without a cap":    func(s *dp.Spec) { s.Aggregates[3].Cap = 0 },
		"a mean of one value":     func(s *dp.Spec) { s.Aggregates[3].Lo = "20" },
		"a mean without a clamp":  func(s *dp.Spec) { s.Aggregates[3].Lo = "" },
		"no groups":               func(s *dp.Spec) { s.Groups = "" },
		"given, none":             func(s *dp.Spec) { s.Given = nil },
		"groups out of order":     func(s *dp.Spec) { s.Given[0], s.Given[1] = s.Given[1], s.Given[0] },
		"a group twice":           func(s *dp.Spec) { s.Given[1] = s.Given[0] },
		"a group of no form":      func(s *dp.Spec) { s.Given[1] = []byte{2} },
		"a group absent":          func(s *dp.Spec) { s.Given[0] = nil },
		"no copies":               func(s *dp.Spec) { s.Copies = 0 },
		"too many copies":         func(s *dp.Spec) { s.Copies = 1025 },
	} {
		add(name, fresh(), change)
	}
	for name, change := range map[string]func(*dp.Spec){
		"selection without delta":     func(s *dp.Spec) { s.Rule.Delta = "" },
		"selection with delta 0":      func(s *dp.Spec) { s.Rule.Delta = "0" },
		"selection with delta 1":      func(s *dp.Spec) { s.Rule.Delta = "1" },
		"selection without min_units": func(s *dp.Spec) { s.Rule.MinUnits = 0 },
		"selection of given groups":   func(s *dp.Spec) { s.Given = given(t, "a") },
		"selection with copies":       func(s *dp.Spec) { s.Copies = 2 },
		"selection with too little":   func(s *dp.Spec) { s.Rule.MaxGroups = 1024 },
	} {
		add(name, specOf(selected, nil, all()...), change)
	}
	return out
}

func TestSpecRefused(t *testing.T) {
	for name, s := range faulty(t) {
		if c, err := dp.Check(s); !errors.Is(err, dp.ErrSpec) || c != nil {
			t.Errorf("%s: %v", name, err)
		}
		if b, err := s.Encode(); !errors.Is(err, dp.ErrSpec) || b != nil {
			t.Errorf("%s encodes: %v", name, err)
		}
	}
}

func TestCheckedKeepsItsOwnCopy(t *testing.T) {
	s := specOf(laplace("1", 2), given(t, "a"), all()...)
	c := check(t, s)
	want := text(table(t, c, 1, nil))
	s.Offers[0], s.Aggregates[0], s.Given[0][0] = digest("x"), dp.Aggregate{}, 7
	if got := text(table(t, c, 1, nil)); got != want {
		t.Fatal("the caller changed what was checked")
	}
}

// FuzzSpec: what is accepted encodes to the same bytes; what is refused gives nothing.
func FuzzSpec(f *testing.F) {
	rule := laplace("1", 2)
	rule.Delta, rule.MinUnits = "1/1000", 3
	for _, s := range []dp.Spec{specOf(gaussian("1/2", 2), given(f, "a", "b"), all()...), specOf(rule, nil, all()...)} {
		b, err := s.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(bytes.Replace(b, []byte(`"copies":1`), []byte(`"copies":0`), 1))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		s, err := dp.Decode(src)
		if err != nil {
			if s != nil {
				t.Fatal("refused, but something came back")
			}
			return
		}
		if again, err := s.Encode(); err != nil || !bytes.Equal(again, src) {
			t.Fatalf("%s encodes to %s: %v", src, again, err)
		}
	})
}
