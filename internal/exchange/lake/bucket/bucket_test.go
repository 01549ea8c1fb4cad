package bucket

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/lake"
	"github.com/cordon-exchange/cordon/internal/exchange/lake/laketest"
	"github.com/cordon-exchange/cordon/internal/tests3"
)

func openAt(t *testing.T, where string) *Lake {
	t.Helper()
	l, err := Open(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestConformance(t *testing.T) {
	s := tests3.Start(t)
	n := 0
	laketest.Run(t, func(t *testing.T) lake.Lake {
		n++
		return openAt(t, s.URL(fmt.Sprint("/run", n)))
	})
	// Without a prefix, too: one that is lost would go unnoticed.
	l := openAt(t, s.URL(""))
	if err := l.Put(t.Context(), "a/b", strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(s.Dir, tests3.Bucket, "a", "b")); string(b) != "x" || err != nil {
		t.Errorf("the object is not at its path: %q %v", b, err)
	}
}

// uploads that the server keeps parts of.
func uploads(t *testing.T, l *Lake) int {
	t.Helper()
	r, err := l.core.ListMultipartUploads(t.Context(), l.bucket, "", "", "", "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	return len(r.Uploads)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestNothingStaysOfAFailedUpload fails in the first part and behind it.
func TestNothingStaysOfAFailedUpload(t *testing.T) {
	s := tests3.Start(t)
	l := openAt(t, s.URL(""))
	broken := errors.New("broken")
	for _, size := range []int{10, partSize + 10} {
		r := io.MultiReader(bytes.NewReader(make([]byte, size)), failing{broken})
		if err := l.Put(t.Context(), "a/b", r); !errors.Is(err, broken) {
			t.Fatal(err)
		}
		if _, err := l.Size(t.Context(), "a/b"); !errors.Is(err, lake.ErrNotFound) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	if n := uploads(t, l); n != 0 {
		t.Errorf("%d uploads left", n)
	}
	err := filepath.WalkDir(filepath.Join(s.Dir, tests3.Bucket), func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			t.Errorf("left: %s", p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestOpenEndsForgottenUploads ends one that is older than any process would be at, and no younger one.
func TestOpenEndsForgottenUploads(t *testing.T) {
	s := tests3.Start(t)
	l := openAt(t, s.URL(""))
	up, err := l.beginUpload(t.Context(), "a/b")
	if err != nil {
		t.Fatal(err)
	}
	if err := up.part(t.Context(), []byte("part")); err != nil {
		t.Fatal(err)
	}
	openAt(t, s.URL(""))
	if n := uploads(t, l); n != 1 {
		t.Fatalf("%d uploads, one is young", n)
	}
	old := time.Now().Add(-abandon - time.Hour)
	err = filepath.WalkDir(filepath.Join(s.Dir, tests3.Bucket), func(p string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Chtimes(p, old, old))
	})
	if err != nil {
		t.Fatal(err)
	}
	openAt(t, s.URL(""))
	if n := uploads(t, l); n != 0 {
		t.Errorf("%d uploads, all are old", n)
	}
}

// between passes requests on to a server, as change has them.
func between(t *testing.T, s *tests3.Server, change func(w http.ResponseWriter, r *http.Request, next http.Handler)) *httptest.Server {
	t.Helper()
	to, err := url.Parse(s.Endpoint())
	if err != nil {
		t.Fatal(err)
	}
	// The Host header is signed: it stays as it came.
	p := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = to.Scheme, to.Host }}
	p.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { change(w, r, p) }))
	t.Cleanup(h.Close)
	return h
}

// TestOpenRefusesServersThatOverwrite: one that knows no If-None-Match, or not where an upload ends.
func TestOpenRefusesServersThatOverwrite(t *testing.T) {
	s := tests3.Start(t)
	put := map[string]int{}
	for name, ignores := range map[string]func(*http.Request) bool{
		"everywhere":           func(*http.Request) bool { return true },
		"where an upload ends": func(r *http.Request) bool { return r.Method == http.MethodPost },
		// The first is taken as it is; else nothing would be there for the other way to find.
		"in one request for all": func(r *http.Request) bool {
			put[r.URL.Path]++
			return r.Method == http.MethodPut && put[r.URL.Path] > 1
		},
	} {
		h := between(t, s, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.Header.Get("If-None-Match") != "" && ignores(r) {
				// An old server does not look: it takes what it would have taken without.
				w.Header().Set("ETag", `"0"`)
				if r.Method == http.MethodPost {
					_, _ = io.WriteString(w, `<CompleteMultipartUploadResult><Bucket>lake</Bucket><ETag>"0"</ETag></CompleteMultipartUploadResult>`)
				}
				return
			}
			next.ServeHTTP(w, r)
		})
		if _, err := Open(t.Context(), "s3://"+tests3.Bucket+"?endpoint="+h.URL); !errors.Is(err, ErrOverwrites) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
	for text, want := range map[string]error{
		"s3://b": ErrCredentials, "s3://b/a/prefix?region=eu-west-1&endpoint=https://s3.example": ErrCredentials,
		"s3://b?endpoint=http://localhost:1": ErrCredentials,
		"":                                   ErrURL, "b": ErrURL, "gs://b": ErrURL, "s3://": ErrURL, "s3://key:secret@b": ErrURL, "s3://b?profile=x": ErrURL,
		"s3://b?region=": ErrURL, "s3://b?region=a&region=b": ErrURL, "s3://b?endpoint=ftp://x": ErrURL, "s3://b?endpoint=https://x/path": ErrURL,
		"s3://b?endpoint=https://k:s@x":           ErrURL,
		"s3://b?endpoint=http://s3.example":       ErrPlainHTTP,
		"s3://b?endpoint=http://localhost.evil:1": ErrPlainHTTP,
	} {
		_, err := Open(t.Context(), text)
		if !errors.Is(err, want) {
			t.Errorf("%q: %v", text, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v tells what was given", text, err)
		}
	}
}

func TestOpenWithWrongCredentialsOrBucket(t *testing.T) {
	s := tests3.Start(t)
	if _, err := Open(t.Context(), strings.Replace(s.URL(""), "s3://lake", "s3://pond", 1)); !errors.Is(err, ErrNoBucket) {
		t.Errorf("no such bucket: %v", err)
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "another-secret")
	_, err := Open(t.Context(), s.URL(""))
	if !errors.Is(err, ErrNoBucket) || strings.Contains(err.Error(), "another-secret") {
		t.Errorf("wrong secret: %v", err)
	}
}

// TestServerAway: calls end soon with an error that says so, and succeed again once the server is back.
func TestServerAway(t *testing.T) {
	s := tests3.Start(t)
	l := openAt(t, s.URL(""))
	if err := l.Put(t.Context(), "a/b", strings.NewReader("0123456789")); err != nil {
		t.Fatal(err)
	}
	s.Stop()
	begin := time.Now()
	_, size := l.Size(t.Context(), "a/b")
	_, read := l.Read(t.Context(), "a/b", 0, 10)
	for what, err := range map[string]error{
		"size": size, "read": read, "delete": l.Delete(t.Context(), "a/b"), "put": l.Put(t.Context(), "a/c", strings.NewReader("x")),
	} {
		if !errors.Is(err, lake.ErrUnavailable) || strings.Contains(err.Error(), "a/") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if d := time.Since(begin); d > 40*time.Second {
		t.Errorf("four calls took %v", d)
	}
	s.Run(t)
	if n, err := l.Size(t.Context(), "a/b"); n != 10 || err != nil {
		t.Errorf("after the server came back: %d %v", n, err)
	}
	if err := l.Put(t.Context(), "a/c", strings.NewReader("x")); err != nil {
		t.Errorf("after the server came back: %v", err)
	}
}

// TestServerBackInTime: a short absence is not noticed.
func TestServerBackInTime(t *testing.T) {
	s := tests3.Start(t)
	var bad atomic.Int32
	h := between(t, s, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if bad.Add(-1) >= 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
	l := openAt(t, "s3://"+tests3.Bucket+"?endpoint="+h.URL)
	bad.Store(2)
	if err := l.Put(t.Context(), "a/b", strings.NewReader("x")); err != nil {
		t.Error(err)
	}
	bad.Store(2)
	if n, err := l.Size(t.Context(), "a/b"); n != 1 || err != nil {
		t.Errorf("%d %v", n, err)
	}
}

// TestCutAnswer: bytes that do not come are an error, whatever the server promised.
func TestCutAnswer(t *testing.T) {
	s := tests3.Start(t)
	var cut atomic.Bool
	h := between(t, s, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if !cut.Load() || r.Method != http.MethodGet {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Length", "8")
		w.Header().Set("ETag", `"0"`)
		w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusPartialContent)
		_, _ = io.WriteString(w, "012")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	l := openAt(t, "s3://"+tests3.Bucket+"?endpoint="+h.URL)
	if err := l.Put(t.Context(), "a/b", strings.NewReader("0123456789")); err != nil {
		t.Fatal(err)
	}
	cut.Store(true)
	r, err := l.Read(t.Context(), "a/b", 0, 8)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if b, err := io.ReadAll(r); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("read %d bytes of 8: %v", len(b), err)
	}
}

// TestTruncated cuts a file behind the server's back.
func TestTruncated(t *testing.T) {
	s := tests3.Start(t)
	l := openAt(t, s.URL(""))
	if err := l.Put(t.Context(), "a/b", strings.NewReader("0123456789")); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(s.Dir, tests3.Bucket, "a", "b"), 5); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Read(t.Context(), "a/b", 2, 8); !errors.Is(err, lake.ErrRange) {
		t.Errorf("range of a file cut short: %v", err)
	}
}

// zeros gives n bytes and notes how large the heap was meanwhile.
type zeros struct {
	n    int64
	peak uint64
}

func (z *zeros) Read(p []byte) (int, error) {
	if z.n == 0 {
		return 0, io.EOF
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	z.peak = max(z.peak, m.HeapInuse)
	n := min(int64(len(p)), z.n)
	clear(p[:n])
	z.n -= n
	return int(n), nil
}

// TestMemory: an upload holds a part or two, however large it is.
func TestMemory(t *testing.T) {
	s := tests3.Start(t)
	l := openAt(t, s.URL(""))
	z := &zeros{n: 10 * partSize}
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := l.Put(t.Context(), "a/b", z); err != nil {
		t.Fatal(err)
	}
	if n, err := l.Size(t.Context(), "a/b"); n != 10*partSize || err != nil {
		t.Errorf("%d %v", n, err)
	}
	if grown := int64(z.peak) - int64(before.HeapInuse); grown > 5*partSize {
		t.Errorf("heap grew by %d MB for parts of %d", grown>>20, partSize>>20)
	}
}
