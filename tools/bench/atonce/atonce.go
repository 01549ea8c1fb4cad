package atonce

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Options of a measurement. Job, Levels and each of the two numbers are required.
type Options struct {
	// Job asks for one job and returns when its result is opened. It is called concurrently.
	Job func(context.Context) error
	// Levels are how many jobs are in flight, one level after the other.
	Levels []int
	// Rounds over all levels; each gives a sample.
	Rounds int
	// PerLevel is how long jobs of one sample are asked for. Those under way then are waited for and counted.
	PerLevel time.Duration
}

// Level is what was measured with so many jobs in flight.
type Level struct {
	InFlight int
	// PerSecond are the jobs done in a second, by sample.
	PerSecond []float64
	// Millis are how long jobs took from asking to the opened result, of all samples.
	Millis []float64
	// Failed jobs: none may be. Why is the first one's error.
	Failed int
	Why    error
}

var errOptions = errors.New("atonce: options incomplete")

// Measure asks for jobs at every level by turns, so that a slow moment of the machine does not fall on one level alone.
func Measure(ctx context.Context, o Options) ([]Level, error) {
	if o.Job == nil || len(o.Levels) == 0 || o.Rounds < 1 || o.PerLevel <= 0 {
		return nil, errOptions
	}
	out := make([]Level, len(o.Levels))
	for i, n := range o.Levels {
		if n < 1 {
			return nil, errOptions
		}
		out[i].InFlight = n
	}
	for range o.Rounds {
		for i := range out {
			out[i].sample(ctx, o)
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// sample keeps as many jobs in flight as the level says for some time.
func (l *Level) sample(ctx context.Context, o Options) {
	began := time.Now()
	var mu sync.Mutex
	done := 0
	var all sync.WaitGroup
	for range l.InFlight {
		all.Go(func() {
			for ctx.Err() == nil && time.Since(began) < o.PerLevel {
				asked := time.Now()
				err := o.Job(ctx)
				took := time.Since(asked)
				mu.Lock()
				if err == nil {
					done++
				}
				l.note(took, err)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	l.PerSecond = append(l.PerSecond, float64(done)/time.Since(began).Seconds())
}

func (l *Level) note(took time.Duration, err error) {
	if err == nil {
		l.Millis = append(l.Millis, float64(took.Microseconds())/1000)
		return
	}
	l.Failed++
	if l.Why == nil {
		l.Why = fmt.Errorf("with %d in flight: %w", l.InFlight, err)
	}
}

// Falls is how far throughput falls behind its best at fewer jobs in flight: the least ratio of a level's median to the best median of
// those before it; 1 where none falls. spread is the largest of what samples of one of the two levels of such a pair differ by.
func Falls(levels []Level, median, spreadOf func([]float64) float64) (least, spread float64) {
	least = 1
	best := Level{}
	for _, l := range levels {
		if len(best.PerSecond) == 0 || median(l.PerSecond) >= median(best.PerSecond) {
			best = l
			continue
		}
		least = min(least, median(l.PerSecond)/median(best.PerSecond))
		spread = max(spread, spreadOf(l.PerSecond), spreadOf(best.PerSecond))
	}
	return least, spread
}
