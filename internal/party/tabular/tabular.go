package tabular

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"

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

// Reader gives a table piece by piece, in order. It is not for concurrent use.
type Reader interface {
	// Fields are the columns of the file.
	Fields() []Field
	// Next returns some of the next rows, at least one, of the columns with these places in Fields, no place twice and the same
	// for each call; or io.EOF. The batch is the caller's.
	Next(columns []int) (*Batch, error)
	// Read is how many bytes of the file were read so far.
	Read() int64
	Close() error
}

// Batch is some rows of a table, whole columns at once. Rows count from 0. It is safe for concurrent use.
type Batch struct {
	Rows    int
	Columns []arrow.Array // those that were asked for, in that order

	format string
	fields []Field // of the columns
	once   sync.Once
	texts  []textOf // of the columns, made when asked for
	first  int64    // rows of the file before these
	lines  []int    // CSV: where each row begins
}

// BatchOf makes a batch of columns that lie in memory, all of as many rows.
func BatchOf(columns ...arrow.Array) *Batch {
	b := &Batch{Columns: columns, format: "table", fields: make([]Field, len(columns))}
	for _, c := range columns {
		b.Rows = c.Len()
	}
	return b
}

// Place says where a row stands in the file, for messages: "line 17", "row 16".
func (b *Batch) Place(row int) string {
	if b.lines != nil {
		return fmt.Sprintf("line %d", b.lines[row])
	}
	return fmt.Sprintf("row %d", b.first+int64(row)+1)
}

// Cell is one value as exact text. What has none, like a number that is not finite, is an error that says where it stands.
func (b *Batch) Cell(column, row int) (Cell, error) {
	b.once.Do(func() {
		for _, col := range b.Columns {
			b.texts = append(b.texts, textsOf(col))
		}
	})
	c, err := b.texts[column](row)
	if err != nil {
		return Cell{}, malformed(fmt.Errorf("%s, column %q: %w", b.Place(row), b.fields[column].Name, err))
	}
	return c, nil
}

// Guard turns a panic over a batch's arrays into an error: what they were read from is not trusted. It is to be deferred.
func (b *Batch) Guard(err *error) {
	if r := recover(); r != nil {
		*err = malformed(fmt.Errorf("malformed %s behind row %d", b.format, b.first))
	}
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
