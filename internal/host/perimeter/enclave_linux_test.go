package perimeter

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/need"
)

// TestMain is also the first stage, and the host in tests that kill one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case StageCommand:
			os.Exit(StageMain(os.Args[2:]))
		case helperCommand:
			os.Exit(helperMain(os.Args[2:]))
		}
	}
	os.Exit(m.Run())
}

// buildProbe links the test enclave as the real one is linked: fully static, with DuckDB.
var buildProbe = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "cordon-perimeter-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "probe")
	cmd := exec.Command("go", "build", "-trimpath", "-tags", "netgo,osusergo",
		"-ldflags", `-linkmode external -extldflags "-static"`, "-o", path, "./testdata/probe")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, os.Chmod(dir, 0o755)
})

// loadProbe builds the test enclave once and keeps one sealed image of it for all tests.
var loadProbe = sync.OnceValues(func() (*Image, error) {
	path, err := buildProbe()
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(filepath.Dir(path))
	return LoadImage(path)
})

func probeImage(t testing.TB) *Image {
	t.Helper()
	_, err := exec.LookPath("gcc")
	need.That(t, err == nil, "no C compiler to build the test enclave")
	img, err := loadProbe()
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// testLimits leave room for DuckDB.
func testLimits() Limits { return Limits{MemoryBytes: 1 << 30} }

// offered is the request for a form that this machine has, or a skip. Swap is accepted where the machine has it.
func offered(t *testing.T, n Name) Request {
	t.Helper()
	var err error
	for _, swap := range []bool{false, true} {
		r := Request{Name: n, AllowSwap: swap}
		if _, err = Check(context.Background(), Options{Request: r, Limits: testLimits()}); err == nil {
			return r
		}
	}
	need.That(t, false, fmt.Sprintf("this machine does not offer %s: %v", n, err))
	return Request{}
}

// eachForm runs a test in every form that the machine offers.
func eachForm(t *testing.T, f func(t *testing.T, r Request)) {
	for _, n := range Names() {
		t.Run(string(n), func(t *testing.T) { f(t, offered(t, n)) })
	}
}

// hello, attempt and outcome mirror the test enclave's messages.
type hello struct {
	Observed struct {
		Claim            string `json:"claim"`
		UserNamespace    bool   `json:"user_namespace"`
		NetworkNamespace bool   `json:"network_namespace"`
		PIDNamespace     bool   `json:"pid_namespace"`
		EmptyRoot        bool   `json:"empty_root"`
		RootDenied       bool   `json:"root_denied"`
		SwapBytes        uint64 `json:"swap_bytes"`
		NoNewPrivs       bool   `json:"no_new_privs"`
		NoCapabilities   bool   `json:"no_capabilities"`
		NotDumpable      bool   `json:"not_dumpable"`
		NoCore           bool   `json:"no_core"`
		MemoryBytes      uint64 `json:"memory_bytes"`
	} `json:"observed"`
	Filter string   `json:"filter"`
	Names  []string `json:"names"`
	Args   []string `json:"args"`
}

type attempt struct {
	Name string `json:"name"`
	Arg  int    `json:"arg"`
}

type outcome struct {
	Name  string `json:"name"`
	Errno int    `json:"errno"`
	Text  string `json:"text"`
}

// session is a running test enclave and the server that talks to it.
type session struct {
	*Enclave
	hello    chan hello
	attempts chan attempt
	outcomes chan outcome
	server   *http.Server
	said     said
}

// said is all that came out of an enclave over its channel.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) has(what string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Contains(s.text.Bytes(), []byte(what))
}

type recorded struct {
	net.Conn
	to *said
}

func (r *recorded) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	r.to.mu.Lock()
	defer r.to.mu.Unlock()
	r.to.text.Write(b[:n])
	return n, err
}

// begin starts a test enclave and waits for its first message.
func begin(t *testing.T, o Options) (*session, hello) {
	t.Helper()
	if o.Image == nil {
		o.Image = probeImage(t)
	}
	if o.Limits == (Limits{}) {
		o.Limits = testLimits()
	}
	e, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	s := &session{
		Enclave: e, hello: make(chan hello, 1), attempts: make(chan attempt), outcomes: make(chan outcome, 1),
	}
	s.serve(t)
	select {
	case h := <-s.hello:
		return s, h
	case <-s.proc.ended:
		t.Fatalf("enclave ended before its first message: %v", s.Wait())
	case <-time.After(20 * time.Second):
		t.Fatal("no first message")
	}
	return nil, hello{}
}

// serve speaks HTTP/2 in clear on the one connection.
func (s *session) serve(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /hello", func(_ http.ResponseWriter, r *http.Request) {
		var h hello
		if err := json.NewDecoder(r.Body).Decode(&h); err != nil {
			t.Error(err)
		}
		if r.ProtoMajor != 2 {
			t.Errorf("protocol %s, want HTTP/2", r.Proto)
		}
		s.hello <- h
	})
	mux.HandleFunc("GET /next", func(w http.ResponseWriter, r *http.Request) {
		select {
		case a := <-s.attempts:
			_ = json.NewEncoder(w).Encode(a)
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("POST /outcome", func(_ http.ResponseWriter, r *http.Request) {
		var o outcome
		if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
			t.Error(err)
		}
		s.outcomes <- o
	})
	mux.HandleFunc("POST /echo", func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	mux.HandleFunc("GET /parquet", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, "testdata/range.parquet") })
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	s.server = &http.Server{Handler: mux, Protocols: &p}
	l := &oneConn{conns: make(chan net.Conn, 1)}
	l.conns <- &recorded{Conn: s.Conn(), to: &s.said}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = s.server.Serve(l)
	}()
	t.Cleanup(func() {
		s.Kill()
		s.Wait()
		close(l.conns)
		_ = s.server.Close()
		<-served
	})
}

// oneConn is a listener with a single connection.
type oneConn struct{ conns chan net.Conn }

func (l *oneConn) Accept() (net.Conn, error) {
	c, ok := <-l.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return &net.UnixAddr{Net: "unix"} }

var errEnded = errors.New("the enclave ended")

// try has the enclave attempt something; errEnded says that it did not survive.
func (s *session) try(t *testing.T, name string, arg int) (outcome, error) {
	t.Helper()
	timeout := time.After(60 * time.Second)
	select {
	case s.attempts <- attempt{name, arg}:
	case <-s.proc.ended:
		return outcome{}, errEnded
	case <-timeout:
		t.Fatalf("%s: the enclave does not ask for more", name)
	}
	select {
	case o := <-s.outcomes:
		if o.Name != name {
			t.Fatalf("outcome of %q, want %q", o.Name, name)
		}
		return o, nil
	case <-s.proc.ended:
		return outcome{}, errEnded
	case <-timeout:
		t.Fatalf("%s: no outcome", name)
	}
	return outcome{}, nil
}
