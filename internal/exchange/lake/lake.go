package lake

import (
	"context"
	"errors"
	"io"
)

// Sentinel errors, one per reason.
var (
	ErrNotFound = errors.New("lake: no such object")
	ErrExists   = errors.New("lake: object is there already")
	ErrRange    = errors.New("lake: object has no such bytes")
	ErrFull     = errors.New("lake: disk is full")
	// ErrUnavailable is a server of objects that does not answer, or not in time.
	ErrUnavailable = errors.New("lake: does not answer")
)

// Lake keeps objects. Paths are those of statement.ValidObject, of at least two
// segments. All methods may be called concurrently.
type Lake interface {
	// Put stores all that r gives until io.EOF, or ErrExists. The object appears
	// whole or not at all, and has reached the disk when Put returns. Any other
	// error of r ends the call with that error.
	Put(ctx context.Context, path string, r io.Reader) error
	// Size of an object, or ErrNotFound.
	Size(ctx context.Context, path string) (int64, error)
	// Read streams length bytes from offset; the object must have them all (ErrRange).
	// A file that shrinks while it is read ends with io.ErrUnexpectedEOF.
	Read(ctx context.Context, path string, offset, length int64) (io.ReadCloser, error)
	// Delete removes an object, or ErrNotFound. Who reads it at that moment reads on.
	Delete(ctx context.Context, path string) error
}
