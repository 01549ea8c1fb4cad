package channel

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	wire "github.com/cordon-exchange/cordon/internal/channel"
	"github.com/cordon-exchange/cordon/internal/enclave/link"
	"github.com/cordon-exchange/cordon/internal/host/child"
)

// files is a backend whose objects are files, given as such, as a cache does.
type files struct {
	backend
	path string
}

type filePart struct {
	*os.File
	n int64
}

func (p *filePart) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, &io.LimitedReader{R: p.File, N: p.n})
}

func (b *files) Object(_ context.Context, path string, off, n int64) (io.ReadCloser, error) {
	if path != "a/b" {
		return nil, &Problem{Status: 404, Code: "not-found"}
	}
	f, err := os.Open(b.path)
	if err != nil {
		return nil, err
	}
	_, err = f.Seek(off, io.SeekStart)
	return &filePart{f, n}, err
}

// withBulk serves b over both streams of an enclave.
func withBulk(t testing.TB, b Backend) (*link.Host, context.Context) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	near, far := net.Pipe()
	nearBulk, farBulk := bulkPair(t)
	served := make(chan error, 2)
	go func() { served <- Serve(ctx, near, b) }()
	go func() { served <- ServeBulk(ctx, nearBulk, b) }()
	h, err := link.Open(ctx, far, farBulk)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.Close()
		if err := errors.Join(<-served, <-served); err != nil {
			t.Error(err)
		}
		cancel()
	})
	return h, ctx
}

func bulkPair(t testing.TB) (near, far net.Conn) {
	t.Helper()
	near, theirs, err := child.Bulk()
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	if far, err = net.FileConn(theirs); err != nil {
		t.Fatal(err)
	}
	return near, far
}

// TestBulkSendsFiles: ranges of files arrive whole and in order over the second stream, one request after the other.
func TestBulkSendsFiles(t *testing.T) {
	content := make([]byte, 9<<20+123)
	rand.Read(content)
	b := &files{path: filepath.Join(t.TempDir(), "object")}
	if err := os.WriteFile(b.path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	h, ctx := withBulk(t, b)
	for range 3 {
		var ask []link.Range
		got := make([]byte, len(content))
		last := 0
		for off := 0; off < len(content); {
			n := min(len(content)-off, 1+off*3)
			ask = append(ask, link.Range{Object: "a/b", Off: int64(off), Dst: got[off : off+n], Arrived: func(have int) {
				if off < last {
					t.Error("ranges come in another order")
				}
				last = off
			}})
			off += n
		}
		if err := h.Ranges(ctx, ask); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, content) {
			t.Fatal("other bytes")
		}
	}
}

// TestKernelSendsFiles: a file is given to the kernel, from where it stands to where the limit is; what ends before is short.
func TestKernelSendsFiles(t *testing.T) {
	near, far := bulkPair(t)
	defer near.Close()
	defer far.Close()
	f, err := os.Create(filepath.Join(t.TempDir(), "object"))
	if err != nil {
		t.Fatal(err)
	}
	content := make([]byte, 3<<20)
	rand.Read(content)
	if _, err := f.Write(content); err != nil {
		t.Fatal(err)
	}
	got := make(chan []byte, 1)
	go func() {
		all, _ := io.ReadAll(far)
		got <- all
	}()
	c, ok := sendingFiles(near, near).(*fileConn)
	if !ok {
		t.Fatal("the socket is not taken for one")
	}
	if _, err := f.Seek(100, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	l := &io.LimitedReader{R: f, N: 1 << 20}
	if n, err := c.ReadFrom(l); n != 1<<20 || err != nil || l.N != 0 {
		t.Errorf("sent %d (%v), %d left", n, err, l.N)
	}
	l = &io.LimitedReader{R: f, N: 4 << 20}
	if n, err := c.ReadFrom(l); n != 2<<20-100 || err != nil || l.N != 2<<20+100 {
		t.Errorf("sent %d (%v), %d left", n, err, l.N)
	}
	if n, err := c.ReadFrom(&io.LimitedReader{R: bytes.NewReader(content[:10]), N: 10}); n != 10 || err != nil {
		t.Errorf("copied %d (%v)", n, err)
	}
	near.Close()
	if want := slices.Concat(content[100:], content[:10]); !bytes.Equal(<-got, want) {
		t.Error("other bytes came")
	}
	if n, err := c.ReadFrom(&io.LimitedReader{R: f, N: 1}); err == nil {
		t.Errorf("sent %d over a closed stream", n)
	}
}

// TestBulkCarriesRangesAlone: nothing else is answered there, and refusals are told.
func TestBulkCarriesRangesAlone(t *testing.T) {
	b := &files{path: filepath.Join(t.TempDir(), "object")}
	h, ctx := withBulk(t, b)
	wantRefusal(t, h.Ranges(ctx, []link.Range{{Object: "other/b", Dst: make([]byte, 1)}}), 404, "not-found")
	near, far := bulkPair(t)
	go func() { _ = ServeBulk(ctx, near, b) }()
	c, err := (&http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return far, nil }}).NewClientConn(ctx, "http", "host:80")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, path := range []string{wire.PathJob, wire.PathEvidence, wire.PathMessages, wire.PathReplies, wire.PathArtifacts + "result", wire.PathStage, wire.PathFinish} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut} {
			req, err := http.NewRequest(method, "http://host"+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := c.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode != http.StatusNotFound {
				t.Errorf("%s %s: %d", method, path, resp.StatusCode)
			}
		}
	}
}

// TestBrokenBulk: a range that breaks off is an error at once; what is asked for next comes over the channel.
func TestBrokenBulk(t *testing.T) {
	content := make([]byte, 1<<20)
	rand.Read(content)
	b := &files{path: filepath.Join(t.TempDir(), "object")}
	if err := os.WriteFile(b.path, content[:len(content)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	h, ctx := withBulk(t, b)
	got := make([]byte, len(content))
	ask := []link.Range{{Object: "a/b", Dst: got}}
	if err := h.Ranges(ctx, ask); !errors.Is(err, link.ErrLink) {
		t.Fatalf("got %v", err)
	}
	if err := os.WriteFile(b.path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := h.Ranges(ctx, ask); err != nil || !bytes.Equal(got, content) {
			t.Fatal(err)
		}
	}
}
