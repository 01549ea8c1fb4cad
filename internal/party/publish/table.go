package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/tabular"
	"github.com/cordon-exchange/cordon/policy"
)

// Progress of a publication, for people.
type Progress struct {
	Stage string // infer, read, seal, upload, offer
	Rows  int64  // read so far
	Bytes int64  // of the stage, so far
	Total int64  // bytes of the stage, where known
	Note  string // what the owner should know, else empty
}

// Table is what will be sealed. It is in memory only: clear text never touches a disk.
type Table struct {
	Policy  *policy.Policy
	Schema  []policy.Column
	Rows    int64
	Parquet []byte
	Clamped []string // under output: dp: of which columns how many values lie outside the clamp

	contents dataset.Contents
}

// Wipe overwrites the clear bytes.
func (t *Table) Wipe() { clear(t.Parquet) }

const (
	rowGroup     = 122880 // rows: what DuckDB scans in one piece
	progressRows = 1 << 15
)

// Read reads, checks and converts the file. Every value is refused that the
// policy does not allow; the error tells its place, never the value. Under
// output: dp values outside the clamp are counted and stay: the enclave moves
// them to its bounds, and a refusal there would tell that they are there.
func Read(ctx context.Context, r Request, tell func(Progress)) (*Table, error) {
	if err := r.valid(); err != nil {
		return nil, err
	}
	p, err := parsePolicy(&r)
	if err != nil {
		return nil, err
	}
	cols, sel, err := decideColumns(ctx, &r, p, tell)
	if err != nil {
		return nil, err
	}
	if err := p.Validate(schemaOf(cols)); err != nil {
		return nil, policyFault(err)
	}
	src, err := r.open()
	if err != nil {
		return nil, err
	}
	defer src.Close()
	if st, err := os.Stat(r.Path); err == nil {
		tell = withTotal(tell, st.Size())
	}
	w, err := newWriter(cols, contentsOf(cols, p, r.numbered))
	if err != nil {
		return nil, err
	}
	if err := w.copy(ctx, src, sel, tell); err != nil {
		return nil, err
	}
	if w.rows == 0 {
		return nil, input("no row is left to publish", "check the file and --where-equals")
	}
	return &Table{Policy: p, Schema: schemaOf(cols), Rows: w.rows, Parquet: w.out.Bytes(), Clamped: clampedNotes(cols), contents: w.contents.digest()}, nil
}

func clampedNotes(cols []column) (out []string) {
	for _, c := range cols {
		if c.measure != nil && c.measure.outside > 0 {
			out = append(out, fmt.Sprintf("%s: %d values lie outside the clamp; queries count them as its nearest bound", c.Name, c.measure.outside))
		}
	}
	return out
}

func withTotal(tell func(Progress), total int64) func(Progress) {
	return func(p Progress) {
		p.Total = total
		tell(p)
	}
}

// decideColumns opens the file once to learn its columns, and reads all of it if types must be inferred.
func decideColumns(ctx context.Context, r *Request, p *policy.Policy, tell func(Progress)) ([]column, *selection, error) {
	src, err := r.open()
	if err != nil {
		return nil, nil, err
	}
	defer src.Close()
	sel, err := selectColumns(r, src.Fields())
	if err != nil {
		return nil, nil, err
	}
	types := make([]policy.Type, len(src.Fields()))
	for i, f := range src.Fields() {
		types[i] = f.Type
	}
	if missing := undecided(r, p, sel, types); len(missing) > 0 {
		if err := infer(ctx, src, sel, missing, types, tell); err != nil {
			return nil, nil, err
		}
	}
	cols, err := sel.columns(r, p, types)
	return cols, sel, err
}

// undecided lists the file's columns whose type nobody has said.
func undecided(r *Request, p *policy.Policy, sel *selection, types []policy.Type) []int {
	said := map[string]bool{}
	for _, t := range r.Schema {
		said[t.Column] = true
	}
	var out []int
	for i, name := range sel.names {
		from := sel.from[i]
		_, _, _, isMeasure := p.Clamp(name)
		if from != rowID && types[from] == "" && !said[name] && !isMeasure {
			out = append(out, from)
		}
	}
	return out
}

func infer(ctx context.Context, src tabular.Reader, sel *selection, columns []int, types []policy.Type, tell func(Progress)) error {
	found := make([]tabular.Inference, len(columns))
	for rows := int64(0); ; rows++ {
		row, err := next(ctx, src, rows)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if rows%progressRows == 0 {
			tell(Progress{Stage: "infer", Rows: rows, Bytes: src.Read()})
		}
		if !sel.keeps(row) {
			continue
		}
		for i, from := range columns {
			found[i].Add(row[from])
		}
	}
	for i, from := range columns {
		types[from] = found[i].Type()
	}
	return nil
}

func next(ctx context.Context, src tabular.Reader, rows int64) ([]tabular.Cell, error) {
	if rows%1024 == 0 && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return src.Next()
}

// writer makes the plain Parquet file, in memory.
type writer struct {
	cols     []column
	putters  []putter
	contents *contents
	cells    []*string // of the row at hand
	batch    *array.RecordBuilder
	file     *pqarrow.FileWriter
	out      *bytes.Buffer
	pending  int
	rows     int64
}

func newWriter(cols []column, c *contents) (*writer, error) {
	var fields []arrow.Field
	w := &writer{cols: cols, contents: c, cells: make([]*string, len(cols)), out: &bytes.Buffer{}}
	for i := range cols {
		fields = append(fields, arrow.Field{Name: cols[i].Name, Type: arrowType(cols[i].Type), Nullable: cols[i].Nullable})
		w.putters = append(w.putters, putterOf(&cols[i]))
	}
	schema := arrow.NewSchema(fields, nil)
	props := parquet.NewWriterProperties(
		parquet.WithCompression(compress.Codecs.Zstd), parquet.WithMaxRowGroupLength(rowGroup),
		parquet.WithDictionaryDefault(true), parquet.WithPageIndexEnabled(true),
		parquet.WithStoreDecimalAsInteger(true), parquet.WithCreatedBy("cordon"))
	file, err := pqarrow.NewFileWriter(schema, w.out, props, pqarrow.NewArrowWriterProperties())
	if err != nil {
		return nil, fmt.Errorf("publish: parquet writer: %w", err)
	}
	w.file, w.batch = file, array.NewRecordBuilder(memory.DefaultAllocator, schema)
	return w, nil
}

func (w *writer) copy(ctx context.Context, src tabular.Reader, sel *selection, tell func(Progress)) error {
	for read := int64(0); ; read++ {
		row, err := next(ctx, src, read)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if sel.keeps(row) {
			if err := w.add(row, src); err != nil {
				return err
			}
		}
		if read%progressRows == 0 {
			tell(Progress{Stage: "read", Rows: w.rows, Bytes: src.Read()})
		}
	}
	tell(Progress{Stage: "read", Rows: w.rows, Bytes: src.Read()})
	if err := w.flush(); err != nil {
		return err
	}
	return w.file.Close()
}

func (w *writer) add(row []tabular.Cell, src tabular.Reader) error {
	w.rows++
	for i := range w.cols {
		c := &w.cols[i]
		cell := tabular.Cell{Text: strconv.FormatInt(w.rows, 10)}
		if c.from != rowID {
			cell = row[c.from]
		}
		text, err := w.putters[i](w.batch.Field(i), cell)
		if err != nil {
			return refusedValue(src.Place(), c, err)
		}
		w.cells[i] = text
	}
	w.contents.add(w.cells)
	if w.pending++; w.pending == rowGroup {
		return w.flush()
	}
	return nil
}

func (w *writer) flush() error {
	if w.pending == 0 {
		return nil
	}
	rec := w.batch.NewRecordBatch()
	defer rec.Release()
	w.pending = 0
	if err := w.file.Write(rec); err != nil {
		return fault.New(fault.Internal, "can't write Parquet", "report this", err)
	}
	return nil
}
