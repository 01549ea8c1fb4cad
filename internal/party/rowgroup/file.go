package rowgroup

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

const magic = "PAR1"

// File writes a plain Parquet file, row group by row group.
type File struct {
	w      io.Writer
	n      int64
	schema []format.SchemaElement
	orders []format.ColumnOrder
	groups []format.RowGroup
	rows   int64
}

// NewFile begins a file of a table.
func NewFile(w io.Writer, columns []Column) (*File, error) {
	f := newFile(w, columns)
	return f, f.write([]byte(magic))
}

func newFile(w io.Writer, columns []Column) *File {
	f := &File{w: w, schema: []format.SchemaElement{{Name: "schema", RepetitionType: thrift.New(format.Required), NumChildren: thrift.New(int32(len(columns)))}}}
	for i := range columns {
		f.schema = append(f.schema, columns[i].element())
		f.orders = append(f.orders, format.ColumnOrder{Value: &format.TypeDefinedOrder{}})
	}
	return f
}

// Alone is a plain file of this row group and no other. It lies in the group's memory, and is good as long as that is.
func (g *Group) Alone(columns []Column) ([]byte, error) {
	f := newFile(nil, columns)
	f.n = int64(len(magic))
	if err := f.place(g); err != nil {
		return nil, err
	}
	footer, err := f.footer()
	out := append(g.bytes, footer...)
	g.bytes = out[:len(g.bytes)]
	return out, err
}

func (f *File) write(b []byte) error {
	n, err := f.w.Write(b)
	f.n += int64(n)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return err
}

// Append writes a row group. g is free afterwards.
func (f *File) Append(g *Group) error {
	if err := f.place(g); err != nil {
		return err
	}
	return f.write(g.bytes[len(magic):])
}

// place puts a row group into the footer, from where the file has come to.
func (f *File) place(g *Group) error {
	if len(g.chunks) != len(f.orders) {
		return errors.New("rowgroup: a row group has other columns than its file")
	}
	out := format.RowGroup{NumRows: int64(g.Rows), FileOffset: f.n, TotalCompressedSize: int64(g.Size()), Ordinal: int16(len(f.groups))}
	shift := f.n - int64(len(magic))
	for _, c := range g.chunks {
		c.MetaData.DataPageOffset += shift
		if c.MetaData.DictionaryPageOffset > 0 {
			c.MetaData.DictionaryPageOffset += shift
		}
		out.TotalByteSize += c.MetaData.TotalUncompressedSize
		out.Columns = append(out.Columns, c)
	}
	f.groups, f.rows = append(f.groups, out), f.rows+int64(g.Rows)
	return nil
}

// Close writes the footer.
func (f *File) Close() error {
	b, err := f.footer()
	if err != nil {
		return err
	}
	return f.write(b)
}

// footer is with its length and the magic behind it.
func (f *File) footer() ([]byte, error) {
	b, err := thrift.Marshal(new(thrift.CompactProtocol), &format.FileMetaData{
		Version: 2, Schema: f.schema, NumRows: f.rows, RowGroups: f.groups, CreatedBy: "cordon", ColumnOrders: f.orders,
	})
	b = binary.LittleEndian.AppendUint32(b, uint32(len(b)))
	return append(b, magic...), err
}

func (c *Column) physical() format.Type {
	switch {
	case c.Kind == Boolean:
		return format.Boolean
	case c.Kind == Double:
		return format.Double
	case c.Kind == Text:
		return format.ByteArray
	case c.narrow():
		return format.Int32
	}
	return format.Int64
}

// element is the column in the schema, with its type in the old and in the new way.
func (c *Column) element() format.SchemaElement {
	e := format.SchemaElement{Name: c.Name, Type: thrift.New(c.physical()), RepetitionType: thrift.New(format.Required)}
	if c.Nullable {
		e.RepetitionType = thrift.New(format.Optional)
	}
	old := func(t deprecated.ConvertedType, l format.LogicalTypeValue) {
		e.ConvertedType, e.LogicalType = thrift.New(t), format.LogicalType{Value: l}
	}
	switch c.Kind {
	case Int64:
		old(deprecated.Int64, &format.IntType{BitWidth: 64, IsSigned: true})
	case Decimal:
		old(deprecated.Decimal, &format.DecimalType{Precision: int32(c.Precision), Scale: int32(c.Scale)})
		e.Precision, e.Scale = thrift.New(int32(c.Precision)), thrift.New(int32(c.Scale))
	case Date:
		old(deprecated.Date, &format.DateType{})
	case Timestamp:
		old(deprecated.TimestampMicros, &format.TimestampType{Unit: format.TimeUnit{Value: &format.MicroSeconds{}}})
	case Text:
		old(deprecated.UTF8, &format.StringType{})
	}
	return e
}
