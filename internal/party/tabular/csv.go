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

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

const (
	maxColumns = 4096
	maxRecord  = 16 << 20 // bytes of one CSV record
	csvRows    = 1 << 14  // of a batch,
	csvBytes   = 32 << 20 // or fewer: of the asked columns
)

var errRecord = errors.New("record is longer than 16 MiB: is a quote missing?")

type csvReader struct {
	file   *os.File
	src    *recordLimit
	csv    *csv.Reader
	fields []Field
	row    int64
	failed error // of the record behind the rows that were read
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

// Next gives every value as a text; an empty one is NULL.
func (r *csvReader) Next(columns []int) (*Batch, error) {
	b := &Batch{format: "CSV file", first: r.row, lines: make([]int, 0, csvRows)}
	builds := make([]*array.StringBuilder, len(columns))
	for i, from := range columns {
		builds[i] = array.NewStringBuilder(memory.DefaultAllocator)
		b.fields = append(b.fields, r.fields[from])
	}
	for size := 0; len(b.lines) < csvRows && size < csvBytes && r.failed == nil; {
		var rec []string
		if rec, r.failed = r.record(); r.failed != nil {
			break // rows before it may have faults of their own, and come first
		}
		for i, from := range columns {
			size += appendCSV(builds[i], rec[from])
		}
		line, _ := r.csv.FieldPos(0)
		b.lines = append(b.lines, line)
	}
	b.Rows = len(b.lines)
	r.row += int64(b.Rows)
	switch {
	case b.Rows > 0:
	case errors.Is(r.failed, io.EOF):
		return nil, io.EOF
	default:
		return nil, malformed(r.failed)
	}
	for _, build := range builds {
		b.Columns = append(b.Columns, build.NewArray())
	}
	return b, nil
}

func appendCSV(b *array.StringBuilder, s string) int {
	if s == "" {
		b.AppendNull()
	} else {
		b.Append(s)
	}
	return len(s)
}

func (r *csvReader) Read() int64  { return r.src.read }
func (r *csvReader) Close() error { return r.file.Close() }
