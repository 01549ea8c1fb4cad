package runner

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/simulated"
	"github.com/cordon-exchange/cordon/internal/channel"
	"github.com/cordon-exchange/cordon/internal/enclave/failure"
	"github.com/cordon-exchange/cordon/internal/enclave/keymem"
	hostchannel "github.com/cordon-exchange/cordon/internal/host/channel"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/receipt"
	"github.com/cordon-exchange/cordon/result"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// fakeHost is a host, exchange and lake in one, over the real channel. The hooks play hostile hosts.
type fakeHost struct {
	w       *world
	brokers map[statement.Fingerprint]*broker
	limits  channel.Limits

	onJob      func(*channel.Job)
	onEvidence func(n int, data *evidence.ReportData, build *statement.Digest, p *statement.Perimeter)
	onMessage  func(*channel.Message) bool // false drops it
	onObject   func(path string, off int64, b []byte) ([]byte, error)
	onPut      func(name string) error
	mirror     map[statement.Fingerprint]statement.Fingerprint // whose answers are passed off as whose, too
	keys       seal.Memory                                     // nil: of all tests
	peak       func() (int64, error)
	clock      func() time.Time // the enclave's; nil: time.Now
	hangUp     context.CancelFunc

	mu        sync.Mutex
	attested  int
	seq       int64
	replies   []channel.Reply
	wake      chan struct{}
	artifacts map[string][]byte
	stages    []string
	finish    *channel.Finish
	bytesRead map[string]int64
	answering sync.WaitGroup
}

func newFakeHost(w *world) *fakeHost {
	h := &fakeHost{
		w: w, brokers: map[statement.Fingerprint]*broker{}, wake: make(chan struct{}), artifacts: map[string][]byte{}, bytesRead: map[string]int64{},
		limits: channel.Limits{MemoryBytes: 1 << 30, Threads: 2, ReplyMS: 5000, RunMS: 20000},
	}
	for _, p := range w.everyone() {
		h.brokers[p.fp()] = &broker{w: w, party: p}
	}
	return h
}

func (h *fakeHost) of(p *party) *broker { return h.brokers[p.fp()] }

func (h *fakeHost) Job(context.Context) (*channel.Job, error) {
	j := &channel.Job{Job: *h.w.job, Contract: *h.w.contract, Statements: h.w.statements(), Limits: h.limits}
	if h.onJob != nil {
		h.onJob(j)
	}
	return j, nil
}

func (h *fakeHost) Evidence(_ context.Context, a *channel.Attest) (*statement.Evidence, error) {
	build, data := h.w.build, a.Data
	p := statement.Perimeter{Form: h.w.form, Details: []statement.Property{}}
	h.mu.Lock()
	h.attested++
	n := h.attested
	h.mu.Unlock()
	if h.onEvidence != nil {
		h.onEvidence(n, &data, &build, &p)
	}
	return simulated.Attest(h.w.operator.sign, build, data, p, time.Now())
}

func (h *fakeHost) Send(_ context.Context, all []channel.Message) error {
	for _, m := range all {
		if h.onMessage != nil && !h.onMessage(&m) {
			continue
		}
		h.answering.Go(func() {
			if body := h.brokers[m.To].answer(m.Kind, m.Body); body != nil {
				h.deliver(m.To, body)
				if other, ok := h.mirror[m.To]; ok {
					h.deliver(other, body)
				}
			}
		})
	}
	return nil
}

func (h *fakeHost) deliver(from statement.Fingerprint, body []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seq++
	h.replies = append(h.replies, channel.Reply{Seq: h.seq, From: from, Body: body})
	close(h.wake)
	h.wake = make(chan struct{})
}

func (h *fakeHost) Replies(ctx context.Context, a channel.Await) ([]channel.Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, a.Wait)
	defer cancel()
	for {
		h.mu.Lock()
		var out []channel.Reply
		for _, r := range h.replies {
			if r.Seq > a.After {
				out = append(out, r)
			}
		}
		wake := h.wake
		h.mu.Unlock()
		if len(out) > 0 {
			return out, nil
		}
		select {
		case <-ctx.Done():
			return nil, nil
		case <-wake:
		}
	}
}

func (h *fakeHost) Object(_ context.Context, path string, off, n int64) (io.ReadCloser, error) {
	h.mu.Lock()
	b, ok := h.w.lake[path]
	h.bytesRead[path] += n
	h.mu.Unlock()
	if !ok || off+n > int64(len(b)) {
		return nil, &hostchannel.Problem{Status: 416, Code: "range"}
	}
	part := bytes.Clone(b[off : off+n])
	if h.onObject != nil {
		var err error
		if part, err = h.onObject(path, off, part); err != nil {
			return nil, err
		}
	}
	return io.NopCloser(bytes.NewReader(part)), nil
}

func (h *fakeHost) PutArtifact(_ context.Context, name string, body []byte) error {
	if h.onPut != nil {
		if err := h.onPut(name); err != nil {
			return err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.artifacts[name] = body
	return nil
}

func (h *fakeHost) Stage(_ context.Context, name string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stages = append(h.stages, name)
	return nil
}

func (h *fakeHost) Finish(ctx context.Context, f channel.Finish) error {
	for _, a := range f.Artifacts {
		if err := h.PutArtifact(ctx, a.Name, a.Body); err != nil {
			return err
		}
	}
	f.Artifacts = nil
	h.mu.Lock()
	defer h.mu.Unlock()
	h.finish = &f
	return nil
}

// socketPair is two ends of a stream, as the perimeter makes them.
func socketPair(t testing.TB) (host, enclave net.Conn) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]net.Conn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "channel")
		ends[i] = must[net.Conn](t)(net.FileConn(f))
		f.Close()
	}
	return ends[0], ends[1]
}

// keysOfAll is not closed: its keys are the tests'.
var keysOfAll = sync.OnceValue(keymem.New)

func (h *fakeHost) keyMemory() seal.Memory {
	if h.keys != nil {
		return h.keys
	}
	return keysOfAll()
}

// run plays the whole job.
func (h *fakeHost) run() error {
	t := h.w.t
	t.Helper()
	host, enclave := socketPair(t)
	bulkHost, bulk := socketPair(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	h.hangUp = cancel
	served := make(chan error, 1)
	go func() { served <- hostchannel.Serve(ctx, host, h) }()
	bulkServed := make(chan error, 1)
	go func() { bulkServed <- hostchannel.ServeBulk(ctx, bulkHost, h) }()
	err := Run(context.Background(), Options{
		Conn: enclave, Bulk: bulk, Form: h.w.form, PeakMemory: h.peak, Now: h.clock,
		Verifiers: evidence.Verifiers{simulated.Kind: simulated.Verify}, Keys: h.keyMemory(),
	})
	if serveErr := <-served; serveErr != nil {
		t.Errorf("serve: %v", serveErr)
	}
	if serveErr := <-bulkServed; serveErr != nil {
		t.Errorf("serve bulk: %v", serveErr)
	}
	h.answering.Wait()
	return err
}

// wantFailure checks that the job failed with that code, at both ends, and that no result left.
func (h *fakeHost) wantFailure(code string) error {
	t := h.w.t
	t.Helper()
	err := h.run()
	var f *failure.Error
	if !errors.As(err, &f) || f.Error() != code {
		t.Errorf("got error %v (%v), want code %s", err, cause(f), code)
	}
	if h.finish == nil || h.finish.State != channel.Failed || h.finish.Code != code {
		t.Errorf("host was told %+v, want failed with %s", h.finish, code)
	}
	h.wantNoKey()
	return err
}

func cause(f *failure.Error) error {
	if f == nil {
		return nil
	}
	return f.Unwrap()
}

func (h *fakeHost) wantNoKey() {
	h.w.t.Helper()
	for name := range h.artifacts {
		if name != channel.ArtifactResult {
			h.w.t.Errorf("artifact %s left", name)
		}
	}
}

// wantReceipt checks the receipt that an owner got: what came of the job, and that it accounts for every column it released.
func (h *fakeHost) wantReceipt(p *party, outcome string) *statement.Receipt {
	t := h.w.t
	t.Helper()
	b := h.of(p)
	if b.notice == nil {
		t.Errorf("%s got no receipt", p.name)
		return nil
	}
	r := must[*statement.Receipt](t)(statement.DecodeUnverified[statement.Receipt](b.notice.Receipt.Payload))
	if r.Outcome != outcome {
		t.Errorf("%s: outcome %q, want %q", p.name, r.Outcome, outcome)
	}
	n := 0
	for _, e := range r.Exposures {
		if e.Owner == p.fp() {
			n++
		}
	}
	released := must[*statement.Release](t)(statement.DecodeUnverified[statement.Release](b.release.Payload))
	if n != len(released.Columns[0].Columns)+1 {
		t.Errorf("%s: %d keys accounted for, %d columns and a footer released", p.name, n, len(released.Columns[0].Columns))
	}
	return r
}

func (h *fakeHost) wantNoReceipts() {
	h.w.t.Helper()
	for _, b := range h.brokers {
		if b.notice != nil {
			h.w.t.Errorf("%s got a receipt", b.name)
		}
	}
}

// open does what a recipient does: key and account, result by the account's digest.
func (h *fakeHost) open(p *party) (*result.Table, *receipt.Report) {
	t, job := h.w.t, h.w.job.Digest()
	t.Helper()
	var k message.ResultKey
	if err := message.OpenWith(p.box, message.ResultContext(job, p.fp()), h.artifacts[channel.ArtifactKey+string(p.fp())], &k); err != nil {
		t.Fatal(err)
	}
	var pins []statement.Fingerprint
	for _, p := range h.w.everyone() {
		pins = append(pins, p.fp())
	}
	report, err := receipt.Verify(context.Background(), k.Bundle, receipt.Options{Pins: pins, Verifiers: evidence.Verifiers{simulated.Kind: simulated.Verify}})
	if err != nil {
		t.Fatal(err)
	}
	sealed := h.artifacts[channel.ArtifactResult]
	if statement.Sum(sealed) != report.Receipt.Result.Digest || int64(len(sealed)) != report.Receipt.Result.Bytes {
		t.Fatal("result is not the one in the receipt")
	}
	key := must[*seal.DataKey](t)(seal.DataKeyFromBytes(k.Key))
	padded := must[[]byte](t)(key.Decrypt(seal.ResultAAD(job), sealed))
	return must[*result.Table](t)(result.Decode(must[[]byte](t)(result.Unpad(padded)))), report
}
