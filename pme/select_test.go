package pme_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"

	"github.com/cordon-exchange/cordon/pme"
)

// TestPolicy: what is accepted with which options, one thing short of acceptance per case.
func TestPolicy(t *testing.T) {
	const sealedFile, uniform, ctr, signed, partial = "sealed", "uniform_encryption", "encrypt_columns_and_footer_ctr",
		"encrypt_columns_plaintext_footer", "encrypt_columns_and_footer"
	strict, parts, any := pme.OpenOptions{}, pme.OpenOptions{PlaintextParts: true}, pme.OpenOptions{Unauthenticated: true}
	cases := []struct {
		name, file string
		opt        pme.OpenOptions
		columns    []string
		want       error
	}{
		{"sealed", sealedFile, strict, []string{"a"}, nil},
		{"footer key for all", uniform, strict, []string{"double_field"}, nil},
		{"other columns plain", partial, strict, []string{"double_field"}, pme.ErrUnauthenticated},
		{"other columns plain, accepted", partial, parts, []string{"double_field"}, nil},
		{"plain column asked for", partial, parts, []string{"ba_field"}, pme.ErrUnauthenticated},
		{"plain column among others", partial, parts, []string{"double_field", "ba_field"}, pme.ErrUnauthenticated},
		{"plain column accepted", partial, any, []string{"ba_field"}, nil},
		{"plaintext footer", signed, strict, []string{"double_field"}, pme.ErrUnauthenticated},
		{"plaintext footer accepted", signed, parts, []string{"double_field"}, nil},
		{"CTR", ctr, strict, []string{"double_field"}, pme.ErrUnauthenticated},
		{"CTR with plaintext parts", ctr, parts, []string{"double_field"}, pme.ErrUnauthenticated},
		{"CTR accepted", ctr, any, []string{"double_field"}, nil},
	}
	s := smallSealed(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b, opt := s.file, c.opt
			opt.Keys, opt.AADPrefix, opt.Columns = s.keys, s.prefix, c.columns
			if c.file != sealedFile {
				b, opt.Keys, opt.AADPrefix = apacheFile(t, c.file), apacheKeys(), nil
			}
			out, err := openAll(b, opt)
			if !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
				t.Fatalf("error is %v, want %v", err, c.want)
			}
			if c.want == nil {
				checkColumns(t, out, c.columns)
			}
		})
	}
}

func checkColumns(t *testing.T, plain []byte, want []string) {
	t.Helper()
	r, err := file.NewParquetReader(bytes.NewReader(plain))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var got []string
	for i := range r.MetaData().Schema.NumColumns() {
		got = append(got, r.MetaData().Schema.Column(i).Path())
	}
	if !slices.Equal(got, want) {
		t.Errorf("columns are %v, want %v", got, want)
	}
}

// TestOpenStrict refuses to be talked into less.
func TestOpenStrict(t *testing.T) {
	s := smallSealed(t)
	if _, _, err := pme.OpenStrict(ctx, pme.Bytes(s.file), int64(len(s.file)), s.options()); err != nil {
		t.Error(err)
	}
	for _, opt := range []pme.OpenOptions{{PlaintextParts: true}, {Unauthenticated: true}} {
		opt.Keys, opt.AADPrefix, opt.AllWithKeys = s.keys, s.prefix, true
		if _, _, err := pme.OpenStrict(ctx, pme.Bytes(s.file), int64(len(s.file)), opt); !errors.Is(err, pme.ErrOptions) {
			t.Errorf("error is %v", err)
		}
	}
}

// TestStoredPrefixMayBeLeftOut, and a file that is to be opened only under its prefix says so.
func TestPrefixes(t *testing.T) {
	opt := apacheOptions("encrypt_columns_and_footer_aad")
	for prefix, want := range map[string]error{"": nil, "tester": nil, "other": pme.ErrAADPrefix} {
		opt.AADPrefix = []byte(prefix)
		if _, err := openAll(apacheFile(t, "encrypt_columns_and_footer_aad"), opt); !errors.Is(err, want) {
			t.Errorf("%q: %v", prefix, err)
		}
	}
	opt.AADPrefix = []byte("tester")
	if _, err := openAll(apacheFile(t, "encrypt_columns_and_footer"), opt); !errors.Is(err, pme.ErrAADPrefix) {
		t.Errorf("prefix for a file without: %v", err)
	}
}

func TestSelection(t *testing.T) {
	s := sealSample(t, 100)
	cases := []struct {
		name    string
		columns []string
		want    []string
		err     error
	}{
		{"one", []string{"city"}, []string{"city"}, nil},
		{"order of the schema", []string{"city", "id"}, []string{"id", "city"}, nil},
		{"named twice", []string{"city", "city"}, []string{"city"}, nil},
		{"group", []string{"place"}, []string{"place.x", "place.label"}, nil},
		{"list", []string{"tags"}, []string{"tags.list.element"}, nil},
		{"within a list", []string{"route.list.element.x"}, []string{"route.list.element.x"}, nil},
		{"one field of a group", []string{"place.x"}, []string{"place.x"}, nil},
		{"map", []string{"props"}, []string{"props.key_value.key", "props.key_value.value"}, nil},
		{"map keys alone", []string{"props.key_value.key"}, nil, pme.ErrColumns},
		{"map values alone", []string{"props.key_value.value"}, nil, pme.ErrColumns},
		{"no such column", []string{"citi"}, nil, pme.ErrColumns},
		{"case differs", []string{"City"}, nil, pme.ErrColumns},
		{"empty name", []string{""}, nil, pme.ErrColumns},
		{"none", nil, nil, pme.ErrColumns},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			opt := s.options()
			opt.AllWithKeys, opt.Columns = false, c.columns
			out, err := openAll(s.file, opt)
			if !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
				t.Fatalf("error is %v, want %v", err, c.err)
			}
			if c.err == nil {
				checkColumns(t, out, c.want)
			}
		})
	}
}

// TestKeysDecide: with AllWithKeys, the columns whose keys are there, and no others.
func TestKeysDecide(t *testing.T) {
	s := sealSample(t, 100)
	opt := s.options()
	opt.Keys.Columns = map[string][]byte{"city": s.keys.Columns["city"], "place.x": s.keys.Columns["place.x"], "other": testKey("o", 16)}
	checkColumns(t, mustOpen(t, s.file, opt), []string{"city", "place.x"})
	opt.Keys.Columns = nil
	if _, err := openAll(s.file, opt); !errors.Is(err, pme.ErrMissingKey) {
		t.Errorf("no keys: %v", err)
	}
}

// TestMissingKey names the column.
func TestMissingKey(t *testing.T) {
	s := smallSealed(t)
	for _, name := range []string{"footer", "b"} {
		opt := s.options()
		opt.AllWithKeys, opt.Columns = false, []string{"a", "b"}
		opt.Keys = pme.Keys{Footer: s.keys.Footer, Columns: map[string][]byte{"a": s.keys.Columns["a"]}}
		if name == "footer" {
			opt.Keys.Footer = nil
		}
		_, err := openAll(s.file, opt)
		var col *pme.ColumnError
		if !errors.Is(err, pme.ErrMissingKey) || !errors.As(err, &col) || col.Column != name {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKeySizes(t *testing.T) {
	s := smallSealed(t)
	for _, n := range []int{1, 15, 17, 31, 33, 64} {
		opt := s.options()
		opt.Keys = pme.Keys{Footer: bytes.Repeat([]byte{1}, n), Columns: s.keys.Columns}
		if _, err := openAll(s.file, opt); !errors.Is(err, pme.ErrKey) {
			t.Errorf("footer key of %d bytes: %v", n, err)
		}
		opt.Keys = pme.Keys{Footer: s.keys.Footer, Columns: map[string][]byte{"a": bytes.Repeat([]byte{1}, n), "b": s.keys.Columns["b"]}}
		if _, err := openAll(s.file, opt); !errors.Is(err, pme.ErrKey) {
			t.Errorf("column key of %d bytes: %v", n, err)
		}
	}
}

func TestOptions(t *testing.T) {
	s := smallSealed(t)
	for name, change := range map[string]func(*pme.OpenOptions){
		"columns and all":  func(o *pme.OpenOptions) { o.Columns = []string{"a"} },
		"negative workers": func(o *pme.OpenOptions) { o.Workers = -1 },
		"too many workers": func(o *pme.OpenOptions) { o.Workers = 1 << 20 },
		"long prefix":      func(o *pme.OpenOptions) { o.AADPrefix = make([]byte, 5000) },
	} {
		opt := s.options()
		change(&opt)
		if _, err := openAll(s.file, opt); !errors.Is(err, pme.ErrOptions) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestUnwantedColumnsStaySealed: a changed byte in a column that is not opened does not matter, and neither its names nor
// its statistics are in the output.
func TestUnwantedColumnsStaySealed(t *testing.T) {
	s := sealSample(t, 100)
	opt := s.options()
	opt.AllWithKeys, opt.Columns = false, []string{"id"}
	opt.Keys.Columns = map[string][]byte{"id": s.keys.Columns["id"]}
	out := mustOpen(t, s.file, opt)
	for _, word := range []string{"city", "Oslo", "Rome", "Lima", "ARROW:schema", "cordon", "key_value"} {
		if bytes.Contains(out, []byte(word)) {
			t.Errorf("output contains %q", word)
		}
	}
	if whole := mustOpen(t, s.file, s.options()); !bytes.Contains(whole, []byte("Oslo")) || !bytes.Contains(whole, []byte("ARROW:schema")) {
		t.Error("the words are not in the whole file either")
	}
	if bytes.Contains(s.file, []byte("Oslo")) || bytes.Contains(s.file, []byte("city")) || bytes.Contains(s.file, s.prefix) {
		t.Error("sealed file tells something")
	}
}

// boundedReader fails the test when something outside the plan's ranges is read.
type boundedReader struct {
	t      *testing.T
	b      []byte
	ranges []pme.Range
}

func (r boundedReader) ReadAt(p []byte, off int64) (int, error) {
	in := func(x pme.Range) bool { return off >= x.Off && off+int64(len(p)) <= x.Off+x.Len }
	if !slices.ContainsFunc(r.ranges, in) {
		r.t.Errorf("read of %d bytes at %d is not in one of the ranges", len(p), off)
	}
	return bytes.NewReader(r.b).ReadAt(p, off)
}

// TestRanges: with just the footer and the planned ranges, a file opens.
func TestRanges(t *testing.T) {
	s := sealSample(t, 2000, parquet.WithDataPageSize(512), parquet.WithBatchSize(64), parquet.WithBloomFilterEnabled(true))
	for _, cols := range [][]string{{"id"}, {"city", "props"}, {"tags", "at", "name"}} {
		opt := s.options()
		opt.AllWithKeys, opt.Columns = false, cols
		p, err := pme.NewPlan(s.file[len(s.file)-60000:], int64(len(s.file)), opt)
		var short *pme.ShortTailError
		if errors.As(err, &short) {
			p, err = pme.NewPlan(s.file[short.Need.Off:], int64(len(s.file)), opt)
		}
		if err != nil {
			t.Fatal(err)
		}
		var sum int64
		for i, r := range p.Ranges() {
			if i > 0 && r.Off <= p.Ranges()[i-1].Off+p.Ranges()[i-1].Len {
				t.Error("ranges touch")
			}
			sum += r.Len
		}
		if sum >= int64(len(s.file))/2 {
			t.Errorf("%v needs %d of %d bytes", cols, sum, len(s.file))
		}
		dst := make([]byte, p.MaxOutput())
		res, err := p.Run(ctx, boundedReader{t, s.file, p.Ranges()}, dst)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(dst[:res.Size], mustOpen(t, s.file, opt)) {
			t.Error("outputs differ")
		}
	}
}

// TestShortTail: a tail shorter than the footer says what it needs instead.
func TestShortTail(t *testing.T) {
	s := smallSealed(t)
	size := int64(len(s.file))
	var short *pme.ShortTailError
	if _, err := pme.NewPlan(s.file[size-8:], size, s.options()); !errors.As(err, &short) {
		t.Fatalf("error is %v", err)
	}
	if _, err := pme.NewPlan(s.file[short.Need.Off:], size, s.options()); err != nil || short.Need.Off+short.Need.Len != size {
		t.Errorf("need %v: %v", short.Need, err)
	}
	if off, n := pme.ReadFooterRange(10); off != 0 || n != 10 {
		t.Errorf("tail of a short file is %d, %d", off, n)
	}
}

// TestSmallDestination is refused before anything is written.
func TestSmallDestination(t *testing.T) {
	s := smallSealed(t)
	p, err := pme.ReadPlan(pme.Bytes(s.file), int64(len(s.file)), s.options())
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]byte, p.MaxOutput()-1)
	if _, err := p.Run(ctx, pme.Bytes(s.file), dst); !errors.Is(err, pme.ErrOptions) || !bytes.Equal(dst, make([]byte, len(dst))) {
		t.Errorf("error is %v", err)
	}
}

func TestCancelled(t *testing.T) {
	s := smallSealed(t)
	c, cancel := context.WithCancel(ctx)
	cancel()
	if _, _, err := pme.Open(c, pme.Bytes(s.file), int64(len(s.file)), s.options()); !errors.Is(err, context.Canceled) {
		t.Errorf("open: %v", err)
	}
	if _, err := pme.Seal(c, pme.Bytes(s.plain), int64(len(s.plain)), io.Discard, pme.SealOptions{Keys: s.keys, AADPrefix: s.prefix}); !errors.Is(err, context.Canceled) {
		t.Errorf("seal: %v", err)
	}
}

// brokenReader fails after some reads.
type brokenReader struct {
	io.ReaderAt
	left *int
}

var errBroken = errors.New("broken")

func (r brokenReader) ReadAt(p []byte, off int64) (int, error) {
	if *r.left--; *r.left < 0 {
		return 0, errBroken
	}
	return r.ReaderAt.ReadAt(p, off)
}

// TestReadFails: every read of Open and Seal may fail, and the fault is told from a malformed file.
func TestReadFails(t *testing.T) {
	s := smallSealed(t)
	try := func(b []byte, run func(io.ReaderAt) error) {
		for n := 0; ; n++ {
			left := n
			err := run(brokenReader{bytes.NewReader(b), &left})
			if err == nil {
				if n < 10 {
					t.Errorf("only %d reads", n)
				}
				return
			}
			if !errors.Is(err, pme.ErrRead) || !errors.Is(err, errBroken) {
				t.Errorf("read %d: %v", n, err)
			}
		}
	}
	opt := s.options()
	opt.Workers = 1
	try(s.file, func(r io.ReaderAt) error {
		_, _, err := pme.Open(ctx, r, int64(len(s.file)), opt)
		return err
	})
	try(s.plain, func(r io.ReaderAt) error {
		_, err := pme.Seal(ctx, r, int64(len(s.plain)), io.Discard, pme.SealOptions{Keys: s.keys, AADPrefix: s.prefix, Workers: 1})
		return err
	})
}

// limitedWriter fails once it has taken n bytes.
type limitedWriter struct{ left int }

func (w *limitedWriter) Write(b []byte) (int, error) {
	if len(b) > w.left {
		return w.left, errBroken
	}
	w.left -= len(b)
	return len(b), nil
}

func (w *limitedWriter) WriteAt(b []byte, _ int64) (int, error) { return w.Write(b) }

// TestWriteFails: a full destination at any place is an error.
func TestWriteFails(t *testing.T) {
	s := smallSealed(t)
	for n := range len(s.file) {
		_, err := pme.Seal(ctx, pme.Bytes(s.plain), int64(len(s.plain)), &limitedWriter{n}, pme.SealOptions{Keys: s.keys, AADPrefix: s.prefix})
		if !errors.Is(err, pme.ErrWrite) || !errors.Is(err, errBroken) {
			t.Fatalf("seal, room for %d: %v", n, err)
		}
	}
	opt := s.options()
	opt.Workers = 1
	p, err := pme.ReadPlan(pme.Bytes(s.file), int64(len(s.file)), opt)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; ; n++ {
		if _, err = p.RunTo(ctx, pme.Bytes(s.file), &limitedWriter{n}); err == nil {
			break
		}
		if !errors.Is(err, pme.ErrWrite) {
			t.Fatalf("open, room for %d: %v", n, err)
		}
	}
	if n < 1000 {
		t.Errorf("opened with room for %d bytes", n)
	}
}

// TestErrorsTellNothing: neither keys nor values nor key metadata are in any error.
func TestErrorsTellNothing(t *testing.T) {
	s := sealSample(t, 50)
	secrets := []string{"Oslo", string(s.prefix), string(s.keys.Footer), string(s.keys.Columns["id"]), fmt.Sprintf("%x", s.keys.Footer[:4])}
	for i := 0; i < len(s.file); i += 13 {
		b := slices.Clone(s.file)
		b[i] ^= 0x55
		_, err := openAll(b, s.options())
		if err == nil {
			t.Fatalf("byte %d", i)
		}
		for _, secret := range secrets {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%v", err)
			}
		}
	}
}
