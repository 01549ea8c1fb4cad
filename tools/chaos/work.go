package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

// job that was confirmed to who submitted it.
type job struct {
	Digest    string    `json:"digest"`
	Owners    []string  `json:"owners"`
	Submitted time.Time `json:"submitted"`
	Ended     time.Time `json:"ended"`
	State     string    `json:"state"`
	Code      string    `json:"code,omitempty"`
	Attempts  int64     `json:"attempts"`
	Opened    bool      `json:"opened"` // its result, with its receipt
	Kill      string    `json:"kill,omitempty"`
}

// agreement that was confirmed: a contract, and the grants of it.
type agreement struct {
	contract string
	granted  []string // owners
}

// records are what was confirmed, and what was not.
type records struct {
	mu         sync.Mutex
	jobs       []*job
	agreements []*agreement
	orders     []string
	unanswered int // commands that ended with code 7: what they asked for may or may not have happened
}

func (r *records) add(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

// worker does something again and again until ctx ends, and then ends what it has begun. What it was told is confirmed it records.
type worker struct {
	name string
	does func(ctx context.Context, w *world, r *records, chance *rand.Rand)
}

// workers are what goes on while things are killed.
func workers() []worker {
	return []worker{{"jobs", askAndOpen}, {"jobs", askAndOpen}, {"jobs", askAndOpen}, {"agreements", proposeAndGrant}, {"purchases", buyAndAsk}}
}

// endTime bounds a job from its submission to its end, and each wait for something that is away.
const endTime = 2 * time.Minute

// askAndOpen submits a job, waits for its end and opens its result.
func askAndOpen(ctx context.Context, w *world, r *records, chance *rand.Rand) {
	for ctx.Err() == nil {
		c := w.contracts[chance.IntN(len(w.contracts))]
		if !askOnce(ctx, w, r, c) {
			sleep(ctx, 500*time.Millisecond)
		}
	}
}

func askOnce(ctx context.Context, w *world, r *records, c contract) bool {
	// What was begun is ended also when ctx is over.
	work := context.WithoutCancel(ctx)
	var made struct{ Digest string }
	began := time.Now()
	err := w.json(work, &made, "query", "run", c.sql, "--home", w.home(institute), "--contract", c.digest, "--detach")
	switch {
	case away(err):
		r.add(func() { r.unanswered++ })
		return false
	case err != nil:
		w.note("a job was refused: %v", err)
		return false
	}
	j := &job{Digest: made.Digest, Owners: c.owners, Submitted: began}
	r.add(func() { r.jobs = append(r.jobs, j) })
	w.follow(work, j)
	if j.State == "done" {
		w.open(work, j, c)
	}
	return true
}

// follow waits for a job's end.
func (w *world) follow(ctx context.Context, j *job) {
	for deadline := time.Now().Add(endTime); ; sleep(ctx, 300*time.Millisecond) {
		var s struct {
			State, Code string
			Attempts    int64
		}
		err := w.json(ctx, &s, "query", "status", j.Digest, "--home", w.home(institute))
		switch {
		case err == nil && (s.State == "done" || s.State == "failed"):
			j.State, j.Code, j.Attempts, j.Ended = s.State, s.Code, s.Attempts, time.Now()
			return
		case err != nil && !away(err):
			w.note("status of job %s: %v", j.Digest, err)
			return
		case time.Now().After(deadline):
			j.State = s.State
			w.note("job %s has not ended within %s: %s %v", j.Digest, endTime, s.State, err)
			return
		}
	}
}

// open opens a result, as often as it takes until what is needed answers.
func (w *world) open(ctx context.Context, j *job, c contract) {
	for deadline := time.Now().Add(endTime); ; sleep(ctx, 300*time.Millisecond) {
		out, err := w.run(ctx, "result", "open", j.Digest, "--home", w.home(institute), "--format", "csv")
		switch {
		case err == nil && strings.Contains(string(out), c.want):
			j.Opened = true
			return
		case err == nil:
			w.note("result of job %s is %q, want %q", j.Digest, out, c.want)
			return
		case !away(err) || time.Now().After(deadline):
			w.note("result of job %s: %v", j.Digest, err)
			return
		}
	}
}

// proposeAndGrant proposes contracts and has them granted.
func proposeAndGrant(ctx context.Context, w *world, r *records, chance *rand.Rand) {
	for ; ctx.Err() == nil; sleep(ctx, time.Second) {
		of := owners[chance.IntN(len(owners)):][:1]
		var made struct{ Digest string }
		err := w.json(context.WithoutCancel(ctx), &made, w.proposeArgs(of)...)
		if err != nil {
			w.unlessAway(r, "a contract was refused", err)
			continue
		}
		a := &agreement{contract: made.Digest}
		r.add(func() { r.agreements = append(r.agreements, a) })
		for _, o := range of {
			if err := w.grant(context.WithoutCancel(ctx), o, a.contract); err != nil {
				w.unlessAway(r, "a grant was refused", err)
				continue
			}
			r.add(func() { a.granted = append(a.granted, o) })
		}
	}
}

func (w *world) unlessAway(r *records, what string, err error) {
	if away(err) {
		r.add(func() { r.unanswered++ })
		return
	}
	w.note("%s: %v", what, err)
}

var errNothing = errors.New("nothing was submitted")
