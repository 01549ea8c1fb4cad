package testenv

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/cordon-exchange/cordon/evidence/simulated"
	"github.com/cordon-exchange/cordon/internal/enclave/runner"
	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/host"
	"github.com/cordon-exchange/cordon/statement"
)

// Classes of the hosts here: one, whose brokers must answer soon, and two with hardly any memory.
func Classes() []host.Class {
	small := host.Class{
		Name: "small", MemoryBytes: 512 << 20, Threads: 1, Reply: 6 * time.Second, Run: 20 * time.Second, Whole: 40 * time.Second,
	}
	tiny := small
	tiny.Name, tiny.MemoryBytes = "tiny", 16<<20
	least := small
	least.Name, least.MemoryBytes, least.Threads = "least", 3<<20, 4
	return []host.Class{small, tiny, least}
}

// Host runs until it is stopped or killed.
type Host struct {
	env    *Env
	cancel context.CancelFunc
	done   chan error
	ended  bool

	mu   sync.Mutex
	dead bool
}

// Host starts a host. around, if not nil, wraps what it believes to be the exchange.
func (e *Env) Host(around func(*Host, host.Exchange) host.Exchange) *Host {
	e.Helper()
	c, err := client.New(client.Options{URL: e.URL, Signer: e.Operator.Signer()})
	e.Must(err)
	me, err := statement.Sign(statement.Party{
		Name: e.Operator.Name(), Key: e.Operator.Signer().Public().String(), Box: e.Operator.Box().Public(), CreatedMS: 1,
	}, e.Operator.Signer())
	e.Must(err)
	_, err = c.PostStatement(e.Context(), me)
	e.Must(err)
	ctx, cancel := context.WithCancel(context.Background())
	h := &Host{env: e, cancel: cancel, done: make(chan error, 1)}
	o := host.Options{
		Exchange: c, Perimeter: inProcess{}, Operator: e.Operator.Signer(), Classes: Classes(), Drain: 100 * time.Millisecond, Log: e.log,
	}
	if around != nil {
		o.Exchange = around(h, c)
	}
	o.Exchange = mortal{o.Exchange, h}
	go func() {
		defer c.Close()
		h.done <- host.Run(ctx, o)
	}()
	e.Cleanup(h.Stop)
	return h
}

// Stop ends the host after the job that it has.
func (h *Host) Stop() {
	if h.ended {
		return
	}
	h.ended = true
	h.cancel()
	if err := <-h.done; err != nil {
		h.env.Errorf("host: %v", err)
	}
}

// Kill ends the host as losing its machine does: nobody hears of it again. It may be called from within a call of the host.
func (h *Host) Kill() {
	h.mu.Lock()
	h.dead = true
	h.mu.Unlock()
	h.cancel()
}

func (h *Host) killed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.dead
}

// inProcess runs the enclave's code in a goroutine. It isolates nothing, and its form says so.
type inProcess struct{}

func (inProcess) Start(ctx context.Context, _ host.Class) (host.Enclave, error) {
	near, far := net.Pipe()
	ctx, cancel := context.WithCancel(ctx)
	e := &enclave{conn: near, far: far, cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(e.ended)
		defer cancel()
		defer far.Close()
		e.err = runner.Run(ctx, runner.Options{Conn: far, Verifiers: Verifiers(), Form: Form})
	}()
	return e, nil
}

type enclave struct {
	conn, far net.Conn
	cancel    context.CancelFunc
	ended     chan struct{}
	err       error // once ended
}

func (e *enclave) Conn() net.Conn          { return e.conn }
func (e *enclave) Bulk() net.Conn          { return nil }
func (e *enclave) Build() statement.Digest { return Build }
func (e *enclave) Kind() string            { return simulated.Kind }
func (e *enclave) Form() statement.Perimeter {
	return statement.Perimeter{Form: Form, Details: []statement.Property{}}
}

func (e *enclave) Kill() {
	e.cancel()
	e.far.Close()
}

func (e *enclave) Wait() string {
	<-e.ended
	if e.err != nil {
		return e.err.Error()
	}
	return "ended"
}

var errDead = errors.New("testenv: this host is dead")
