package runner

import (
	"context"
	"runtime"
	"time"

	"github.com/cordon-exchange/cordon/internal/channel"
)

// idleAfter is how long an enclave waits for its job before it takes it that there is none yet. A host that starts one for a job answers
// within milliseconds.
const idleAfter = 100 * time.Millisecond

// awaitJob asks for the job. Once it has been asked for and not given for some time, ahead is called, once: nobody waits for what it
// does, unless the job comes meanwhile. Whatever ahead does, it does without a job.
func awaitJob(ctx context.Context, ask func(context.Context) (*channel.Job, error), idle time.Duration, ahead func()) (*channel.Job, error) {
	type answer struct {
		job *channel.Job
		err error
	}
	got := make(chan answer, 1)
	go func() {
		job, err := ask(ctx)
		got <- answer{job, err}
	}()
	t := time.NewTimer(idle)
	defer t.Stop()
	select {
	case a := <-got:
		return a.job, a.err
	case <-t.C:
	}
	ahead()
	a := <-got
	return a.job, a.err
}

// heapAhead is about what a small job takes of the heap.
const heapAhead = 8 << 20

// touchHeap has the kernel give the heap the pages that a small job will use, which otherwise come one by one when they are first
// written to, some microseconds each. The runtime keeps what was collected, and gives it out again.
func touchHeap() {
	b := make([]byte, heapAhead)
	for i := 0; i < len(b); i += pageSize {
		b[i] = 1
	}
	runtime.KeepAlive(b)
	b = nil
	runtime.GC()
}

// pageSize is the least of all machines that this runs on: a larger one is touched more than once.
const pageSize = 4096
