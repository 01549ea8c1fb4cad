package host

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/enclave/link"
	"github.com/cordon-exchange/cordon/internal/host/cache"
	"github.com/cordon-exchange/cordon/internal/host/channel"
	"github.com/cordon-exchange/cordon/internal/host/child"
	"github.com/cordon-exchange/cordon/pme/memfile"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// httpExchange has one object, behind HTTP, as an exchange has it but for the signatures.
type httpExchange struct {
	*fakeExchange
	url  string
	size int64
}

func (e *httpExchange) ObjectSize(context.Context, string) (int64, error) { return e.size, nil }

func (e *httpExchange) OpenObject(ctx context.Context, _ string, off, n int64) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", off, off+n-1))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// BenchmarkCiphertext moves the columns of a job from a file behind HTTP, or from the cache, into memory at the enclave's end of the
// channel: in pieces of the size of column chunks, as often as fits into the bytes. It reports the processor time of all ends.
func BenchmarkCiphertext(b *testing.B) {
	for _, size := range []int64{39 << 20, 400 << 20} {
		lake := filepath.Join(b.TempDir(), "0.parquet")
		content := make([]byte, size)
		for i := range content {
			content[i] = byte(i * 7 >> 3)
		}
		if err := os.WriteFile(lake, content, 0o600); err != nil {
			b.Fatal(err)
		}
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, lake) }))
		for _, how := range []struct {
			name       string
			kept, bulk bool
		}{{"channel", false, false}, {"channel-kept", true, false}, {"bulk", false, true}, {"bulk-kept", true, true}} {
			b.Run(fmt.Sprintf("%s/%dMiB", how.name, size>>20), func(b *testing.B) {
				f := &httpExchange{benchExchange(b, size), srv.URL, size}
				r := newRelay(Options{Exchange: f}, Class{}, nil)
				r.give(f.claim)
				if how.kept {
					c, err := cache.Open(cache.Options{Dir: b.TempDir(), Bytes: 1 << 30})
					if err != nil {
						b.Fatal(err)
					}
					defer c.Close()
					r.o.Cache = c
				}
				moves(b, r, size, how.bulk)
			})
		}
		srv.Close()
	}
}

func benchExchange(b *testing.B, size int64) *fakeExchange {
	b.Helper()
	k, err := seal.NewSigningKey()
	if err != nil {
		b.Fatal(err)
	}
	d := statement.Sum([]byte("x"))
	offer, err := statement.Sign(statement.Offer{
		Owner: k.Fingerprint(), Dataset: "data", Version: "v1", Schema: []statement.Column{{Name: "a", Type: "int64"}}, Policy: "p", CreatedMS: 1,
		Commitments: []statement.Commitment{{Key: statement.FooterKey, Commit: d}, {Key: "a", Commit: d}},
		Files:       []statement.File{{Object: here, Bytes: size, Rows: 1, AADPrefix: "here"}},
	}, k)
	if err != nil {
		b.Fatal(err)
	}
	claim := testClaim(b)
	claim.Statements = []statement.Envelope{*offer}
	return &fakeExchange{claim: claim}
}

const chunkBytes = 800 << 10

func moves(b *testing.B, r *relay, size int64, withBulk bool) {
	near, far := streams(b, child.Channel)
	var nearBulk, farBulk net.Conn
	if withBulk {
		nearBulk, farBulk = streams(b, child.Bulk)
		go func() { _ = channel.ServeBulk(b.Context(), nearBulk, r) }()
	}
	go func() { _ = channel.Serve(b.Context(), near, r) }()
	h, err := link.Open(b.Context(), far, farBulk)
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close()
	once := func() {
		room, err := memfile.NewScratch(size)
		if err != nil {
			b.Fatal(err)
		}
		defer room.Free()
		var ask []link.Range
		for off := int64(0); off < size; off += chunkBytes {
			n := min(chunkBytes, size-off)
			ask = append(ask, link.Range{Object: here, Off: off, Dst: room.Bytes()[off : off+n]})
			if len(ask) == 20 || off+n == size {
				if err := h.Ranges(b.Context(), ask); err != nil {
					b.Fatal(err)
				}
				ask = nil
			}
		}
	}
	once()
	runtime.GC()
	b.SetBytes(size)
	before := used()
	for b.Loop() {
		once()
	}
	b.ReportMetric(float64((used()-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
}

func streams(b *testing.B, pair func() (net.Conn, *os.File, error)) (near, far net.Conn) {
	b.Helper()
	near, theirs, err := pair()
	if err != nil {
		b.Fatal(err)
	}
	defer theirs.Close()
	if far, err = net.FileConn(theirs); err != nil {
		b.Fatal(err)
	}
	return near, far
}

// used is the processor time of this process.
func used() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
