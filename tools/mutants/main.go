package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// options choose what runs, and how much at once.
type options struct {
	list  string
	only  string // regular expression of names; default all
	shard string // i/n: the i-th of n parts; default all
	jobs  int    // mutants at once
}

func main() {
	var o options
	flag.StringVar(&o.list, "list", "tools/mutants/mutants.yaml", "file that lists the mutants")
	flag.StringVar(&o.only, "only", "", "run mutants whose name matches this regular expression")
	flag.StringVar(&o.shard, "shard", "", "run only part i of n, as in 2/4")
	flag.IntVar(&o.jobs, "jobs", 2, "mutants at once")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	mutants, err := chosen(o)
	if err != nil {
		return err
	}
	known, err := newBaseline()
	if err != nil {
		return err
	}
	defer os.RemoveAll(known.dir)
	r := newReport(os.Stdout, len(mutants))
	tryAll(ctx, mutants, known, o.jobs, r)
	r.end()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case r.failed > 0 || r.passed == 0:
		return errors.New("not every mutant was killed")
	}
	return nil
}

// chosen reads the list. Mutants of one package follow each other: they share most of what is compiled.
func chosen(o options) ([]mutant, error) {
	filter, err := regexp.Compile(o.only)
	if err != nil {
		return nil, err
	}
	part, parts := 1, 1
	if o.shard != "" {
		if n, err := fmt.Sscanf(o.shard, "%d/%d", &part, &parts); n != 2 || err != nil || part < 1 || part > parts {
			return nil, fmt.Errorf("not a shard: %s; write 2/4", o.shard)
		}
	}
	if o.jobs < 1 {
		return nil, errors.New("-jobs must be positive")
	}
	all, err := read(o.list)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(m mutant) bool { return !filter.MatchString(m.Name) })
	slices.SortStableFunc(all, func(a, b mutant) int { return strings.Compare(a.Package, b.Package) })
	return all[len(all)*(part-1)/parts : len(all)*part/parts], nil
}

// tryAll tries mutants, some at once, until all are done or ctx ends.
func tryAll(ctx context.Context, mutants []mutant, known *baseline, jobs int, r *report) {
	next := make(chan mutant)
	var all sync.WaitGroup
	for range jobs {
		all.Go(func() {
			for m := range next {
				r.add(ctx, m, m.try(ctx, known, jobs))
			}
		})
	}
	for _, m := range mutants {
		select {
		case next <- m:
		case <-ctx.Done():
		}
	}
	close(next)
	all.Wait()
}
