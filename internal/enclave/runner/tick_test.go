package runner

import (
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/channel"
	"github.com/cordon-exchange/cordon/statement"
)

// newTickingWorld: the policies want noise, and answers at ticks of a second.
func newTickingWorld(t *testing.T) *world {
	w := &world{t: t, lake: map[string][]byte{}, now: time.Now().UnixMilli(), build: testBuild, form: testForm, lattice: "[[size]]", rows: 40, noisy: true, timing: "tick 1s"}
	return w.populate()
}

// wantTicks checks that a receipt tells nothing finer than ticks of what happened after the keys came.
func wantTicks(t *testing.T, r *statement.Receipt, memory int64) {
	t.Helper()
	if r.TickMS != 1000 || r.Clear.PeakMemory != memory {
		t.Errorf("tick of %d ms, %d bytes of memory", r.TickMS, r.Clear.PeakMemory)
	}
	if r.Clear.Micros < 1e6 || r.Clear.Micros > 2e6 {
		t.Errorf("in clear for %d µs", r.Clear.Micros)
	}
	for _, s := range r.Stages {
		switch s.Name {
		case "open", "run", "seal":
			t.Errorf("stage %s tells how long it took", s.Name)
		case "answer":
			if over := s.Micros - 1e6; over < 0 || over > 5e5 {
				t.Errorf("answered after %d µs", s.Micros)
			}
		}
	}
}

// TestAnswersLeaveAtTicks: a result and a failure alike, with nothing in clear while they wait.
func TestAnswersLeaveAtTicks(t *testing.T) {
	w := newTickingWorld(t)
	h := newFakeHost(w)
	if err := h.run(); err != nil {
		t.Fatal(err)
	}
	wantTicks(t, h.wantReceipt(w.owners[0], statement.OutcomeResult), h.limits.MemoryBytes)

	w = newTickingWorld(t)
	h = newFakeHost(w)
	h.onObject = func(path string, off int64, b []byte) ([]byte, error) {
		if at := int64(len(w.lake[path])/3) - off; path == objectOf(w.owners[0]) && at >= 0 && at < int64(len(b)) {
			b[at] ^= 1
		}
		return b, nil
	}
	began := time.Now()
	h.wantFailure("bad-data:alpha")
	if took := time.Since(began); took < time.Second {
		t.Errorf("failed after %s", took)
	}
	wantTicks(t, h.wantReceipt(w.owners[0], statement.OutcomeFailed+"bad-data:alpha"), h.limits.MemoryBytes)
}

// TestTickWithinTheJobsTime: where it is not, no key is asked for; where it is, the answer leaves within that time.
func TestTickWithinTheJobsTime(t *testing.T) {
	w := newTickingWorld(t)
	h := newFakeHost(w)
	h.limits.RunMS = 999
	h.wantFailure("too-slow")
	for _, o := range w.owners {
		if h.of(o).notice != nil {
			t.Error("keys were released")
		}
	}
	p := w.compile(testSQL)
	for ms, want := range map[int64]time.Duration{999: 0, 1000: time.Second, 1999: time.Second, 2000: 2 * time.Second, 20000: 20 * time.Second} {
		if got := (&run{plan: p, limits: channel.Limits{RunMS: ms}}).runTime(); got != want {
			t.Errorf("of %d ms an answer may take %s, want %s", ms, got, want)
		}
	}
}

func TestUntilTick(t *testing.T) {
	for _, c := range []struct{ passed, tick, want time.Duration }{
		{0, 5, 5}, {1, 5, 4}, {4, 5, 1}, {5, 5, 0}, {6, 5, 4}, {12, 5, 3}, {-1, 5, 6},
	} {
		if got := untilTick(c.passed, c.tick); got != c.want {
			t.Errorf("%d after the keys: %d more, want %d", c.passed, got, c.want)
		}
	}
}
