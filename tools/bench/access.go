package main

import (
	"context"
	"os"

	"github.com/cordon-exchange/cordon/pme"
	"github.com/cordon-exchange/cordon/pme/memfile"
)

// sealedFile is one sealed file on local disk, with its keys.
type sealedFile struct {
	path    string
	size    int64
	keys    pme.Keys
	aad     []byte
	columns int // of all, for a guess of what some take
}

// opening is some columns of a sealed file on their way to DuckDB. What its maker did is done while a job waits for its keys,
// so nobody waits for it, and it is not measured; Open is.
type opening interface {
	Path() string // for read_parquet, before Open as after it
	Open(context.Context) error
	Close() error
}

// access makes an opening of columns. It is the one place that says how ours opens.
type access func(ctx context.Context, f *sealedFile, columns []string) (opening, error)

// memoryFile opens into a memory file: all pages of the columns are decrypted, then DuckDB reads.
func memoryFile(ctx context.Context, f *sealedFile, columns []string) (opening, error) {
	src, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	m, err := memfile.Create("bench", f.size+1<<20)
	if err != nil {
		src.Close()
		return nil, err
	}
	// The runner populates memory while keys are awaited, as much as the plan's share of the columns.
	m.Populate(ctx, f.size*int64(len(columns))/int64(f.columns))
	return &inMemory{src: src, memory: m, size: f.size, options: f.options(columns)}, nil
}

// options as the enclave opens.
func (f *sealedFile) options(columns []string) pme.OpenOptions {
	return pme.OpenOptions{Keys: f.keys, AADPrefix: f.aad, Columns: columns, AllWithKeys: columns == nil, PagesOnly: true}
}

type inMemory struct {
	src     *os.File
	memory  *memfile.File
	size    int64
	options pme.OpenOptions
}

func (o *inMemory) Path() string { return o.memory.Path() }

func (o *inMemory) Open(ctx context.Context) error {
	p, err := pme.ReadPlan(o.src, o.size, o.options)
	if err != nil {
		return err
	}
	done, err := p.RunTo(ctx, o.src, o.memory)
	if err != nil {
		return err
	}
	return o.memory.Finish(done.Size)
}

func (o *inMemory) Close() error {
	o.src.Close()
	return o.memory.Close()
}
