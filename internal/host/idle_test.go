package host

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	words "github.com/cordon-exchange/cordon/internal/channel"
	"github.com/cordon-exchange/cordon/internal/enclave/link"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
)

// idleRig is a host with one idle enclave, whose exchange has a job once it is told to. Enclaves are numbered from 1.
type idleRig struct {
	*rig
	asked chan int // enclaves that are about to ask for their job
	ended chan error
	stop  context.CancelFunc
}

func newIdleRig(t *testing.T, enclave func(ctx context.Context, n int, h *link.Host)) *idleRig {
	t.Helper()
	i := &idleRig{asked: make(chan int, 100), ended: make(chan error, 1)}
	var started atomic.Int64
	i.rig = newRig(t, func(ctx context.Context, h *link.Host) {
		n := int(started.Add(1))
		i.asked <- n
		enclave(ctx, n, h)
	})
	i.opt.Idle = map[string]int{"tiny": 1}
	i.exchange.attempts = 0
	return i
}

func (i *idleRig) run() {
	i.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	i.stop = cancel
	go func() { i.ended <- Run(ctx, i.opt) }()
	i.t.Cleanup(cancel)
}

// jobs lets the exchange hand out n more.
func (i *idleRig) jobs(n int) {
	i.exchange.mu.Lock()
	defer i.exchange.mu.Unlock()
	i.exchange.attempts += n
	close(i.exchange.more)
	i.exchange.more = make(chan struct{})
}

func (i *idleRig) next() int {
	i.t.Helper()
	return within(i.t, i.asked, "no enclave")
}

func (i *idleRig) finish() wire.Finish {
	i.t.Helper()
	return within(i.t, i.exchange.done, "nothing came of the job")
}

// end stops the host and waits for it.
func (i *idleRig) end() {
	i.t.Helper()
	i.stop()
	if err := within(i.t, i.ended, "still serving"); err != nil {
		i.t.Error(err)
	}
}

func within[T any](t *testing.T, c <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(10 * time.Second):
		t.Fatal(what)
	}
	return v
}

// answer does the job that the host hands over.
func answer(ctx context.Context, h *link.Host) error {
	if _, err := h.Job(ctx); err != nil {
		return err
	}
	return h.Finish(ctx, words.Finish{State: words.Done})
}

// The enclave that waited does the job, and then another waits: it was not started before, since that takes time from the job.
func TestIdleEnclaveDoesTheJob(t *testing.T) {
	underWay, goOn := make(chan struct{}), make(chan struct{})
	i := newIdleRig(t, func(ctx context.Context, n int, h *link.Host) {
		if _, err := h.Job(ctx); err != nil {
			return
		}
		if n != 1 {
			t.Errorf("enclave %d was given the job", n)
		}
		close(underWay)
		<-goOn
		_ = h.Finish(ctx, words.Finish{State: words.Done})
	})
	i.run()
	if n := i.next(); n != 1 {
		t.Fatalf("enclave %d", n)
	}
	i.jobs(1)
	within(t, underWay, "the job was not given")
	select {
	case n := <-i.asked:
		t.Errorf("enclave %d was started while the first had a job", n)
	case <-time.After(settled / 4):
	}
	close(goOn)
	if f := i.finish(); f.State != wire.StateDone {
		t.Errorf("finish %+v", f)
	}
	i.next()
	i.end()
	if len(i.exchange.finished) != 1 || i.per.started != 2 {
		t.Errorf("finished %d, started %d", len(i.exchange.finished), i.per.started)
	}
}

// A long job does not keep the next one from finding an enclave.
func TestIdleEnclaveBesideALongJob(t *testing.T) {
	i := newIdleRig(t, func(ctx context.Context, _ int, h *link.Host) {
		if _, err := h.Job(ctx); err == nil {
			<-ctx.Done()
		}
	})
	i.run()
	i.next()
	i.jobs(1)
	i.next()
	i.end()
}

// An enclave without a job gets nothing but the wait for one, and reaches nobody.
func TestIdleEnclaveIsToldNothing(t *testing.T) {
	refused := make(chan map[string]error, 1)
	var i *idleRig
	i = newIdleRig(t, func(ctx context.Context, n int, h *link.Host) {
		to := operatorOf(i.exchange)
		_, evidenceErr := h.Evidence(ctx, words.Attest{Data: evidence.HelloBinding(fakeBuild, fakeBuild)})
		_, repliesErr := h.Replies(ctx, words.Await{Wait: time.Second})
		refused <- map[string]error{
			"evidence": evidenceErr,
			"messages": h.Send(ctx, []words.Message{{To: to, Kind: "hello", Body: []byte("a")}}),
			"replies":  repliesErr,
			"object":   h.Range(ctx, link.Range{Object: "here", Off: 3, Dst: make([]byte, 4)}),
			"artifact": h.Put(ctx, words.ArtifactResult, []byte("x")),
			"stage":    h.Stage(ctx, "run"),
			"finish":   h.Finish(ctx, words.Finish{State: words.Done}),
		}
		_ = answer(ctx, h)
	})
	i.run()
	for what, err := range within(t, refused, "no enclave") {
		var e *link.Error
		if !errors.As(err, &e) || e.Code != errNoJob.Code {
			t.Errorf("%s: got %v", what, err)
		}
	}
	if len(i.exchange.sent)+len(i.exchange.put)+len(i.exchange.finished) != 0 {
		t.Error("something reached the exchange")
	}
	i.jobs(1)
	if f := i.finish(); f.State != wire.StateDone {
		t.Errorf("finish %+v", f)
	}
	i.end()
}

// One that ends while it waits is replaced, and no job goes to it.
func TestDeadIdleEnclaveIsReplaced(t *testing.T) {
	i := newIdleRig(t, func(ctx context.Context, n int, h *link.Host) {
		if n > 1 {
			_ = answer(ctx, h)
		}
	})
	i.run()
	i.next()
	if n := i.next(); n != 2 {
		t.Fatalf("enclave %d", n)
	}
	i.jobs(1)
	if f := i.finish(); f.State != wire.StateDone {
		t.Errorf("finish %+v", f)
	}
	i.end()
	if len(i.exchange.finished) != 1 {
		t.Errorf("finished %+v", i.exchange.finished)
	}
}

// One that ends as it is handed a job, before it is told, costs the job nothing: the exchange does not hear of it.
func TestIdleEnclaveEndsAsItIsHandedTheJob(t *testing.T) {
	var i *idleRig
	i = newIdleRig(t, func(ctx context.Context, n int, h *link.Host) {
		if n > 1 {
			_ = answer(ctx, h)
			return
		}
		for i.exchange.claims() == 0 {
			pause(ctx, time.Millisecond)
		}
		pause(ctx, 20*time.Millisecond) // until it has been taken
	})
	i.run()
	i.next()
	i.jobs(1)
	if f := i.finish(); f.State != wire.StateDone {
		t.Errorf("finish %+v", f)
	}
	i.end()
	if len(i.exchange.finished) != 1 {
		t.Errorf("finished %+v", i.exchange.finished)
	}
}

// Two jobs at once and one idle enclave: the other job gets one that is started for it.
func TestTwoJobsAndOneIdleEnclave(t *testing.T) {
	var together sync.WaitGroup
	together.Add(2)
	i := newIdleRig(t, func(ctx context.Context, _ int, h *link.Host) {
		if _, err := h.Job(ctx); err != nil {
			return
		}
		together.Done()
		together.Wait() // neither ends before both have their job
		_ = h.Finish(ctx, words.Finish{State: words.Done})
	})
	i.opt.Jobs = 2
	i.run()
	i.next()
	i.jobs(2)
	for range 2 {
		if f := i.finish(); f.State != wire.StateDone {
			t.Errorf("finish %+v", f)
		}
	}
	i.end()
}

// An idle enclave is of one class, whose limits it was started with.
func TestIdleEnclaveOfAnotherClass(t *testing.T) {
	i := newIdleRig(t, func(ctx context.Context, n int, h *link.Host) {
		if _, err := h.Job(ctx); err != nil {
			return
		}
		if n == 1 {
			t.Error("the idle enclave of another class was given the job")
		}
		_ = h.Finish(ctx, words.Finish{State: words.Done})
	})
	other := i.opt.Classes[0]
	other.Name = "other"
	i.opt.Classes = append(i.opt.Classes, other)
	i.opt.Idle = map[string]int{"other": 1}
	i.run()
	i.next()
	i.jobs(1)
	if f := i.finish(); f.State != wire.StateDone {
		t.Errorf("finish %+v", f)
	}
	i.end()
}

// What has waited for long is replaced.
func TestOldIdleEnclaveIsReplaced(t *testing.T) {
	i := newIdleRig(t, func(ctx context.Context, _ int, h *link.Host) { _ = answer(ctx, h) })
	i.opt.MostIdle = 50 * time.Millisecond
	i.run()
	for want := 1; want <= 3; want++ {
		if n := i.next(); n != want {
			t.Fatalf("enclave %d", n)
		}
	}
	i.per.mu.Lock()
	killed := i.per.killed
	i.per.mu.Unlock()
	if killed < 2 {
		t.Errorf("%d killed", killed)
	}
	i.end()
}

// No enclave outlives the host.
func TestStopEndsIdleEnclaves(t *testing.T) {
	gone := make(chan struct{})
	i := newIdleRig(t, func(ctx context.Context, _ int, h *link.Host) {
		defer close(gone)
		if answer(ctx, h) == nil {
			t.Error("given a job")
		}
	})
	i.opt.Drain = time.Minute
	i.run()
	i.next()
	i.end()
	select {
	case <-gone:
	default:
		t.Error("the idle enclave outlives the host")
	}
	if len(i.exchange.finished) != 0 {
		t.Errorf("finished %+v", i.exchange.finished)
	}
}

func TestOneJobForOneEnclave(t *testing.T) {
	r := newRig(t, nil)
	relay := newRelay(r.opt, r.opt.Classes[0], nil)
	relay.give(r.exchange.claim)
	defer func() {
		if recover() == nil {
			t.Error("given a second job")
		}
	}()
	relay.give(r.exchange.claim)
}
