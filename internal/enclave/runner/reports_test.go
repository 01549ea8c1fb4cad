package runner

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestShortStagesAreNotTold: of several stages that follow each other at once, the one that lasts is told.
func TestShortStagesAreNotTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r := reports{names: make(chan string, 16)}
		go func() {
			r.add("brief")
			time.Sleep(settle / 2)
			r.add("hello")
		}()
		began := time.Now()
		if name, ok := r.settled(ctx); !ok || name != "hello" || time.Since(began) != settle/2+settle {
			t.Errorf("told %q after %s", name, time.Since(began))
		}
		r.add("quote")
		cancel()
		if name, ok := r.settled(ctx); ok {
			t.Errorf("told %q when the job was over", name)
		}
	})
}
