package e2e

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// front stands between one owner and the exchange. While it holds, the owner's second word about a job, its release,
// does not get through: the enclave has everybody else's keys then, and waits.
type front struct {
	url string

	mu    sync.Mutex
	words int
	held  chan struct{} // nil while nothing is held
}

func newFront(t *testing.T, exchange string) *front {
	t.Helper()
	target, err := url.Parse(exchange)
	if err != nil {
		t.Fatal(err)
	}
	f := &front{}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorLog = log.New(io.Discard, "", 0) // the end of the test cancels long polls
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if wait := f.turn(r); wait != nil {
			select {
			case <-wait:
			case <-r.Context().Done():
			}
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { f.release(); s.CloseClientConnections(); s.Close() })
	f.url = s.URL
	return f
}

func (f *front) turn(r *http.Request) <-chan struct{} {
	if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/replies") {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.held == nil {
		return nil
	}
	if f.words++; f.words < 2 {
		return nil
	}
	return f.held
}

func (f *front) hold() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.words, f.held = 0, make(chan struct{})
}

func (f *front) release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.held != nil {
		close(f.held)
		f.held = nil
	}
}
