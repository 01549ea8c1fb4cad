package host

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/hosted"
	"github.com/cordon-exchange/cordon/evidence/simulated"
	words "github.com/cordon-exchange/cordon/internal/channel"
	"github.com/cordon-exchange/cordon/internal/enclave/link"
	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// fakeExchange hands out one job as often as it is given back.
type fakeExchange struct {
	claim    *wire.Claim
	attempts int // how often the job can be claimed

	mu       sync.Mutex
	more     chan struct{} // closed when attempts has grown
	claimed  int
	asked    [][]string // the classes of each question for a job
	renewed  int
	renew    func(n int) error
	down     error // what every call answers, while it is set
	sent     []wire.Outgoing
	finished []wire.Finish
	done     chan wire.Finish
	put      map[string][]byte

	opened, sized  int  // ranges and sizes that were asked for
	spoil, removed bool // give other bytes; have the objects no more
}

func newFakeExchange(t *testing.T) *fakeExchange {
	return &fakeExchange{claim: testClaim(t), attempts: 1, more: make(chan struct{}), done: make(chan wire.Finish, 10), put: map[string][]byte{}}
}

func (f *fakeExchange) Claim(ctx context.Context, classes []string, _ time.Duration, recall <-chan struct{}) (*wire.Claim, error) {
	f.mu.Lock()
	f.asked = append(f.asked, classes)
	f.mu.Unlock()
	for {
		f.mu.Lock()
		down, more := f.down, f.more
		first := f.claimed < f.attempts
		c := *f.claim
		if down == nil && first {
			f.claimed++
			c.Attempt = int64(f.claimed)
		}
		f.mu.Unlock()
		switch {
		case down != nil:
			return nil, down
		case first:
			return &c, nil
		}
		select {
		case <-ctx.Done():
			return nil, client.ErrNoJob
		case <-recall:
			return nil, client.ErrNoJob
		case <-more:
		}
	}
}

func (f *fakeExchange) claims() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.claimed
}

func (f *fakeExchange) Renew(context.Context, statement.Digest, string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.renewed++
	if f.renew != nil {
		return f.renew(f.renewed)
	}
	return nil
}

func (f *fakeExchange) SendMessages(_ context.Context, job statement.Digest, lease string, m []wire.Outgoing) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if job != f.claim.Digest || lease != f.claim.Lease {
		return errors.New("another job or lease")
	}
	f.sent = append(f.sent, m...)
	return nil
}

func (f *fakeExchange) Replies(_ context.Context, _ statement.Digest, _ string, a wire.Await) (*wire.Replies, error) {
	return &wire.Replies{Items: []wire.Reply{{Seq: a.After + 3, From: operatorOf(f), Kind: "reply", Body: []byte("sealed"), Ref: 1}}}, nil
}

func operatorOf(f *fakeExchange) statement.Fingerprint {
	j, _ := statement.DecodeUnverified[statement.Job](f.claim.Job.Payload)
	return j.Requester
}

var (
	content = []byte("0123456789")
	here    = "owner/data/v1/here"
	gone    = "owner/data/v1/gone" // offered, and not in the lake
)

func (f *fakeExchange) OpenObject(_ context.Context, path string, offset, length int64) (io.ReadCloser, error) {
	f.mu.Lock()
	f.opened++
	spoil := f.spoil
	f.mu.Unlock()
	if path == gone {
		return nil, &client.Error{Status: 404, Code: wire.CodeNotFound, Message: "secret text of " + path}
	}
	if spoil {
		return io.NopCloser(strings.NewReader("corrupt!!!"[offset : offset+length])), nil
	}
	return io.NopCloser(io.NewSectionReader(readerAt(content), offset, length)), nil
}

func (f *fakeExchange) ObjectSize(_ context.Context, path string) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sized++
	if f.removed {
		return 0, &client.Error{Status: 404, Code: wire.CodeNotFound, Message: "secret text of " + path}
	}
	return int64(len(content)), nil
}

type readerAt []byte

func (r readerAt) ReadAt(p []byte, off int64) (int, error) { return copy(p, r[off:]), nil }

func (f *fakeExchange) ReportStage(context.Context, statement.Digest, string, string) error {
	return nil
}

func (f *fakeExchange) PutArtifact(_ context.Context, _ statement.Digest, _, name string, body []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.put[name] = body
	return nil
}

func (f *fakeExchange) Finish(_ context.Context, _ statement.Digest, fin wire.Finish) error {
	f.mu.Lock()
	f.finished = append(f.finished, fin)
	f.mu.Unlock()
	f.done <- fin
	return nil
}

func testClaim(t testing.TB) *wire.Claim {
	t.Helper()
	k, err := seal.NewSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	owner := k.Fingerprint()
	now := time.Now().UnixMilli()
	d := statement.Sum([]byte("x"))
	e, err := statement.Sign(statement.Job{
		Nonce: make([]byte, 32), Contract: d, Requester: owner, Owners: []statement.Fingerprint{owner}, Class: "tiny", Commitment: d,
		Bodies: []statement.SealedBody{{To: owner, Sealed: []byte("sealed")}}, CreatedMS: now, ExpiresMS: now + 60_000,
	}, k)
	if err != nil {
		t.Fatal(err)
	}
	offer, err := statement.Sign(statement.Offer{
		Owner: owner, Dataset: "data", Version: "v1", Schema: []statement.Column{{Name: "a", Type: "int64"}}, Policy: "p", CreatedMS: now,
		Commitments: []statement.Commitment{{Key: statement.FooterKey, Commit: d}, {Key: "a", Commit: d}},
		Files: []statement.File{
			{Object: here, Bytes: int64(len(content)), Rows: 1, AADPrefix: "here"}, {Object: gone, Bytes: 10, Rows: 1, AADPrefix: "gone"},
		},
	}, k)
	if err != nil {
		t.Fatal(err)
	}
	party, err := statement.Sign(statement.Party{Name: "alpha", Key: k.Public().String(), Box: make([]byte, 1216), CreatedMS: now}, k)
	if err != nil {
		t.Fatal(err)
	}
	return &wire.Claim{Digest: e.Digest(), Job: *e, Contract: *e, Statements: []statement.Envelope{*offer, *party}, Lease: "00000000000000000000000000000000", LeaseMS: 300, Attempt: 1}
}

// fakePerimeter runs a function in the place of an enclave.
type fakePerimeter struct {
	kind    string // of its evidence; default simulated
	enclave func(ctx context.Context, h *link.Host)
	err     error
	mu      sync.Mutex
	started int
	killed  int
}

func (p *fakePerimeter) Start(ctx context.Context, _ Class) (Enclave, error) {
	if p.err != nil {
		return nil, p.err
	}
	p.mu.Lock()
	p.started++
	p.mu.Unlock()
	near, far := net.Pipe()
	ctx, cancel := context.WithCancel(ctx)
	e := &fakeEnclave{p: p, conn: near, cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(e.ended)
		defer far.Close()
		h, err := link.Open(ctx, far, nil)
		if err == nil {
			p.enclave(ctx, h)
		}
	}()
	return e, nil
}

type fakeEnclave struct {
	p      *fakePerimeter
	conn   net.Conn
	cancel context.CancelFunc
	ended  chan struct{}
}

var fakeBuild = statement.Sum([]byte("enclave"))

func (e *fakeEnclave) Conn() net.Conn          { return e.conn }
func (e *fakeEnclave) Bulk() net.Conn          { return nil }
func (e *fakeEnclave) Build() statement.Digest { return fakeBuild }
func (e *fakeEnclave) Kind() string            { return cmp.Or(e.p.kind, simulated.Kind) }
func (e *fakeEnclave) Form() statement.Perimeter {
	return statement.Perimeter{Form: "in-process-test", Details: []statement.Property{}}
}
func (e *fakeEnclave) Kill() {
	e.p.mu.Lock()
	e.p.killed++
	e.p.mu.Unlock()
	e.cancel()
}
func (e *fakeEnclave) Wait() string { <-e.ended; return "ended" }

type rig struct {
	t        *testing.T
	exchange *fakeExchange
	per      *fakePerimeter
	operator *seal.SigningKey
	opt      Options
}

func newRig(t *testing.T, enclave func(context.Context, *link.Host)) *rig {
	t.Helper()
	k, err := seal.NewSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, exchange: newFakeExchange(t), per: &fakePerimeter{enclave: enclave}, operator: k}
	r.opt = Options{
		Exchange: r.exchange, Perimeter: r.per, Operator: k, Drain: 100 * time.Millisecond,
		Classes: []Class{{Name: "tiny", MemoryBytes: 1, Threads: 1, Reply: time.Second, Run: time.Second, Whole: 5 * time.Second}},
	}
	return r
}

// untilFinish runs the host until the exchange has heard of an end.
func (r *rig) untilFinish() wire.Finish {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, r.opt) }()
	var f wire.Finish
	select {
	case f = <-r.exchange.done:
	case <-time.After(10 * time.Second):
		r.t.Error("nothing came of the job")
	}
	cancel()
	if err := <-ended; err != nil {
		r.t.Errorf("Run: %v", err)
	}
	return f
}

func TestEverythingIsRelayed(t *testing.T) {
	var failed error
	fail := func(err error) {
		if err != nil && failed == nil {
			failed = err
		}
	}
	var r *rig
	r = newRig(t, func(ctx context.Context, h *link.Host) {
		j, err := h.Job(ctx)
		fail(err)
		if err != nil {
			return
		}
		if j.Job.Digest() != r.exchange.claim.Digest || j.Limits != r.opt.Classes[0].limits() {
			fail(errors.New("another job or limits"))
		}
		data := evidence.HelloBinding(j.Job.Digest(), fakeBuild)
		e, err := h.Evidence(ctx, words.Attest{Data: data})
		fail(err)
		c, err := simulated.Verify(ctx, e, time.Now())
		fail(err)
		if c != nil && (c.ReportData != data || c.Build != fakeBuild || c.Operator != r.operator.Fingerprint() || c.Perimeter.Form != "in-process-test") {
			fail(errors.New("evidence of something else"))
		}
		to := operatorOf(r.exchange)
		fail(h.Send(ctx, []words.Message{{To: to, Kind: "hello", Body: []byte("a")}, {To: to, Kind: "hello", Body: []byte("b")}}))
		got, err := h.Replies(ctx, words.Await{After: 4, Want: 1, Wait: time.Second})
		fail(err)
		if len(got) != 1 || got[0].Seq != 7 || string(got[0].Body) != "sealed" {
			fail(errors.New("other replies"))
		}
		b := make([]byte, 4)
		fail(h.Range(ctx, link.Range{Object: here, Off: 3, Dst: b}))
		if string(b) != "3456" {
			fail(errors.New("other bytes"))
		}
		var refused *link.Error
		if err := h.Range(ctx, link.Range{Object: gone, Dst: b}); !errors.As(err, &refused) || refused.Status != 404 || refused.Code != wire.CodeNotFound {
			fail(errors.New("no refusal of an object that is not there"))
		}
		fail(h.Put(ctx, words.ArtifactResult, []byte("ciphertext")))
		fail(h.Stage(ctx, "run"))
		fail(h.Finish(ctx, words.Finish{State: words.Done, Artifacts: []words.Artifact{{Name: words.ArtifactKey + string(to), Body: []byte("key")}}}))
		if err := h.Finish(ctx, words.Finish{State: words.Done}); !errors.As(err, &refused) || refused.Code != "finished" {
			fail(errors.New("finished twice"))
		}
	})
	f := r.untilFinish()
	if failed != nil {
		t.Error(failed)
	}
	if f.State != wire.StateDone || f.Lease != r.exchange.claim.Lease || len(r.exchange.finished) != 1 {
		t.Errorf("finish %+v of %d", f, len(r.exchange.finished))
	}
	if len(f.Artifacts) != 1 || f.Artifacts[0].Name != words.ArtifactKey+string(operatorOf(r.exchange)) || string(f.Artifacts[0].Body) != "key" {
		t.Errorf("left with the last word: %+v", f.Artifacts)
	}
	if len(r.exchange.sent) != 2 || string(r.exchange.put["result"]) != "ciphertext" {
		t.Error("something was lost on the way")
	}
}

// A quote is wrapped where the perimeter is a machine, and nowhere else.
func TestQuotesAreWrapped(t *testing.T) {
	for name, c := range map[string]struct {
		kind, quote string
		ok          bool
	}{
		"a machine's quote":         {kind: hosted.TPMSoftware, quote: "quote", ok: true},
		"a machine without a quote": {kind: hosted.TPMSoftware},
		"a process with a quote":    {quote: "quote"},
	} {
		t.Run(name, func(t *testing.T) {
			data := evidence.HelloBinding(fakeBuild, fakeBuild)
			var e *statement.Evidence
			var err error
			r := newRig(t, func(ctx context.Context, h *link.Host) {
				ask := words.Attest{Data: data}
				if c.quote != "" {
					ask.Quoted = hosted.Quoted{Quote: []byte(c.quote), Endorsements: [][]byte{{1}}}
				}
				e, err = h.Evidence(ctx, ask)
				_ = h.Finish(ctx, words.Finish{State: words.Done})
			})
			r.per.kind = c.kind
			r.untilFinish()
			var refused *link.Error
			if !c.ok {
				if !errors.As(err, &refused) || refused.Code != codeOtherEvidence {
					t.Fatalf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			w, err := hosted.Unwrap(e)
			if err != nil {
				t.Fatal(err)
			}
			key, err := w.Signer()
			if err != nil || string(w.Quote) != c.quote || e.Kind != c.kind || len(e.Endorsements) != 1 || w.Report.Build != fakeBuild ||
				key.String() != r.operator.Public().String() || !w.Report.Perimeter.Simulated {
				t.Errorf("%v, %+v", err, w.Report)
			}
		})
	}
}

func TestFailureIsPassedOn(t *testing.T) {
	r := newRig(t, func(ctx context.Context, h *link.Host) {
		_ = h.Finish(ctx, words.Finish{State: words.Failed, Code: "no-answer:delta"})
	})
	if f := r.untilFinish(); f.State != wire.StateFailed || f.Code != "no-answer:delta" {
		t.Errorf("finish %+v", f)
	}
}

func TestCrashGivesTheJobBack(t *testing.T) {
	r := newRig(t, func(context.Context, *link.Host) {})
	if f := r.untilFinish(); f.State != wire.StateRetry || f.Code != codeLost {
		t.Errorf("finish %+v", f)
	}
}

func TestCrashAndThenSuccess(t *testing.T) {
	var r *rig
	r = newRig(t, func(ctx context.Context, h *link.Host) {
		if r.per.started > 1 {
			_ = h.Finish(ctx, words.Finish{State: words.Done})
		}
	})
	r.exchange.attempts = 2
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, r.opt) }()
	first, second := <-r.exchange.done, <-r.exchange.done
	cancel()
	<-ended
	if first.State != wire.StateRetry || second.State != wire.StateDone {
		t.Errorf("%+v, then %+v", first, second)
	}
}

func TestNoPerimeterGivesTheJobBack(t *testing.T) {
	r := newRig(t, nil)
	r.per.err = errors.New("no user namespaces any more")
	if f := r.untilFinish(); f.State != wire.StateRetry || f.Code != codeNoStart {
		t.Errorf("finish %+v", f)
	}
}

// An enclave that does not end is killed when its class's time is over, and the job is not tried again.
func TestTimeOfAClass(t *testing.T) {
	r := newRig(t, func(ctx context.Context, _ *link.Host) { <-ctx.Done() })
	r.opt.Classes[0].Run, r.opt.Classes[0].Whole = 50*time.Millisecond, 200*time.Millisecond
	if f := r.untilFinish(); f.State != wire.StateFailed || f.Code != codeTimedOut {
		t.Errorf("finish %+v", f)
	}
	if r.per.killed == 0 {
		t.Error("not killed")
	}
}

// A host that lost its lease kills the enclave and says nothing more: the job is another's.
func TestLeaseLost(t *testing.T) {
	for name, lost := range map[string]func(int) error{
		"at once":      func(int) error { return &client.Error{Status: 409, Code: wire.CodeLeaseLost} },
		"by and by":    func(n int) error { return leaseLostAfter(n, 3) },
		"out of reach": func(int) error { return client.ErrUnavailable },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(ctx context.Context, _ *link.Host) { <-ctx.Done() })
			r.exchange.renew = lost
			r.exchange.claim.LeaseMS = 90
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			defer cancel()
			newServing(must(r.opt.valid())).runJob(ctx, r.exchange.claim)
			if ctx.Err() != nil {
				t.Error("the enclave outlived its lease")
			}
			if r.per.killed == 0 {
				t.Error("not killed")
			}
			if len(r.exchange.finished) != 0 {
				t.Errorf("finished %+v", r.exchange.finished)
			}
		})
	}
}

// TestRenewalIsRepeatedSoon: one that failed leaves time for another process of the exchange before the lease ends.
func TestRenewalIsRepeatedSoon(t *testing.T) {
	const lease = 1200 * time.Millisecond
	r := newRig(t, func(ctx context.Context, h *link.Host) {
		pause(ctx, lease)
		_ = h.Finish(ctx, words.Finish{State: words.Done})
	})
	var failed, next time.Time
	r.exchange.renew = func(n int) error {
		switch n {
		case 1:
			failed = time.Now()
			return client.ErrUnavailable
		case 2:
			next = time.Now()
		}
		return nil
	}
	r.exchange.claim.LeaseMS = lease.Milliseconds()
	if f := r.untilFinish(); f.State != wire.StateDone {
		t.Errorf("finish %+v", f)
	}
	if gap := next.Sub(failed); next.IsZero() || gap > lease/6 {
		t.Errorf("repeated after %s of a lease of %s", gap, lease)
	}
}

func leaseLostAfter(n, most int) error {
	if n <= most {
		return nil
	}
	return &client.Error{Status: 409, Code: wire.CodeLeaseLost}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestLeaseIsRenewed(t *testing.T) {
	r := newRig(t, func(ctx context.Context, h *link.Host) {
		pause(ctx, 500*time.Millisecond)
		_ = h.Finish(ctx, words.Finish{State: words.Done})
	})
	r.exchange.claim.LeaseMS = 90
	if f := r.untilFinish(); f.State != wire.StateDone {
		t.Errorf("finish %+v", f)
	}
	if r.exchange.renewed < 5 {
		t.Errorf("renewed %d times", r.exchange.renewed)
	}
}

// An exchange that is down is waited for.
func TestExchangeDown(t *testing.T) {
	r := newRig(t, func(ctx context.Context, h *link.Host) { _ = h.Finish(ctx, words.Finish{State: words.Done}) })
	r.exchange.down = client.ErrUnavailable
	go func() {
		time.Sleep(50 * time.Millisecond)
		r.exchange.mu.Lock()
		r.exchange.down = nil
		r.exchange.mu.Unlock()
	}()
	if f := r.untilFinish(); f.State != wire.StateDone {
		t.Errorf("finish %+v", f)
	}
}

func TestExchangeDoesNotAcceptUs(t *testing.T) {
	r := newRig(t, nil)
	r.exchange.down = &client.Error{Status: 403, Code: wire.CodeUnregistered, Message: "no party statement of this key"}
	if err := Run(context.Background(), r.opt); !client.HasCode(err, wire.CodeUnregistered) {
		t.Errorf("got %v", err)
	}
}

// Stopping gives jobs under way a moment, then kills their enclaves and gives the jobs back.
func TestStop(t *testing.T) {
	started := make(chan struct{})
	r := newRig(t, func(ctx context.Context, _ *link.Host) { close(started); <-ctx.Done() })
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, r.opt) }()
	<-started
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("still serving")
	}
	if r.per.killed == 0 || len(r.exchange.finished) != 1 || r.exchange.finished[0].State != wire.StateRetry {
		t.Errorf("killed %d, finished %+v", r.per.killed, r.exchange.finished)
	}
}

func TestIncompleteOptions(t *testing.T) {
	r := newRig(t, nil)
	for name, spoil := range map[string]func(*Options){
		"exchange":                   func(o *Options) { o.Exchange = nil },
		"perimeter":                  func(o *Options) { o.Perimeter = nil },
		"operator":                   func(o *Options) { o.Operator = nil },
		"classes":                    func(o *Options) { o.Classes = nil },
		"the class of idle enclaves": func(o *Options) { o.Idle = map[string]int{"other": 1} },
		"a limit":                    func(o *Options) { o.Classes = []Class{{Name: "tiny"}} },
	} {
		o := r.opt
		spoil(&o)
		if err := Run(context.Background(), o); !errors.Is(err, errOptions) {
			t.Errorf("without %s: %v", name, err)
		}
	}
	for _, c := range DefaultClasses() {
		if !c.valid() {
			t.Errorf("class %s", c.Name)
		}
	}
}
