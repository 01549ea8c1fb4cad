package policy_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/cordon-exchange/cordon/policy"
)

// What is accepted gives a plan that decodes to itself, whose root is Released; what is refused gives nothing but a place
// inside the text.
func FuzzParseSQL(f *testing.F) {
	r := corpusWorld(f)
	for _, l := range corpus(f, "must-refuse.jsonl") {
		f.Add(l.SQL)
	}
	for _, q := range accepted {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		r.SQL = sql
		p, err := policy.Compile(r)
		if err != nil {
			var ref *policy.Refusal
			if !errors.As(err, &ref) || p != nil {
				t.Fatalf("%v", err)
			}
			_ = ref.Render(sql)
			return
		}
		back, err := policy.DecodePlan(p.Encode())
		if err != nil || !reflect.DeepEqual(back, p) {
			t.Fatalf("the plan does not survive its encoding: %v\n%s", err, p.Encode())
		}
		checkReleased(t, p)
		_ = p.PostSQL("released")
	})
}

func FuzzParsePolicy(f *testing.F) {
	files, err := filepath.Glob("testdata/policies/*.yaml")
	if err != nil || len(files) == 0 {
		f.Fatal("no policies")
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		p, err := policy.Parse(src)
		if err != nil {
			var s *policy.SyntaxError
			if !errors.As(err, &s) || s.Line < 1 || s.Col < 1 || s.Hint == "" || p != nil {
				t.Fatalf("%v", err)
			}
			return
		}
		if !bytes.Equal(p.Text(), src) {
			t.Fatal("the text changed")
		}
		again, err := policy.Parse(p.Text())
		if err != nil || !reflect.DeepEqual(again, p) {
			t.Fatal("the text parses to another policy")
		}
		checkMode(t, p)
		if len(p.Purposes()) == 0 || len(p.Analysts()) == 0 || len(p.Operators()) == 0 || len(p.Evidence().Accept) == 0 {
			t.Fatal("an empty list was accepted")
		}
	})
}

// checkMode: a policy has what its output needs, and nothing that another one stands for.
func checkMode(t *testing.T, p *policy.Policy) {
	t.Helper()
	_, noise := p.Noise()
	mode := p.Output()
	if mode == "" || noise != (mode == policy.ModeDP) || (len(p.Lattice()) > 0) != (mode == policy.ModeLattice) {
		t.Fatalf("output %q with lattice %v and noise %v", mode, p.Lattice(), noise)
	}
	for _, j := range p.Joins() {
		if mode == policy.ModeLattice || p.UnitDomain() == "" || mode == policy.ModeGuard && !j.PartnerHonest {
			t.Fatalf("joins %+v with output %s", j, mode)
		}
	}
	for _, c := range p.Columns() {
		if mode == policy.ModeLattice && (c.Bins != nil || c.Grain != "" || c.OnlyAs != "") || c.Bins != nil && !c.Measure || c.Grain != "" && c.OnlyAs != "" {
			t.Fatalf("column %+v with output %s", c, mode)
		}
	}
	if list, only := p.Templates(); only != (len(list) > 0) {
		t.Fatalf("%d templates, alone %v", len(list), only)
	}
}

func FuzzDecodePlan(f *testing.F) {
	for _, p := range vectorPlans(f) {
		f.Add(p.Encode())
	}
	for _, p := range programPlans(f) {
		f.Add(p.Encode())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := policy.DecodePlan(b)
		if err != nil {
			if p != nil {
				t.Fatal("refused, and returned a plan")
			}
			return
		}
		if !bytes.Equal(p.Encode(), b) {
			t.Fatal("accepted bytes are not canonical")
		}
		if p.Program != nil {
			checkProgram(t, p)
			return
		}
		checkReleased(t, p)
		_ = p.PostSQL("released") // must not panic
		_ = p.ScanSQL(make([]string, len(p.Sources)))
		_ = p.Sums()
		_ = p.Explain().Text()
	})
}

// checkReleased: nothing above the release but keys, bases and constants; nothing is opened but what the plan names.
func checkReleased(t *testing.T, p *policy.Plan) {
	t.Helper()
	above := func(x policy.Expr) {
		walk(x, func(x policy.Expr) {
			if x.Op == policy.OpDim {
				t.Fatal("a dimension of rows stands above the release")
			}
		})
	}
	for _, it := range p.Post.Select {
		above(it.Expr)
	}
	if p.Post.Having != nil {
		above(*p.Post.Having)
	}
	for _, o := range p.Post.OrderBy {
		above(o.Expr)
	}
	if len(p.Bases) == 0 {
		t.Fatal("a plan without bases has no guard")
	}
	named := map[string]bool{p.Unit.Column: !p.Unit.Unique}
	for _, d := range p.Dims {
		named[d.Column] = true
	}
	for _, m := range p.Measures {
		named[m.Column] = true
	}
	for _, s := range p.Sources {
		for _, c := range s.Columns {
			if !named[c] {
				t.Fatalf("column %q is opened and not named by the plan", c)
			}
		}
	}
}

func walk(x policy.Expr, visit func(policy.Expr)) {
	visit(x)
	for _, a := range x.Args {
		walk(a, visit)
	}
}
