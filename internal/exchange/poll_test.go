package exchange_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// TestPollsWakeAtOnce answers a round of messages to many brokers, all of whom
// wait in a long poll, over and over: nothing is lost, doubled or left waiting.
func TestPollsWakeAtOnce(t *testing.T) {
	w := newWorld(t)
	job := w.submit()
	c := w.claim()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	const rounds = 30
	brokers := []*party{w.a, w.b, w.asker}
	var wg sync.WaitGroup
	for _, p := range brokers {
		p.empty()
		wg.Go(func() {
			var after int64
			for answered := 0; answered < rounds; {
				m, err := p.Mailbox(ctx, after, 30*time.Second)
				if err != nil {
					t.Error(err)
					return
				}
				after = m.Next
				for _, it := range m.Items {
					if err := p.Reply(ctx, job, wire.Answer{Attempt: 1, Kind: "reply", Body: it.Body, Ref: it.Seq}); err != nil {
						t.Error(err)
						return
					}
					answered++
				}
			}
		})
	}
	var after int64
	var times []time.Duration
	for n := range rounds {
		begin := time.Now()
		var out []wire.Outgoing
		for _, p := range brokers {
			out = append(out, wire.Outgoing{To: p.fp, Kind: wire.KindQuote, Body: fmt.Appendf(nil, "%d %s", n, p.name)})
		}
		w.ok(w.host.SendMessages(ctx, job, c.Lease, out))
		var got []string
		for len(got) < len(brokers) {
			r, err := w.host.Replies(ctx, job, c.Lease, wire.Await{After: after, Wait: 30 * time.Second})
			w.ok(err)
			after = r.Next
			for _, it := range r.Items {
				got = append(got, string(it.Body))
			}
		}
		times = append(times, time.Since(begin))
		slices.Sort(got)
		if want := fmt.Sprintf("[%d alpha %d beta %d institute]", n, n, n); fmt.Sprint(got) != want {
			t.Fatalf("round %d: %v", n, got)
		}
	}
	wg.Wait()
	slices.Sort(times)
	t.Logf("round of %d brokers: median %v, slowest %v", len(brokers), times[rounds/2], times[rounds-1])
}

// TestRepliesComeTogether: whoever wants several replies waits for the others of a round, but for a moment only.
func TestRepliesComeTogether(t *testing.T) {
	w := newWorld(t)
	job := w.submit()
	c := w.claim()
	refs := map[*party]int64{}
	w.ok(w.host.SendMessages(t.Context(), job, c.Lease, []wire.Outgoing{
		{To: w.a.fp, Kind: wire.KindQuote, Body: []byte("a")}, {To: w.b.fp, Kind: wire.KindQuote, Body: []byte("b")},
	}))
	for _, p := range []*party{w.a, w.b} {
		m, err := p.Mailbox(t.Context(), 0, 0)
		w.ok(err)
		refs[p] = m.Items[len(m.Items)-1].Seq
	}
	reply := func(p *party) {
		w.ok(p.Reply(t.Context(), job, wire.Answer{Attempt: 1, Kind: "reply", Body: []byte(p.name), Ref: refs[p]}))
	}
	polled := make(chan *wire.Replies, 1)
	poll := func(want int) {
		r, err := w.host.Replies(t.Context(), job, c.Lease, wire.Await{Want: want, Wait: 20 * time.Second})
		w.ok(err)
		polled <- r
	}
	reply(w.a)
	go poll(2)
	if r := <-polled; len(r.Items) != 1 {
		t.Fatalf("%d replies where one was there and the other did not come", len(r.Items))
	}
	reply(w.b)
	go poll(2)
	if r := <-polled; len(r.Items) != 2 || r.Next != r.Items[1].Seq {
		t.Fatalf("%d replies, next %d", len(r.Items), r.Next)
	}
}

func TestPollEndsEmpty(t *testing.T) {
	w := newWorld(t)
	w.other.empty()
	begin := time.Now()
	m, err := w.other.Mailbox(t.Context(), 7, 20*time.Millisecond)
	w.ok(err)
	if len(m.Items) != 0 || m.Next != 7 || time.Since(begin) < 20*time.Millisecond {
		t.Errorf("%+v after %v", m, time.Since(begin))
	}
	if _, err := w.host.Claim(t.Context(), []string{"small"}, 20*time.Millisecond, nil); !errors.Is(err, client.ErrNoJob) {
		t.Errorf("claim: %v", err)
	}
}

func TestClaimWakes(t *testing.T) {
	w := newWorld(t)
	got := make(chan *wire.Claim, 1)
	go func() {
		c, err := w.host.Claim(t.Context(), []string{"small"}, 20*time.Second, nil)
		if err != nil {
			t.Error(err)
		}
		got <- c
	}()
	job := w.submit()
	if c := <-got; c == nil || c.Digest != job {
		t.Fatalf("got %+v", c)
	}
}

// TestClaimIsRecalled: a host ends its own question for a job, by name, and nobody else's; what was leased by then is answered all the same.
func TestClaimIsRecalled(t *testing.T) {
	w := newWorld(t)
	ask := func(p *party, recall <-chan struct{}) <-chan error {
		asked := make(chan error, 1)
		go func() {
			_, err := p.Claim(t.Context(), []string{"small"}, time.Minute, recall)
			asked <- err
		}()
		return asked
	}
	recall := make(chan struct{})
	ended, stays := ask(w.host, recall), ask(w.other, make(chan struct{}))
	select {
	case err := <-ended:
		t.Fatalf("ended before it was recalled: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(recall)
	select {
	case err := <-ended:
		if !errors.Is(err, client.ErrNoJob) {
			t.Fatal(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("recalled, and still waiting")
	}
	select {
	case err := <-stays:
		t.Fatalf("another party's question ended, too: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	job := w.submit()
	c, err := w.host.Claim(t.Context(), []string{"small"}, time.Minute, recall) // recalled from the start
	if err != nil || c.Digest != job {
		t.Errorf("a job that is there: %+v, %v", c, err)
	}
}

// TestOthersCannotRecall: names of questions are each party's own.
func TestOthersCannotRecall(t *testing.T) {
	w := newWorld(t)
	const name = "000102030405060708090a0b0c0d0e0f"
	asked := make(chan int, 1)
	q := w.host.raw("POST", "/v1/claim", []byte(`{"classes":["small"],"wait_ms":400,"poll":"`+name+`"}`))
	begin := time.Now()
	go func() { status, _ := w.send(q); asked <- status }()
	time.Sleep(50 * time.Millisecond)
	if status, code := w.send(w.other.raw("POST", "/v1/claim/recall", []byte(`{"poll":"`+name+`"}`))); status != 200 {
		t.Fatalf("recall of nothing: %d %s", status, code)
	}
	if status := <-asked; status != 204 || time.Since(begin) < 400*time.Millisecond {
		t.Errorf("status %d after %v: another party ended it", status, time.Since(begin))
	}
}

func TestPollerLeaves(t *testing.T) {
	w := newWorld(t)
	w.other.empty()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { _, err := w.other.Mailbox(ctx, 0, time.Minute); done <- err }()
	time.Sleep(20 * time.Millisecond)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	// newEnv's cleanup fails if the exchange's side stays.
}

func TestTooManyPolls(t *testing.T) {
	w := newWorld(t)
	w.other.empty()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var refused, ended int
	var mu sync.Mutex
	for range 70 {
		wg.Go(func() {
			_, err := w.other.Mailbox(ctx, 0, time.Minute)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case client.HasCode(err, wire.CodeTooMany):
				if refused++; refused == 6 {
					cancel()
				}
			case errors.Is(err, context.Canceled):
				ended++
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	cancel()
	if refused < 6 || refused+ended != 70 {
		t.Errorf("%d refused, %d ended", refused, ended)
	}
	if _, err := w.other.Mailbox(t.Context(), 0, 0); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestLostHost lets leases run out.
func TestLostHost(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	job := w.submit()
	var first *wire.Claim
	for attempt := int64(1); attempt <= 4; attempt++ {
		c := w.claim()
		if c.Attempt != attempt {
			t.Fatalf("attempt %d, want %d", c.Attempt, attempt)
		}
		if attempt == 1 {
			first = c
			defer w.staleAttempt(c)()
		} else {
			w.code(w.host.Finish(ctx, job, wire.Finish{Lease: first.Lease, State: wire.StateDone}), wire.CodeLeaseLost)
		}
		waiting := make(chan error, 1)
		go func() {
			_, err := w.host.Replies(ctx, job, c.Lease, wire.Await{Wait: 20 * time.Second})
			waiting <- err
		}()
		w.skew.Add(9_000)
		w.ok(w.host.Renew(ctx, job, c.Lease))
		w.skew.Add(9_000)
		w.ok(w.srv.Sweep(ctx))
		st, err := w.asker.Job(ctx, job)
		w.ok(err)
		if st.State != wire.StateLeased {
			t.Fatalf("lease ended early: %s", st.State)
		}
		w.skew.Add(2_000)
		w.ok(w.srv.Sweep(ctx))
		w.code(<-waiting, wire.CodeLeaseLost)
		w.code(w.host.Renew(ctx, job, c.Lease), wire.CodeLeaseLost)
	}
	st, err := w.asker.Job(ctx, job)
	w.ok(err)
	if st.State != wire.StateFailed || st.Code != wire.FailedHostLost || st.Attempts != 4 {
		t.Fatalf("got %+v", st)
	}
	if _, err := w.host.Claim(ctx, []string{"small"}, 0, nil); !errors.Is(err, client.ErrNoJob) {
		t.Fatalf("claim of a failed job: %v", err)
	}
}

// staleAttempt leaves a message whose answer comes after the attempt has ended.
func (w *world) staleAttempt(c *wire.Claim) (afterwards func()) {
	w.Helper()
	ctx := w.Context()
	w.a.empty()
	w.ok(w.host.SendMessages(ctx, c.Digest, c.Lease, []wire.Outgoing{{To: w.a.fp, Kind: wire.KindHello, Body: []byte("x")}}))
	m, err := w.a.Mailbox(ctx, 0, 0)
	w.ok(err)
	return func() {
		err := w.a.Reply(ctx, c.Digest, wire.Answer{Attempt: 1, Kind: "reply", Body: []byte("late"), Ref: m.Items[0].Seq})
		w.code(err, wire.CodeStaleAttempt)
		if got := w.a.kinds(); got != "" {
			w.Errorf("message of an attempt that is over is still there: %s", got)
		}
	}
}

func TestRetryAndExpiry(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	job := w.submit()
	c := w.claim()
	w.ok(w.host.Finish(ctx, job, wire.Finish{Lease: c.Lease, State: wire.StateRetry, Code: "enclave-lost"}))
	if c = w.claim(); c.Attempt != 2 {
		t.Fatalf("attempt %d", c.Attempt)
	}
	w.ok(w.host.Finish(ctx, job, wire.Finish{Lease: c.Lease, State: wire.StateRetry, Code: "enclave-lost"}))
	got := make(chan *wire.JobStatus, 1)
	st, err := w.asker.Job(ctx, job)
	w.ok(err)
	go func() { st, _ := w.asker.WaitJob(ctx, job, st.Version, 20*time.Second); got <- st }()
	w.skew.Store(2 * time.Hour.Milliseconds())
	w.ok(w.srv.Sweep(ctx))
	if st = <-got; st == nil || st.State != wire.StateFailed || st.Code != wire.FailedExpired {
		t.Fatalf("got %+v", st)
	}
}

func TestNoticesAreBounded(t *testing.T) {
	w := newWorld(t)
	job := w.submit()
	n := wire.Notice{Job: job, Body: []byte("x")}
	for range 16 {
		w.ok(w.a.SendNotice(t.Context(), w.asker.fp, n))
	}
	w.code(w.a.SendNotice(t.Context(), w.asker.fp, n), wire.CodeTooMany)
	w.ok(w.b.SendNotice(t.Context(), w.asker.fp, n))
}

// TestClaimTooLarge makes a claim that does not fit, which must fail the
// job instead of blocking the queue.
func TestClaimTooLarge(t *testing.T) {
	w := newWorld(t)
	w.members = nil
	for i := range 6 {
		p := w.party("big" + string(rune('a'+i)))
		path, size := p.object("part.parquet", "x")
		o := p.offerOf(path, size)
		o.Policy = string(slices.Repeat([]byte("p"), 1<<20))
		d, err := p.PostStatement(t.Context(), sign(w.env, o, p))
		w.ok(err)
		w.members = append(w.members, statement.Member{Owner: p.fp, Offer: d})
	}
	tables := []statement.Table{}
	for i, m := range w.members {
		tables = append(tables, statement.Table{Name: "big" + string(rune('a'+i)) + ".strikes", Members: []statement.Member{m}})
	}
	ct := w.contractOf()
	ct.Tables = tables
	var err error
	w.contract, err = w.asker.PostStatement(t.Context(), sign(w.env, ct, w.asker))
	w.ok(err)
	j := w.jobOf()
	j.Owners = []statement.Fingerprint{w.members[0].Owner}
	j.Bodies = []statement.SealedBody{{To: w.members[0].Owner, Sealed: []byte("s")}, {To: w.asker.fp, Sealed: []byte("s")}}
	job, err := w.asker.SubmitJob(t.Context(), sign(w.env, j, w.asker))
	w.ok(err)
	if _, err := w.host.Claim(t.Context(), []string{"small"}, 0, nil); err == nil {
		t.Fatal("claimed")
	}
	st, err := w.asker.Job(t.Context(), job)
	w.ok(err)
	if st.State != wire.StateFailed || st.Code != wire.FailedTooLarge {
		t.Fatalf("got %+v", st)
	}
}
