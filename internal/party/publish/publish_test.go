package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/internal/party/officers"
	"github.com/cordon-exchange/cordon/internal/party/partytest"
	"github.com/cordon-exchange/cordon/pme"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

const policyText = `policy: 1
dataset: strikes
unit: {column: report_id, rows_are_units: true}
columns:
  report_id: {roles: [unit]}
  size: {roles: [dimension, filter], values: [Small, Medium, Large]}
  day: {}
  cost: {roles: [measure], aggregates: [sum, avg, count], clamp: [-100, 1000], scale: 2}
output: {lattice: [[size]]}
guard:
  min_units: 10
  rounding: {count: 5, value_digits: 4}
purposes: [research]
analysts: [any]
operators: [cordon1dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd]
evidence: {accept: [simulated], builds: ["sha256:0000000000000000000000000000000000000000000000000000000000000000"], perimeters: [process]}
valid: {from: 2026-01-01, until: 2027-01-01}
max_queries: {per_analyst: 200, period: 30d}
`

const goodCSV = `Report,Wildlife Size,Day,Cost
r1,Small,1990-01-08,0
r2,Large,1990-01-09,12.5
r3,Medium,1990-01-10,
r4,Small,1990-01-11,-99.99
`

func write(t testing.TB, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func request(path string) Request {
	return Request{
		Path: path, Dataset: "strikes", Policy: []byte(policyText),
		Columns: []Rename{{"Report", "report_id"}, {"Wildlife Size", "size"}, {"Day", "day"}, {"Cost", "cost"}},
	}
}

func quiet(Progress) {}

// rowsOf reads a plain Parquet file back, every value as text.
func rowsOf(t *testing.T, b []byte) (schema string, rows []string) {
	t.Helper()
	pf, err := file.NewParquetReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	fr, err := pqarrow.NewFileReader(pf, pqarrow.ArrowReadProperties{BatchSize: 1000}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	tab, err := fr.ReadTable(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tab.Release()
	var fields []string
	for _, f := range tab.Schema().Fields() {
		fields = append(fields, fmt.Sprintf("%s:%s:%v", f.Name, f.Type, f.Nullable))
	}
	r := array.NewTableReader(tab, 1000)
	defer r.Release()
	for r.Next() {
		rec := r.RecordBatch()
		for i := range int(rec.NumRows()) {
			var cells []string
			for c := range int(rec.NumCols()) {
				cells = append(cells, rec.Column(c).ValueStr(i))
			}
			rows = append(rows, strings.Join(cells, "|"))
		}
	}
	return strings.Join(fields, " "), rows
}

const wantSchema = "report_id:utf8:false size:utf8:true day:date32:true cost:decimal(18, 2):true"

var wantRows = []string{
	"r1|Small|1990-01-08|0", "r2|Large|1990-01-09|12.5", "r3|Medium|1990-01-10|(null)", "r4|Small|1990-01-11|-99.99",
}

// TestFormats: the same table from each format gives the same Parquet contents.
func TestFormats(t *testing.T) {
	for name, b := range map[string][]byte{
		"csv": []byte(goodCSV), "csv with BOM and CRLF": []byte("\ufeff" + strings.ReplaceAll(goodCSV, "\n", "\r\n")),
		"parquet": parquetFile(t, typedRecord(t)), "arrow file": arrowFile(t, typedRecord(t)), "arrow stream": arrowStream(t, typedRecord(t)),
	} {
		t.Run(name, func(t *testing.T) {
			tab, err := Read(t.Context(), request(write(t, "table", b)), quiet)
			if err != nil {
				t.Fatal(err)
			}
			schema, rows := rowsOf(t, tab.Parquet)
			if schema != wantSchema {
				t.Errorf("schema %s", schema)
			}
			if strings.Join(rows, "\n") != strings.Join(wantRows, "\n") {
				t.Errorf("rows:\n%s", strings.Join(rows, "\n"))
			}
			if tab.Rows != 4 {
				t.Errorf("%d rows", tab.Rows)
			}
		})
	}
}

// typedRecord has the table with a double as measure: 12.5 and -99.99 as their shortest decimals.
func typedRecord(t *testing.T) arrow.RecordBatch {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "Report", Type: arrow.BinaryTypes.String},
		{Name: "Wildlife Size", Type: &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}},
		{Name: "Day", Type: arrow.FixedWidthTypes.Date32}, {Name: "Cost", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	b.Field(0).(*array.StringBuilder).AppendValues([]string{"r1", "r2", "r3", "r4"}, nil)
	for _, s := range []string{"Small", "Large", "Medium", "Small"} {
		if err := b.Field(1).(*array.BinaryDictionaryBuilder).AppendString(s); err != nil {
			t.Fatal(err)
		}
	}
	for day := 8; day < 12; day++ {
		b.Field(2).(*array.Date32Builder).Append(arrow.Date32FromTime(time.Date(1990, 1, day, 0, 0, 0, 0, time.UTC)))
	}
	b.Field(3).(*array.Float64Builder).AppendValues([]float64{0, 12.5, 0, -99.99}, []bool{true, true, false, true})
	return b.NewRecordBatch()
}

func parquetFile(t *testing.T, rec arrow.RecordBatch) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := pqarrow.NewFileWriter(rec.Schema(), &out, parquet.NewWriterProperties(), pqarrow.NewArrowWriterProperties())
	if err == nil {
		err = errors.Join(w.Write(rec), w.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func arrowFile(t *testing.T, rec arrow.RecordBatch) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := ipc.NewFileWriter(&out, ipc.WithSchema(rec.Schema()))
	if err == nil {
		err = errors.Join(w.Write(rec), w.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func arrowStream(t *testing.T, rec arrow.RecordBatch) []byte {
	t.Helper()
	var out bytes.Buffer
	w := ipc.NewWriter(&out, ipc.WithSchema(rec.Schema()))
	if err := errors.Join(w.Write(rec), w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestRefused: one thing wrong per case. The error tells the place and never the value.
func TestRefused(t *testing.T) {
	const secret = "S3CRET"
	replace := func(old, with string) func(*Request) []byte {
		return func(*Request) []byte { return []byte(strings.Replace(goodCSV, old, with, 1)) }
	}
	floats := func(v float64) func(*Request) []byte {
		return func(*Request) []byte {
			schema := arrow.NewSchema([]arrow.Field{{Name: "report_id", Type: arrow.PrimitiveTypes.Int64}, {Name: "size", Type: arrow.BinaryTypes.String}, {Name: "day", Type: arrow.BinaryTypes.String}, {Name: "cost", Type: arrow.PrimitiveTypes.Float64}}, nil)
			b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
			b.Field(0).(*array.Int64Builder).Append(1)
			b.Field(1).(*array.StringBuilder).Append("Small")
			b.Field(2).(*array.StringBuilder).Append("x")
			b.Field(3).(*array.Float64Builder).Append(v)
			return parquetFile(t, b.NewRecordBatch())
		}
	}
	own := func(f func(*Request) []byte) func(*Request) []byte {
		return func(r *Request) []byte { r.Columns = nil; return f(r) }
	}
	nan, inf := math.NaN(), math.Inf(1)
	cases := []struct {
		name string
		file func(*Request) []byte
		want string // in the error
	}{
		{"empty file", func(*Request) []byte { return nil }, "empty"},
		{"header only", func(*Request) []byte { return []byte("Report,Wildlife Size,Day,Cost\n") }, "no row"},
		{"ragged row", replace("r2,Large,1990-01-09,12.5", "r2,Large,"+secret), "line 3"},
		{"row too long", replace("r2,Large", secret+",r2,Large"), "line 3"},
		{"quote in a bare field", replace("Large", `La"`+secret), "line 3"},
		{"quote that does not end", replace("Large", `"Large`+secret), "line"},
		{"not UTF-8", replace("Large", "La\xffrge"), "line 3"},
		{"binary nonsense", func(*Request) []byte { return []byte("\x00\x01\x02\xfe\xff\x00") }, "UTF-8"},
		{"two columns of one name", func(*Request) []byte { return []byte("Report,Report\n1,2\n") }, "line 1"},
		{"column missing", func(*Request) []byte { return []byte("Report,Wildlife Size,Day\n1,Small,x\n") }, `no column "Cost"`},
		{"measure is text", replace("12.5", secret), "line 3, column cost"},
		{"measure with thousands", replace("12.5", `"1,2"`), "line 3, column cost"},
		{"measure in scientific notation", replace("12.5", "1e2"), "line 3, column cost"},
		{"measure is inexact", replace("12.5", "12.345"), "line 3, column cost"},
		{"measure above the clamp", replace("12.5", "1000.01"), "line 3, column cost"},
		{"measure below the clamp", replace("-99.99", "-100.01"), "line 5, column cost"},
		{"measure is NaN", replace("12.5", "NaN"), "line 3, column cost"},
		{"measure is infinite", replace("12.5", "inf"), "line 3, column cost"},
		{"Parquet measure is NaN", own(floats(nan)), "row 1"},
		{"Parquet measure is infinite", own(floats(inf)), "row 1"},
		{"Parquet measure is inexact", own(floats(0.123)), "row 1"},
		{"dimension outside its domain", replace("Large", secret), "line 3, column size"},
		{"unit twice", replace("r3", "r1"), "line 4, column report_id"},
		{"unit is NULL", replace("r3", ""), "line 4, column report_id"},
		{"NULL where never NULL", func(r *Request) []byte {
			r.Schema = []Typed{{Column: "cost", Type: "decimal(18,2)", NotNull: true}}
			return []byte(goodCSV)
		}, "line 4, column cost"},
		{"measure as double", func(r *Request) []byte {
			r.Schema = []Typed{{Column: "cost", Type: "double"}}
			return []byte(goodCSV)
		}, "measure cost"},
		{"type that does not fit", func(r *Request) []byte {
			r.Schema = []Typed{{Column: "day", Type: "timestamp"}}
			return []byte(goodCSV)
		}, "line 2, column day"},
		{"schema names no column", func(r *Request) []byte {
			r.Schema = []Typed{{Column: "other", Type: "int64"}}
			return []byte(goodCSV)
		}, "other"},
		{"name that SQL would have to quote", func(r *Request) []byte { r.Columns = nil; return []byte(goodCSV) }, `"Report"`},
		{"no row left", func(r *Request) []byte { r.Where = []Equal{{"Day", "2000-01-01"}}; return []byte(goodCSV) }, "no row"},
		{"condition on no column", func(r *Request) []byte { r.Where = []Equal{{"Nope", "x"}}; return []byte(goodCSV) }, `no column "Nope"`},
		{"policy of another data set", func(r *Request) []byte {
			r.Dataset = "hits"
			return []byte(goodCSV)
		}, "hits"},
		{"policy with an unknown field", func(r *Request) []byte {
			r.Policy = []byte(policyText + "colour: red\n")
			return []byte(goodCSV)
		}, "policy:19:1:"},
		{"policy names a column that is not there", func(r *Request) []byte {
			r.Columns = r.Columns[:3]
			return []byte(goodCSV)
		}, "policy:8:"},
		{"Parquet cut short", func(*Request) []byte { b := parquetFile(t, typedRecord(t)); return b[:len(b)-9] }, "Parquet"},
		{"Parquet head alone", func(*Request) []byte { return []byte("PAR1") }, "Parquet"},
		{"Parquet with damaged pages", func(*Request) []byte {
			b := parquetFile(t, typedRecord(t))
			for i := 4; i < 60; i++ {
				b[i] ^= 0x5a
			}
			return b
		}, "Parquet"},
		{"encrypted Parquet", func(*Request) []byte { return []byte("PARExxxxxxxxxxxxPARE") }, "encrypted"},
		{"Arrow file cut short", func(*Request) []byte { b := arrowFile(t, typedRecord(t)); return b[:len(b)/2] }, "Arrow"},
		{"Arrow stream cut short", func(*Request) []byte { b := arrowStream(t, typedRecord(t)); return b[:len(b)/2] }, "Arrow"},
		{"Arrow stream of nonsense", func(*Request) []byte { return []byte("\xff\xff\xff\xff\xff\xff\xff\x7f" + secret) }, "Arrow"},
		{"type that has no place in a table", func(r *Request) []byte {
			schema := arrow.NewSchema([]arrow.Field{{Name: "Report", Type: arrow.ListOf(arrow.PrimitiveTypes.Int64)}}, nil)
			return arrowFile(t, array.NewRecordBuilder(memory.DefaultAllocator, schema).NewRecordBatch())
		}, `column "Report"`},
		{"timestamps in a zone", func(r *Request) []byte {
			schema := arrow.NewSchema([]arrow.Field{{Name: "Report", Type: &arrow.TimestampType{Unit: arrow.Second, TimeZone: "Europe/Zurich"}}}, nil)
			return arrowFile(t, array.NewRecordBuilder(memory.DefaultAllocator, schema).NewRecordBatch())
		}, "UTC"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := request("")
			b := c.file(&r)
			r.Path = write(t, "table", b)
			tab, err := Read(t.Context(), r, quiet)
			if err == nil || tab != nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %q does not say %q", err, c.want)
			}
			if strings.Contains(err.Error(), secret) || strings.Contains(fault.Hint(err), secret) {
				t.Errorf("error tells a value: %v", err)
			}
			if code := fault.ExitCode(err); code != int(fault.Input) && code != int(fault.Usage) {
				t.Errorf("exit code %d", code)
			}
			if fault.Hint(err) == "" {
				t.Error("no hint")
			}
		})
	}
}

func TestHugeRecord(t *testing.T) {
	b := append([]byte("a,b\n1,\""), bytes.Repeat([]byte("x"), 17<<20)...)
	r := request(write(t, "table", b))
	r.Columns = []Rename{{"a", "report_id"}}
	if _, err := Read(t.Context(), r, quiet); err == nil || !strings.Contains(err.Error(), "16 MiB") {
		t.Fatalf("got %v", err)
	}
}

func TestMissingFile(t *testing.T) {
	for _, path := range []string{filepath.Join(t.TempDir(), "none.csv"), t.TempDir()} {
		if _, err := Read(t.Context(), request(path), quiet); fault.ExitCode(err) != int(fault.Input) {
			t.Fatalf("got %v", err)
		}
	}
}

func TestSelection(t *testing.T) {
	r := request(write(t, "t.csv", []byte(goodCSV)))
	r.Columns = []Rename{{"Cost", "cost"}, {"Wildlife Size", "size"}, {"Day", "day"}}
	r.Where, r.RowID = []Equal{{"Wildlife Size", "Small"}}, "report_id"
	tab, err := Read(t.Context(), r, quiet)
	if err != nil {
		t.Fatal(err)
	}
	schema, rows := rowsOf(t, tab.Parquet)
	if schema != "cost:decimal(18, 2):true size:utf8:true day:date32:true report_id:int64:false" {
		t.Errorf("schema %s", schema)
	}
	if strings.Join(rows, " ") != "0|Small|1990-01-08|1 -99.99|Small|1990-01-11|2" {
		t.Errorf("rows %v", rows)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Read(ctx, request(write(t, "t.csv", []byte(goodCSV))), quiet); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
}

type publisher struct {
	*Publisher
	ex   *partytest.Exchange
	home home.Dir
	ring *keyring.Keyring
}

func newPublisher(t *testing.T) *publisher {
	t.Helper()
	ring, err := keyring.New("delta")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := home.Create(filepath.Join(t.TempDir(), "home"))
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return time.UnixMilli(1_780_000_000_000) }
	store, err := dataset.Open(dir, ring.Fingerprint(), ring)
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(dir.Ledger(), ring.Fingerprint(), now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	ex := partytest.New()
	gate := &officers.Gate{Home: dir, Ledger: l, Self: ring.Fingerprint(), Now: now}
	return &publisher{&Publisher{Exchange: ex, Store: store, Ledger: l, Signer: ring.Signer(), Officers: gate, Now: now}, ex, dir, ring}
}

// TestPublish: what lies in the lake is ciphertext, opens with the committed
// keys that the store gives back after a restart, and only with those.
func TestPublish(t *testing.T) {
	p := newPublisher(t)
	var stages []string
	v, err := p.Publish(t.Context(), request(write(t, "t.csv", []byte(goodCSV))), func(g Progress) {
		if len(stages) == 0 || stages[len(stages)-1] != g.Stage {
			stages = append(stages, g.Stage)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Join(stages, " ") != "infer read seal upload offer" {
		t.Errorf("progress %v", stages)
	}
	o := v.Body()
	f := o.Files[0]
	sealed := p.ex.Objects[f.Object]
	if o.Version != "1" || f.Rows != 4 || f.Bytes != int64(len(sealed)) || len(sealed) == 0 {
		t.Fatalf("offer %+v, %d bytes in the lake", o, len(sealed))
	}
	for _, plain := range []string{"Medium", "Large", "1990-01-10"} {
		if bytes.Contains(sealed, []byte(plain)) {
			t.Errorf("%q in the lake", plain)
		}
	}
	if string(f.AADPrefix) != AADPrefix(dataset.ID{Owner: o.Owner, Dataset: "strikes", Version: "1"}, 0) {
		t.Errorf("AAD prefix %s", f.AADPrefix)
	}
	store, err := dataset.Open(p.home, p.ring.Fingerprint(), p.ring) // as after a restart
	if err != nil {
		t.Fatal(err)
	}
	keys, err := store.Release(t.Context(), v.Digest(), []string{"cost", "size"})
	if err != nil {
		t.Fatal(err)
	}
	opt := pme.OpenOptions{Keys: pme.Keys{Footer: keys.Footer, Columns: map[string][]byte{}}, AADPrefix: []byte(f.AADPrefix), Columns: []string{"cost", "size"}}
	for _, k := range keys.Column {
		opt.Keys.Columns[k.Column] = k.Key
		dk, _ := seal.DataKeyFromBytes(k.Key)
		commit, _ := o.Commitment(k.Column)
		if !seal.Committed(seal.KeyName{Owner: o.Owner, Dataset: o.Dataset, Version: o.Version, Key: k.Column}, dk, commit) {
			t.Errorf("key of %s is not committed to", k.Column)
		}
	}
	plain, _, err := pme.OpenStrict(t.Context(), bytes.NewReader(sealed), int64(len(sealed)), opt)
	if err != nil {
		t.Fatal(err)
	}
	if _, rows := rowsOf(t, plain); strings.Join(rows, " ") != "Small|0 Large|12.5 Medium|(null) Small|-99.99" {
		t.Errorf("rows %v", rows)
	}
	opt.AADPrefix = []byte("cordon:other")
	if _, _, err := pme.OpenStrict(t.Context(), bytes.NewReader(sealed), int64(len(sealed)), opt); err == nil {
		t.Error("opens under another AAD prefix")
	}
	if e := p.Ledger.Entries(); len(e) != 1 || e[0].Kind != ledger.KindPublish || e[0].About != v.Digest() {
		t.Errorf("ledger %+v", e)
	}
	noClear(t, p.home.Path(), "Medium", "1990-01-10")
}

// noClear searches every file of a folder.
func noClear(t *testing.T, dir string, words ...string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		b, err := os.ReadFile(path)
		for _, w := range words {
			if filepath.Base(path) != "offer.json" && bytes.Contains(b, []byte(w)) {
				t.Errorf("%q in %s", w, path)
			}
		}
		return err
	})
	if err != nil || files == 0 {
		t.Fatalf("searched %d files: %v", files, err)
	}
}

func TestNextVersion(t *testing.T) {
	p := newPublisher(t)
	path := write(t, "t.csv", []byte(goodCSV))
	first, err := p.Publish(t.Context(), request(path), quiet)
	if err != nil {
		t.Fatal(err)
	}
	rekey := request(path)
	rekey.EvenIfUnchanged = true
	second, err := p.Publish(t.Context(), rekey, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if second.Body().Version != "2" || second.Body().Replaces != first.Digest() || first.Body().Commitments[0] == second.Body().Commitments[0] {
		t.Fatal("second version is not a fresh one after the first")
	}
	again := rekey
	again.Version = "2"
	if _, err := p.Publish(t.Context(), again, quiet); fault.ExitCode(err) != int(fault.Usage) {
		t.Fatalf("a version was overwritten: %v", err)
	}
}

// TestKeysBeforeOffer: if the exchange goes away in the middle, no offer exists
// whose keys are lost, and nothing is offered whose file is not there.
func TestKeysBeforeOffer(t *testing.T) {
	p := newPublisher(t)
	p.ex.Down = errors.New("away")
	if _, err := p.Publish(t.Context(), request(write(t, "t.csv", []byte(goodCSV))), quiet); err == nil {
		t.Fatal("published to nobody")
	}
	if _, err := os.Stat(filepath.Join(p.home.Datasets(), "strikes", "1", "keys.json")); err != nil {
		t.Fatalf("keys were not stored before the upload: %v", err)
	}
	if len(p.Store.List()) != 0 || len(p.Ledger.Entries()) != 0 {
		t.Fatal("offered without a file")
	}
	p.ex.Down = nil
	v, err := p.Publish(t.Context(), request(write(t, "t.csv", []byte(goodCSV))), quiet)
	if err != nil || v.Body().Version != "2" {
		t.Fatalf("not usable afterwards: %v", err)
	}
}

func TestStoreRefuses(t *testing.T) {
	p := newPublisher(t)
	v, err := p.Publish(t.Context(), request(write(t, "t.csv", []byte(goodCSV))), quiet)
	if err != nil {
		t.Fatal(err)
	}
	keysFile := filepath.Join(p.home.Datasets(), "strikes", "1", "keys.json")
	good, err := os.ReadFile(keysFile)
	if err != nil {
		t.Fatal(err)
	}
	other, _ := keyring.New("delta")
	cases := []struct {
		name    string
		file    []byte
		columns []string
		ring    *keyring.Keyring
		offer   statement.Digest
	}{
		{"missing file", nil, []string{"cost"}, p.ring, v.Digest()},
		{"damaged file", good[:len(good)-2], []string{"cost"}, p.ring, v.Digest()},
		{"another KEK", good, []string{"cost"}, other, v.Digest()},
		{"keys of another version", bytes.Replace(good, []byte(`"version":"1"`), []byte(`"version":"2"`), 1), []string{"cost"}, p.ring, v.Digest()},
		{"two columns swapped", swapped(t, good, "cost", "size"), []string{"cost"}, p.ring, v.Digest()},
		{"unknown column", good, []string{"nope"}, p.ring, v.Digest()},
		{"unknown offer", good, []string{"cost"}, p.ring, statement.Sum([]byte("x"))},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if c.file == nil {
				os.Remove(keysFile)
			} else if err := os.WriteFile(keysFile, c.file, 0o600); err != nil {
				t.Fatal(err)
			}
			s := p.Store
			if c.ring != p.ring {
				s, err = dataset.Open(p.home, p.ring.Fingerprint(), c.ring)
				if err != nil {
					t.Fatal(err)
				}
			}
			k, err := s.Release(t.Context(), c.offer, c.columns)
			if err == nil || k != nil || fault.ExitCode(err) != int(fault.NoKey) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

// swapped gives each of two columns the other's wrapped key.
func swapped(t *testing.T, keys []byte, a, b string) []byte {
	t.Helper()
	swap := strings.NewReplacer(`"name":"`+a+`"`, `"name":"`+b+`"`, `"name":"`+b+`"`, `"name":"`+a+`"`)
	out := []byte(swap.Replace(string(keys)))
	if bytes.Equal(out, keys) {
		t.Fatal("nothing to swap")
	}
	return out
}

func TestParseFlags(t *testing.T) {
	s, err := ParseSchema("size:varchar!,cost:decimal(18,2),n:int64")
	if err != nil || len(s) != 3 || !s[0].NotNull || s[1].Type != "decimal(18,2)" || s[2].NotNull {
		t.Fatalf("%+v %v", s, err)
	}
	for _, bad := range []string{"size", "size:", "Size:varchar", "a:decimal(19,2)", "a:blob", "a:int64,", ":int64", "a:decimal(3,4)"} {
		if got, err := ParseSchema(bad); err == nil {
			t.Errorf("schema %q gave %v", bad, got)
		}
	}
	r, err := ParseRename("Cost = Total $=cost")
	if err != nil || r != (Rename{"Cost = Total $", "cost"}) {
		t.Fatalf("%+v %v", r, err)
	}
	for _, bad := range []string{"", "=x", "A=B", "Upper"} {
		if _, err := ParseRename(bad); err == nil {
			t.Errorf("rename %q", bad)
		}
	}
	if e, err := ParseEqual("A=b=c"); err != nil || e != (Equal{"A", "b=c"}) {
		t.Fatalf("%+v %v", e, err)
	}
	if _, err := ParseEqual("nothing"); err == nil {
		t.Error("condition without =")
	}
}

// TestOutsideTheClamp: under noise such values are published as they are, and the owner is told how many; otherwise refused.
func TestOutsideTheClamp(t *testing.T) {
	noisy := strings.Replace(policyText, "output: {lattice: [[size]]}", "output: dp\ndp: {epsilon_max_query: 1, epsilon: 10, delta: 0.000001, max_groups_per_unit: 3}", 1)
	table := strings.NewReplacer("12.5", "1000.01", "-99.99", "-100.5").Replace(goodCSV)
	for text, passes := range map[string]bool{policyText: false, noisy: true} {
		r := request(write(t, "table.csv", []byte(table)))
		r.Policy = []byte(text)
		tab, err := Read(t.Context(), r, quiet)
		if (err == nil) != passes {
			t.Fatalf("passes %v: %v", passes, err)
		}
		if err != nil {
			continue
		}
		if want := []string{"cost: 2 values lie outside the clamp; queries count them as its nearest bound"}; !slices.Equal(tab.Clamped, want) {
			t.Errorf("says %q", tab.Clamped)
		}
		if _, rows := rowsOf(t, tab.Parquet); rows[1] != "r2|Large|1990-01-09|1000.01" || rows[3] != "r4|Small|1990-01-11|-100.5" {
			t.Errorf("published %v", rows)
		}
	}
	inside := request(write(t, "table.csv", []byte(goodCSV)))
	inside.Policy = []byte(noisy)
	if tab, err := Read(t.Context(), inside, quiet); err != nil || len(tab.Clamped) != 0 {
		t.Errorf("%v %v", tab, err)
	}
}
