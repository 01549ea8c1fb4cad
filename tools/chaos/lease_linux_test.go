package main

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange"
	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/need"
	"github.com/cordon-exchange/cordon/statement"
)

// front stands between an owner and the exchange, and holds back what the owner answers to a job's enclave, from its nth word on: the
// first is that it is ready, the second its keys, the third its acknowledgement.
type front struct {
	mu    sync.Mutex
	from  int // 0: nothing is held
	words int
	held  chan struct{} // closed: no longer
	seen  chan struct{} // closed once a word is held
}

// before serves at an address that the agent's namespace reaches.
func (f *front) before(t *testing.T, urls string) string {
	first, _, _ := strings.Cut(urls, ",")
	target, err := url.Parse(first)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorLog = log.New(io.Discard, "", 0) // the end of the test cancels long polls
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if wait := f.turn(r); wait != nil {
			select {
			case <-wait:
			case <-r.Context().Done():
			}
		}
		proxy.ServeHTTP(w, r)
	}))
	if err := s.Listener.Close(); err != nil {
		t.Fatal(err)
	}
	if s.Listener, err = listen(target.Hostname()); err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { f.release(); s.CloseClientConnections(); s.Close() })
	return s.URL
}

func (f *front) turn(r *http.Request) <-chan struct{} {
	if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/replies") {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.from == 0 {
		return nil
	}
	if f.words++; f.words < f.from {
		return nil
	}
	if f.words == f.from {
		close(f.seen)
	}
	return f.held
}

func (f *front) hold(from int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.from, f.words, f.held, f.seen = from, 0, make(chan struct{}), make(chan struct{})
}

func (f *front) release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.from != 0 {
		close(f.held)
		f.from = 0
	}
}

// held is a job that one of two hosts has, and can't end.
type held struct {
	*testing.T
	w      *world
	front  *front
	job    string
	holder *server
	space  string // of the holder
	other  statement.Fingerprint
}

// hold starts a world and a job of alpha's data, whose nth answer is held back.
func hold(t *testing.T, from int) *held {
	t.Helper()
	o := programs(t)
	f := &front{}
	o.lease = 2 * time.Second
	o.front = func(party, urls string) string {
		if party == "alpha" {
			return f.before(t, urls)
		}
		return urls
	}
	w, err := newWorld(t.Context(), o)
	t.Cleanup(w.stop)
	if err != nil {
		t.Fatal(err)
	}
	need.That(t, w.net != nil, "network namespaces can't be made: needs root")
	h := &held{T: t, w: w, front: f}
	f.hold(from)
	var made struct{ Digest string }
	c := w.contracts[0]
	if err := w.json(t.Context(), &made, "query", "run", c.sql, "--home", w.home(institute), "--contract", c.digest, "--detach"); err != nil {
		t.Fatal(err)
	}
	h.job = made.Digest
	select {
	case <-f.seen:
	case <-time.After(20 * time.Second):
		t.Fatal("the owner did not answer")
	}
	host := h.kept().Host
	for n, operator := range w.operators {
		if statement.Fingerprint(operator) == host {
			h.holder, h.space = w.hosts[n], w.spaces[w.hosts[n].called]
			h.other = statement.Fingerprint(w.operators[1-n])
		}
	}
	if h.holder == nil {
		t.Fatalf("no host has the job: %+v", h.kept())
	}
	return h
}

// kept is what the exchange has of the job.
func (h *held) kept() *store.Job {
	h.Helper()
	v, err := exchange.View(h.Context(), exchange.Place{Store: h.w.database})
	if err != nil {
		h.Fatal(err)
	}
	defer v.Close()
	j, err := v.Store.Job(h.Context(), statement.Digest(h.job))
	if err != nil {
		h.Fatal(err)
	}
	return j
}

func (h *held) until(what string, f func() bool) {
	h.Helper()
	for end := time.Now().Add(30 * time.Second); !f(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			h.Fatalf("not within 30s: %s; the job is %+v", what, h.kept())
		}
	}
}

// doneElsewhere waits until the other host has done the job.
func (h *held) doneElsewhere() *store.Job {
	h.Helper()
	h.until("the job has ended", func() bool { s := h.kept().State; return s == store.StateDone || s == store.StateFailed })
	j := h.kept()
	if j.State != store.StateDone || j.Attempts != 2 || j.Host != h.other {
		h.Fatalf("%s %s after %d attempts, by the other host: %v", j.State, j.Code, j.Attempts, j.Host == h.other)
	}
	return j
}

// once checks that everybody was charged and shown one thing: what the requester has is one result with one receipt, of the host that
// ended the job.
func (h *held) once(charges int) (receipt string) {
	h.Helper()
	r := &records{}
	j := &job{Digest: h.job, Owners: []string{"alpha"}}
	r.jobs = append(r.jobs, j)
	h.w.follow(h.Context(), j)
	h.w.open(h.Context(), j, h.w.contracts[0])
	a := h.w.prove(h.Context(), r, nil, resultShare)
	if len(a.Faults) > 0 || a.Charges != charges || a.Results != 1 {
		h.Errorf("%s\n%s", a, strings.Join(a.Faults, "\n"))
	}
	out, err := h.w.run(h.Context(), "receipt", "show", h.job, "--home", h.w.home(institute))
	if err != nil {
		h.Fatalf("receipt: %v", err)
	}
	return string(out)
}

// TestDeadHost: a host is killed after an owner has charged and released, and does not come back. The other one does the job, and the
// owner charges nothing more.
func TestDeadHost(t *testing.T) {
	t.Parallel()
	h := hold(t, 2)
	h.holder.down()
	h.until("the other host has taken the job", func() bool { return h.kept().Host == h.other })
	h.front.release()
	h.doneElsewhere()
	h.once(1)
}

// TestCutOffHost: a host loses its network while it holds the lease, and comes back after another one has done the job: what it has to
// say then is refused, and changes nothing that anybody is charged or shown.
func TestCutOffHost(t *testing.T) {
	t.Parallel()
	h := hold(t, 2)
	if err := h.w.net.cut(h.space, true); err != nil {
		t.Fatal(err)
	}
	h.until("the other host has taken the job", func() bool { return h.kept().Host == h.other })
	h.front.release()
	before := h.doneElsewhere()
	receipt := h.once(1)
	if err := h.w.net.cut(h.space, false); err != nil {
		t.Fatal(err)
	}
	h.comesBack(before, receipt)
}

// TestStandingHost: a host stands still while its enclave waits for keys, gets them, and goes on once another one has done the job: what
// its enclave makes of them is late.
func TestStandingHost(t *testing.T) {
	t.Parallel()
	h := hold(t, 2)
	if err := h.holder.signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	h.front.release() // the keys wait at the host now
	before := h.doneElsewhere()
	receipt := h.once(1)
	if err := h.holder.signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	h.comesBack(before, receipt)
}

// comesBack waits until the first host does jobs again, and checks that nothing has changed for the one that it lost.
func (h *held) comesBack(before *store.Job, receipt string) {
	h.Helper()
	for _, s := range h.w.hosts {
		if s != h.holder {
			s.down()
		}
	}
	r := &records{}
	if !askOnce(h.Context(), h.w, r, h.w.contracts[1]) || !r.jobs[0].Opened {
		h.Fatalf("the host that came back does no job: %v", h.w.faults())
	}
	if after := h.kept(); after.State != before.State || after.Version != before.Version || after.Host != before.Host || after.Attempts != before.Attempts {
		h.Errorf("the job was %+v, and is %+v", before, after)
	}
	// The second charge is of the job that was done since.
	if again := h.once(2); again != receipt {
		h.Errorf("the receipt was\n%s\nand is\n%s", receipt, again)
	}
}
