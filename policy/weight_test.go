package policy_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/policy"
)

// Constructs that stand twice when they are written out do not double without bound.
func TestExpansionBombs(t *testing.T) {
	r := world(t, "strikes", "strikes", "strikes")
	nest := func(before, after string, n int) string {
		return strings.Repeat(before, n) + "size" + strings.Repeat(after, n)
	}
	for name, expr := range map[string]string{
		"between":  strings.Replace(nest("(", " BETWEEN false AND true)", 40), "size", "(size = 'a')", 1),
		"nullif":   nest("nullif(", ", 'x')", 40),
		"case":     nest("CASE ", " WHEN 'a' THEN 'b' WHEN 'c' THEN 'd' END", 40),
		"division": strings.Replace(nest("(1 / ", ")", 40), "size", "count(*)", 1),
		"aliases":  "size AS a, " + strings.Repeat("coalesce(size, ", 40) + "size" + strings.Repeat(")", 40) + " AS b",
	} {
		t.Run(name, func(t *testing.T) {
			r.SQL = "SELECT " + expr + " FROM pool.strikes GROUP BY size"
			if name == "aliases" {
				r.SQL += " ORDER BY " + strings.TrimSuffix(strings.Repeat("coalesce("+strings.Repeat("b, ", 60)+"b), ", 60), ", ")
			}
			start := time.Now()
			_, err := policy.Compile(r)
			var ref *policy.Refusal
			if !errors.As(err, &ref) || ref.Rule != "limits" {
				t.Errorf("%v", err)
			}
			if d := time.Since(start); d > 500*time.Millisecond {
				t.Errorf("took %v", d)
			}
		})
	}
}

func TestDecodedBombs(t *testing.T) {
	r := world(t, "strikes", "strikes", "strikes")
	r.SQL = "SELECT count(*) / 7 FROM pool.strikes"
	p, err := policy.Compile(r)
	if err != nil {
		t.Fatal(err)
	}
	x := p.Post.Select[0].Expr
	seven := x.Args[1]
	for range 60 {
		x = policy.Expr{Op: policy.OpDiv, Type: policy.Double, Args: []policy.Expr{seven, x}}
	}
	p.Post.Select[0].Expr = x
	if _, err := policy.DecodePlan(p.Encode()); !errors.Is(err, policy.ErrEncoding) {
		t.Error("a plan whose text would double 60 times is accepted")
	}
}
