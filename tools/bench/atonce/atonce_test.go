package atonce

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func middle(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

func width(v []float64) float64 { return (slices.Max(v) - slices.Min(v)) / middle(v) }

// A machine that does two jobs at once, each in 100 ms: 10, 20, 20 jobs a second.
func TestThroughputOfKnownJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		processors := make(chan struct{}, 2)
		levels, err := Measure(t.Context(), Options{Levels: []int{1, 2, 4}, Rounds: 3, PerLevel: 10 * time.Second, Job: func(context.Context) error {
			processors <- struct{}{}
			time.Sleep(100 * time.Millisecond)
			<-processors
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []float64{10, 20, 20} {
			l := levels[i]
			if got := middle(l.PerSecond); len(l.PerSecond) != 3 || math.Abs(got-want) > 0.5 || l.Failed != 0 {
				t.Errorf("%d in flight: %v a second, want %v", l.InFlight, l.PerSecond, want)
			}
		}
		if got := middle(levels[2].Millis); math.Abs(got-200) > 1 {
			t.Errorf("a job took %v ms", got)
		}
		if f, spread := Falls(levels, middle, width); f < 0.97 || spread > 0.03 {
			t.Errorf("falls to %v, samples spread over %v", f, spread)
		}
	})
}

func TestFailedJobsAreCounted(t *testing.T) {
	broken := errors.New("refused")
	var mu sync.Mutex
	n := 0
	levels, err := Measure(t.Context(), Options{Levels: []int{1}, Rounds: 1, PerLevel: 20 * time.Millisecond, Job: func(context.Context) error {
		time.Sleep(time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
		if n++; n == 2 {
			return broken
		}
		return nil
	}})
	if err != nil || levels[0].Failed != 1 || !errors.Is(levels[0].Why, broken) || len(levels[0].Millis) != n-1 {
		t.Errorf("%v, %+v", err, levels)
	}
}

func TestFalls(t *testing.T) {
	levels := []Level{{PerSecond: []float64{1, 5, 9}}, {PerSecond: []float64{10, 10, 10.5}}, {PerSecond: []float64{7.6, 8, 8}}, {PerSecond: []float64{9, 9, 9}}}
	if got, spread := Falls(levels, middle, width); got != 0.8 || math.Abs(spread-0.05) > 1e-9 {
		t.Errorf("got %v, samples spread over %v", got, spread) // those of a level that nothing is compared with count for nothing
	}
	if got, spread := Falls(levels[:2], middle, width); got != 1 || spread != 0 {
		t.Errorf("rising throughput falls to %v, %v", got, spread)
	}
}

func TestIncompleteOptions(t *testing.T) {
	job := func(context.Context) error { return nil }
	for name, o := range map[string]Options{
		"no job": {Levels: []int{1}, Rounds: 1, PerLevel: 1}, "no levels": {Job: job, Rounds: 1, PerLevel: 1}, "no rounds": {Job: job, Levels: []int{1}, PerLevel: 1},
		"no time": {Job: job, Levels: []int{1}, Rounds: 1}, "none in flight": {Job: job, Levels: []int{0}, Rounds: 1, PerLevel: 1},
	} {
		if _, err := Measure(t.Context(), o); !errors.Is(err, errOptions) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
