package tabular

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/policy"
)

// Field is a column of the file. Type is empty where the format has none: CSV.
type Field struct {
	Name string
	Type policy.Type
}

// Cell is one value as exact text: numbers in plain decimal notation, dates and
// timestamps in the canonical text of package policy, everything else as it is.
type Cell struct {
	Null bool
	Text string
}

// Reader gives the rows of a table in order.
type Reader interface {
	// Fields are the columns of the file.
	Fields() []Field
	// Next returns the next row, valid until the next call, or io.EOF.
	Next() ([]Cell, error)
	// Place says where the last row stands in the file, for messages: "line 17", "row 16".
	Place() string
	// Read is how many bytes of the file were read so far.
	Read() int64
	Close() error
}

// Open reads the file from its beginning, in the format that it has.
func Open(path string) (Reader, error) {
	// Asked before it is opened: opening a pipe waits for who writes to it, and a device may never end.
	if st, err := os.Stat(path); err == nil && !st.IsDir() && !st.Mode().IsRegular() {
		return nil, malformed(errors.New("it is a pipe, a socket or a device, not a file"))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.New(fault.Input, "can't read the file", "check its path and permissions", err)
	}
	r, err := open(f)
	if err != nil {
		f.Close()
		return nil, malformed(err)
	}
	return r, nil
}

func open(f *os.File) (Reader, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if st.IsDir() {
		return nil, errors.New("it is a folder")
	}
	head := make([]byte, 8)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, errors.New("the file is empty")
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	head = head[:n]
	switch {
	case bytes.HasPrefix(head, []byte("PARE")):
		return nil, errors.New("the Parquet file is encrypted: open it first with 'cordon parquet open'")
	case bytes.HasPrefix(head, []byte("PAR1")):
		return openParquet(f)
	case bytes.HasPrefix(head, []byte("ARROW1")):
		return openArrowFile(f)
	case bytes.HasPrefix(head, []byte{0xff, 0xff, 0xff, 0xff}):
		return openArrowStream(f)
	}
	return openCSV(f)
}

func malformed(err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return err
	}
	return fault.New(fault.Input, "the file can't be read", "it must be CSV (UTF-8, one header line), Parquet or Arrow IPC", err)
}

// guard turns a panic of a decoder into an error: what it reads is not trusted.
func guard(format string, err *error) {
	if r := recover(); r != nil {
		*err = malformed(fmt.Errorf("malformed %s", format))
	}
}
