package parquetfile

import (
	"io"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/cordon-exchange/cordon/result"
)

// suffix names the column that says which NULLs of a column are suppressed cells.
const suffix = " suppressed"

// Write writes the table. Parquet has no suppressed cells: they are NULL, and a column with any is followed by a boolean one
// named after it that says which. The file's metadata has the number of suppressed cells and the notes.
func Write(w io.Writer, t *result.Table) error {
	if _, err := t.Encode(); err != nil { // the rules of a valid table are there
		return err
	}
	schema, flagged, err := schemaOf(t)
	if err != nil {
		return err
	}
	builder := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer builder.Release()
	for _, row := range t.Rows {
		if err := appendRow(builder, t, row, flagged); err != nil {
			return err
		}
	}
	record := builder.NewRecordBatch()
	defer record.Release()
	out, err := pqarrow.NewFileWriter(schema, w, parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Zstd)), pqarrow.NewArrowWriterProperties())
	if err != nil {
		return err
	}
	if err := out.Write(record); err != nil {
		return err
	}
	for key, value := range map[string]string{"cordon.suppressed": strconv.FormatInt(t.Suppressed, 10), "cordon.notes": strings.Join(t.Notes, "\n")} {
		if err := out.AppendKeyValueMetadata(key, value); err != nil {
			return err
		}
	}
	return out.Close()
}

func schemaOf(t *result.Table) (*arrow.Schema, []bool, error) {
	flagged := make([]bool, len(t.Columns))
	for _, row := range t.Rows {
		for i, v := range row {
			flagged[i] = flagged[i] || v.IsSuppressed()
		}
	}
	var fields []arrow.Field
	names := map[string]bool{}
	add := func(name string, typ arrow.DataType) bool {
		fresh := !names[name]
		names[name] = true
		fields = append(fields, arrow.Field{Name: name, Type: typ, Nullable: true})
		return fresh
	}
	for i, c := range t.Columns {
		if !add(c.Name, arrowType(c.Type)) || flagged[i] && !add(c.Name+suffix, arrow.FixedWidthTypes.Boolean) {
			return nil, nil, result.ErrTable // a column of the query has the name of a flag
		}
	}
	return arrow.NewSchema(fields, nil), flagged, nil
}

func arrowType(t result.Type) arrow.DataType {
	if p, s, ok := t.Decimal(); ok {
		return &arrow.Decimal128Type{Precision: int32(p), Scale: int32(s)}
	}
	switch t {
	case "boolean":
		return arrow.FixedWidthTypes.Boolean
	case "int32":
		return arrow.PrimitiveTypes.Int32
	case "int64":
		return arrow.PrimitiveTypes.Int64
	case "hugeint":
		return &arrow.Decimal128Type{Precision: 38}
	case "date":
		return arrow.FixedWidthTypes.Date32
	case "timestamp":
		return &arrow.TimestampType{Unit: arrow.Microsecond}
	case "double":
		return arrow.PrimitiveTypes.Float64
	}
	return arrow.BinaryTypes.String
}

func appendRow(b *array.RecordBuilder, t *result.Table, row []result.Value, flagged []bool) error {
	field := 0
	for i, v := range row {
		text, present := v.Text()
		if !present {
			b.Field(field).AppendNull()
		} else if err := appendText(b.Field(field), t.Columns[i].Type, text); err != nil {
			return err
		}
		field++
		if flagged[i] {
			b.Field(field).(*array.BooleanBuilder).Append(v.IsSuppressed())
			field++
		}
	}
	return nil
}

// appendText adds a value of a checked table, so its text is canonical; only a hugeint can be too wide for Parquet.
func appendText(b array.Builder, t result.Type, text string) error {
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(text == "true")
	case *array.StringBuilder:
		b.Append(text)
	case *array.Decimal128Builder:
		v, ok := new(big.Int).SetString(strings.Replace(text, ".", "", 1), 10)
		if !ok || len(strings.TrimPrefix(v.String(), "-")) > 38 {
			return result.ErrTable
		}
		b.Append(decimal128.FromBigInt(v))
	case *array.Date32Builder:
		day, err := time.Parse("2006-01-02", text)
		if err != nil {
			return err
		}
		b.Append(arrow.Date32FromTime(day))
	case *array.TimestampBuilder:
		at, err := time.Parse("2006-01-02T15:04:05.000000", text)
		if err != nil {
			return err
		}
		b.Append(arrow.Timestamp(at.UnixMicro()))
	default:
		return b.AppendValueFromString(text)
	}
	return nil
}
