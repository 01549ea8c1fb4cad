package tabular

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/result"
)

// typeOf is the type that a column of a typed format has, unless the owner says otherwise.
func typeOf(t arrow.DataType) (policy.Type, error) {
	switch t := t.(type) {
	case *arrow.BooleanType:
		return "boolean", nil
	case *arrow.Int8Type, *arrow.Int16Type, *arrow.Int32Type, *arrow.Int64Type, *arrow.Uint8Type, *arrow.Uint16Type, *arrow.Uint32Type, *arrow.Uint64Type:
		return "int64", nil
	case *arrow.Float32Type, *arrow.Float64Type:
		return "double", nil
	case *arrow.Decimal32Type, *arrow.Decimal64Type, *arrow.Decimal128Type:
		d := t.(arrow.DecimalType)
		if d.GetScale() < 0 || d.GetScale() > 18 {
			return "", fmt.Errorf("decimals of scale %d are not accepted", d.GetScale())
		}
		return policy.Type(fmt.Sprintf("decimal(18,%d)", d.GetScale())), nil
	case *arrow.StringType, *arrow.LargeStringType, *arrow.StringViewType:
		return "varchar", nil
	case *arrow.Date32Type, *arrow.Date64Type:
		return "date", nil
	case *arrow.TimestampType:
		if t.TimeZone != "" && t.TimeZone != "UTC" {
			return "", errors.New("timestamps in a time zone other than UTC are not accepted")
		}
		return "timestamp", nil
	case *arrow.DictionaryType:
		return typeOf(t.ValueType)
	}
	return "", fmt.Errorf("type %s is not accepted", t.Name())
}

// textOf gives the cell of one row of a column.
type textOf func(row int) (Cell, error)

var errOutOfRange = errors.New("value is out of range")

// textsOf binds a column to the text of its values; the type was accepted by typeOf.
func textsOf(col arrow.Array) textOf {
	value := valueOf(col)
	return func(row int) (Cell, error) {
		if col.IsNull(row) {
			return Cell{Null: true}, nil
		}
		s, err := value(row)
		if err != nil {
			return Cell{}, err
		}
		return Cell{Text: s}, nil
	}
}

type integerArray[T any] interface{ Value(int) T }

func signed[T int8 | int16 | int32 | int64](a integerArray[T]) func(int) (string, error) {
	return func(i int) (string, error) { return strconv.FormatInt(int64(a.Value(i)), 10), nil }
}

func unsigned[T uint8 | uint16 | uint32 | uint64](a integerArray[T]) func(int) (string, error) {
	return func(i int) (string, error) { return strconv.FormatUint(uint64(a.Value(i)), 10), nil }
}

func text(a integerArray[string]) func(int) (string, error) {
	return func(i int) (string, error) {
		s := a.Value(i)
		if !utf8.ValidString(s) {
			return "", errors.New("not UTF-8")
		}
		return s, nil
	}
}

func valueOf(col arrow.Array) func(int) (string, error) {
	switch a := col.(type) {
	case *array.Boolean:
		return func(i int) (string, error) { return strconv.FormatBool(a.Value(i)), nil }
	case *array.Int8:
		return signed(a)
	case *array.Int16:
		return signed(a)
	case *array.Int32:
		return signed(a)
	case *array.Int64:
		return signed(a)
	case *array.Uint8:
		return unsigned(a)
	case *array.Uint16:
		return unsigned(a)
	case *array.Uint32:
		return unsigned(a)
	case *array.Uint64:
		return unsigned(a)
	case *array.Float32:
		return func(i int) (string, error) { return float(float64(a.Value(i)), 32) }
	case *array.Float64:
		return func(i int) (string, error) { return float(a.Value(i), 64) }
	case *array.String:
		return text(a)
	case *array.LargeString:
		return text(a)
	case *array.StringView:
		return text(a)
	case *array.Dictionary:
		value := valueOf(a.Dictionary())
		return func(i int) (string, error) { return value(a.GetValueIndex(i)) }
	}
	return exactOf(col)
}

// exactOf has the types with a scale or a unit.
func exactOf(col arrow.Array) func(int) (string, error) {
	switch a := col.(type) {
	case *array.Decimal32:
		return func(i int) (string, error) { return decimal(big.NewInt(int64(a.Value(i))), col) }
	case *array.Decimal64:
		return func(i int) (string, error) { return decimal(big.NewInt(int64(a.Value(i))), col) }
	case *array.Decimal128:
		return func(i int) (string, error) { return decimal(a.Value(i).BigInt(), col) }
	case *array.Date32:
		return func(i int) (string, error) { return day(a.Value(i).ToTime()) }
	case *array.Date64:
		return func(i int) (string, error) { return day(a.Value(i).ToTime()) }
	case *array.Timestamp:
		unit := a.DataType().(*arrow.TimestampType).Unit
		return func(i int) (string, error) { return instant(a.Value(i), unit) }
	}
	return func(int) (string, error) { return "", errors.New("type is not accepted") }
}

// float writes the shortest decimal that reads back as the same number. Non-finite values are refused here, for all.
func float(v float64, bits int) (string, error) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "", errors.New("value is not finite")
	}
	return strconv.FormatFloat(v+0, 'f', -1, bits), nil
}

func decimal(v *big.Int, col arrow.Array) (string, error) {
	scale := col.DataType().(arrow.DecimalType).GetScale()
	return result.FormatDecimal(v, int(scale)), nil
}

func day(t time.Time) (string, error) {
	if t.Year() < 1 || t.Year() > 9999 {
		return "", errOutOfRange
	}
	return result.FormatDate(t), nil
}

func instant(v arrow.Timestamp, unit arrow.TimeUnit) (string, error) {
	t := v.ToTime(unit)
	if t.Year() < 1 || t.Year() > 9999 {
		return "", errOutOfRange
	}
	if t.Nanosecond()%1000 != 0 {
		return "", errors.New("timestamp is finer than microseconds")
	}
	return result.FormatTimestamp(t), nil
}
