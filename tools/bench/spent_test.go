package main

import (
	"strings"
	"testing"
)

func TestTimesOfAProcess(t *testing.T) {
	const stat = `42 (a) b (c)) S 1 42 42 0 -1 4194560 1 2 3 4 12 3 40 5 20 0 9 0 1`
	own, children, err := times([]byte(stat))
	if err != nil || own != 150 || children != 450 {
		t.Errorf("%v ms, and %v of its children: %v", own, children, err)
	}
	for _, bad := range []string{"", "42 (a) S 1", strings.Replace(stat, " 12 3", " x 3", 1)} {
		if _, _, err := times([]byte(bad)); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}

func TestSpentByEach(t *testing.T) {
	before := spent{"exchange": 100, "brokers": 10}
	after := spent{"exchange": 300, "brokers": 40, "enclave": 20}
	if got, want := after.each(before, 10), "processor time 25 ms: enclave 2, brokers 3, exchange 20, analyst 0, host 0, command 0"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestNoFall(t *testing.T) {
	for spread, want := range map[float64]float64{0: 1, 0.04: 0.96, 0.5: leastAtOnce} {
		if got := noFall(spread); got.AtLeast != want || got.AtMost != 0 {
			t.Errorf("samples that spread over %v: goal %+v", spread, got)
		}
	}
}
