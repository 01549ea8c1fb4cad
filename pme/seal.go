package pme

import (
	"context"
	"io"
)

// SealOptions say how to seal a plain file.
type SealOptions struct {
	// Keys: the footer's and one for each column of the file, no more, no two alike. Required.
	Keys Keys
	// AADPrefix binds the file to what it is (data set, version, file number). It is not stored. Required.
	AADPrefix []byte
	// Workers is how many column chunks are encrypted, and held in memory, at once. Default: GOMAXPROCS.
	Workers int
}

// Sealed describes a sealed file that was written.
type Sealed struct {
	// Size of the sealed file, and of its footer with everything behind the last module.
	Size, FooterSize int64
	// Rows and RowGroups of the file.
	Rows      int64
	RowGroups int
	// Columns in schema order.
	Columns []SealedColumn
}

// SealedColumn is one column of a sealed file.
type SealedColumn struct {
	// Path is the dotted path in the schema.
	Path string
	// Bytes that opening the column puts in clear, and what they take in the sealed file.
	Bytes, SealedBytes int64
	// Physical and Logical name the column's Parquet types; Logical may be empty.
	Physical, Logical string
}

// Seal encrypts a plain Parquet file: AES_GCM_V1, encrypted footer, every column under its own key, the AAD prefix
// supplied and not stored, names as key metadata. On failure what dst received has no footer and must be discarded.
func Seal(ctx context.Context, src io.ReaderAt, size int64, dst io.Writer, opt SealOptions) (*Sealed, error) {
	return nil, ErrUnsupported
}
