package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/need"
)

// TestOutages: whatever is away for a while, commands say so or wait, jobs go on afterwards without hands, and nothing is lost. What is
// away for 30 seconds, as by make outages, is so here for few.
func TestOutages(t *testing.T) {
	if testing.Short() {
		t.Skip("takes over a minute")
	}
	t.Parallel()
	o := programs(t)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	w, err := newWorld(ctx, o)
	t.Cleanup(w.stop)
	if err != nil {
		t.Fatal(err)
	}
	need.That(t, w.net != nil, "network namespaces can't be made: needs root")
	h, err := outlast(ctx, w, 4*time.Second, 1)
	if err != nil {
		t.Fatalf("%v (logs in %s)", err, o.out)
	}
	t.Log("\n" + h.section())
	for _, f := range h.Faults {
		t.Errorf("%s (logs in %s)", f, o.out)
	}
	if len(h.Endured) != len(w.outages()) || len(h.Endured) < 10 || h.Jobs < len(h.Endured) {
		t.Errorf("too little went on to show anything: %d outages, %s", len(h.Endured), h.account)
	}
	for _, e := range h.Endured {
		if !strings.HasPrefix(e.Said, "`dataset ") || e.Ready == "" {
			t.Errorf("%s: %q, %q", e.Name, e.Said, e.Ready)
		}
	}
}
