package runner

import (
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/enclave/engine"
	"github.com/cordon-exchange/cordon/internal/enclave/meter"
)

// TestThreadsFor: as many as the rows are worth, one at least, no more than the class has.
func TestThreadsFor(t *testing.T) {
	for _, c := range []struct {
		rows       int64
		most, want int
	}{
		{0, 4, 1}, {-1, 4, 1}, {1, 4, 1}, {rowsOfAThread, 4, 1}, {rowsOfAThread + 1, 4, 2}, {3 * rowsOfAThread, 4, 3}, {1 << 40, 4, 4}, {1 << 40, 1, 1},
	} {
		if got := threadsFor(c.rows, c.most); got != c.want {
			t.Errorf("%d rows, %d at most: %d", c.rows, c.most, got)
		}
	}
}

// TestLetGoDisconnectsTheEngine: when a receipt may say that all is closed, nothing can be executed any more.
func TestLetGoDisconnectsTheEngine(t *testing.T) {
	r := &run{meter: meter.New(time.Now, "start", time.Now()), engine: openEngine(t.Context(), nil), keys: newKeyCase()}
	defer r.erasing.Wait()
	defer r.engine.close()
	if err := r.engine.ready(); err != nil {
		t.Fatal(err)
	}
	limits := engine.Options{MemoryBytes: firstMemory, Threads: 1}
	if err := r.engine.engine.Limit(t.Context(), limits); err != nil {
		t.Fatal(err)
	}
	r.letGo()
	if err := r.engine.engine.Limit(t.Context(), limits); err == nil {
		t.Error("the engine executes statements still")
	}
}
