package runner

import (
	"bytes"
	"sync"
	"testing"

	"github.com/cordon-exchange/cordon/internal/enclave/keymem"
	"github.com/cordon-exchange/cordon/internal/enclave/served"
)

// watched notes what it lends for expanded keys, and what comes back.
type watched struct {
	*keymem.Memory

	mu   sync.Mutex
	lent map[*byte][]byte
	all  int
}

func (w *watched) Take(n int) ([]byte, error) {
	b, err := w.Memory.Take(n)
	if err == nil && n == served.ScheduleSize {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.lent[&b[0]] = b
		w.all++
	}
	return b, err
}

func (w *watched) Give(b []byte) {
	w.mu.Lock()
	delete(w.lent, &b[0])
	w.mu.Unlock()
	w.Memory.Give(b)
}

// Expanded keys lie in the memory for keys, and are gone when the data is closed, however the job ends.
func TestExpandedKeysAreGiven(t *testing.T) {
	for code, spoil := range map[string]func(h *fakeHost){
		"": func(*fakeHost) {},
		"bad-data:alpha": func(h *fakeHost) {
			h.onObject = func(path string, off int64, b []byte) ([]byte, error) {
				b = bytes.Clone(b)
				if at := int64(len(h.w.lake[path])/3) - off; path == objectOf(h.w.owners[0]) && at >= 0 && at < int64(len(b)) {
					b[at] ^= 1
				}
				return b, nil
			}
		},
	} {
		h := newFakeHost(newWorld(t))
		keys := &watched{Memory: keymem.New(), lent: map[*byte][]byte{}}
		h.keys = keys
		spoil(h)
		if code == "" {
			if err := h.run(); err != nil {
				t.Fatal(err)
			}
		} else {
			h.wantFailure(code)
		}
		if (keys.all > 0) != served.Direct() {
			t.Errorf("%q: %d keys were expanded; pages can be decrypted without Go: %v", code, keys.all, served.Direct())
		}
		for _, b := range keys.lent {
			t.Errorf("%q: an expanded key was not given back, erased %v", code, bytes.Equal(b, make([]byte, len(b))))
		}
		keys.Close()
	}
}
