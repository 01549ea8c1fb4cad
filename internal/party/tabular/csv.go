package tabular

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"unicode/utf8"
)

const (
	maxColumns = 4096
	maxRecord  = 16 << 20 // bytes of one CSV record
)

var errRecord = errors.New("record is longer than 16 MiB: is a quote missing?")

type csvReader struct {
	file   *os.File
	src    *recordLimit
	csv    *csv.Reader
	fields []Field
	cells  []Cell
}

// recordLimit ends a record that does not end by itself.
type recordLimit struct {
	r    io.Reader
	left int
	read int64
}

func (l *recordLimit) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errRecord
	}
	n, err := l.r.Read(p[:min(len(p), l.left)])
	l.left -= n
	l.read += int64(n)
	return n, err
}

func openCSV(f *os.File) (Reader, error) {
	buf := bufio.NewReaderSize(f, 1<<16)
	if bom, err := buf.Peek(3); err == nil && string(bom) == "\ufeff" {
		if _, err := buf.Discard(3); err != nil {
			return nil, err
		}
	}
	r := &csvReader{file: f, src: &recordLimit{r: buf}}
	r.csv = csv.NewReader(r.src)
	r.csv.ReuseRecord = true
	header, err := r.record()
	if err != nil {
		return nil, err
	}
	if len(header) > maxColumns {
		return nil, fmt.Errorf("more than %d columns", maxColumns)
	}
	for _, name := range header {
		if slices.ContainsFunc(r.fields, func(f Field) bool { return f.Name == name }) {
			return nil, fmt.Errorf("line 1: two columns are named %q", name)
		}
		r.fields = append(r.fields, Field{Name: name})
	}
	r.cells = make([]Cell, len(header))
	return r, nil
}

// record reads one record; its field count is that of the header.
func (r *csvReader) record() ([]string, error) {
	r.src.left = maxRecord
	rec, err := r.csv.Read()
	if errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	if err != nil {
		return nil, err
	}
	for i, s := range rec {
		if !utf8.ValidString(s) {
			line, col := r.csv.FieldPos(i)
			return nil, fmt.Errorf("line %d, byte %d: not UTF-8", line, col)
		}
	}
	return rec, nil
}

func (r *csvReader) Fields() []Field { return r.fields }

func (r *csvReader) Next() ([]Cell, error) {
	rec, err := r.record()
	if errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	if err != nil {
		return nil, malformed(err)
	}
	for i, s := range rec {
		r.cells[i] = Cell{Null: s == "", Text: s}
	}
	return r.cells, nil
}

func (r *csvReader) Place() string {
	line, _ := r.csv.FieldPos(0)
	return fmt.Sprintf("line %d", line)
}

func (r *csvReader) Read() int64  { return r.src.read }
func (r *csvReader) Close() error { return r.file.Close() }
