package agent

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/simulated"
	"github.com/cordon-exchange/cordon/internal/exchange"
	"github.com/cordon-exchange/cordon/internal/fault"
	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/statement"
)

// server is a real exchange that can be stopped and started again.
type server struct {
	t    *testing.T
	dir  string
	addr string
	stop func()
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir(), addr: "127.0.0.1:0"}
	s.start()
	t.Cleanup(func() { s.stop() })
	return s
}

func (s *server) start() {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	h, err := exchange.OpenHome(ctx, s.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	srv, err := exchange.New(ctx, exchange.Options{Store: h.Store, Lake: h.Lake, Lease: time.Second, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), LogDir: h.LogDir})
	if err != nil {
		s.t.Fatal(err)
	}
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.addr = l.Addr().String()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Run(ctx, l)
		_ = h.Close()
	}()
	s.stop = sync.OnceFunc(func() { cancel(); <-done })
}

// running is an agent that serves, and a client of it.
type running struct {
	*api.Client
	home home.Dir
	ring *keyring.Keyring
	log  *bytes.Buffer
	stop func() error
}

func options(t *testing.T, name, url string) (Options, *bytes.Buffer) {
	t.Helper()
	// Socket paths are short: not every test's folder is.
	base, err := os.MkdirTemp("", "cordon")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	dir, err := home.Create(filepath.Join(base, name))
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keyring.New(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := dir.WriteConfig(home.Config{Name: name, Fingerprint: ring.Fingerprint(), Key: ring.Signer().Public().String(), CreatedMS: 1}); err != nil {
		t.Fatal(err)
	}
	log := &bytes.Buffer{}
	return Options{
		Home: dir, Keyring: ring, Exchange: url, Verifiers: evidence.Verifiers{simulated.Kind: simulated.Verify},
		Log: slog.New(slog.NewTextHandler(log, nil)), JoinPools: []string{"strikes"},
	}, log
}

func serve(t *testing.T, name, url string) *running {
	t.Helper()
	o, log := options(t, name, url)
	return serveWith(t, o, log)
}

func serveWith(t *testing.T, o Options, log *bytes.Buffer) *running {
	t.Helper()
	a, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	c, err := api.New(o.Home)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- a.Serve(ctx, func() { close(ready) }) }()
	r := &running{Client: c, home: o.Home, ring: o.Keyring, log: log}
	r.stop = sync.OnceValue(func() error {
		cancel()
		err := <-done
		if cerr := a.Close(); err == nil {
			err = cerr
		}
		return err
	})
	t.Cleanup(func() { _ = r.stop() })
	select {
	case <-ready:
	case err := <-done:
		t.Fatal(err)
	case <-time.After(20 * time.Second):
		t.Fatal("agent is not ready")
	}
	return r
}

func (r *running) call(t *testing.T, path string, in, out any) {
	t.Helper()
	if err := r.Call(t.Context(), path, in, out); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func TestServe(t *testing.T) {
	s := newServer(t)
	r := serve(t, "delta", "http://"+s.addr)
	var st api.Status
	r.call(t, api.PathStatus, api.Empty{}, &st)
	if st.Name != "delta" || st.Fingerprint != r.ring.Fingerprint() || st.OpenExposures != 0 || st.Ledger.Seq != 0 {
		t.Fatalf("%+v", st)
	}
	socket, err := r.home.Socket()
	if err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(socket); err != nil || fi.Mode().Perm() != 0o600 {
		t.Fatalf("socket %v %v", fi.Mode(), err)
	}
	if fi, err := os.Stat(r.home.Path()); err != nil || fi.Mode().Perm() != 0o700 {
		t.Fatalf("home %v %v", fi.Mode(), err)
	}
	if err := r.stop(); err != nil {
		t.Fatalf("stopped with %v", err)
	}
	if err := r.Call(t.Context(), api.PathStatus, api.Empty{}, &st); fault.ExitCode(err) != int(fault.Unavailable) {
		t.Fatalf("a stopped agent answered: %v", err)
	}
}

func TestOneAgentPerHome(t *testing.T) {
	s := newServer(t)
	o, log := options(t, "delta", "http://"+s.addr)
	r := serveWith(t, o, log)
	if a, err := Open(o); a != nil || fault.ExitCode(err) != int(fault.Usage) {
		t.Fatalf("a second agent: %v", err)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	a, err := Open(o) // free again
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestSocketOfAKilledAgent: a socket that nobody serves is replaced.
func TestSocketOfAKilledAgent(t *testing.T) {
	s := newServer(t)
	o, log := options(t, "delta", "http://"+s.addr)
	socket, _ := o.Home.Socket()
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	var st api.Status
	serveWith(t, o, log).call(t, api.PathStatus, api.Empty{}, &st)
}

func TestOpenRefuses(t *testing.T) {
	o, _ := options(t, "delta", "http://127.0.0.1:1")
	other, _ := options(t, "delta", "http://127.0.0.1:1")
	swapped := o
	swapped.Keyring = other.Keyring
	if _, err := Open(swapped); fault.ExitCode(err) != int(fault.Untrusted) {
		t.Fatalf("keyring of another party: %v", err)
	}
	bad := o
	bad.Exchange = "ftp://x"
	if _, err := Open(bad); fault.ExitCode(err) != int(fault.Input) {
		t.Fatalf("exchange: %v", err)
	}
	if _, err := Open(Options{Home: o.Home}); err == nil {
		t.Fatal("an agent without anything")
	}
	if err := os.WriteFile(filepath.Join(o.Home.Ledger(), "ledger.ndjson"), []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(o); fault.ExitCode(err) != int(fault.Untrusted) || !strings.Contains(err.Error(), "entry 1") {
		t.Fatalf("damaged ledger: %v", err)
	}
}

func TestNameTaken(t *testing.T) {
	s := newServer(t)
	serve(t, "delta", "http://"+s.addr)
	o, _ := options(t, "delta", "http://"+s.addr)
	a, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err = a.Serve(ctx, func() { t.Error("ready") })
	if err == nil || ctx.Err() != nil {
		t.Fatalf("two parties of one name: %v", err)
	}
}

const policyText = `policy: 1
dataset: strikes
unit: {column: report_id, rows_are_units: true}
columns:
  report_id: {roles: [unit]}
  size: {roles: [dimension, filter]}
output: {lattice: [[size]]}
guard:
  min_units: 10
  rounding: {count: 5, value_digits: 4}
purposes: [research]
analysts: [any]
operators: [%s]
evidence: {accept: [simulated], builds: ["sha256:0000000000000000000000000000000000000000000000000000000000000000"], perimeters: [process]}
valid: {from: 2020-01-01, until: 2100-01-01}
max_queries: {per_analyst: 200, period: 30d}
standing:
  - {analysts: [any], purposes: [research], until: 2099-01-01, max_contracts: 20}
`

// TestExchangeRestart: agreements go on after the exchange was away, and what
// the agent logs holds neither values nor SQL.
func TestExchangeRestart(t *testing.T) {
	s := newServer(t)
	delta, institute := serve(t, "delta", "http://"+s.addr), serve(t, "institute", "http://"+s.addr)
	file := filepath.Join(t.TempDir(), "t.csv")
	if err := os.WriteFile(file, []byte("report_id,size\nc4n4ry,Large\nr2,Small\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var d api.Dataset
	var stages []string
	err := delta.Stream(t.Context(), api.PathPublish, api.Publish{
		Path: file, Dataset: "strikes", Policy: fmt.Appendf(nil, policyText, institute.ring.Fingerprint()),
	}, &d, func(p api.Progress) { stages = append(stages, p.Stage) })
	if err != nil || d.Rows != 2 || len(stages) < 4 {
		t.Fatalf("%+v %v %v", d, stages, err)
	}
	s.stop()
	s.start()
	var c api.Contract
	institute.call(t, api.PathContractPropose, api.ContractPropose{
		Data: []string{"delta.strikes"}, Purpose: "research", Operators: []string{"institute"}, Evidence: []string{"simulated"},
		Builds:     []statement.Digest{"sha256:0000000000000000000000000000000000000000000000000000000000000000"},
		Perimeters: []string{"process"}, UntilMS: time.Now().Add(time.Hour).UnixMilli(), WaitMS: 20_000,
	}, &c)
	if len(c.Missing) != 0 || len(c.Granted) != 1 {
		t.Fatalf("not granted after the restart: %+v", c.Missing)
	}
	var e api.Explained
	const sql = "SELECT size, count(*) AS secretname FROM delta.strikes GROUP BY size"
	institute.call(t, api.PathExplain, api.Query{Contract: c.Digest, SQL: sql}, &e)
	if len(e.Missing) != 0 || e.Text == "" {
		t.Fatalf("%+v", e)
	}
	var j api.Job
	if err := institute.Stream(t.Context(), api.PathRun, api.Query{Contract: c.Digest, SQL: sql, WaitMS: 300}, &j, func(api.Progress) {}); fault.ExitCode(err) != int(fault.Unavailable) {
		t.Fatalf("a job without a host ended: %v", err)
	}
	var v api.LedgerView
	delta.call(t, api.PathLedger, api.Empty{}, &v)
	if len(v.Entries) != 2 || v.Entries[1].Kind != ledger.KindGrant || v.Entries[1].Authority != statement.ByRule {
		t.Fatalf("%+v", v.Entries)
	}
	for _, r := range []*running{delta, institute} {
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"c4n4ry", "secretname", "SELECT"} {
			if strings.Contains(r.log.String(), secret) {
				t.Errorf("log of %s holds %q", r.ring.Name(), secret)
			}
		}
	}
}

// TestCallsRefused: whoever writes to the socket is still checked.
func TestCallsRefused(t *testing.T) {
	s := newServer(t)
	r := serve(t, "delta", "http://"+s.addr)
	for name, c := range map[string]struct {
		path string
		in   any
		exit fault.Code
	}{
		"no such call":           {"/v1/none", api.Empty{}, fault.Usage},
		"unknown field":          {api.PathStatus, map[string]int{"x": 1}, fault.Usage},
		"missing fields":         {api.PathExplain, api.Query{}, fault.Usage},
		"unknown job":            {api.PathJob, api.JobRef{Job: statement.Sum(nil)}, fault.Input},
		"no receipt":             {api.PathResult, api.JobRef{Job: statement.Sum(nil)}, fault.Refused},
		"nothing to sign":        {api.PathPoolSign, api.PoolSign{Name: "none"}, fault.Input},
		"nothing to revoke":      {api.PathContractRevoke, api.About{Digest: statement.Sum(nil)}, fault.Input},
		"nothing to retire":      {api.PathRetire, api.Retire{Name: "none"}, fault.Input},
		"nobody's data sets":     {api.PathDatasets, api.List{Of: "nobody"}, fault.Input},
		"publish without a name": {api.PathPublish, api.Publish{Path: "/none", Policy: []byte("x")}, fault.Usage},
	} {
		t.Run(name, func(t *testing.T) {
			var out map[string]any
			var err error
			if c.path == api.PathPublish {
				err = r.Stream(t.Context(), c.path, c.in, &out, func(api.Progress) {})
			} else {
				err = r.Call(t.Context(), c.path, c.in, &out)
			}
			if fault.ExitCode(err) != int(c.exit) {
				t.Fatalf("exit %d, want %d: %v", fault.ExitCode(err), c.exit, err)
			}
		})
	}
}

// FuzzDecodeCall: what is accepted re-encodes to the same bytes; what is refused returns nothing.
func FuzzDecodeCall(f *testing.F) {
	f.Add([]byte(`{"sql":"SELECT 1","params":[{"type":"int64","value":"1"}]}`))
	f.Add([]byte(`{"contract":"sha256:00","sql":"x","wait_ms":1}`))
	f.Add([]byte(`{"sql":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		in, err := decodeCall[api.Query](b)
		if err != nil {
			if in != nil {
				t.Fatal("refused, but returned a call")
			}
			return
		}
		if again, err := statement.Marshal(in); err != nil || !bytes.Equal(again, b) {
			t.Fatal("re-encodes to other bytes")
		}
	})
}
