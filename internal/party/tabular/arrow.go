package tabular

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
)

// arrowReader gives the record batches of Arrow IPC.
type arrowReader struct {
	format string
	next   func() (arrow.RecordBatch, error) // io.EOF at the end
	close  func() error
	read   func() int64
	fields []Field
	row    int64
}

func openArrowFile(f *os.File) (r Reader, err error) {
	defer guard("Arrow file", &err)
	count := &countingFile{File: f}
	fr, err := ipc.NewFileReader(count)
	if err != nil {
		return nil, errors.New("malformed Arrow file: cut short, or its footer is damaged")
	}
	out := &arrowReader{format: "Arrow file", next: fr.Read, read: count.total, close: func() error { fr.Close(); return f.Close() }}
	out.fields, err = fieldsOf(fr.Schema(), out.format)
	return out, err
}

func openArrowStream(f *os.File) (r Reader, err error) {
	defer guard("Arrow stream", &err)
	count := &countingFile{File: f}
	sr, err := ipc.NewReader(count)
	if err != nil {
		return nil, errors.New("malformed Arrow stream")
	}
	out := &arrowReader{format: "Arrow stream", next: sr.Read, read: count.total, close: func() error { sr.Release(); return f.Close() }}
	out.fields, err = fieldsOf(sr.Schema(), out.format)
	return out, err
}

// countingFile counts what was read, for progress.
type countingFile struct {
	*os.File
	n atomic.Int64
}

func (c *countingFile) Read(p []byte) (int, error) {
	n, err := c.File.Read(p)
	c.n.Add(int64(n))
	return n, err
}

func (c *countingFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.File.ReadAt(p, off)
	c.n.Add(int64(n))
	return n, err
}

func (c *countingFile) total() int64 { return c.n.Load() }

func fieldsOf(s *arrow.Schema, format string) (out []Field, err error) {
	if s.NumFields() == 0 || s.NumFields() > maxColumns {
		return nil, fmt.Errorf("%s has %d columns; 1 to %d are accepted", format, s.NumFields(), maxColumns)
	}
	seen := map[string]bool{}
	for _, f := range s.Fields() {
		t, err := typeOf(f.Type)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", f.Name, err)
		}
		if seen[f.Name] {
			return nil, fmt.Errorf("two columns are named %q", f.Name)
		}
		seen[f.Name] = true
		out = append(out, Field{Name: f.Name, Type: t})
	}
	return out, nil
}

func (r *arrowReader) Fields() []Field { return r.fields }

func (r *arrowReader) Next(columns []int) (b *Batch, err error) {
	defer guard(r.format, &err)
	for {
		rec, err := r.next()
		if errors.Is(err, io.EOF) {
			return nil, io.EOF
		}
		if err != nil || rec == nil || int(rec.NumCols()) != len(r.fields) {
			return nil, malformedBehind(r.format, r.row)
		}
		if rec.NumRows() > 0 {
			return r.batch(rec, columns)
		}
	}
}

func (r *arrowReader) batch(rec arrow.RecordBatch, columns []int) (*Batch, error) {
	b := &Batch{Rows: int(rec.NumRows()), format: r.format, first: r.row}
	for _, i := range columns {
		col := rec.Column(i)
		if col.Len() != b.Rows {
			return nil, malformedBehind(r.format, r.row)
		}
		col.Retain()
		b.Columns, b.fields = append(b.Columns, col), append(b.fields, r.fields[i])
	}
	r.row += int64(b.Rows)
	return b, nil
}

func malformedBehind(format string, row int64) error {
	return malformed(fmt.Errorf("malformed %s behind row %d", format, row))
}

func (r *arrowReader) Read() int64  { return r.read() }
func (r *arrowReader) Close() error { return r.close() }
