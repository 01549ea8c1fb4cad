package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/cordon-exchange/cordon/pme"
	"github.com/cordon-exchange/cordon/tools/bench/figure"
)

const goalOpening = 0.85

// openingRows opens all of lineitem out of memory into memory, as a reader of the whole file does, and does nothing but AES-GCM on as many modules of the
// same sizes, both on one processor.
func openingRows(ctx context.Context, b *bench, r *figure.Report) error {
	t, err := b.tpch(ctx)
	if err != nil {
		return err
	}
	f := t.sealed["lineitem"]
	src, err := os.ReadFile(f.path)
	if err != nil {
		return err
	}
	sizes, err := modules(src, f)
	if err != nil {
		return err
	}
	bare, err := newBare(sizes)
	if err != nil {
		return err
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	r.Machine.Sample()
	p, err := figure.Turns(ctx, 3*b.o.rounds, opened(src, f), bare.run, sameBytes)
	if err != nil {
		return err
	}
	r.Settings = []string{"One thread each; the footer's reading is ours as well"}
	r.Add(figure.Of("opening alone over bare AES-GCM", p, figure.Goal{AtLeast: goalOpening}, "B/s").
		In("opening", "%d modules of lineitem, %d MB, 256-bit keys; out of memory into memory", len(sizes), bare.total/1e6))
	return nil
}

// sameBytes compares how much was decrypted. Opening loses a little of it: page headers without statistics.
func sameBytes(x, y any) error {
	if a, b := x.(int64), y.(int64); a > b || b-a > b/100_000 {
		return fmt.Errorf("%d bytes and %d", a, b)
	}
	return nil
}

// modules lists the sizes of all modules that opening decrypts, sealed: length, nonce and tag included.
func modules(src []byte, f *sealedFile) ([]int, error) {
	p, err := pme.ReadPlan(pme.Bytes(src), f.size, f.options(nil))
	if err != nil {
		return nil, err
	}
	var out []int
	for _, at := range p.Ranges() {
		b := src[at.Off : at.Off+at.Len]
		if at.Off == 0 {
			b = b[len("PARE"):] // the head magic is no module
		}
		for len(b) > 0 {
			if len(b) < 4 {
				return nil, errors.New("a range does not end with a module")
			}
			n := 4 + int64(binary.LittleEndian.Uint32(b))
			if n > int64(len(b)) || n < overhead {
				return nil, errors.New("a range does not end with a module")
			}
			out = append(out, int(n))
			b = b[n:]
		}
	}
	return out, nil
}

// overhead of a sealed module: length, nonce, tag.
const overhead = 4 + 12 + 16

// opened is our side: bytes in clear per second, of all that a reader of the whole file gets.
func opened(src []byte, f *sealedFile) figure.Side {
	opt := f.options(nil)
	opt.Workers = 1
	var out []byte
	return func(ctx context.Context) (figure.Sample, error) {
		clear(out) // its pages are there, from the second time on
		runtime.GC()
		began := time.Now()
		p, err := pme.ReadPlan(pme.Bytes(src), f.size, opt)
		if err != nil {
			return figure.Sample{}, err
		}
		v, err := p.View(ctx, pme.Bytes(src))
		if err != nil {
			return figure.Sample{}, err
		}
		if out == nil {
			out = make([]byte, v.Size())
		}
		if _, err := v.ReadAt(out, 0); err != nil {
			return figure.Sample{}, err
		}
		if err := v.Rest(ctx); err != nil {
			return figure.Sample{}, err
		}
		took := time.Since(began)
		var total int64
		for _, c := range v.Opened().Columns {
			total += c.Bytes
		}
		return figure.Sample{Amount: float64(total) / took.Seconds(), Answer: total}, nil
	}
}

// bareAES is as many modules of the same sizes under one key, in memory.
type bareAES struct {
	aead   cipher.AEAD
	aad    []byte
	sealed [][]byte
	out    []byte
	total  int64 // in clear
}

func newBare(sizes []int) (*bareAES, error) {
	block, err := aes.NewCipher(key())
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	b := &bareAES{aead: aead, aad: make([]byte, 40)}
	largest := 0
	for _, n := range sizes {
		largest = max(largest, n)
	}
	clear := make([]byte, largest)
	rand.Read(clear)
	for i, n := range sizes {
		nonce := make([]byte, 12, n-4)
		binary.LittleEndian.PutUint64(nonce, uint64(i))
		b.sealed = append(b.sealed, aead.Seal(nonce, nonce, clear[:n-overhead], b.aad))
		b.total += int64(n - overhead)
	}
	b.out = make([]byte, b.total)
	return b, nil
}

func (b *bareAES) run(context.Context) (figure.Sample, error) {
	clear(b.out) // its pages are there
	runtime.GC()
	began := time.Now()
	at := 0
	for _, m := range b.sealed {
		got, err := b.aead.Open(b.out[at:at:len(b.out)], m[:12], m[12:], b.aad)
		if err != nil {
			return figure.Sample{}, err
		}
		at += len(got)
	}
	took := time.Since(began)
	return figure.Sample{Amount: float64(at) / took.Seconds(), Answer: int64(at)}, nil
}
