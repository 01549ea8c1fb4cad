package pme

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// TestThriftAgrees: a footer encoded by another implementation reads as what it says, and re-encodes to the same bytes.
func TestThriftAgrees(t *testing.T) {
	b, err := thrift.Marshal(new(thrift.CompactProtocol), &format.ColumnMetaData{
		Type: format.Double, PathInSchema: []string{"a", "b"}, NumValues: 1 << 40, TotalCompressedSize: 77,
		DataPageOffset: math.MaxInt64, BloomFilterLength: 99, Encoding: make([]format.Encoding, 20),
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := wholeRecord(b)
	if err != nil {
		t.Fatal(err)
	}
	path, err := r.strings(cmPath)
	if err != nil || len(path) != 2 || path[1] != "b" {
		t.Errorf("path %v: %v", path, err)
	}
	for id, want := range map[int16]int64{cmNumValues: 1 << 40, cmCompressedSize: 77, cmDataPageOffset: math.MaxInt64} {
		if got, err := r.size(id, wireI64); err != nil || got != want {
			t.Errorf("field %d is %d: %v", id, got, err)
		}
	}
	if got, err := r.size(cmType, wireI32); err != nil || got != int64(format.Double) {
		t.Errorf("type %d: %v", got, err)
	}
	if !bytes.Equal(appendRecord(nil, r), b) {
		t.Error("re-encodes to other bytes")
	}
}

// TestThriftOneEncoding: other spellings of what could be said shorter are refused.
func TestThriftOneEncoding(t *testing.T) {
	for name, b := range map[string][]byte{
		"nothing":                 {},
		"no stop":                 {0x15, 2},
		"long header for short":   {0x05, 2, 2, 0},
		"field id zero":           {0x05, 0, 2, 0},
		"descending":              {0x25, 2, 0x05, 2, 2, 0},
		"ids beyond 16 bits":      {0x05, 0xfe, 0xff, 0x03, 2, 0x15, 2, 0},
		"padded varint":           {0x15, 0x82, 0x00, 0},
		"varint beyond 32 bits":   {0x15, 0xff, 0xff, 0xff, 0xff, 0x7f, 0},
		"varint beyond 64 bits":   {0x16, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0},
		"varint without end":      {0x16, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0},
		"16 bits too large":       {0x14, 0x80, 0x80, 0x04, 0},
		"unknown wire type":       {0x1e, 0},
		"long list header":        {0x19, 0xf5, 0x02, 2, 2, 0},
		"list of unknown":         {0x19, 0x1e, 0, 0},
		"list of nothing":         {0x19, 0x10, 0},
		"list beyond the end":     {0x19, 0xf5, 0xff, 0xff, 0xff, 0xff, 0x07, 0},
		"string beyond the end":   {0x18, 0x05, 'a', 0},
		"string of negative size": {0x18, 0xff, 0xff, 0xff, 0xff, 0x0f, 0},
		"double cut":              {0x17, 1, 2, 3},
		"map of unknown":          {0x1b, 1, 0xee, 0},
		"bytes behind":            {0x15, 2, 0, 0},
		"stop with a delta":       {0x10, 0},
	} {
		if r, err := wholeRecord(b); r != nil || !errors.Is(err, errThrift) && !errors.Is(err, errShort) {
			t.Errorf("%s: read %v", name, r)
		}
	}
}

func TestRecordEdits(t *testing.T) {
	r := record{i32Field(2, 7), i64Field(40, 8)}
	for name, c := range map[string]struct {
		got, want record
	}{
		"replace":      {r.with(i32Field(2, 9)), record{i32Field(2, 9), i64Field(40, 8)}},
		"insert first": {r.with(i32Field(1, 9)), record{i32Field(1, 9), i32Field(2, 7), i64Field(40, 8)}},
		"insert":       {r.with(i32Field(3, 9)), record{i32Field(2, 7), i32Field(3, 9), i64Field(40, 8)}},
		"append":       {r.with(i32Field(41, 9)), record{i32Field(2, 7), i64Field(40, 8), i32Field(41, 9)}},
		"remove":       {r.without(2, 5), record{i64Field(40, 8)}},
		"original":     {r, record{i32Field(2, 7), i64Field(40, 8)}},
	} {
		got, want := appendRecord(nil, c.got), appendRecord(nil, c.want)
		if !bytes.Equal(got, want) {
			t.Errorf("%s: %x, want %x", name, got, want)
		}
		back, err := wholeRecord(got)
		if err != nil || !bytes.Equal(appendRecord(nil, back), got) {
			t.Errorf("%s does not read back: %v", name, err)
		}
	}
}

// TestPageHeaderRewrite: only size and checksum change.
func TestPageHeaderRewrite(t *testing.T) {
	b, err := thrift.Marshal(new(thrift.CompactProtocol), &format.PageHeader{
		Type: format.DataPageV2, UncompressedPageSize: 1000, CompressedPageSize: 900, CRC: -5,
		DataPageHeaderV2: thrift.New(format.DataPageHeaderV2{NumValues: 12, NumRows: 3, Statistics: format.Statistics{MaxValue: []byte("zz")}}),
	})
	if err != nil {
		t.Fatal(err)
	}
	h, n, err := parsePageHeader(nil, b)
	if err != nil || n != len(b) || h.values != 12 || h.compressed != 900 || h.uncompressed != 1000 {
		t.Fatalf("%+v: %v", h, err)
	}
	var got, want format.PageHeader
	if err := thrift.Unmarshal(new(thrift.CompactProtocol), h.appendTo(nil, 868), &got); err != nil {
		t.Fatal(err)
	}
	if err := thrift.Unmarshal(new(thrift.CompactProtocol), b, &want); err != nil {
		t.Fatal(err)
	}
	want.CompressedPageSize, want.CRC = 868, 0
	x, _ := thrift.Marshal(new(thrift.CompactProtocol), &got)
	y, _ := thrift.Marshal(new(thrift.CompactProtocol), &want)
	if !bytes.Equal(x, y) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if h.checksumHolds([]byte("page")) {
		t.Error("wrong checksum holds")
	}
}
