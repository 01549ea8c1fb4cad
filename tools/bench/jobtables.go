package main

import (
	"context"
	"errors"
	"os"

	"github.com/cordon-exchange/cordon/tools/bench/tpch"
)

// joinScale is that of the tables that are joined: a join takes longer than a scan of as many rows.
func (b *bench) joinScale() float64 { return b.o.jobScale / 3 }

// publishForJobs publishes lineitem for any query, and for those of a lattice, and smaller lineitem and orders of two owners to be joined.
func (b *bench) publishForJobs(ctx context.Context, w *world) (rows, cells, joined jobTables, err error) {
	big, small := w.file("jobs"), w.file("joined")
	first, second := owners()[0], owners()[1]
	rows = jobTables{first + ".lineitem_jobs", []string{first + ".lineitem_jobs"}, []string{w.file("jobs.parquet")}}
	cells = jobTables{first + ".lineitem_cells", []string{first + ".lineitem_cells"}, rows.plain}
	joined = jobTables{"joined", []string{first + ".lineitem_joined", second + ".orders_joined"}, []string{w.file("lineitem_joined.parquet"), w.file("orders_joined.parquet")}}
	err = w.steps(ctx, []step{
		{"make lineitem for jobs", func(ctx context.Context) error {
			return errors.Join(os.Mkdir(big, 0o700), tpch.Generate(ctx, b.generator(), big, b.o.jobScale, "lineitem"))
		}},
		{"publish it", func(ctx context.Context) error { return w.publishBig(ctx, "lineitem_jobs", tpch.Path(big, "lineitem")) }},
		{"publish it with a lattice", func(ctx context.Context) error {
			return errors.Join(w.publishBig(ctx, "lineitem_cells", tpch.Path(big, "lineitem")), os.RemoveAll(big))
		}},
		{"make lineitem and orders to join", func(ctx context.Context) error {
			return errors.Join(os.Mkdir(small, 0o700), tpch.Generate(ctx, b.generator(), small, b.joinScale(), "lineitem", "orders"))
		}},
		{"publish them", func(ctx context.Context) error {
			return errors.Join(w.publishBig(ctx, "lineitem_joined", tpch.Path(small, "lineitem")), w.publishOrders(ctx, second, "orders_joined", tpch.Path(small, "orders")), os.RemoveAll(small))
		}},
		{"agree on contracts over them", func(ctx context.Context) error {
			return errors.Join(w.agree(ctx, rows.contract, cells.contract), w.agreeOn(ctx, joined.contract, joined.tables...))
		}},
		{"write the same in plain", func(ctx context.Context) error {
			return errors.Join(w.plainOf(ctx, first, "lineitem_jobs", rows.plain[0]), w.plainOf(ctx, first, "lineitem_joined", joined.plain[0]),
				w.plainOf(ctx, second, "orders_joined", joined.plain[1]))
		}},
	})
	return rows, cells, joined, err
}

// plainOf writes the plain file that an owner's data set opens to.
func (w *world) plainOf(ctx context.Context, owner, dataset, path string) error {
	files, err := w.unseal(ctx, owner, dataset)
	if err != nil {
		return err
	}
	return files[0].writePlain(ctx, path)
}
