package main

import (
	"context"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/tools/bench/figure"
)

// Queries that plain DuckDB answers in less than a second count for nothing, and less than eight others are no measurement.
func TestJobSums(t *testing.T) {
	pair := func(ours, plain float64) *figure.Pair {
		side := func(ms float64) figure.Side {
			return func(context.Context) (figure.Sample, error) { return figure.Sample{Amount: ms, Answer: 1}, nil }
		}
		p, err := figure.Turns(t.Context(), 1, side(ours), side(plain), func(any, any) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	var pairs []*figure.Pair
	var each []*figure.Figure
	add := func(name string, ours, plain float64) {
		p := pair(ours, plain)
		pairs, each = append(pairs, p), append(each, figure.Of(name, p, figure.Goal{}, "").In("jobs", ""))
	}
	add("quick", 5000, 999)
	for range 7 {
		add("long", 1100, 1000)
	}
	f := jobSums(pairs, each)
	if f[0].Failed == "" || f[1].Failed == "" || f[2].Failed == "" || f[3].Failed != "" || len(f) != 10 {
		t.Error(f[0].Line(), f[1].Line(), f[2].Line(), f[3].Line())
	}
	add("worst", 3000, 2000)
	f = jobSums(pairs, each)
	if f[0].Failed != "" || f[0].Value < 1.1 || f[0].Value > 1.2 || !f[0].Missed {
		t.Error(f[0].Line())
	}
	if f[1].Value != 1.5 || f[1].Note != "worst" || f[1].Missed || f[1].Table != "jobs" {
		t.Error(f[1].Line())
	}
	if !strings.Contains(f[2].Line(), "FAIL") {
		t.Error(f[2].Line())
	}
}
