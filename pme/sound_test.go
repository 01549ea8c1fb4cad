package pme_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/apache/arrow-go/v18/parquet"

	"github.com/cordon-exchange/cordon/pme"
)

// lending has its bytes only as long as they are lent.
type lending struct {
	b     []byte
	out   atomic.Int64
	lends atomic.Int64
}

func (l *lending) Lend(off, n int64) ([]byte, func(), error) {
	if off < 0 || n < 0 || off > int64(len(l.b))-n {
		return nil, nil, io.EOF
	}
	l.out.Add(1)
	l.lends.Add(1)
	b := bytes.Clone(l.b[off : off+n])
	return b, func() { clear(b); l.out.Add(-1) }, nil
}

func (l *lending) ReadAt(b []byte, off int64) (int, error) { return pme.Bytes(l.b).ReadAt(b, off) }

// A view of a source that lends reads as the opened file; all that was lent is given back, and nothing of it is used afterwards.
func TestSoundView(t *testing.T) {
	s := sealSample(t, 2000, parquet.WithDataPageSize(512), parquet.WithBatchSize(32))
	opt := s.options()
	want := mustOpen(t, s.file, opt)
	for name, sound := range map[string]bool{"page by page": false, "sound": true} {
		src := &lending{b: s.file}
		p, err := pme.ReadPlan(src, int64(len(s.file)), opt)
		if err != nil {
			t.Fatal(err)
		}
		open := p.View
		if sound {
			open = p.SoundView
		}
		v, err := open(ctx, src)
		if err != nil {
			t.Fatal(err)
		}
		before := src.lends.Load()
		if (before > 0) != sound {
			t.Errorf("%s: %d pages were looked at", name, before)
		}
		if err := v.Rest(ctx); err != nil || (src.lends.Load() > before) == sound {
			t.Errorf("%s: %d pages left for Rest, %v", name, src.lends.Load()-before, err)
		}
		readInPieces(t, v, want)
		if src.out.Load() != 0 || src.lends.Load() == before {
			t.Errorf("%s: %d of %d not given back", name, src.out.Load(), src.lends.Load())
		}
	}
}

// A sound view of a changed file is none, whatever was changed of it.
func TestSoundViewOfAChangedFile(t *testing.T) {
	s := smallSealed(t)
	for _, m := range modulesOf(t, s.file) {
		b := slices.Clone(s.file)
		b[m.Off+m.Len-1] ^= 1
		for kind, src := range map[string]io.ReaderAt{"lent": pme.Bytes(b), "read": readerOnly{bytes.NewReader(b)}, "lent for a time": &lending{b: b}} {
			p, err := pme.ReadPlan(src, int64(len(b)), s.options())
			if err != nil {
				continue // column metadata lies in the footer
			}
			if _, err := p.SoundView(ctx, src); !errors.Is(err, pme.ErrTampered) {
				t.Errorf("%s: module at %d: %v", kind, m.Off, err)
			}
		}
	}
}

// Row groups have what Ranges joins, and columns too.
func TestRowGroups(t *testing.T) {
	s := sealSample(t, 500)
	for _, pagesOnly := range []bool{false, true} {
		opt := s.options()
		opt.PagesOnly = pagesOnly
		p, err := pme.ReadPlan(pme.Bytes(s.file), int64(len(s.file)), opt)
		if err != nil {
			t.Fatal(err)
		}
		covered := func(all []pme.Range) (n int64) {
			for _, r := range all {
				n += r.Len
			}
			return n
		}
		var groups, columns int64
		for _, g := range p.RowGroups() {
			groups += covered(g)
			for _, r := range g {
				if !slices.ContainsFunc(p.Ranges(), func(whole pme.Range) bool { return whole.Off <= r.Off && r.Off+r.Len <= whole.Off+whole.Len }) {
					t.Errorf("%v is in no range", r)
				}
			}
		}
		for _, n := range p.ColumnBytes() {
			columns += n
		}
		const head = 4
		if whole := covered(p.Ranges()); groups != whole || columns != whole-head {
			t.Errorf("%d bytes in ranges, %d in row groups, %d in columns", whole, groups, columns)
		}
	}
}
