package main

import (
	"context"
	"testing"
	"time"
)

// TestLoad: a hundred analysts for a minute, while jobs run: no error, and memory stays flat.
func TestLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("takes over a minute")
	}
	t.Parallel()
	const analysts = 100
	o := programs(t)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	w, err := newWorld(ctx, o)
	t.Cleanup(w.stop)
	if err != nil {
		t.Fatal(err)
	}
	b, err := carry(ctx, w, analysts, time.Minute, 1)
	if err != nil {
		t.Fatalf("%v (logs in %s)", err, o.out)
	}
	t.Log("\n" + b.section())
	for _, f := range append(b.Errors, b.Asked.Faults...) {
		t.Errorf("%s (logs in %s)", f, o.out)
	}
	if len(b.Took) < 7 || b.Took["status of a job"].N < analysts || b.Asked.Results == 0 {
		t.Errorf("too little went on to show anything: %+v", b)
	}
	for n, m := range b.Memory {
		if m.Before == 0 || m.After == 0 {
			t.Errorf("memory of exchange %d was not looked at", n+1)
		}
	}
}
