package sqlite

import (
	"errors"
	"fmt"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
)

// primary is the part of an extended result code that says which kind of error it is.
const primary = 0xff

// classify gives SQLite's errors the names of package store.
func classify(err error) error {
	var e *driver.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() & primary {
	case lib.SQLITE_FULL:
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	case lib.SQLITE_IOERR:
		if e.Code() == lib.SQLITE_IOERR_SHMSIZE { // the index of the log can't grow
			return fmt.Errorf("%w: %w", store.ErrFull, err)
		}
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		return fmt.Errorf("%w: %w", store.ErrDamaged, err)
	case lib.SQLITE_BUSY:
		return fmt.Errorf("%w: %w", store.ErrInUse, err)
	}
	return err
}

// spoils reports whether after err nothing of the transaction may be kept.
func spoils(err error) bool {
	var e *driver.Error
	if !errors.As(err, &e) {
		return false
	}
	return e.Code()&primary != lib.SQLITE_CONSTRAINT
}
