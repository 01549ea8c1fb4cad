package pme_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/parquet"

	"github.com/cordon-exchange/cordon/pme"
)

func lateView(t testing.TB, file []byte, opt pme.OpenOptions, src io.ReaderAt) *pme.LateView {
	t.Helper()
	opt.PagesOnly = true
	p, err := pme.ReadPlan(pme.Bytes(file), int64(len(file)), opt)
	if err != nil {
		t.Fatal(err)
	}
	v, err := p.LateView(src)
	if err != nil {
		t.Fatal(err)
	}
	if v.Size() > p.MaxOutput() {
		t.Errorf("%d bytes, at most %d were planned", v.Size(), p.MaxOutput())
	}
	return v
}

// comesLate is a source of which only the part before have has come. Reading on fails.
type comesLate struct {
	pme.Bytes
	have int64
}

func (c *comesLate) Slice(off, n int64) []byte {
	if off+n > c.have {
		return nil
	}
	return c.Bytes.Slice(off, n)
}

// Nothing of the source is needed for the layout, and only a row group's own bytes for the row group.
func TestLateViewNeedsNothingEarly(t *testing.T) {
	s := sealSample(t, 2000)
	opt := s.options()
	opt.PagesOnly = true
	p, err := pme.ReadPlan(pme.Bytes(s.file), int64(len(s.file)), opt)
	if err != nil {
		t.Fatal(err)
	}
	src := &comesLate{Bytes: pme.Bytes(s.file)}
	v := lateView(t, s.file, s.options(), src)
	groups := v.Groups()
	if len(groups) != 2 {
		t.Fatalf("%d row groups", len(groups))
	}
	tail := make([]byte, v.Size()-groups[1].Off-groups[1].Len)
	if _, err := v.ReadAt(tail, groups[1].Off+groups[1].Len); err != nil || !bytes.HasSuffix(tail, []byte("PAR1")) {
		t.Errorf("the footer: %v", err)
	}
	first := p.RowGroups()[0]
	for _, r := range first {
		src.have = max(src.have, r.Off+r.Len)
	}
	b := make([]byte, groups[0].Len)
	if _, err := v.ReadAt(b, groups[0].Off); err != nil {
		t.Error(err)
	}
	if v.Opened() != nil {
		t.Error("described before it is open")
	}
	if _, err := v.ReadAt(b[:1], groups[1].Off); err == nil {
		t.Error("read of what has not come")
	}
	src.have = int64(len(s.file))
	if err := v.Rest(ctx); err == nil {
		t.Error("a row group that failed is sound")
	}
}

// What is counted as in clear is what a view counts; what is read does not depend on how it is cut.
func TestLateViewReads(t *testing.T) {
	s := sealSample(t, 2000, parquet.WithDataPageSize(512), parquet.WithBatchSize(32))
	opt := s.options()
	opt.PagesOnly, opt.HeaderRoom = true, 256
	early := view(t, s.file, opt, pme.Bytes(s.file))
	for kind, src := range sources(s.file) {
		v := lateView(t, s.file, opt, src)
		want := make([]byte, v.Size())
		if _, err := v.ReadAt(want, 0); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		for _, step := range []int64{1, 255, 4096, 70000} {
			v, got := lateView(t, s.file, opt, src), []byte{}
			for off := int64(0); off < v.Size(); off += step {
				b := make([]byte, min(step, v.Size()-off))
				if _, err := v.ReadAt(b, off); err != nil {
					t.Fatal(err)
				}
				got = append(got, b...)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s: in steps of %d another file", kind, step)
			}
		}
		if n, err := v.ReadAt(make([]byte, 9), v.Size()-5); n != 5 || err != io.EOF {
			t.Errorf("at the end: %d, %v", n, err)
		}
		if err := v.Rest(ctx); err != nil {
			t.Error(err)
		}
		if v.Rows() != 2000 || v.Opened().Rows != 2000 {
			t.Errorf("%d rows", v.Rows())
		}
		for i, c := range v.Opened().Columns {
			if want := early.Opened().Columns[i]; c != want {
				t.Errorf("%+v, want %+v", c, want)
			}
		}
		for _, v := range []*pme.LateView{v, lateView(t, s.file, opt, src)} {
			v.Forget()
			if _, err := v.ReadAt(want[:100], v.Groups()[0].Off); err == nil {
				t.Error("read after it was forgotten")
			}
		}
	}
}

// Every change of what a plan needs is found by Rest, read or not, and a change of a row group by who reads that one.
func TestLateViewRestFindsChanges(t *testing.T) {
	s := sealSample(t, 90)
	opt := s.options()
	opt.PagesOnly = true
	p, err := pme.ReadPlan(pme.Bytes(s.file), int64(len(s.file)), opt)
	if err != nil {
		t.Fatal(err)
	}
	for g, ranges := range p.RowGroups() {
		for _, r := range ranges {
			for _, at := range []int64{r.Off, r.Off + r.Len/2, r.Off + r.Len - 1} {
				b := slices.Clone(s.file)
				b[at] ^= 1
				v := lateView(t, s.file, opt, pme.Bytes(b))
				if err := v.Rest(ctx); !errors.Is(err, pme.ErrTampered) {
					t.Fatalf("changed at %d: %v", at, err)
				}
				v = lateView(t, s.file, opt, pme.Bytes(b))
				area := v.Groups()[g]
				got := bytes.Repeat([]byte{1}, int(area.Len))
				if n, err := v.ReadAt(got, area.Off); n != 0 || !errors.Is(err, pme.ErrTampered) || !bytes.Equal(got, make([]byte, len(got))) {
					t.Fatalf("changed at %d, read: %d, %v", at, n, err)
				}
				if err := v.Rest(ctx); !errors.Is(err, pme.ErrTampered) {
					t.Fatalf("changed at %d, after it was read: %v", at, err)
				}
			}
		}
	}
}

// A row group without rows takes no room, and is not in the way of others.
func TestLateViewWithoutRows(t *testing.T) {
	s := sealSample(t, 0)
	v := lateView(t, s.file, s.options(), pme.Bytes(s.file))
	b := make([]byte, v.Size())
	if _, err := v.ReadAt(b, 0); err != nil {
		t.Error(err)
	}
	if err := v.Rest(ctx); err != nil || v.Opened() == nil {
		t.Error(err)
	}
}

// A plan with page indexes has no late view: they say where pages lie.
func TestLateViewIsOfPagesOnly(t *testing.T) {
	s := sealSample(t, 90)
	p, err := pme.ReadPlan(pme.Bytes(s.file), int64(len(s.file)), s.options())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.LateView(pme.Bytes(s.file)); !errors.Is(err, pme.ErrOptions) {
		t.Errorf("%v", err)
	}
}
