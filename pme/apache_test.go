package pme_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"

	"github.com/cordon-exchange/cordon/pme"
)

// apacheKeys are the keys of the files from Apache's collection (testdata/README.md).
func apacheKeys() pme.Keys {
	return pme.Keys{Footer: []byte("0123456789012345"), Columns: map[string][]byte{
		"double_field": []byte("1234567890123450"), "float_field": []byte("1234567890123451"),
	}}
}

func apacheFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name + ".parquet.encrypted")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func apacheOptions(name string) pme.OpenOptions {
	opt := pme.OpenOptions{Keys: apacheKeys(), AllWithKeys: true, PlaintextParts: true}
	if strings.Contains(name, "disable_aad_storage") {
		opt.AADPrefix = []byte("tester")
	}
	return opt
}

// apacheCases are the files, the columns that can be opened with authentication, and what else they need.
func apacheCases() map[string][]string {
	keyed := []string{"float_field", "double_field"}
	all := []string{"boolean_field", "int32_field", "int64_field", "int96_field", "float_field", "double_field", "ba_field", "flba_field"}
	return map[string][]string{
		"encrypt_columns_and_footer": keyed, "encrypt_columns_and_footer_aad": keyed,
		"encrypt_columns_and_footer_ctr": nil, "encrypt_columns_and_footer_disable_aad_storage": keyed,
		"encrypt_columns_plaintext_footer": keyed, "uniform_encryption": all,
	}
}

// TestApacheFiles opens files that parquet-cpp wrote: the authenticated columns by default, all when asked to.
func TestApacheFiles(t *testing.T) {
	for name, authenticated := range apacheCases() {
		t.Run(name, func(t *testing.T) {
			b := apacheFile(t, name)
			opt := apacheOptions(name)
			if authenticated == nil {
				if _, err := openAll(b, opt); !errors.Is(err, pme.ErrUnauthenticated) {
					t.Errorf("opened: %v", err)
				}
			} else {
				checkApache(t, mustOpen(t, b, opt), authenticated)
			}
			opt.Unauthenticated = true
			checkApache(t, mustOpen(t, b, opt), apacheCases()["uniform_encryption"])
		})
	}
}

// checkApache reads every column of an opened file and compares it with what the files are known to hold.
func checkApache(t *testing.T, plain []byte, columns []string) {
	t.Helper()
	r, err := file.NewParquetReader(bytes.NewReader(plain))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	sc := r.MetaData().Schema
	if sc.NumColumns() != len(columns) || r.NumRows() != 50 || r.NumRowGroups() != 1 {
		t.Fatalf("%d columns, %d rows, %d row groups", sc.NumColumns(), r.NumRows(), r.NumRowGroups())
	}
	for i, want := range columns {
		if got := sc.Column(i).Path(); got != want {
			t.Errorf("column %d is %s, want %s", i, got, want)
		}
		col, err := r.RowGroup(0).Column(i)
		if err != nil {
			t.Fatal(err)
		}
		checkApacheColumn(t, want, col)
	}
}

func checkApacheColumn(t *testing.T, name string, col file.ColumnChunkReader) {
	t.Helper()
	def, rep := make([]int16, 200), make([]int16, 200)
	var values int
	var err error
	fail := func(i int, got any) { t.Fatalf("%s: value %d is %v", name, i, got) }
	switch c := col.(type) {
	case *file.BooleanColumnChunkReader:
		v := make([]bool, 200)
		_, values, err = c.ReadBatch(200, v, def, rep)
		for i, x := range v[:values] {
			if x != (i%2 == 0) {
				fail(i, x)
			}
		}
	case *file.Int32ColumnChunkReader:
		v := make([]int32, 200)
		_, values, err = c.ReadBatch(200, v, def, rep)
		for i, x := range v[:values] {
			if x != int32(i) {
				fail(i, x)
			}
		}
	case *file.Int64ColumnChunkReader:
		v := make([]int64, 200)
		_, values, err = c.ReadBatch(200, v, def, rep)
		for i, x := range v[:values] {
			if x != int64(i)*1000000000000 {
				fail(i, x)
			}
		}
		if err != nil || values != 100 {
			t.Errorf("%s: %d values, error %v, want 100: two in each row", name, values, err)
		}
		return
	case *file.Float32ColumnChunkReader:
		v := make([]float32, 200)
		_, values, err = c.ReadBatch(200, v, def, rep)
		for i, x := range v[:values] {
			if x != float32(i)*1.1 {
				fail(i, x)
			}
		}
	case *file.Float64ColumnChunkReader:
		v := make([]float64, 200)
		_, values, err = c.ReadBatch(200, v, def, rep)
		for i, x := range v[:values] {
			if x != float64(i)*1.1111111 {
				fail(i, x)
			}
		}
	case *file.ByteArrayColumnChunkReader:
		v := make([]parquet.ByteArray, 200)
		_, values, err = c.ReadBatch(200, v, def, rep)
		for i, x := range v[:values] {
			if !strings.HasPrefix(string(x), "parquet") {
				fail(i, x)
			}
		}
		if err != nil || values != 25 {
			t.Errorf("%s: %d values, error %v, want 25: every second row", name, values, err)
		}
		return
	case *file.FixedLenByteArrayColumnChunkReader:
		v := make([]parquet.FixedLenByteArray, 200)
		_, values, err = c.ReadBatch(200, v, def, rep)
		for i, x := range v[:values] {
			if !bytes.Equal(x, bytes.Repeat([]byte{byte(i)}, 10)) {
				fail(i, fmt.Sprintf("%x", []byte(x)))
			}
		}
	case *file.Int96ColumnChunkReader:
		v := make([]parquet.Int96, 200)
		_, values, err = c.ReadBatch(200, v, def, rep)
	default:
		t.Fatalf("%s: type %T", name, col)
	}
	if err != nil || values != 50 {
		t.Errorf("%s: %d values: %v", name, values, err)
	}
}

// TestApacheSealed: files of another implementation, opened, sealed by us and opened again.
func TestApacheSealed(t *testing.T) {
	opt := apacheOptions("uniform_encryption")
	plain := mustOpen(t, apacheFile(t, "uniform_encryption"), opt)
	keys := pme.Keys{Footer: testKey("footer", 16), Columns: map[string][]byte{}}
	for _, c := range apacheCases()["uniform_encryption"] {
		keys.Columns[c] = testKey(c, 32)
	}
	s := sealBytes(t, plain, keys)
	if got := mustOpen(t, s.file, s.options()); !bytes.Equal(got, plain) {
		t.Error("opened file differs from what was sealed")
	}
}

// TestApacheFilesThere: a test of files that finds none must not pass.
func TestApacheFilesThere(t *testing.T) {
	entries, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".parquet.encrypted"); ok {
			if _, known := apacheCases()[name]; !known {
				t.Errorf("no case for %s", name)
			}
			n++
		}
	}
	if n != 6 {
		t.Errorf("%d files, want 6", n)
	}
}
