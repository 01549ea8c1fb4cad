package runner

import (
	"bytes"
	"encoding/binary"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/channel"
	"github.com/cordon-exchange/cordon/internal/enclave/failure"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/pme"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/statement"
)

// newLargeWorld has files of some megabytes, in three row groups, which say where columns lie.
func newLargeWorld(t testing.TB) *world {
	w := &world{
		t: t, lake: map[string][]byte{}, now: time.Now().UnixMilli(), build: testBuild, form: testForm, lattice: "[[size]]",
		rows: 150_000, scatter: true, layout: true,
	}
	return w.populate()
}

// answers runs the job and checks its answer.
func (h *fakeHost) answers() {
	t := h.w.t
	t.Helper()
	if err := h.run(); err != nil {
		t.Fatal(err)
	}
	table, _ := h.open(h.w.institute)
	var got bytes.Buffer
	if err := table.WriteCSV(&got); err != nil {
		t.Fatal(err)
	}
	if want := h.w.expected(); got.String() != want {
		t.Errorf("got %s, want %s", got.String(), want)
	}
}

// TestFetchedBeforeKeys: by the time that an owner releases, all that the plan needs is there, and nothing is asked for afterwards.
func TestFetchedBeforeKeys(t *testing.T) {
	w := newLargeWorld(t)
	h := newFakeHost(w)
	var released atomic.Bool
	var late atomic.Int64
	h.onObject = func(_ string, _ int64, b []byte) ([]byte, error) {
		if released.Load() {
			late.Add(int64(len(b)))
		}
		return b, nil
	}
	for _, o := range w.owners {
		h.of(o).onRelease = func(*statement.Release, *statement.ReleasedKeys) {
			time.Sleep(300 * time.Millisecond)
			released.Store(true)
		}
	}
	h.answers()
	if late.Load() != 0 {
		t.Errorf("%d bytes were asked for after the keys", late.Load())
	}
	for _, o := range w.owners {
		object := objectOf(o)
		read, size := h.bytesRead[object], int64(len(w.lake[object]))
		if size < 1<<20 || read > size*2/3 {
			t.Errorf("%s: read %d of %d bytes", o.name, read, size)
		}
	}
}

// relay puts another layout into an object, as who stores it can.
func (w *world) relay(object string, entries []byte) {
	b := w.lake[object]
	end := bytes.LastIndex(b, []byte("cordlay1")) - 4
	n := int(binary.LittleEndian.Uint32(b[end:]))
	if len(entries) > n {
		w.t.Fatalf("%d bytes where %d were", len(entries), n)
	}
	copy(b[end-len(entries):end], entries)
	binary.LittleEndian.PutUint32(b[end:], uint32(len(entries)))
}

func uvarints(all ...int) (b []byte) {
	for _, v := range all {
		b = binary.AppendUvarint(b, uint64(v))
	}
	return b
}

// TestHostileLayouts: whatever the files say of where columns lie, the answer is right, or at worst late.
func TestHostileLayouts(t *testing.T) {
	for name, entries := range map[string]func(size int) []byte{
		"everything":    func(size int) []byte { return uvarints(4, 0, size-10_000, 0, 0, 0, 0, 0, 0) },
		"another place": func(size int) []byte { return uvarints(4, size/2, 1000, 0, 0, 1000, 1000, 0, 0) },
		"a part":        func(size int) []byte { return uvarints(4, 100, 5000, 0, 0, size/3, 70_000, 0, 0) },
		"other columns": func(int) []byte { return uvarints(5, 0, 1000, 0, 1000, 0, 1000, 0, 1000, 0, 1000) },
		"nowhere":       func(int) []byte { return uvarints(4, 0, 0, 0, 0, 0, 0, 0, 0) },
		"nonsense":      func(int) []byte { return []byte("nonsense") },
		"nothing":       func(int) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			w := newLargeWorld(t)
			for object, b := range w.lake {
				w.relay(object, entries(len(b)))
			}
			newFakeHost(w).answers()
		})
	}
}

// TestMisledInLittleRoom: what a wrong layout had fetched is given up where it leaves no room for what is needed, and only there.
func TestMisledInLittleRoom(t *testing.T) {
	file, plan := largePlan(t)
	size := int64(len(file))
	needed := sizeOf(withSmallGaps(plan.Ranges()))
	for name, c := range map[string]struct {
		room        int64 // for data
		hint        int64 // bytes that the layout had fetched
		bytes, late int64 // fetched, or to be; of that not asked for before
		fails       bool
	}{
		"right":             {needed, 0, needed, needed, false},
		"wrong, with room":  {needed + size, size, size, 0, false},
		"wrong, in no room": {needed, size, needed, needed, false},
		"no room anyway":    {needed - 1, size, needed, needed, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := &run{plan: &policy.Plan{}, limits: channel.Limits{MemoryBytes: (c.room/dataShare + 1) * 10, Threads: 100}}
			if c.fails {
				r.limits.MemoryBytes -= 10
			}
			stopped := false
			r.ahead = &ahead{stop: func() { stopped = true }}
			s := &source{plan: plan, tail: &tail{off: size - 8, bytes: file[size-8:]}}
			if c.hint > 0 {
				s.data = newArriving("o/x")
				must[[]*piece](t)(s.data.wants([]pme.Range{{Off: 0, Len: c.hint}}))
			}
			defer func() { s.data.free() }()
			if err := r.makeRoom(t.Context(), []*source{s}); (err != nil) != c.fails {
				t.Fatal(err)
			}
			if c.fails {
				return
			}
			late := int64(0)
			for _, p := range s.late {
				late += int64(len(p.buf))
			}
			if s.data.bytes != c.bytes || late != c.late || stopped != (c.hint > 0 && c.bytes == needed) {
				t.Errorf("%d bytes, %d late, stopped: %v", s.data.bytes, late, stopped)
			}
		})
	}
}

// largePlan is a large file, and the plan of two of its columns.
func largePlan(t *testing.T) ([]byte, *pme.Plan) {
	w := newLargeWorld(t)
	o := w.owners[0]
	file := w.lake[objectOf(o)]
	columns := []string{"cost", "size"}
	keys := pme.Keys{Footer: o.keys[statement.FooterKey].BytesUnsafe(), Columns: map[string][]byte{}}
	for _, c := range columns {
		keys.Columns[c] = o.keys[c].BytesUnsafe()
	}
	return file, must[*pme.Plan](t)(pme.ReadPlan(pme.Bytes(file), int64(len(file)), pme.OpenOptions{
		Keys: keys, AADPrefix: []byte("strikes/v1/0"), Columns: columns, PagesOnly: true,
	}))
}

// TestLongerThanTheMemory: no file may become longer than the perimeter lets one be, in waves or whole: the kernel would end the enclave.
func TestLongerThanTheMemory(t *testing.T) {
	file, plan := largePlan(t)
	limit := plan.MaxOutput() - 1
	r := &run{plan: &policy.Plan{}, limits: channel.Limits{MemoryBytes: limit, Threads: 1}}
	s := &source{plan: plan, tail: &tail{off: int64(len(file)) - 8, bytes: file[len(file)-8:]}}
	err := r.makeRoom(t.Context(), []*source{s})
	if want := failure.Sized(failure.TooLarge, limit+1, limit); failure.CodeOf(err) != failure.CodeOf(want) || s.data != nil {
		t.Error(err)
	}
}

// TestCutOffWhileFetching: what the host does not deliver is the host's failure, before the keys and after them.
func TestCutOffWhileFetching(t *testing.T) {
	for name, cut := range map[string]func(off, size int64) bool{
		"first columns": func(off, size int64) bool { return off == 0 },
		"last columns":  func(off, size int64) bool { return off > size/2 && off < size-256<<10 },
	} {
		t.Run(name, func(t *testing.T) {
			w := newLargeWorld(t)
			h := newFakeHost(w)
			h.onObject = func(path string, off int64, b []byte) ([]byte, error) {
				if cut(off, int64(len(w.lake[path]))) {
					return b[:len(b)/2], nil
				}
				return b, nil
			}
			h.wantFailure("channel")
			for _, o := range w.owners {
				h.wantReceipt(o, "failed:channel")
			}
		})
	}
}

// TestRefusedWhileFetching: an owner that refuses while columns are on their way ends the job as ever.
func TestRefusedWhileFetching(t *testing.T) {
	w := newLargeWorld(t)
	h := newFakeHost(w)
	h.onObject = func(_ string, off int64, b []byte) ([]byte, error) {
		if off == 0 {
			time.Sleep(200 * time.Millisecond)
		}
		return b, nil
	}
	h.onMessage = func(m *channel.Message) bool {
		b := h.brokers[m.To]
		if m.Kind == message.KindQuote && b.party == w.owners[0] {
			b.onReply = func(r *message.Reply) { r.Release, r.Keys, r.Refusal = nil, nil, b.refusal(message.KindQuote) }
		}
		return true
	}
	h.wantFailure("refused:alpha")
}

// TestLongFooter: footer and layout that are longer than a first look at the end are there before the keys, too.
func TestLongFooter(t *testing.T) {
	w := newLargeWorld(t)
	o := w.owners[0]
	b := w.lake[objectOf(o)]
	r, err := pme.TailRange(b, int64(len(b)))
	if err != nil || pme.ReadLayout(b[r.Off:], int64(len(b))) == nil {
		t.Fatal(r, err)
	}
	// One that claims to be longer than it is: the footer can't be opened then, but more of the end is fetched.
	n := binary.LittleEndian.Uint32(b[len(b)-8:])
	binary.LittleEndian.PutUint32(b[len(b)-8:], uint32(300<<10))
	h := newFakeHost(w)
	h.wantFailure("bad-data:alpha")
	if read := h.bytesRead[objectOf(o)]; read < 256<<10+300<<10 || read > 1<<20 {
		t.Errorf("read %d bytes", read)
	}
	binary.LittleEndian.PutUint32(b[len(b)-8:], n)
	newFakeHost(w).answers()
}

// TestTogether: each byte is asked for once, in the order of the pieces, in requests of bounded size.
func TestTogether(t *testing.T) {
	a := newArriving("o/x")
	var all []wanted
	for i, n := range append([]int{10, askAtOnce, 1, 2*askAtOnce + 5, 7}, slices.Repeat([]int{1}, channel.MaxRanges)...) {
		all = append(all, wanted{a, &piece{off: int64(i) << 40, buf: make([]byte, n)}})
	}
	pieces := all
	at, next := 0, int64(0) // in which piece, and at which of its bytes
	for len(all) > 0 {
		ask, done := together(all)
		total := 0
		for _, r := range ask {
			total += len(r.Dst)
			if p := pieces[at].piece; r.Off != p.off+next || &r.Dst[0] != &p.buf[next] {
				t.Fatalf("asks for %d, want %d", r.Off, p.off+next)
			}
			r.Arrived(len(r.Dst))
			if next += int64(len(r.Dst)); next != int64(pieces[at].have) {
				t.Fatalf("%d bytes are there, want %d", pieces[at].have, next)
			}
			if next == int64(len(pieces[at].buf)) {
				at, next = at+1, 0
			}
		}
		if total == 0 || total > askAtOnce || len(ask) > channel.MaxRanges {
			t.Fatalf("a request of %d ranges, %d bytes", len(ask), total)
		}
		all = all[done:]
	}
	if at != len(pieces) {
		t.Errorf("%d of %d pieces", at, len(pieces))
	}
}
