package pme_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/cordon-exchange/cordon/pme"
)

// withLayout seals a sample with its layout in clear.
func withLayout(t testing.TB, rows int) sealed {
	s := sealSample(t, rows)
	var out bytes.Buffer
	_, err := pme.Seal(ctx, bytes.NewReader(s.plain), int64(len(s.plain)), &out, pme.SealOptions{Keys: s.keys, AADPrefix: s.prefix, Layout: true})
	if err != nil {
		t.Fatal(err)
	}
	s.file = out.Bytes()
	return s
}

func layoutOf(b []byte) *pme.Layout { return pme.ReadLayout(b, int64(len(b))) }

// TestLayoutIsWhatThePlanSays: whoever has no key finds the same ranges as who opens the footer, for every choice of columns.
func TestLayoutIsWhatThePlanSays(t *testing.T) {
	for _, rows := range []int{0, 1, 500} {
		s := withLayout(t, rows)
		l, names := layoutOf(s.file), sampleLeaves()
		if l == nil || l.Columns() != len(names) {
			t.Fatalf("%d rows: layout %+v", rows, l)
		}
		for first := range names {
			for step := 1; step < 4; step++ {
				var columns []int
				opt := s.options()
				opt.AllWithKeys, opt.Columns, opt.PagesOnly = false, nil, true
				for i := first; i < len(names); i += step {
					columns, opt.Columns = append(columns, i), append(opt.Columns, names[i])
				}
				p, err := pme.ReadPlan(bytes.NewReader(s.file), int64(len(s.file)), opt)
				if err != nil {
					continue // of a nested column only a part
				}
				if got := l.Ranges(columns); !slices.Equal(got, p.Ranges()) {
					t.Errorf("%d rows, %v: %v, the plan says %v", rows, opt.Columns, got, p.Ranges())
				}
			}
		}
	}
}

// TestLayoutChangesNothing: a file with a layout opens to the same bytes, and none is in a file that was not to have one.
func TestLayoutChangesNothing(t *testing.T) {
	s := withLayout(t, 500)
	if !bytes.Equal(mustOpen(t, s.file, s.options()), mustOpen(t, sealBytes(t, s.plain, s.keys).file, s.options())) {
		t.Error("it opens to something else")
	}
	if l := layoutOf(sealBytes(t, s.plain, s.keys).file); l != nil {
		t.Errorf("a layout that nobody wanted: %+v", l)
	}
	sameTable(t, readTable(t, s.file, s.decryption()), readTable(t, s.plain, nil))
}

// TestInspectTellsOfLayouts, and counts modules in front of one.
func TestInspectTellsOfLayouts(t *testing.T) {
	s := withLayout(t, 500)
	in, err := pme.Inspect(bytes.NewReader(s.file), int64(len(s.file)))
	if err != nil {
		t.Fatal(err)
	}
	bare := sealBytes(t, s.plain, s.keys).file
	without, err := pme.Inspect(bytes.NewReader(bare), int64(len(bare)))
	if err != nil {
		t.Fatal(err)
	}
	if in.Layout == nil || in.Layout.Columns != len(sampleLeaves()) || in.Layout.RowGroups != 2 || without.Layout != nil {
		t.Errorf("%+v, without %+v", in.Layout, without.Layout)
	}
	if in.Modules == nil || without.Modules == nil || in.Modules.Count != without.Modules.Count {
		t.Errorf("%+v, without %+v", in.Modules, without.Modules)
	}
}

// TestTailRange: footer and layout lie within what it says, as far as there is that much.
func TestTailRange(t *testing.T) {
	s := withLayout(t, 500)
	size := int64(len(s.file))
	r, err := pme.TailRange(s.file[size-8:], size)
	if err != nil || r.Off < 0 || r.Off+r.Len != size {
		t.Fatal(r, err)
	}
	if pme.ReadLayout(s.file[r.Off:], size) == nil {
		t.Error("the layout begins before")
	}
	if _, err := pme.NewPlan(s.file[r.Off:], size, s.options()); err != nil {
		t.Error(err)
	}
	for _, bad := range [][]byte{nil, s.file[size-7:], []byte("12345678")} {
		if r, err := pme.TailRange(bad, size); err == nil {
			t.Errorf("%q: %v", bad, r)
		}
	}
}

// relaid is the file with another layout of the same length: what whoever stores it can make of it.
func relaid(t testing.TB, b []byte, entries []byte) []byte {
	t.Helper()
	out := bytes.Clone(b)
	end := bytes.LastIndex(out, []byte("cordlay1")) - 4
	n := int(binary.LittleEndian.Uint32(out[end:]))
	if len(entries) > n {
		t.Fatalf("%d bytes where %d were", len(entries), n)
	}
	copy(out[end-len(entries):end], entries)
	binary.LittleEndian.PutUint32(out[end:], uint32(len(entries)))
	return out
}

func uvarints(all ...uint64) (b []byte) {
	for _, v := range all {
		b = binary.AppendUvarint(b, v)
	}
	return b
}

// TestHostileLayouts: what is not a layout of such a file is none, and what is leads nowhere but into the file.
func TestHostileLayouts(t *testing.T) {
	s := withLayout(t, 500)
	size := uint64(len(s.file))
	for name, entries := range map[string][]byte{
		"nothing":               {},
		"no columns":            uvarints(0),
		"too many columns":      uvarints(1<<15+1, 0, 1),
		"half a row group":      uvarints(2, 0, 1),
		"half a chunk":          uvarints(1, 0),
		"a length past the end": uvarints(1, 0, size),
		"a gap past the end":    uvarints(1, size, 0),
		"a negative gap":        uvarints(1, 1<<63, 1),
		"sums that overflow":    uvarints(2, 1<<62, 1<<62, 1<<62, 1<<62),
		"no number":             bytes.Repeat([]byte{0xff}, 11),
	} {
		if l := layoutOf(relaid(t, s.file, entries)); l != nil {
			t.Errorf("%s: %+v", name, l)
		}
	}
	all := relaid(t, s.file, uvarints(1, 0, size/2))
	if got, want := fmt.Sprint(layoutOf(all).Ranges([]int{0, -1, 7})), fmt.Sprintf("[{0 %d}]", size/2+4); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if !bytes.Equal(mustOpen(t, all, s.options()), mustOpen(t, s.file, s.options())) {
		t.Error("a layout changes what is opened")
	}
}

// FuzzLayout: ranges lie within the file, in order.
func FuzzLayout(f *testing.F) {
	s := withLayout(f, 500)
	f.Add(s.file[len(s.file)-2000:], int64(len(s.file)))
	f.Add([]byte("cordlay1\x00\x00\x00\x00PARE"), int64(100))
	f.Fuzz(func(t *testing.T, tail []byte, size int64) {
		l := pme.ReadLayout(tail, size)
		if l == nil {
			return
		}
		var columns []int
		for i := range min(l.Columns(), 100) {
			columns = append(columns, i)
		}
		end := int64(0)
		for _, r := range l.Ranges(columns) {
			if r.Off < end || r.Len < 1 || r.Off+r.Len > size {
				t.Fatalf("%+v of %d bytes", r, size)
			}
			end = r.Off + r.Len
		}
	})
}
