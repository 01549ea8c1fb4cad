package tabular

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

// arrowReader reads rows out of record batches, wherever these come from.
type arrowReader struct {
	format string
	next   func() (arrow.RecordBatch, error) // io.EOF at the end
	close  func() error
	read   func() int64
	fields []Field
	texts  []textOf // of the batch
	cells  []Cell
	rows   int // of the batch
	at     int // in the batch
	row    int64
}

const batchRows = 1 << 14

func openParquet(f *os.File) (Reader, error) {
	count := &countingFile{File: f}
	return readParquet(count, count.total)
}

// OpenParquet reads a Parquet file that is in memory.
func OpenParquet(b []byte) (Reader, error) {
	r, err := readParquet(bytes.NewReader(b), func() int64 { return int64(len(b)) })
	if err != nil {
		return nil, malformed(err)
	}
	return r, nil
}

func readParquet(src parquet.ReaderAtSeeker, read func() int64) (r Reader, err error) {
	defer guard("Parquet file", &err)
	pf, err := file.NewParquetReader(src, file.WithReadProps(parquet.NewReaderProperties(memory.DefaultAllocator)))
	if err != nil {
		return nil, errors.New("malformed Parquet file: cut short, or its footer is damaged")
	}
	fr, err := pqarrow.NewFileReader(pf, pqarrow.ArrowReadProperties{BatchSize: batchRows}, memory.DefaultAllocator)
	if err != nil {
		return nil, errors.New("malformed Parquet file: its schema can't be read")
	}
	rr, err := fr.GetRecordReader(context.Background(), nil, nil)
	if err != nil {
		return nil, errors.New("malformed Parquet file: its columns can't be read")
	}
	out := &arrowReader{
		format: "Parquet file", next: rr.Read, read: read,
		close: func() error { rr.Release(); return pf.Close() },
	}
	return out, out.schema(rr.Schema())
}

func openArrowFile(f *os.File) (r Reader, err error) {
	defer guard("Arrow file", &err)
	count := &countingFile{File: f}
	fr, err := ipc.NewFileReader(count)
	if err != nil {
		return nil, errors.New("malformed Arrow file: cut short, or its footer is damaged")
	}
	out := &arrowReader{format: "Arrow file", next: fr.Read, read: count.total, close: func() error { fr.Close(); return f.Close() }}
	return out, out.schema(fr.Schema())
}

func openArrowStream(f *os.File) (r Reader, err error) {
	defer guard("Arrow stream", &err)
	count := &countingFile{File: f}
	sr, err := ipc.NewReader(count)
	if err != nil {
		return nil, errors.New("malformed Arrow stream")
	}
	out := &arrowReader{format: "Arrow stream", next: sr.Read, read: count.total, close: func() error { sr.Release(); return f.Close() }}
	return out, out.schema(sr.Schema())
}

// countingFile counts what was read, for progress.
type countingFile struct {
	*os.File
	n int64
}

func (c *countingFile) Read(p []byte) (int, error) {
	n, err := c.File.Read(p)
	c.n += int64(n)
	return n, err
}

func (c *countingFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.File.ReadAt(p, off)
	c.n += int64(n)
	return n, err
}

func (c *countingFile) total() int64 { return c.n }

func (r *arrowReader) schema(s *arrow.Schema) error {
	if s.NumFields() == 0 || s.NumFields() > maxColumns {
		return fmt.Errorf("%s has %d columns; 1 to %d are accepted", r.format, s.NumFields(), maxColumns)
	}
	seen := map[string]bool{}
	for _, f := range s.Fields() {
		t, err := typeOf(f.Type)
		if err != nil {
			return fmt.Errorf("column %q: %w", f.Name, err)
		}
		if seen[f.Name] {
			return fmt.Errorf("two columns are named %q", f.Name)
		}
		seen[f.Name] = true
		r.fields = append(r.fields, Field{Name: f.Name, Type: t})
	}
	r.cells = make([]Cell, len(r.fields))
	return nil
}

func (r *arrowReader) Fields() []Field { return r.fields }

func (r *arrowReader) Next() (cells []Cell, err error) {
	defer guard(r.format, &err)
	for r.at >= r.rows {
		if err := r.batch(); err != nil {
			return nil, err
		}
	}
	for i, text := range r.texts {
		c, err := text(r.at)
		if err != nil {
			return nil, malformed(fmt.Errorf("row %d, column %q: %w", r.row+1, r.fields[i].Name, err))
		}
		r.cells[i] = c
	}
	r.at++
	r.row++
	return r.cells, nil
}

func (r *arrowReader) batch() error {
	b, err := r.next()
	if errors.Is(err, io.EOF) {
		return io.EOF
	}
	if err != nil || b == nil {
		return malformed(fmt.Errorf("malformed %s behind row %d", r.format, r.row))
	}
	r.rows, r.at, r.texts = int(b.NumRows()), 0, nil
	for i := range r.fields {
		r.texts = append(r.texts, textsOf(b.Column(i)))
	}
	return nil
}

func (r *arrowReader) Place() string { return fmt.Sprintf("row %d", r.row) }
func (r *arrowReader) Read() int64   { return r.read() }
func (r *arrowReader) Close() error  { return r.close() }
