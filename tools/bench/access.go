package main

import (
	"context"
	"errors"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/cordon-exchange/cordon/internal/enclave/keymem"
	"github.com/cordon-exchange/cordon/internal/enclave/served"
	"github.com/cordon-exchange/cordon/pme"
)

// sealedFile is one sealed file on local disk, with its keys.
type sealedFile struct {
	path string
	size int64
	keys pme.Keys
	aad  []byte
}

// opening is some columns of a sealed file on their way to DuckDB. What its maker did is done while a job waits for its keys,
// so nobody waits for it, and it is not measured; Open and Settle are, and the query between them.
type opening interface {
	Path() string // for read_parquet, before Open as after it
	Open(context.Context) error
	// Settle authenticates what the query has not read. Without it an answer does not count.
	Settle(context.Context) error
	Close() error
}

// access makes an opening of columns. It is the one place that says how ours opens.
type access func(ctx context.Context, f *sealedFile, columns []string) (opening, error)

// withStatistics opens all that plain DuckDB has of its file. Statistics are authenticated, but true only if their writer was.
func withStatistics(ctx context.Context, f *sealedFile, columns []string) (opening, error) {
	opt := f.options(columns)
	opt.PagesOnly = false
	return onRead(ctx, f, opt)
}

// pagesOnly opens as the enclave does, which takes no owner's word for what its values are.
func pagesOnly(ctx context.Context, f *sealedFile, columns []string) (opening, error) {
	return onRead(ctx, f, f.options(columns))
}

// askingAhead is withStatistics of a file that is not in the page cache: it asks for the ciphertext of its columns at once, by the
// ranges that a host fetches for an enclave. A fault for each would have the disk wait for the processor, and the other way round.
func askingAhead(ctx context.Context, f *sealedFile, columns []string) (opening, error) {
	o, err := withStatistics(ctx, f, columns)
	if err != nil {
		return nil, err
	}
	o.(*serving).ahead = true
	return o, nil
}

// onRead decrypts when DuckDB reads, as the enclave does. Ciphertext lies in memory there; here it is mapped, out of the page
// cache that plain DuckDB reads from, too.
func onRead(_ context.Context, f *sealedFile, opt pme.OpenOptions) (opening, error) {
	opt.HeaderRoom = served.HeaderRead
	src, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	mem, err := unix.Mmap(int(src.Fd()), 0, int(f.size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	s, err := served.Create("bench")
	if err != nil {
		return nil, errors.Join(err, unix.Munmap(mem))
	}
	keys := served.NewSchedules(keyMemory())
	opt.Expand = keys.Expand
	return &serving{mem: mem, file: s, options: opt, keys: keys}, nil
}

type serving struct {
	mem     []byte
	file    *served.File
	options pme.OpenOptions
	keys    *served.Schedules
	view    *pme.View
	ahead   bool
}

func (o *serving) Path() string { return o.file.Path() }

func (o *serving) Open(ctx context.Context) error {
	p, err := pme.ReadPlan(pme.Bytes(o.mem), int64(len(o.mem)), o.options)
	if err != nil {
		return err
	}
	if o.ahead {
		if err := o.ask(p.Ranges()); err != nil {
			return err
		}
	}
	if o.view, err = p.View(ctx, pme.Bytes(o.mem)); err != nil {
		return err
	}
	return o.file.Serve(o.view, o.view.Size())
}

// ask has the kernel read parts of the file, whole pages of it.
func (o *serving) ask(ranges []pme.Range) error {
	page := int64(os.Getpagesize())
	for _, r := range ranges {
		if err := unix.Madvise(o.mem[r.Off/page*page:r.Off+r.Len], unix.MADV_WILLNEED); err != nil {
			return err
		}
	}
	return nil
}

func (o *serving) Settle(ctx context.Context) error { return o.view.Rest(ctx) }

func (o *serving) Close() error {
	err := o.file.Close()
	o.keys.Wipe()
	return errors.Join(err, unix.Munmap(o.mem))
}

// keyMemory is for expanded keys, as the enclave has it.
var keyMemory = sync.OnceValue(keymem.New)

// options as the enclave opens, but for room in headers, which is for DuckDB's reads alone.
func (f *sealedFile) options(columns []string) pme.OpenOptions {
	return pme.OpenOptions{Keys: f.keys, AADPrefix: f.aad, Columns: columns, AllWithKeys: columns == nil, PagesOnly: true}
}
