package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"
)

// report prints what became of each mutant as it comes, and where the time went.
type report struct {
	w              io.Writer
	total          int
	began          time.Time
	mu             sync.Mutex
	passed, failed int
	packages       map[string]*spent
}

type spent struct {
	mutants     int
	test, build time.Duration
}

func newReport(w io.Writer, total int) *report {
	return &report{w: w, total: total, began: time.Now(), packages: map[string]*spent{}}
}

func (r *report) add(ctx context.Context, m mutant, got outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Err() != nil {
		return // stopped, not survived
	}
	p := r.packages[m.Package]
	if p == nil {
		p = &spent{}
		r.packages[m.Package] = p
	}
	p.mutants++
	p.build += got.build
	p.test += got.test
	at := func() string { return fmt.Sprintf("%3d/%d", r.passed+r.failed, r.total) }
	if got.err != nil {
		r.failed++
		fmt.Fprintf(r.w, "SURVIVED %s %s: %v\n", at(), m.Name, got.err)
		return
	}
	r.passed++
	fmt.Fprintf(r.w, "killed   %s %s (by %s in %s, %.1fs)\n", at(), m.Name, m.Test, m.Package, (got.build + got.test).Seconds())
}

func (r *report) end() {
	fmt.Fprintf(r.w, "\n%-34s %7s %9s %9s\n", "package", "mutants", "building", "testing")
	slowest := func(a, b string) int {
		x, y := r.packages[a], r.packages[b]
		return cmp.Compare(y.build+y.test, x.build+x.test)
	}
	for _, name := range slices.SortedFunc(maps.Keys(r.packages), slowest) {
		p := r.packages[name]
		fmt.Fprintf(r.w, "%-34s %7d %8.0fs %8.0fs\n", name, p.mutants, p.build.Seconds(), p.test.Seconds())
	}
	fmt.Fprintf(r.w, "took %v\n%d passed, %d failed\n", time.Since(r.began).Round(time.Second), r.passed, r.failed)
}
