package runner

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/channel"
	"github.com/cordon-exchange/cordon/internal/host/perimeter"
	"github.com/cordon-exchange/cordon/internal/need"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/statement"
)

// TestKeysAreGoneAfterTheData reads the memory of a running enclave as root does: while it opens columns, keys are found, in the
// ciphers that need them; when it asks for acknowledgements, none of them is left, raw or in the text that they came in.
func TestKeysAreGoneAfterTheData(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the enclave")
	}
	form, err := perimeter.Strongest(context.Background())
	need.That(t, err == nil, fmt.Sprintf("no perimeter here: %v", err))
	image := enclaveImage(t)
	w := &world{
		t: t, lake: map[string][]byte{}, now: time.Now().UnixMilli(), build: statement.Digest("sha256:" + image.Measurement()),
		form: form.Request().String(), lattice: "[[size]]", rows: 200_000, scatter: true,
	}
	w.populate()
	h := newFakeHost(w)
	h.limits.ReplyMS = 30_000
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	e := must[*perimeter.Enclave](t)(perimeter.Start(ctx, perimeter.Options{
		Image: image, Request: form.Request(), Limits: perimeter.Limits{MemoryBytes: uint64(h.limits.MemoryBytes)},
	}))
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", e.Pid()))
	need.That(t, err == nil, "memory of other processes can't be read: needs root")
	defer mem.Close()

	var opening, closed sync.Once
	var during, after []string
	h.onObject = func(path string, off int64, b []byte) ([]byte, error) {
		if off < int64(len(w.lake[path]))/2 { // columns, which are asked for once a footer was opened
			opening.Do(func() { during = waitFor(e.Pid(), mem, w.keyForms(), true) })
		}
		return b, nil
	}
	h.onMessage = func(m *channel.Message) bool {
		if m.Kind == message.KindReceipt {
			closed.Do(func() { after = waitFor(e.Pid(), mem, w.keyForms(), false) })
		}
		return true
	}
	h.serve(ctx, e)
	if s := e.Wait(); !s.Clean() {
		t.Fatalf("enclave ended with %s, %+v", s, h.finish)
	}
	h.answering.Wait()
	if len(during) == 0 {
		t.Error("no key was found while columns were opened: the search finds nothing")
	}
	for _, name := range after {
		t.Errorf("found after the data was closed: %s", name)
	}
	_, report := h.open(w.institute)
	t.Logf("the enclave says of itself: %v", report.Receipt.Perimeter.Self)
	for _, p := range report.Receipt.Perimeter.Self {
		if p.Name == SelfSecretMode && p.Value != "runtimesecret" || p.Name == SelfKeyMemory && p.Value == "none" {
			t.Errorf("the receipt says %s=%s", p.Name, p.Value)
		}
	}
	if n := len(report.Receipt.Perimeter.Self); n != 2 {
		t.Errorf("the enclave says %d things of itself", n)
	}
}

// keyForms are the keys that the plan needs, as they are and as they stand in the owners' messages.
func (w *world) keyForms() map[string][]byte {
	out := map[string][]byte{}
	for _, o := range w.owners {
		for _, name := range []string{statement.FooterKey, "cost", "size"} {
			k := o.keys[name].BytesUnsafe()
			out[o.name+" "+name] = k
			out[o.name+" "+name+" in text"] = []byte(base64.StdEncoding.EncodeToString(k))
		}
	}
	return out
}

// waitFor searches until something is found, or until nothing is, for a while, and returns what was found last.
func waitFor(pid int, mem *os.File, forms map[string][]byte, something bool) []string {
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		found := searchMemory(pid, mem, forms)
		if (len(found) > 0) == something || time.Now().After(end) {
			return found
		}
	}
}

func searchMemory(pid int, mem *os.File, forms map[string][]byte) []string {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return []string{"no map of the memory"}
	}
	var found []string
	buf := make([]byte, 4<<20)
	for line := range strings.Lines(string(maps)) {
		var from, to int64
		var perms string
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &from, &to, &perms); n != 3 || perms[:2] != "rw" {
			continue
		}
		const overlap = 64
		for at := from; at < to; at += int64(len(buf)) - overlap {
			n, _ := mem.ReadAt(buf[:min(int64(len(buf)), to-at)], at)
			for name, form := range forms {
				if bytes.Contains(buf[:n], form) {
					found = append(found, name)
				}
			}
		}
	}
	return found
}
