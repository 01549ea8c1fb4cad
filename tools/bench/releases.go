package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/cordon-exchange/cordon/tools/bench/figure"
	"github.com/cordon-exchange/cordon/tools/bench/releasing"
)

// releaseRows measures how many releases of keys a broker makes in a second on one processor, for each kind of evidence.
func releaseRows(ctx context.Context, b *bench, r *figure.Report) error {
	dir := filepath.Join(b.dir, "releasing")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	for _, line := range releasing.Lines() {
		r.Machine.Sample()
		f, err := releasing.Measure(ctx, line, releasing.Options{Dir: dir})
		if err != nil {
			return err
		}
		ms := func(d interface{ Microseconds() int64 }) float64 { return float64(d.Microseconds()) / 1000 }
		r.Add(figure.At("key releases, "+line.Name, figure.PerSecond, []float64{f.PerSecond}, 0.5, figure.Goal{AtLeast: line.Goal}).
			In("releases", "%d releases, %d in flight; %.2f ms of processor time each, of which the cryptography of its messages takes %.2f", f.Releases, f.InFlight, ms(f.Processor), ms(f.Floor)))
		r.Add(figure.At("key releases, "+line.Name+", p99 at half the load", figure.Millis, []float64{ms(f.P99)}, 0.5, figure.Goal{AtMost: line.GoalMillis}).
			In("releases", "%d releases at %.0f a second; p50 %.1f ms", f.Paced, f.Load, ms(f.P50)))
	}
	return nil
}
