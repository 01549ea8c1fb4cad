package pme_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/parquet-go/parquet-go"

	"github.com/cordon-exchange/cordon/pme"
)

func sealError(plain []byte, opt pme.SealOptions) error {
	_, err := pme.Seal(ctx, bytes.NewReader(plain), int64(len(plain)), io.Discard, opt)
	return err
}

// TestSealRefuses: one thing wrong with keys or options per case.
func TestSealRefuses(t *testing.T) {
	s := smallSealed(t)
	with := func(change func(o *pme.SealOptions)) pme.SealOptions {
		o := pme.SealOptions{Keys: pme.Keys{Footer: s.keys.Footer, Columns: maps.Clone(s.keys.Columns)}, AADPrefix: s.prefix}
		change(&o)
		return o
	}
	if err := sealError(s.plain, with(func(*pme.SealOptions) {})); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(o *pme.SealOptions)
		want   error
	}{
		"no prefix":                {func(o *pme.SealOptions) { o.AADPrefix = nil }, pme.ErrOptions},
		"long prefix":              {func(o *pme.SealOptions) { o.AADPrefix = make([]byte, 5000) }, pme.ErrOptions},
		"negative workers":         {func(o *pme.SealOptions) { o.Workers = -1 }, pme.ErrOptions},
		"no footer key":            {func(o *pme.SealOptions) { o.Keys.Footer = nil }, pme.ErrMissingKey},
		"no key of a column":       {func(o *pme.SealOptions) { delete(o.Keys.Columns, "b") }, pme.ErrMissingKey},
		"key of no column":         {func(o *pme.SealOptions) { o.Keys.Columns["c"] = testKey("c", 16) }, pme.ErrKey},
		"key of a column's column": {func(o *pme.SealOptions) { o.Keys.Columns["a.b"] = testKey("c", 16) }, pme.ErrKey},
		"one key for two":          {func(o *pme.SealOptions) { o.Keys.Columns["b"] = o.Keys.Columns["a"] }, pme.ErrKey},
		"footer key for a column":  {func(o *pme.SealOptions) { o.Keys.Columns["b"] = o.Keys.Footer }, pme.ErrKey},
		"short key":                {func(o *pme.SealOptions) { o.Keys.Columns["b"] = []byte("short") }, pme.ErrKey},
		"long footer key":          {func(o *pme.SealOptions) { o.Keys.Footer = make([]byte, 33) }, pme.ErrKey},
	} {
		t.Run(name, func(t *testing.T) {
			if err := sealError(s.plain, with(c.change)); !errors.Is(err, c.want) {
				t.Errorf("error is %v, want %v", err, c.want)
			}
		})
	}
}

// TestSealRefusesFiles: what is not a plain Parquet file.
func TestSealRefusesFiles(t *testing.T) {
	s := smallSealed(t)
	opt := pme.SealOptions{Keys: s.keys, AADPrefix: s.prefix}
	head := slices.Clone(s.plain)
	head[0] = 'X'
	for name, c := range map[string]struct {
		file []byte
		want error
	}{
		"sealed":            {s.file, pme.ErrAlreadyEncrypted},
		"signed":            {apacheFile(t, "encrypt_columns_plaintext_footer"), pme.ErrAlreadyEncrypted},
		"empty":             {nil, pme.ErrMalformed},
		"text":              {bytes.Repeat([]byte("a,b\n1,2\n"), 100), pme.ErrMalformed},
		"cut":               {s.plain[:len(s.plain)-1], pme.ErrMalformed},
		"cut at the start":  {s.plain[1:], pme.ErrMalformed},
		"head":              {head, pme.ErrMalformed},
		"bytes behind":      {append(slices.Clone(s.plain), 0), pme.ErrMalformed},
		"footer and others": {longerFooter(s.plain), pme.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			if err := sealError(c.file, opt); !errors.Is(err, c.want) {
				t.Errorf("error is %v, want %v", err, c.want)
			}
		})
	}
}

// longerFooter puts bytes between a footer and its length, as a signature would be.
func longerFooter(plain []byte) []byte {
	n := binary.LittleEndian.Uint32(plain[len(plain)-8:])
	b := append(slices.Clone(plain[:len(plain)-8]), make([]byte, 28)...)
	b = binary.LittleEndian.AppendUint32(b, n+28)
	return append(b, "PAR1"...)
}

// TestSealTwice: the same file with the same keys becomes other bytes, each time.
func TestSealTwice(t *testing.T) {
	s := smallSealed(t)
	other := sealBytes(t, s.plain, s.keys)
	ours, theirs := modulesOf(t, s.file), modulesOf(t, other.file)
	seen := map[string]bool{}
	for i := range ours {
		for _, nonce := range [][]byte{moduleAt(s.file, ours[i])[4:16], moduleAt(other.file, theirs[i])[4:16]} {
			if seen[string(nonce)] {
				t.Error("nonce used twice")
			}
			seen[string(nonce)] = true
		}
	}
}

// TestSealChecksums: pages with a checksum are checked before they are vouched for; parquet-go writes them.
func TestSealChecksums(t *testing.T) {
	type row struct {
		A int64  `parquet:"a"`
		B string `parquet:"b,dict"`
	}
	var buf bytes.Buffer
	w := parquet.NewGenericWriter[row](&buf)
	for i := range 100 {
		if _, err := w.Write([]row{{int64(i), "some text"}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	plain := buf.Bytes()
	keys := pme.Keys{Footer: testKey("f", 16), Columns: map[string][]byte{"a": testKey("a", 16), "b": testKey("b", 16)}}
	s := sealBytes(t, plain, keys)
	rows, err := parquet.Read[row](bytes.NewReader(mustOpen(t, s.file, s.options())), int64(len(mustOpen(t, s.file, s.options()))))
	if err != nil || len(rows) != 100 || rows[99] != (row{99, "some text"}) {
		t.Fatalf("%d rows: %v", len(rows), err)
	}
	at := bytes.Index(plain, []byte("some text"))
	plain[at] ^= 1
	if err := sealError(plain, pme.SealOptions{Keys: keys, AADPrefix: s.prefix}); !errors.Is(err, pme.ErrMalformed) {
		t.Errorf("changed page: %v", err)
	}
}

// TestSealWorkers: how many work at it changes nothing but nonces.
func TestSealWorkers(t *testing.T) {
	s := sealSample(t, 500)
	want := mustOpen(t, s.file, s.options())
	for _, workers := range []int{1, 2, 7, 200} {
		var buf bytes.Buffer
		if _, err := pme.Seal(ctx, pme.Bytes(s.plain), int64(len(s.plain)), &buf, pme.SealOptions{Keys: s.keys, AADPrefix: s.prefix, Workers: workers}); err != nil {
			t.Fatal(err)
		}
		opt := s.options()
		opt.Workers = workers
		if !bytes.Equal(mustOpen(t, buf.Bytes(), opt), want) {
			t.Errorf("%d workers: another file", workers)
		}
	}
}

// TestEmptyTables: no rows, with and without a row group.
func TestEmptyTables(t *testing.T) {
	sc := arrow.NewSchema([]arrow.Field{{Name: "a", Type: arrow.PrimitiveTypes.Int64}, {Name: "b", Type: arrow.BinaryTypes.String, Nullable: true}}, nil)
	tbl, err := array.TableFromJSON(memory.DefaultAllocator, sc, []string{`[]`})
	if err != nil {
		t.Fatal(err)
	}
	keys := pme.Keys{Footer: testKey("f", 16), Columns: map[string][]byte{"a": testKey("a", 16), "b": testKey("b", 16)}}
	s := sealBytes(t, writeTable(t, tbl, 10, nil), keys)
	out := mustOpen(t, s.file, s.options())
	checkColumns(t, out, []string{"a", "b"})
	if n := readTable(t, out, nil).NumRows(); n != 0 {
		t.Errorf("%d rows", n)
	}
}

// TestSummaries: what Seal and Open report.
func TestSummaries(t *testing.T) {
	s := sealSample(t, 400)
	var buf bytes.Buffer
	res, err := pme.Seal(ctx, pme.Bytes(s.plain), int64(len(s.plain)), &buf, pme.SealOptions{Keys: s.keys, AADPrefix: s.prefix})
	if err != nil {
		t.Fatal(err)
	}
	_, opened, err := pme.Open(ctx, pme.Bytes(buf.Bytes()), int64(buf.Len()), s.options())
	if err != nil {
		t.Fatal(err)
	}
	if res.Rows != 400 || res.RowGroups != 2 || opened.Rows != 400 || opened.RowGroups != 2 {
		t.Errorf("sealed %d in %d, opened %d in %d", res.Rows, res.RowGroups, opened.Rows, opened.RowGroups)
	}
	total := 4 + res.FooterSize
	for i, c := range res.Columns {
		o := opened.Columns[i]
		if o.Path != c.Path || o.Path != sampleLeaves()[i] || o.Physical != c.Physical || o.Logical != c.Logical {
			t.Errorf("column %d is %v and %v", i, c, o)
		}
		if o.Bytes <= 0 || o.Bytes > c.Bytes+64 || c.SealedBytes <= c.Bytes {
			t.Errorf("%s: plain %d, sealed %d, opened %d", c.Path, c.Bytes, c.SealedBytes, o.Bytes)
		}
		total += c.SealedBytes
	}
	if total != res.Size {
		t.Errorf("parts make %d bytes of %d", total, res.Size)
	}
	price := opened.Columns[6]
	if price.Logical != "DECIMAL(12,2)" || opened.Columns[4].Logical != "STRING" || opened.Columns[7].Logical != "DATE" || opened.Columns[0].Physical != "INT64" {
		t.Errorf("types: %v", opened.Columns)
	}
	paths, err := pme.PlainColumns(pme.Bytes(s.plain), int64(len(s.plain)))
	if err != nil || !reflect.DeepEqual(paths, sampleLeaves()) {
		t.Errorf("columns %v: %v", paths, err)
	}
}

// TestSealerAppends: row groups of several files of one schema become one file, which opens to all of them; a file of another
// schema, and whatever comes behind a failure, is refused.
func TestSealerAppends(t *testing.T) {
	s := smallSealed(t)
	opt := pme.SealOptions{Keys: s.keys, AADPrefix: s.prefix}
	var out bytes.Buffer
	sealer, err := pme.NewSealer(&out, opt)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sealer.Close(); err == nil {
		t.Error("closed without a file")
	}
	for range 3 {
		if err := sealer.Append(ctx, bytes.NewReader(s.plain), int64(len(s.plain))); err != nil {
			t.Fatal(err)
		}
	}
	done, err := sealer.Close()
	if err != nil {
		t.Fatal(err)
	}
	one, err := pme.Seal(ctx, bytes.NewReader(s.plain), int64(len(s.plain)), io.Discard, opt)
	if err != nil {
		t.Fatal(err)
	}
	if done.Rows != 3*one.Rows || done.RowGroups != 3*one.RowGroups || done.Size != int64(out.Len()) {
		t.Errorf("%+v of three times %+v", done, one)
	}
	plain, _, err := pme.OpenStrict(ctx, bytes.NewReader(out.Bytes()), int64(out.Len()), pme.OpenOptions{Keys: s.keys, AADPrefix: s.prefix, AllWithKeys: true})
	if err != nil {
		t.Fatal(err)
	}
	f, err := parquet.OpenFile(bytes.NewReader(plain), int64(len(plain)))
	if err != nil || f.NumRows() != done.Rows || len(f.RowGroups()) != done.RowGroups {
		t.Fatalf("opens to %v: %v", f, err)
	}
	tbl, err := array.TableFromJSON(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{
		{Name: "a", Type: arrow.PrimitiveTypes.Int64}, {Name: "b", Type: arrow.BinaryTypes.String}, // which was nullable
	}, nil), []string{`[{"a":1,"b":"x"}]`})
	if err != nil {
		t.Fatal(err)
	}
	other := writeTable(t, tbl, 3, nil)
	sealer, err = pme.NewSealer(io.Discard, opt)
	if err != nil {
		t.Fatal(err)
	}
	if err := sealer.Append(ctx, bytes.NewReader(s.plain), int64(len(s.plain))); err != nil {
		t.Fatal(err)
	}
	if err := sealer.Append(ctx, bytes.NewReader(other), int64(len(other))); !errors.Is(err, pme.ErrMalformed) {
		t.Errorf("another schema: %v", err)
	}
	if err := sealer.Append(ctx, bytes.NewReader(s.plain), int64(len(s.plain))); !errors.Is(err, pme.ErrOptions) {
		t.Errorf("after a failure: %v", err)
	}
	if _, err := sealer.Close(); !errors.Is(err, pme.ErrOptions) {
		t.Errorf("closed after a failure: %v", err)
	}
}
