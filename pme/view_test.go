package pme_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/parquet"

	"github.com/cordon-exchange/cordon/pme"
)

// readerOnly hides that a source can lend.
type readerOnly struct{ io.ReaderAt }

func view(t testing.TB, file []byte, opt pme.OpenOptions, src io.ReaderAt) *pme.View {
	t.Helper()
	p, err := pme.ReadPlan(src, int64(len(file)), opt)
	if err != nil {
		t.Fatal(err)
	}
	v, err := p.View(ctx, src)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func sources(b []byte) map[string]io.ReaderAt {
	return map[string]io.ReaderAt{"lent": pme.Bytes(b), "read": readerOnly{bytes.NewReader(b)}}
}

// A view reads as the file that opening at once makes, in whatever pieces it is read.
func TestViewIsTheOpenedFile(t *testing.T) {
	small := sealSample(t, 2000, parquet.WithDataPageSize(512), parquet.WithBatchSize(32))
	for name, s := range map[string]sealed{"small pages": small, "large pages": sealSample(t, 2000)} {
		for _, room := range []int{0, 1, 255, 256} {
			opt := s.options()
			opt.PagesOnly, opt.HeaderRoom = room%2 == 0, room
			want := mustOpen(t, s.file, opt)
			for kind, src := range sources(s.file) {
				v := view(t, s.file, opt, src)
				if v.Size() != int64(len(want)) || v.Opened().Size != v.Size() {
					t.Fatalf("%s, %s: %d bytes, opened at once %d", name, kind, v.Size(), len(want))
				}
				got := make([]byte, len(want))
				if n, err := v.ReadAt(got, 0); err != nil || n != len(got) || !bytes.Equal(got, want) {
					t.Fatalf("%s, %s: read at once: %d bytes, %v", name, kind, n, err)
				}
				readInPieces(t, v, want)
				if err := v.Rest(ctx); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

// Parts as Known tells them, with pages as ReadPages reads them, are the file. A page that was changed is not read, nor what is read with it.
func TestKnownParts(t *testing.T) {
	s := sealSample(t, 200, parquet.WithDataPageSize(512), parquet.WithBatchSize(32))
	opt := s.options()
	opt.HeaderRoom = 256
	v := view(t, s.file, opt, pme.Bytes(s.file))
	want := make([]byte, v.Size())
	if _, err := v.ReadAt(want, 0); err != nil {
		t.Fatal(err)
	}
	got, pages, end := make([]byte, v.Size()), [][2]int64{}, int64(0)
	i := 0
	v.Known(func(off, size int64, b []byte, _ int) {
		if off < end || b != nil && int64(len(b)) != size {
			t.Errorf("%d bytes at %d, after %d", size, off, end)
		}
		if end = off + size; b == nil {
			b = make([]byte, size)
			if err := v.ReadPages(b, i, 1); err != nil {
				t.Error(err)
			}
			pages = append(pages, [2]int64{off, size})
		}
		copy(got[off:], b)
		i++
	})
	if !bytes.Equal(got, want) {
		t.Error("another file")
	}
	var all []byte
	for _, p := range pages {
		all = append(all, want[p[0]:p[0]+p[1]]...)
	}
	together := make([]byte, len(all))
	if err := v.ReadPages(together, 0, i); err != nil || !bytes.Equal(together, all) {
		t.Errorf("all pages at once: %v", err)
	}
	for _, n := range []int{len(all) - 1, len(all) + 1} {
		b := bytes.Repeat([]byte{1}, n)
		if err := v.ReadPages(b, 0, i); err == nil || !bytes.Equal(b, make([]byte, n)) {
			t.Errorf("%d bytes for %d: %v", n, len(all), err)
		}
	}
	for _, m := range modulesOf(t, s.file) {
		b := slices.Clone(s.file)
		b[m.Off+m.Len-1] ^= 1
		p, err := pme.ReadPlan(pme.Bytes(b), int64(len(b)), opt)
		if err != nil {
			continue
		}
		if v, err = p.View(ctx, pme.Bytes(b)); err != nil {
			continue
		}
		got := bytes.Repeat([]byte{1}, len(all))
		if err := v.ReadPages(got, 0, i); !errors.Is(err, pme.ErrTampered) || !bytes.Equal(got, make([]byte, len(got))) {
			t.Fatalf("changed at %d: %v", m.Off, err)
		}
		if err := v.ReadPages(got[:0], 0, 1); !errors.Is(err, pme.ErrTampered) {
			t.Errorf("the next read: %v", err)
		}
	}
}

// With room for them, a read of so much where a header begins ends before the page; what is counted as in clear stays the same.
func TestHeaderRoom(t *testing.T) {
	s := sealSample(t, 2000, parquet.WithDataPageSize(512), parquet.WithBatchSize(32))
	opt := s.options()
	opt.PagesOnly = true
	before := view(t, s.file, opt, pme.Bytes(s.file))
	opt.HeaderRoom = 256
	v := view(t, s.file, opt, pme.Bytes(s.file))
	for i, c := range v.Opened().Columns {
		if want := before.Opened().Columns[i].Bytes; c.Bytes != want {
			t.Errorf("%s: %d bytes in clear, without room %d", c.Path, c.Bytes, want)
		}
	}
	pages, head := 0, int64(0)
	v.Known(func(off, size int64, b []byte, _ int) {
		if b != nil {
			head = off
			return
		}
		if pages++; off-head != 256 {
			t.Errorf("page at %d: its header is %d bytes long", off, off-head)
		}
	})
	if pages < 100 {
		t.Errorf("%d pages", pages)
	}
	for _, room := range []int{-1, 4097} {
		opt.HeaderRoom = room
		if _, err := pme.ReadPlan(pme.Bytes(s.file), int64(len(s.file)), opt); !errors.Is(err, pme.ErrOptions) {
			t.Errorf("%d: %v", room, err)
		}
	}
}

// A file of many small pages gets longer by an eighth and a little: the headers of the last ones stay as they were, and pages are what they were.
func TestHeaderRoomOfSmallPages(t *testing.T) {
	s := sealSample(t, 20_000, parquet.WithDataPageSize(64), parquet.WithBatchSize(8))
	opt := s.options()
	opt.PagesOnly = true
	short := view(t, s.file, opt, pme.Bytes(s.file))
	opt.HeaderRoom = 256
	wide := view(t, s.file, opt, pme.Bytes(s.file))
	chunks := int64(len(wide.Opened().Columns) * wide.Opened().RowGroups)
	if most := short.Size()*5/4 + chunks*70*256; wide.Size() > most {
		t.Errorf("%d bytes, %d without room", wide.Size(), short.Size())
	}
	pages := func(v *pme.View) (out [][]byte, headers map[int64]int) {
		head := int64(0)
		headers = map[int64]int{}
		v.Known(func(off, size int64, b []byte, _ int) {
			if b != nil {
				head = off
				return
			}
			headers[min(off-head, 256)]++
			page := make([]byte, size)
			if _, err := v.ReadAt(page, off); err != nil {
				t.Fatal(err)
			}
			out = append(out, page)
		})
		return out, headers
	}
	want, _ := pages(short)
	got, headers := pages(wide)
	if len(got) != len(want) || !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("%d pages, %d without room", len(got), len(want))
	}
	if n := headers[256]; n < 64 || n > len(got)/2 {
		t.Errorf("%d of %d headers are long", n, len(got))
	}
}

func readInPieces(t *testing.T, v *pme.View, want []byte) {
	t.Helper()
	var all sync.WaitGroup
	for seed := range uint64(4) {
		all.Go(func() {
			r := rand.New(rand.NewPCG(seed, 1))
			for range 300 {
				off := r.Int64N(int64(len(want)))
				b := make([]byte, 1+r.IntN([]int{8, 256, 4096, len(want)}[r.IntN(4)]))
				n, err := v.ReadAt(b, off)
				end := min(int64(len(want)), off+int64(len(b)))
				if int64(n) != end-off || !bytes.Equal(b[:n], want[off:end]) || (n < len(b)) != errors.Is(err, io.EOF) || n == len(b) && err != nil {
					t.Errorf("%d bytes at %d: got %d, %v", len(b), off, n, err)
					return
				}
			}
		})
	}
	all.Wait()
}

// Opened columns, rows and bytes are those of opening at once, before any page was read.
func TestViewSaysWhatIsOpened(t *testing.T) {
	s := sealSample(t, 500)
	opt := s.options()
	_, want, err := pme.Open(ctx, pme.Bytes(s.file), int64(len(s.file)), opt)
	if err != nil {
		t.Fatal(err)
	}
	got := view(t, s.file, opt, pme.Bytes(s.file)).Opened()
	if got.Rows != want.Rows || got.RowGroups != want.RowGroups || !slices.Equal(got.Columns, want.Columns) {
		t.Errorf("%+v, opened at once %+v", got, want)
	}
}

// A changed module is found by View, by the read that meets it, or by Rest: never by nobody. Nothing of a changed page is handed out,
// and after the first fault nothing of the file at all.
func TestViewOfAChangedFile(t *testing.T) {
	s := smallSealed(t)
	opt := s.options()
	plain := mustOpen(t, s.file, opt)
	for _, m := range modulesOf(t, s.file) {
		b := slices.Clone(s.file)
		b[m.Off+m.Len-1] ^= 1
		for kind, src := range sources(b) {
			p, err := pme.ReadPlan(src, int64(len(b)), opt)
			if err != nil {
				continue // column metadata lies in the footer
			}
			v, err := p.View(ctx, src)
			if err != nil {
				if !errors.Is(err, pme.ErrTampered) {
					t.Errorf("%s: View: %v", kind, err)
				}
				continue
			}
			if err := v.Rest(ctx); !errors.Is(err, pme.ErrTampered) || !errors.Is(v.Err(), pme.ErrTampered) {
				t.Errorf("%s: a page that nobody read: %v", kind, err)
			}
			if v, err = p.View(ctx, src); err != nil {
				t.Fatal(err)
			}
			got := bytes.Repeat([]byte{0xaa}, len(plain))
			if n, err := v.ReadAt(got, 0); n != 0 || !errors.Is(err, pme.ErrTampered) || !bytes.Equal(got, make([]byte, len(got))) {
				t.Errorf("%s: read %d bytes: %v", kind, n, err)
			}
			if _, err := v.ReadAt(got[:4], 0); !errors.Is(err, pme.ErrTampered) {
				t.Errorf("%s: the next read: %v", kind, err)
			}
			if err := v.Rest(ctx); !errors.Is(err, pme.ErrTampered) {
				t.Errorf("%s: Rest after it: %v", kind, err)
			}
		}
	}
}

// A file that ends early, or whose source fails, is an error like any other.
func TestViewOfASourceThatFails(t *testing.T) {
	s := sealSample(t, 500)
	for name, src := range map[string]*failing{"read": {b: s.file}, "lent": {b: s.file, lends: true}} {
		p, err := pme.ReadPlan(pme.Bytes(s.file), int64(len(s.file)), s.options())
		if err != nil {
			t.Fatal(err)
		}
		var r io.ReaderAt = readerOnly{src}
		if src.lends {
			r = src
		}
		v, err := p.View(ctx, r)
		if err != nil {
			t.Fatal(err)
		}
		src.broken = true
		if err := v.Rest(ctx); !errors.Is(err, pme.ErrRead) && !errors.Is(err, pme.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type failing struct {
	b             []byte
	lends, broken bool
}

func (f *failing) ReadAt(b []byte, off int64) (int, error) {
	if f.broken {
		return 0, errors.New("the disk is gone")
	}
	return pme.Bytes(f.b).ReadAt(b, off)
}

func (f *failing) Slice(off, n int64) []byte {
	if f.broken {
		return nil
	}
	return pme.Bytes(f.b).Slice(off, n)
}

// Reads outside the file are its end.
func TestViewEnds(t *testing.T) {
	s := sealSample(t, 10)
	v := view(t, s.file, s.options(), pme.Bytes(s.file))
	for _, off := range []int64{-1, v.Size(), v.Size() + 1} {
		if n, err := v.ReadAt(make([]byte, 1), off); n != 0 || err != io.EOF {
			t.Errorf("at %d: %d, %v", off, n, err)
		}
	}
	if n, err := v.ReadAt(nil, 0); n != 0 || err != nil {
		t.Errorf("nothing: %d, %v", n, err)
	}
}

// Readers and Rest at once, of sound and changed files: what is handed out is of the file, and a changed one is never sound.
func TestViewIsReadWhileItSettles(t *testing.T) {
	s := sealSample(t, 1000, parquet.WithDataPageSize(512), parquet.WithBatchSize(32))
	opt := s.options()
	want := mustOpen(t, s.file, opt)
	mods := modulesOf(t, s.file)
	for round := range 15 {
		b := slices.Clone(s.file)
		changed := round%3 != 0
		if changed {
			m := mods[rand.IntN(len(mods))]
			b[m.Off+rand.Int64N(m.Len)] ^= 1 << rand.IntN(8)
		}
		p, err := pme.ReadPlan(pme.Bytes(b), int64(len(b)), opt)
		if err != nil {
			continue
		}
		for _, src := range sources(b) {
			v, err := p.View(ctx, src)
			if err != nil {
				continue
			}
			var all sync.WaitGroup
			for range 6 {
				all.Go(func() {
					for range 150 {
						off := rand.Int64N(int64(len(want)))
						got := make([]byte, 1+rand.IntN([]int{1, 64, 2000, len(want)}[rand.IntN(4)]))
						n, err := v.ReadAt(got, off)
						if !bytes.Equal(got[:n], want[off:off+int64(n)]) {
							t.Error("handed out something else")
						}
						if n == 0 && err != nil && !bytes.Equal(got, make([]byte, len(got))) {
							t.Error("a read that failed left something")
						}
					}
				})
			}
			var rest error
			all.Go(func() { rest = v.Rest(ctx) })
			all.Wait()
			if changed != errors.Is(rest, pme.ErrTampered) {
				t.Errorf("changed %v: %v", changed, rest)
			}
		}
	}
}

func BenchmarkView(b *testing.B) {
	s := benchSealed(b, 32)
	opt := s.options()
	opt.PagesOnly = true
	for b.Loop() {
		p, err := pme.NewPlan(s.file, int64(len(s.file)), opt)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := p.View(ctx, pme.Bytes(s.file)); err != nil {
			b.Fatal(err)
		}
	}
}

// What a view says of its pages is enough to decrypt them: by another's AES-GCM, under the key that it was given, they are what ReadAt reads.
// Marks count for Rest as what was read does, and no other page.
func TestSealedPages(t *testing.T) {
	s := sealSample(t, 500, parquet.WithDataPageSize(512), parquet.WithBatchSize(32))
	opt := s.options()
	opt.Expand = func(key []byte) []byte { return append([]byte("expanded "), key...) }
	v := view(t, s.file, opt, pme.Bytes(s.file))
	marks := v.Marks()
	i, pages := 0, 0
	v.Known(func(off, size int64, b []byte, _ int) {
		defer func() { i++ }()
		p, ok := v.SealedPage(i, make([]byte, 0, 100))
		if ok != (b == nil) || b != nil {
			if ok != (b == nil) {
				t.Errorf("part %d: sealed %v", i, ok)
			}
			return
		}
		pages++
		block, err := aes.NewCipher(bytes.TrimPrefix(p.Key, []byte("expanded ")))
		if err != nil {
			t.Fatal(err)
		}
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			t.Fatal(err)
		}
		want := make([]byte, size)
		if marks[i].Load() != 0 {
			t.Errorf("part %d: marked before it was read", i)
		}
		if _, err := v.ReadAt(want, off); err != nil {
			t.Fatal(err)
		}
		got, err := gcm.Open(nil, p.Box[:12], p.Box[12:], p.AAD)
		if err != nil || !bytes.Equal(got, want) || marks[i].Load() != 1 {
			t.Errorf("part %d: another page: %v", i, err)
		}
	})
	if len(marks) != i || pages == 0 {
		t.Errorf("%d marks of %d parts, %d pages", len(marks), i, pages)
	}
	bad := slices.Clone(s.file)
	p, err := pme.ReadPlan(pme.Bytes(bad), int64(len(bad)), opt)
	if err != nil {
		t.Fatal(err)
	}
	for at := range i {
		if v, err = p.View(ctx, pme.Bytes(bad)); err != nil {
			t.Fatal(err)
		}
		page, ok := v.SealedPage(at, nil)
		if !ok {
			continue
		}
		page.Box[len(page.Box)-1] ^= 1 // in bad itself
		if err := v.Rest(ctx); !errors.Is(err, pme.ErrTampered) {
			t.Errorf("part %d, not marked: %v", at, err)
		}
		if v, err = p.View(ctx, pme.Bytes(bad)); err != nil {
			t.Fatal(err)
		}
		v.Marks()[at].Store(1)
		if err := v.Rest(ctx); err != nil {
			t.Errorf("part %d, marked: %v", at, err)
		}
		page.Box[len(page.Box)-1] ^= 1
		if at > 40 {
			break
		}
	}
}

// Pages are the view's own where their key was not expanded, or where their ciphertext does not stay.
func TestPagesThatOnlyTheViewReads(t *testing.T) {
	s := sealSample(t, 100)
	for name, c := range map[string]struct {
		expand func([]byte) []byte
		src    io.ReaderAt
	}{
		"no expansion":      {nil, pme.Bytes(s.file)},
		"an expansion of 0": {func([]byte) []byte { return nil }, pme.Bytes(s.file)},
		"a source to read":  {func(k []byte) []byte { return k }, readerOnly{bytes.NewReader(s.file)}},
		"a source for now":  {func(k []byte) []byte { return k }, &lending{b: s.file}},
	} {
		opt := s.options()
		opt.Expand = c.expand
		v := view(t, s.file, opt, c.src)
		for i := range v.Marks() {
			if _, ok := v.SealedPage(i, nil); ok {
				t.Fatalf("%s: part %d", name, i)
			}
		}
	}
}
