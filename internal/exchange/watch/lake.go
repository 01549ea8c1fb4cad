package watch

import (
	"context"
	"io"

	"github.com/cordon-exchange/cordon/internal/exchange/lake"
)

// Lake is l, timed.
func (w *Watch) Lake(l lake.Lake) lake.Lake { return &timedLake{Lake: l, w: w} }

type timedLake struct {
	lake.Lake
	w *Watch
}

func (l *timedLake) Put(ctx context.Context, path string, r io.Reader) error {
	return l.w.timed(ctx, "lake", "put", func(ctx context.Context) error { return l.Lake.Put(ctx, path, r) })
}

func (l *timedLake) Size(ctx context.Context, path string) (int64, error) {
	return timed(ctx, l.w, "lake", "size", func(ctx context.Context) (int64, error) { return l.Lake.Size(ctx, path) })
}

func (l *timedLake) Read(ctx context.Context, path string, offset, length int64) (io.ReadCloser, error) {
	return timed(ctx, l.w, "lake", "read", func(ctx context.Context) (io.ReadCloser, error) { return l.Lake.Read(ctx, path, offset, length) })
}

func (l *timedLake) Delete(ctx context.Context, path string) error {
	return l.w.timed(ctx, "lake", "delete", func(ctx context.Context) error { return l.Lake.Delete(ctx, path) })
}
