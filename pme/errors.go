package pme

import "errors"

// What can be wrong with a file, its keys or a request. Match with errors.Is; the errors returned may wrap one of these
// in a ColumnError or a ShortTailError, or add which part of the file is meant.
var (
	// ErrNotEncrypted: a well-formed Parquet file that uses no encryption.
	ErrNotEncrypted = errors.New("the file is not encrypted")
	// ErrAlreadyEncrypted: Seal was given a file that is encrypted already.
	ErrAlreadyEncrypted = errors.New("the file is encrypted already")
	// ErrTampered: a module or the footer does not authenticate. AES-GCM cannot tell a wrong key, a wrong AAD prefix and
	// changed or swapped bytes apart.
	ErrTampered = errors.New("authentication failed: wrong key, wrong AAD prefix, or changed bytes")
	// ErrAADPrefix: the AAD prefix supplied does not fit what the file says about its own, or is missing.
	ErrAADPrefix = errors.New("the AAD prefix does not fit the file")
	// ErrMissingKey: no key was given for the footer or for a column that is needed.
	ErrMissingKey = errors.New("no key was given")
	// ErrKey: a key has a size that AES does not have, is used twice, or belongs to no column.
	ErrKey = errors.New("unusable key")
	// ErrUnauthenticated: the file is not fully authenticated (AES_GCM_CTR_V1, plaintext footer, plain columns) and the
	// options do not accept that.
	ErrUnauthenticated = errors.New("not authenticated by the format")
	// ErrMalformed: the bytes are not a Parquet file that this package accepts.
	ErrMalformed = errors.New("malformed Parquet file")
	// ErrUnsupported: valid by the format, but not handled here.
	ErrUnsupported = errors.New("unsupported Parquet feature")
	// ErrColumns: the selection of columns is empty, names a column that is not there, or takes a map or variant apart.
	ErrColumns = errors.New("unusable selection of columns")
	// ErrOptions: the options contradict each other or lack something required.
	ErrOptions = errors.New("unusable options")
	// ErrRead: the source could not be read where the file should have bytes.
	ErrRead = errors.New("cannot read the source")
	// ErrWrite: the destination could not be written.
	ErrWrite = errors.New("cannot write the destination")
)

// ColumnError says which column an error is about. Column is the dotted path in the schema, or "footer".
type ColumnError struct {
	Column string
	Err    error
}

func (e *ColumnError) Error() string { return e.Column + ": " + e.Err.Error() }

// Unwrap makes errors.Is see the sentinel.
func (e *ColumnError) Unwrap() error { return e.Err }

// ShortTailError says that the footer is longer than the tail given to NewPlan, and which range of the file is needed.
type ShortTailError struct {
	Need Range
}

func (e *ShortTailError) Error() string { return "the footer is longer than the tail that was read" }

// partError adds which part of a file an error is about: fixed words, never content.
type partError struct {
	part string
	err  error
}

func (e *partError) Error() string { return e.part + ": " + e.err.Error() }
func (e *partError) Unwrap() error { return e.err }

func malformed(part string) error   { return &partError{part, ErrMalformed} }
func unsupported(part string) error { return &partError{part, ErrUnsupported} }
func tampered(part string) error    { return &partError{part, ErrTampered} }

func inColumn(path string, err error) error {
	if err == nil {
		return nil
	}
	return &ColumnError{Column: path, Err: err}
}
