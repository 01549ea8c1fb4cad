package pme

import (
	"context"
	"io"
)

// Keys are the clear keys of one sealed file (version): 16, 24 or 32 bytes each.
type Keys struct {
	// Footer is the key of the footer, and of the columns that the file encrypts with the footer key. Required.
	Footer []byte
	// Columns are the column keys by dotted path in the schema.
	Columns map[string][]byte
}

// OpenOptions say what to open and what to accept. The zero value of every acceptance is the strict one: AES_GCM_V1,
// encrypted footer, every column of the file encrypted.
type OpenOptions struct {
	// Keys of the file. Keys that are not needed are ignored.
	Keys Keys
	// AADPrefix that the file must have. Required if the file does not store its own; if it does, empty accepts it.
	AADPrefix []byte
	// Columns to open, by dotted path; the path of a group stands for all columns in it. Required unless AllWithKeys.
	Columns []string
	// AllWithKeys opens every column whose key is given (and none that is plain, unless Unauthenticated).
	AllWithKeys bool
	// PlaintextParts accepts a plaintext footer (its signature is verified) and files that leave other columns plain.
	// What is opened is authenticated all the same.
	PlaintextParts bool
	// Unauthenticated accepts AES_GCM_CTR_V1, whose pages anyone could have changed, and opens plain columns.
	// It implies PlaintextParts. For tools on one's own files only.
	Unauthenticated bool
	// PagesOnly leaves behind what a reader could skip or answer from without looking at values: statistics, page indexes,
	// bloom filters, sorting columns. They authenticate as their writer's word, not as true of the values: for engines
	// that must not take that word.
	PagesOnly bool
	// HeaderRoom makes page headers at least so many bytes long, with a field that readers skip: for readers that read so much at once
	// when they look for one, and would get a part of the page with it. At most 4096. Default: headers are as short as they can be.
	HeaderRoom int
	// Expand, where it is not nil, expands the key of a column for a reader that decrypts pages by itself, which View.SealedPage describes. What it
	// returns lies in the caller's memory, and must stay until nobody reads the view. nil says that pages of this key are left to the view.
	Expand func(key []byte) []byte
	// Workers is how many column chunks are decrypted at once. Default: GOMAXPROCS.
	Workers int
}

// Opened describes a plain file that was made.
type Opened struct {
	// Size of the plain file: the bytes of the destination in use.
	Size int64
	// Rows and RowGroups of the file.
	Rows      int64
	RowGroups int
	// Columns in schema order.
	Columns []OpenedColumn
}

// OpenedColumn is one column that is now in clear.
type OpenedColumn struct {
	// Path is the dotted path in the schema.
	Path string
	// Bytes in clear: all modules of the column, still encoded and compressed, without HeaderRoom.
	Bytes int64
	// Physical and Logical name the column's Parquet types; Logical may be empty.
	Physical, Logical string
}

// Open opens a sealed file into memory: a plain Parquet file of just the wanted columns.
// On failure it returns no bytes.
func Open(ctx context.Context, src io.ReaderAt, size int64, opt OpenOptions) ([]byte, *Opened, error) {
	p, err := ReadPlan(src, size, opt)
	if err != nil {
		return nil, nil, err
	}
	dst := make([]byte, p.MaxOutput())
	res, err := p.Run(ctx, src, dst)
	if err != nil {
		return nil, nil, err
	}
	return dst[:res.Size:res.Size], res, nil
}

// OpenStrict is Open that also refuses options which accept more than fully sealed files.
func OpenStrict(ctx context.Context, src io.ReaderAt, size int64, opt OpenOptions) ([]byte, *Opened, error) {
	if opt.PlaintextParts || opt.Unauthenticated {
		return nil, nil, &partError{"strict opening", ErrOptions}
	}
	return Open(ctx, src, size, opt)
}
