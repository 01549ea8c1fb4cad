package agent

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestAcks: many items are acknowledged at once, and the last of them even when the agent is stopped.
func TestAcks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		began := time.Now()
		var got []int64
		k := acknowledge(ctx, func(_ context.Context, through int64) { got = append(got, through) })
		for _, seq := range []int64{3, 5, 9} {
			k.add(seq)
			time.Sleep(ackTime / 10)
		}
		time.Sleep(2 * ackTime)
		if !slices.Equal(got, []int64{9}) {
			t.Fatalf("acknowledged %v", got)
		}
		k.add(12)
		cancel()
		k.stop()
		if !slices.Equal(got, []int64{9, 12}) || time.Since(began) > 3*ackTime {
			t.Fatalf("acknowledged %v after %s", got, time.Since(began))
		}
	})
}
