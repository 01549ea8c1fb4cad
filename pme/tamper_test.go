package pme_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"

	"github.com/cordon-exchange/cordon/pme"
)

// smallSealed is a file with every kind of module that is still small enough to try each byte of.
func smallSealed(t testing.TB) sealed {
	t.Helper()
	sc := arrow.NewSchema([]arrow.Field{
		{Name: "a", Type: arrow.PrimitiveTypes.Int64},
		{Name: "b", Type: arrow.BinaryTypes.String, Nullable: true},
	}, nil)
	tbl, err := array.TableFromJSON(memory.DefaultAllocator, sc, []string{
		`[{"a":1,"b":"x"},{"a":2,"b":null},{"a":3,"b":"y"},{"a":4,"b":"x"},{"a":5,"b":"y"},{"a":6,"b":"z"}]`})
	if err != nil {
		t.Fatal(err)
	}
	plain := writeTable(t, tbl, 3, nil, parquet.WithPageIndexEnabled(true), parquet.WithBloomFilterEnabled(true),
		parquet.WithBloomFilterNDV(4), parquet.WithDictionaryFor("a", false), parquet.WithDataPageSize(1), parquet.WithBatchSize(1))
	return sealBytes(t, plain, pme.Keys{Footer: testKey("footer", 32), Columns: map[string][]byte{
		"a": testKey("a", 32), "b": testKey("b", 32),
	}})
}

// refused: opening gives an error and nothing else, and the error tells nothing that is in the file.
func refused(t *testing.T, what string, b []byte, opt pme.OpenOptions) bool {
	t.Helper()
	out, res, err := pme.Open(ctx, bytes.NewReader(b), int64(len(b)), opt)
	if err == nil || out != nil || res != nil {
		t.Errorf("%s: opened (error %v)", what, err)
		return false
	}
	if !errors.Is(err, pme.ErrTampered) && !errors.Is(err, pme.ErrMalformed) && !errors.Is(err, pme.ErrAADPrefix) &&
		!errors.Is(err, pme.ErrUnsupported) && !errors.Is(err, pme.ErrUnauthenticated) && !errors.Is(err, pme.ErrNotEncrypted) {
		t.Errorf("%s: untyped error %v", what, err)
	}
	return true
}

// TestEveryByte: no byte of a sealed file can change unnoticed. The format itself leaves the key metadata of the footer
// key unauthenticated; the binding inside the footer covers it.
func TestEveryByte(t *testing.T) {
	s := smallSealed(t)
	mustOpen(t, s.file, s.options())
	t.Logf("%d bytes", len(s.file))
	b := slices.Clone(s.file)
	for i := range b {
		for _, flip := range []byte{0x01, 0x80, 0xff, 0x10} {
			b[i] ^= flip
			refused(t, fmt.Sprint("byte ", i), b, s.options())
			b[i] ^= flip
		}
	}
	if !bytes.Equal(b, s.file) {
		t.Fatal("test does not restore bytes")
	}
}

// TestEveryByteOfOthersFiles: in a file of another writer the only bytes that can change unnoticed are the text of the
// footer's key metadata, which no AAD holds and which is not used here.
func TestEveryByteOfOthersFiles(t *testing.T) {
	for _, name := range []string{"uniform_encryption", "encrypt_columns_plaintext_footer"} {
		b := apacheFile(t, name)
		opt := apacheOptions(name)
		want := mustOpen(t, b, opt)
		covered := coveredBytes(t, b, opt)
		keyMetadata := bytes.LastIndex(b, []byte("\x02kf"))
		for i := range b {
			b[i] ^= 0x04
			out, err := openAll(b, opt)
			switch {
			case err != nil:
			case !bytes.Equal(out, want):
				t.Errorf("%s: byte %d changes the result", name, i)
			case name == "uniform_encryption" && i > keyMetadata && i <= keyMetadata+2:
			case !covered[i]:
			default:
				t.Errorf("%s: byte %d changes unnoticed", name, i)
			}
			b[i] ^= 0x04
		}
	}
}

// coveredBytes marks what opening relies on: the ranges it reads and the footer.
func coveredBytes(t *testing.T, b []byte, opt pme.OpenOptions) []bool {
	t.Helper()
	p, err := pme.NewPlan(b, int64(len(b)), opt)
	if err != nil {
		t.Fatal(err)
	}
	in := make([]bool, len(b))
	footer := len(b) - 8 - int(binary.LittleEndian.Uint32(b[len(b)-8:]))
	for i := range in {
		in[i] = i >= footer
	}
	for _, r := range p.Ranges() {
		for i := r.Off; i < r.Off+r.Len; i++ {
			in[i] = true
		}
	}
	return in
}

// TestTruncated: at every length, and with bytes behind or in between.
func TestTruncated(t *testing.T) {
	s := smallSealed(t)
	for n := range s.file {
		refused(t, "cut", s.file[:n], s.options())
		refused(t, "cut at the start", s.file[n+1:], s.options())
	}
	for _, extra := range []string{"\x00", "PARE", "PAR1", strings.Repeat("\x00", 40)} {
		refused(t, "trailing bytes", append(slices.Clone(s.file), extra...), s.options())
		for at := 0; at < len(s.file); at += 7 {
			refused(t, "inserted bytes", slices.Insert(slices.Clone(s.file), at, []byte(extra)...), s.options())
		}
	}
}

// modulesOf lists where the modules in front of the footer lie.
func modulesOf(t *testing.T, b []byte) []pme.Range {
	t.Helper()
	footer := int64(len(b)) - 8 - int64(binary.LittleEndian.Uint32(b[len(b)-8:]))
	var out []pme.Range
	for pos := int64(4); pos < footer; {
		n := 4 + int64(binary.LittleEndian.Uint32(b[pos:]))
		out = append(out, pme.Range{Off: pos, Len: n})
		pos += n
	}
	if last := out[len(out)-1]; last.Off+last.Len != footer {
		t.Fatal("modules do not fill the file")
	}
	return out
}

func moduleAt(b []byte, r pme.Range) []byte { return b[r.Off : r.Off+r.Len] }

// TestSwappedModules: every pair of modules of one file, exchanged with what is between them left in place.
func TestSwappedModules(t *testing.T) {
	s := smallSealed(t)
	mods := modulesOf(t, s.file)
	pairs := 0
	for i, x := range mods {
		for _, y := range mods[i+1:] {
			mx, my := moduleAt(s.file, x), moduleAt(s.file, y)
			b := slices.Concat(s.file[:x.Off], my, s.file[x.Off+x.Len:y.Off], mx, s.file[y.Off+y.Len:])
			refused(t, "swapped modules", b, s.options())
			pairs++
		}
	}
	if pairs < 100 {
		t.Errorf("%d pairs only", pairs)
	}
}

// TestModulesOfAnotherFile: same data, same keys, same prefix, sealed twice: the file identifier tells them apart.
func TestModulesOfAnotherFile(t *testing.T) {
	s := smallSealed(t)
	other := sealBytes(t, s.plain, s.keys)
	ours, theirs := modulesOf(t, s.file), modulesOf(t, other.file)
	for i := range ours {
		if ours[i] != theirs[i] {
			t.Fatal("files differ in layout")
		}
		b := slices.Clone(s.file)
		copy(moduleAt(b, ours[i]), moduleAt(other.file, theirs[i]))
		refused(t, "module of another file", b, s.options())
	}
	last := ours[len(ours)-1]
	body := last.Off + last.Len
	refused(t, "footer of another file", slices.Concat(s.file[:body], other.file[body:]), s.options())
}

// TestAnotherVersion: a whole other file of the same schema and keys is refused by its prefix.
func TestAnotherVersion(t *testing.T) {
	s := smallSealed(t)
	var other bytes.Buffer
	_, err := pme.Seal(ctx, pme.Bytes(s.plain), int64(len(s.plain)), &other, pme.SealOptions{Keys: s.keys, AADPrefix: []byte("samples/2/0")})
	if err != nil {
		t.Fatal(err)
	}
	refused(t, "another version", other.Bytes(), s.options())
}

func TestWrongPrefix(t *testing.T) {
	s := smallSealed(t)
	for _, prefix := range []string{"", "samples/1/1", "samples/1/", "samples/1/00", "\x00"} {
		opt := s.options()
		opt.AADPrefix = []byte(prefix)
		refused(t, "prefix "+prefix, s.file, opt)
	}
	opt := apacheOptions("")
	for _, name := range []string{"encrypt_columns_and_footer_aad", "encrypt_columns_and_footer_disable_aad_storage", "encrypt_columns_and_footer"} {
		opt.AADPrefix = []byte("Tester")
		refused(t, name, apacheFile(t, name), opt)
	}
}

func TestWrongKeys(t *testing.T) {
	s := smallSealed(t)
	for _, name := range []string{"footer", "a", "b"} {
		for _, size := range []int{16, 24, 32} {
			opt := s.options()
			opt.Keys = pme.Keys{Footer: s.keys.Footer, Columns: map[string][]byte{"a": s.keys.Columns["a"], "b": s.keys.Columns["b"]}}
			if name == "footer" {
				opt.Keys.Footer = testKey("wrong", size)
			} else {
				opt.Keys.Columns[name] = testKey("wrong", size)
			}
			refused(t, "wrong key of "+name, s.file, opt)
		}
	}
	opt := s.options()
	opt.Keys.Columns = map[string][]byte{"a": s.keys.Columns["b"], "b": s.keys.Columns["a"]}
	refused(t, "keys swapped", s.file, opt)
}

// TestFailureLeavesNothing: whatever was decrypted before a fault was found is gone, and no Parquet file is left.
func TestFailureLeavesNothing(t *testing.T) {
	s := smallSealed(t)
	mods := modulesOf(t, s.file)
	for _, m := range mods {
		b := slices.Clone(s.file)
		b[m.Off+m.Len-1] ^= 1
		p, err := pme.ReadPlan(pme.Bytes(b), int64(len(b)), s.options())
		if err != nil {
			continue // column metadata lies in the footer
		}
		dst := bytes.Repeat([]byte{0xaa}, int(p.MaxOutput()))
		if _, err := p.Run(ctx, pme.Bytes(b), dst); !errors.Is(err, pme.ErrTampered) {
			t.Fatalf("error is %v", err)
		}
		if !bytes.Equal(dst, make([]byte, len(dst))) {
			t.Error("memory is not zeroed")
		}
		var w memoryWriter
		if _, err := p.RunTo(ctx, pme.Bytes(b), &w); err == nil {
			t.Error("written file opened")
		}
		if bytes.Contains(w.b, []byte("PAR1")) {
			t.Error("written file has a magic")
		}
	}
}

// memoryWriter is an io.WriterAt in memory, for parallel calls as io.WriterAt has it.
type memoryWriter struct {
	mu sync.Mutex
	b  []byte
}

func (w *memoryWriter) WriteAt(b []byte, off int64) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if end := off + int64(len(b)); end > int64(len(w.b)) {
		w.b = append(w.b, make([]byte, end-int64(len(w.b)))...)
	}
	return copy(w.b[off:], b), nil
}

// TestRunTo: the same file, whether decrypted in place or written.
func TestRunTo(t *testing.T) {
	s := sealSample(t, 2000, parquet.WithDataPageSize(512), parquet.WithBatchSize(32))
	opt := s.options()
	opt.Workers = 1
	p, err := pme.ReadPlan(pme.Bytes(s.file), int64(len(s.file)), opt)
	if err != nil {
		t.Fatal(err)
	}
	for _, src := range []io.ReaderAt{pme.Bytes(s.file), bytes.NewReader(s.file)} {
		var w memoryWriter
		if _, err := p.RunTo(ctx, src, &w); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(w.b, mustOpen(t, s.file, opt)) {
			t.Error("written file differs")
		}
	}
}
