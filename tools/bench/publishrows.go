package main

import (
	"context"
	_ "embed"
	"errors"
	"os"
	"path/filepath"

	"github.com/cordon-exchange/cordon/internal/party/publish"
	"github.com/cordon-exchange/cordon/tools/bench/figure"
	"github.com/cordon-exchange/cordon/tools/bench/publishing"
	"github.com/cordon-exchange/cordon/tools/bench/tpch"
)

// The goals of publishing.
const (
	goalSealing = 1.05
	goalPyArrow = 1.5
)

//go:embed publishrows.yaml
var publishPolicy string

// publishRows measures what sealing costs a publication of TPC-H's lineitem, beside plain Parquet and beside pyarrow.
func publishRows(ctx context.Context, b *bench, r *figure.Report) error {
	dir, err := b.generated(ctx, b.o.scale)
	if err != nil {
		return err
	}
	python, err := b.python()
	if err != nil {
		return err
	}
	work := filepath.Join(b.dir, "publishing")
	if err := os.Mkdir(work, 0o700); err != nil {
		return err
	}
	samples, err := publishing.Measure(ctx, publishing.Options{
		Request: publish.Request{Path: tpch.Path(dir, "lineitem"), Dataset: "lineitem", Policy: []byte(publishPolicy), RowID: "line"},
		Dir:     work, Rounds: max(1, b.o.rounds), Python: python,
	})
	if err != nil {
		return err
	}
	ratio := func(name string, g figure.Goal, over func(publishing.Sample) (a, b publishing.Side), note string, args ...any) {
		var one, other []figure.Sample
		for _, s := range samples {
			x, y := over(s)
			one = append(one, figure.Sample{Amount: 1000 * x.Seconds, Processor: 1000 * x.Processor})
			other = append(other, figure.Sample{Amount: 1000 * y.Seconds, Processor: 1000 * y.Processor})
		}
		r.Add(figure.Of(name, figure.Measured(one, other), g, "").In("publish", note, args...))
	}
	rows := samples[0].Sealed.Rows
	ratio("sealed publish over plain write", figure.Goal{AtMost: goalSealing}, func(s publishing.Sample) (a, b publishing.Side) { return s.Sealed, s.Unchecked },
		"%d rows, 16 columns, out of the same Parquet file; the plain side has no checks of the policy and no digest of contents", rows)
	ratio("sealed publish over the same in plain", figure.Goal{}, func(s publishing.Sample) (a, b publishing.Side) { return s.Sealed, s.Checked },
		"what sealing alone costs: both sides check and digest")
	ratio("pyarrow's PME writer over sealed publish", figure.Goal{AtLeast: goalPyArrow}, func(s publishing.Sample) (a, b publishing.Side) { return s.PyArrow, s.Sealed },
		"a is pyarrow, reading included on both sides; same columns, row groups and codec, which ours leaves out where it takes little off")
	return nil
}

// python finds an interpreter, and has it find the packages that make bench-deps installed.
func (b *bench) python() (string, error) {
	packages, err := filepath.Abs(filepath.Join(b.o.bin, "bench", "py"))
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(packages, "pyarrow")); err != nil {
		return "", errors.New("pyarrow is missing: run 'make bench-deps'")
	}
	return "python3", os.Setenv("PYTHONPATH", packages)
}
