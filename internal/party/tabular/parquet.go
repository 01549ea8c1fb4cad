package tabular

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"golang.org/x/sync/errgroup"
)

const (
	parquetFormat = "Parquet file"
	// parquetRows is how many rows of a Parquet file are read at once.
	parquetRows = 1 << 15
	// parquetBuffer is how many bytes of a column are read at once.
	parquetBuffer = 1 << 20
)

// parquetReader reads several columns at once: each share of them has a reader of its own.
type parquetReader struct {
	file   *file.Reader
	fields []Field
	read   func() int64
	shares []share // none before the first rows are asked for
	row    int64
}

// share is the columns of one reader: where each goes in the batch.
type share struct {
	places []int
	reader pqarrow.RecordReader
}

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
	defer guard(parquetFormat, &err)
	props := parquet.NewReaderProperties(memory.DefaultAllocator)
	props.BufferedStreamEnabled, props.BufferSize = true, parquetBuffer // a row group may be as large as the file
	pf, err := file.NewParquetReader(src, file.WithReadProps(props))
	if err != nil {
		return nil, errors.New("malformed Parquet file: cut short, or its footer is damaged")
	}
	fr, err := pqarrow.NewFileReader(pf, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		return nil, errors.New("malformed Parquet file: its schema can't be read")
	}
	s, err := fr.Schema()
	if err != nil {
		return nil, errors.New("malformed Parquet file: its columns can't be read")
	}
	out := &parquetReader{file: pf, read: read}
	out.fields, err = fieldsOf(s, parquetFormat) // none of a type with columns inside: a field is a leaf
	return out, err
}

func (r *parquetReader) Fields() []Field { return r.fields }

func (r *parquetReader) open(columns []int) error {
	props := pqarrow.ArrowReadProperties{BatchSize: parquetRows}
	for _, i := range columns {
		props.SetReadDict(i, r.worthDictionary(i))
	}
	for _, places := range r.deal(columns) {
		fr, err := pqarrow.NewFileReader(r.file, props, memory.DefaultAllocator)
		if err != nil {
			return malformedBehind(parquetFormat, 0)
		}
		var leaves []int
		for _, p := range places {
			leaves = append(leaves, columns[p])
		}
		rr, err := fr.GetRecordReader(context.Background(), leaves, nil)
		if err != nil {
			return malformedBehind(parquetFormat, 0)
		}
		r.shares = append(r.shares, share{places: places, reader: rr})
	}
	return nil
}

// worthDictionary says whether a column of texts is read as its dictionary and codes: where the first row group needs little
// for each of them.
func (r *parquetReader) worthDictionary(column int) bool {
	if r.file.NumRowGroups() == 0 {
		return false
	}
	c, err := r.file.MetaData().RowGroup(0).ColumnChunk(column)
	return err == nil && c.Type() == parquet.Types.ByteArray && c.HasDictionaryPage() && c.TotalUncompressedSize() < 3*c.NumValues()
}

// deal deals columns out to as many readers as there are processors, the heaviest first, each time to who has least. Those of
// one reader are in the file's order, in which it gives them.
func (r *parquetReader) deal(columns []int) [][]int {
	weight, order := make([]int64, len(columns)), make([]int, len(columns))
	for i, column := range columns {
		order[i], weight[i] = i, 1
		if r.file.NumRowGroups() == 0 {
			continue
		}
		if c, err := r.file.MetaData().RowGroup(0).ColumnChunk(column); err == nil {
			weight[i] += max(0, c.TotalUncompressedSize())
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(weight[b], weight[a]) })
	out := make([][]int, min(runtime.GOMAXPROCS(0), len(columns)))
	load := make([]int64, len(out))
	for _, i := range order {
		least := slices.Index(load, slices.Min(load))
		out[least], load[least] = append(out[least], i), load[least]+weight[i]
	}
	for _, places := range out {
		slices.SortFunc(places, func(a, b int) int { return columns[a] - columns[b] })
	}
	return out
}

func (r *parquetReader) Next(columns []int) (b *Batch, err error) {
	defer guard(parquetFormat, &err)
	if r.shares == nil {
		if err := r.open(columns); err != nil {
			return nil, err
		}
	}
	b = &Batch{Columns: make([]arrow.Array, len(columns)), format: parquetFormat, first: r.row}
	for _, i := range columns {
		b.fields = append(b.fields, r.fields[i])
	}
	rows := make([]int, len(r.shares)) // -1: none are left
	var g errgroup.Group
	for i := range r.shares {
		g.Go(func() (err error) {
			rows[i], err = r.shares[i].next(b)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	b.Rows = rows[0]
	if slices.Min(rows) != slices.Max(rows) || b.Rows == 0 {
		return nil, malformedBehind(parquetFormat, r.row)
	}
	if b.Rows < 0 {
		return nil, io.EOF
	}
	r.row += int64(b.Rows)
	return b, nil
}

// next puts the share's columns into b, and says how many rows they have.
func (s *share) next(b *Batch) (rows int, err error) {
	defer guard(parquetFormat, &err)
	rec, err := s.reader.Read()
	if errors.Is(err, io.EOF) {
		return -1, nil
	}
	if err != nil || rec == nil || int(rec.NumCols()) != len(s.places) {
		return 0, malformedBehind(parquetFormat, b.first)
	}
	for i, p := range s.places {
		col := rec.Column(i)
		if int64(col.Len()) != rec.NumRows() {
			return 0, malformedBehind(parquetFormat, b.first)
		}
		col.Retain()
		b.Columns[p] = col
	}
	return int(rec.NumRows()), nil
}

func (r *parquetReader) Read() int64 { return r.read() }

func (r *parquetReader) Close() error {
	for _, s := range r.shares {
		s.reader.Release()
	}
	return r.file.Close()
}
