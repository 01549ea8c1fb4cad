package pme_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/cordon-exchange/cordon/pme"
	"github.com/cordon-exchange/cordon/pme/memfile"
)

// benchFile is about 80 MB of incompressible doubles and integers in 8 columns and 8 row groups, pages of about 1 MiB.
var benchFile = sync.OnceValue(func() []byte {
	const rows, columns = 1 << 20, 8
	r := rand.New(rand.NewPCG(3, 4))
	var fields []arrow.Field
	var cols []arrow.Array
	for i := range columns {
		b := array.NewFloat64Builder(memory.DefaultAllocator)
		for range rows {
			b.Append(r.Float64())
		}
		fields = append(fields, arrow.Field{Name: fmt.Sprint("c", i), Type: arrow.PrimitiveTypes.Float64})
		cols = append(cols, b.NewArray())
	}
	rec := array.NewRecordBatch(arrow.NewSchema(fields, nil), cols, rows)
	tbl := array.NewTableFromRecords(rec.Schema(), []arrow.RecordBatch{rec})
	return writeTable(discardTB{}, tbl, rows/8, nil)
})

// discardTB lets helpers run outside a test; they must not fail.
type discardTB struct{ testing.TB }

func (discardTB) Helper()           {}
func (discardTB) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

func benchSealed(b *testing.B, keySize int) sealed {
	plain := benchFile()
	keys := pme.Keys{Footer: testKey("footer", keySize), Columns: map[string][]byte{}}
	for i := range 8 {
		path := fmt.Sprint("c", i)
		keys.Columns[path] = testKey(path, keySize)
	}
	return sealBytes(b, plain, keys)
}

// BenchmarkOpen decrypts whole files. Compare with BenchmarkBareGCM, which is one core.
func BenchmarkOpen(b *testing.B) {
	for _, size := range []int{16, 32} {
		for _, workers := range []int{1, 2} {
			name := fmt.Sprintf("%d/workers=%d", size*8, workers)
			b.Run("memory/"+name, func(b *testing.B) { benchOpen(b, size, workers, false) })
			b.Run("reader/"+name, func(b *testing.B) { benchOpen(b, size, workers, true) })
		}
	}
}

func benchOpen(b *testing.B, keySize, workers int, copied bool) {
	s := benchSealed(b, keySize)
	opt := s.options()
	opt.Workers = workers
	var src io.ReaderAt = pme.Bytes(s.file)
	if copied {
		src = bytes.NewReader(s.file)
	}
	p, err := pme.ReadPlan(src, int64(len(s.file)), opt)
	if err != nil {
		b.Fatal(err)
	}
	dst := make([]byte, p.MaxOutput())
	b.SetBytes(int64(len(s.file)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Run(ctx, src, dst); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMemfile is all that opening takes until DuckDB can read: footer, fresh memory file, decryption, sealing.
func BenchmarkMemfile(b *testing.B) {
	for _, workers := range []int{1, 2} {
		b.Run(fmt.Sprint("write/workers=", workers), func(b *testing.B) { benchMemfile(b, workers, false) })
		b.Run(fmt.Sprint("map/workers=", workers), func(b *testing.B) { benchMemfile(b, workers, true) })
	}
}

func benchMemfile(b *testing.B, workers int, mapped bool) {
	s := benchSealed(b, 32)
	opt := s.options()
	opt.Workers = workers
	b.SetBytes(int64(len(s.file)))
	b.ReportAllocs()
	for b.Loop() {
		p, err := pme.ReadPlan(pme.Bytes(s.file), int64(len(s.file)), opt)
		if err != nil {
			b.Fatal(err)
		}
		f, err := memfile.Create("bench", p.MaxOutput())
		if err != nil {
			b.Fatal(err)
		}
		var res *pme.Opened
		if mapped {
			res, err = p.Run(ctx, pme.Bytes(s.file), f.Bytes())
		} else {
			res, err = p.RunTo(ctx, pme.Bytes(s.file), f)
		}
		if err != nil {
			b.Fatal(err)
		}
		if err := f.Finish(res.Size); err != nil {
			b.Fatal(err)
		}
		f.Close()
	}
}

// BenchmarkPlan is the part of opening that depends on columns and row groups only.
func BenchmarkPlan(b *testing.B) {
	s := benchSealed(b, 32)
	for b.Loop() {
		if _, err := pme.NewPlan(s.file, int64(len(s.file)), s.options()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBareGCM is the yardstick: cipher.AEAD.Open over 1 MiB pages, one core.
func BenchmarkBareGCM(b *testing.B) {
	for _, size := range []int{16, 32} {
		b.Run(fmt.Sprint(size*8), func(b *testing.B) {
			block, err := aes.NewCipher(testKey("bare", size))
			if err != nil {
				b.Fatal(err)
			}
			gcm, err := cipher.NewGCM(block)
			if err != nil {
				b.Fatal(err)
			}
			const page, pages = 1 << 20, 64
			nonce := make([]byte, gcm.NonceSize())
			box := gcm.Seal(nil, nonce, make([]byte, page), nil)
			boxes, dst := bytes.Repeat(box, pages), make([]byte, page*pages)
			b.SetBytes(page * pages)
			for b.Loop() {
				for i := range pages {
					if _, err := gcm.Open(dst[i*page:i*page], nonce, boxes[i*len(box):(i+1)*len(box)], nil); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// BenchmarkSeal encrypts whole files.
func BenchmarkSeal(b *testing.B) {
	for _, workers := range []int{1, 2} {
		b.Run(fmt.Sprint("workers=", workers), func(b *testing.B) {
			s := benchSealed(b, 32)
			b.SetBytes(int64(len(s.plain)))
			for b.Loop() {
				opt := pme.SealOptions{Keys: s.keys, AADPrefix: s.prefix, Workers: workers}
				if _, err := pme.Seal(ctx, pme.Bytes(s.plain), int64(len(s.plain)), io.Discard, opt); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
