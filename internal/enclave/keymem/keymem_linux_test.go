package keymem

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"unsafe"

	"github.com/cordon-exchange/cordon/internal/need"
)

var errNo = errors.New("no")

func refuses(int) ([]byte, error) { return nil, errNo }

// forms are the three memories, however strong this machine's is.
func forms(t *testing.T) map[string]*Memory {
	t.Helper()
	out := map[string]*Memory{
		Secret: strongest(secretPages, refuses), Locked: strongest(refuses, lockedPages), None: strongest(refuses, refuses),
	}
	for _, source := range []func(int) ([]byte, error){secretPages, lockedPages} {
		_, err := source(size)
		need.That(t, err == nil, fmt.Sprintf("no key memory: %v", err))
	}
	for want, m := range out {
		if m.Form() != want {
			t.Errorf("form %s, want %s", m.Form(), want)
		}
	}
	if New().Form() != Secret {
		t.Error("not the strongest")
	}
	return out
}

func TestLendsAndWipes(t *testing.T) {
	for form, m := range forms(t) {
		var kept [][]byte
		for _, size := range []int{slotSize, wideSize} {
			a, err := m.Take(size)
			if err != nil || !bytes.Equal(a, make([]byte, size)) {
				t.Fatal(form, a, err)
			}
			b, err := m.Take(size)
			if err != nil || &a[0] == &b[0] || cap(a) != size || uintptr(unsafe.Pointer(&b[0]))%uintptr(size) != 0 {
				t.Fatal(form, "the same room twice, or too much, or out of line")
			}
			copy(a, bytes.Repeat([]byte{0xaa}, size))
			copy(b, bytes.Repeat([]byte{0xbb}, size))
			m.Give(a)
			if !bytes.Equal(a, make([]byte, size)) || b[0] != 0xbb || b[size-1] != 0xbb {
				t.Errorf("%s: given back and not wiped, or another wiped", form)
			}
			if c, err := m.Take(size); err != nil || &c[0] != &a[0] {
				t.Errorf("%s: the room is not lent again: %v", form, err)
			}
			kept = append(kept, b)
		}
		m.Close()
		for _, b := range kept {
			if !bytes.Equal(b, make([]byte, len(b))) {
				t.Errorf("%s: not wiped at the end", form)
			}
			if _, err := m.Take(len(b)); !errors.Is(err, ErrClosed) {
				t.Errorf("%s: %v", form, err)
			}
		}
	}
}

func TestRunsOut(t *testing.T) {
	m := New()
	for slot, n := range map[int]int{slotSize: narrow / slotSize, wideSize: (size - narrow) / wideSize} {
		for range n {
			if _, err := m.Take(slot); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := m.Take(slot); !errors.Is(err, ErrFull) {
			t.Errorf("one too many: %v", err)
		}
	}
	if _, err := m.Take(slotSize + 1); !errors.Is(err, ErrSize) {
		t.Errorf("another size: %v", err)
	}
}

// TestPages: what the kernel says of the pages, and that secret ones are not to be read even by the process itself through /proc.
func TestPages(t *testing.T) {
	for form, m := range forms(t) {
		b, err := m.Take(slotSize)
		if err != nil {
			t.Fatal(err)
		}
		copy(b, "a key that nobody may read, ever")
		flags := flagsOf(t, b)
		if form != None && (!strings.Contains(flags, " lo ") || !strings.Contains(flags, " dd ") || !strings.Contains(flags, " dc ")) {
			t.Errorf("%s: flags %q, want locked, not in dumps, not in forks", form, flags)
		}
		mem, err := os.Open("/proc/self/mem")
		if err != nil {
			t.Fatal(err)
		}
		defer mem.Close()
		got := make([]byte, slotSize)
		n, err := mem.ReadAt(got, int64(uintptr(unsafe.Pointer(&b[0]))))
		if read := n == slotSize && bytes.Equal(got, b); read != (form != Secret) {
			t.Errorf("%s: read through /proc: %v (%v)", form, read, err)
		}
	}
}

// flagsOf the mapping in which b lies.
func flagsOf(t *testing.T, b []byte) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	at, in := uint64(uintptr(unsafe.Pointer(&b[0]))), false
	for line := range strings.Lines(string(text)) {
		var from, to uint64
		if n, _ := fmt.Sscanf(line, "%x-%x ", &from, &to); n == 2 && !strings.HasPrefix(line, "VmFlags") {
			in = at >= from && at < to
		}
		if flags, ok := strings.CutPrefix(line, "VmFlags:"); ok && in {
			return " " + strings.TrimSpace(flags) + " "
		}
	}
	return ""
}
