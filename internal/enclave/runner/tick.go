package runner

import (
	"context"
	"errors"
	"time"

	"github.com/cordon-exchange/cordon/internal/enclave/failure"
)

// errTick stands for policies whose ticks are longer than the job may run.
var errTick = errors.New("runner: the plan's tick is longer than the job may take")

// runTime is how long the answer may take: under ticks a whole number of them, so that it leaves within the job's time.
func (r *run) runTime() time.Duration {
	most := time.Duration(r.limits.RunMS) * time.Millisecond
	if tick := r.plan.Tick(); tick > 0 {
		return most / tick * tick
	}
	return most
}

// timely refuses, before any key is asked for, a plan whose first tick comes after the job's time.
func (r *run) timely() error {
	if r.runTime() <= 0 {
		return failure.New(failure.TooSlow, errTick)
	}
	return nil
}

// hold waits for the next tick after began, for which what the data says no longer matters: everything in clear is gone, and a
// failure waits as an answer does. Without ticks it does nothing.
func (r *run) hold(ctx context.Context, began time.Time) error {
	tick := r.plan.Tick()
	if tick <= 0 {
		return nil
	}
	r.letGo()
	t := time.NewTimer(untilTick(time.Since(began), tick))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
		return failure.New(failure.Link, ctx.Err())
	}
	r.meter.Closed() // rounded up, as what the receipt says has to be the same whatever the data
	return nil
}

// untilTick is what is missing to a whole number of ticks, at least one.
func untilTick(passed, tick time.Duration) time.Duration {
	if passed <= 0 {
		return tick - passed
	}
	return (tick - passed%tick) % tick
}
