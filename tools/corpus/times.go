package main

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/cordon-exchange/cordon/policy"
)

// The goals of compiling a query, in milliseconds.
const (
	goalMedian  = 5
	goalLongest = 20
	timesEach   = 9
)

// compileTimes says how long the compiler takes for a query of the corpus, accepted or refused: the median of nine for each.
func (s *system) compileTimes(w io.Writer, lines []line) error {
	type took struct {
		id string
		ms float64
	}
	var all []took
	for _, l := range lines {
		r := s.request(l)
		var each []float64
		for range timesEach {
			began := time.Now()
			_, _ = policy.Compile(r)
			each = append(each, float64(time.Since(began).Microseconds())/1000)
		}
		slices.Sort(each)
		all = append(all, took{l.ID, each[len(each)/2]})
	}
	slices.SortFunc(all, func(a, b took) int { return int(1e6 * (a.ms - b.ms)) })
	for _, f := range []struct {
		name string
		took
		goal float64
	}{{"compile, median query of the corpus", all[len(all)/2], goalMedian}, {"compile, longest query of the corpus", all[len(all)-1], goalLongest}} {
		missed := ""
		if f.ms > f.goal {
			missed = " MISS"
		}
		if _, err := fmt.Fprintf(w, "bench: %s ms=%.2f goal=%g (n=%d; %s)%s\n", f.name, f.ms, f.goal, len(all), f.id, missed); err != nil {
			return err
		}
	}
	return nil
}
