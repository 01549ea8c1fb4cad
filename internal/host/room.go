package host

import (
	"context"
	"sync"
)

// room is what jobs may use of this machine. One at a time asks the exchange for a job, and only for classes that there is room
// for, so that a job is never taken to wait here while another host could do it.
type room struct {
	turn chan struct{} // holds whoever asks

	mu      sync.Mutex
	free    int64 // bytes
	running int
	freed   chan struct{} // closed, and made anew, when a job ends
}

func newRoom(bytes int64) *room {
	return &room{turn: make(chan struct{}, 1), free: bytes, freed: make(chan struct{})}
}

// enter waits for the caller's turn, and for room for a job of some class: those that fit. None means that ctx has ended. The
// caller leaves.
func (r *room) enter(ctx context.Context, classes []Class) []Class {
	select {
	case <-ctx.Done():
		return nil
	case r.turn <- struct{}{}:
	}
	for {
		fit, freed := r.fitting(classes)
		if len(fit) > 0 {
			return fit
		}
		select {
		case <-ctx.Done():
			r.leave()
			return nil
		case <-freed:
		}
	}
}

func (r *room) leave() { <-r.turn }

// fitting are the classes that there is room for. Where no job runs that is all of them: a class that is larger than the machine
// is a limit on a job, not what it uses.
func (r *room) fitting(classes []Class) (fit []Class, freed <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range classes {
		if r.running == 0 || c.MemoryBytes <= r.free {
			fit = append(fit, c)
		}
	}
	return fit, r.freed
}

// more is closed once more than n of the classes fit, unless stop is called before. Nil, where n are all.
func (r *room) more(classes []Class, n int) (more <-chan struct{}, stop func()) {
	if n == len(classes) {
		return nil, func() {}
	}
	out, stopped := make(chan struct{}), make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			fit, freed := r.fitting(classes)
			if len(fit) > n {
				close(out)
				return
			}
			select {
			case <-freed:
			case <-stopped:
				return
			}
		}
	})
	return out, func() { close(stopped); watching.Wait() }
}

// take notes a job that was claimed. The caller has the turn; it calls release when the job has ended.
func (r *room) take(bytes int64) (release func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.free -= bytes
	r.running++
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.free += bytes
		r.running--
		close(r.freed)
		r.freed = make(chan struct{})
	}
}
