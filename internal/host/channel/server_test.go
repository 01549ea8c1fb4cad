package channel

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	wire "github.com/cordon-exchange/cordon/internal/channel"
	"github.com/cordon-exchange/cordon/internal/enclave/link"
	"github.com/cordon-exchange/cordon/statement"
)

// backend answers from memory.
type backend struct {
	object []byte
	short  bool  // give fewer bytes than asked for
	failAt int64 // the range that can't be had
	err    error
	hold   chan struct{} // replies wait for it

	mu       sync.Mutex
	sent     int
	put      int
	attested int
	open     int // ranges
}

var someone = statement.Fingerprint("cordon1" + strings.Repeat("ab", 32))

func (b *backend) Job(context.Context) (*wire.Job, error) {
	e := statement.Envelope{PayloadType: statement.PayloadType, Payload: []byte("{}"), Signatures: []statement.Signature{{KeyID: "k", Sig: []byte("s")}}}
	return &wire.Job{Job: e, Contract: e, Statements: []statement.Envelope{}, Limits: wire.Limits{MemoryBytes: 1, Threads: 1, ReplyMS: 1, RunMS: 1}}, b.err
}

func (b *backend) Evidence(context.Context, *wire.Attest) (*statement.Evidence, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.attested++
	return &statement.Evidence{Kind: "simulated", Raw: []byte("e")}, b.err
}

func (b *backend) Send(_ context.Context, all []wire.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sent += len(all)
	return b.err
}

func (b *backend) Replies(ctx context.Context, a wire.Await) ([]wire.Reply, error) {
	if b.hold != nil {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-b.hold:
		}
	}
	return nil, b.err
}

func (b *backend) Object(_ context.Context, _ string, off, n int64) (io.ReadCloser, error) {
	if b.err != nil {
		return nil, b.err
	}
	if b.failAt > 0 && off == b.failAt {
		return nil, errors.New("gone")
	}
	if b.short {
		n--
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open++
	return &closing{bytes.NewReader(b.object[off : off+n]), b}, nil
}

// closing counts what is closed.
type closing struct {
	io.Reader
	b *backend
}

func (c *closing) Close() error {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	c.b.open--
	return nil
}

// opened waits until nothing is open any more, for a while.
func (b *backend) opened(t *testing.T) int {
	t.Helper()
	for range 100 {
		b.mu.Lock()
		n := b.open
		b.mu.Unlock()
		if n == 0 {
			return 0
		}
		time.Sleep(10 * time.Millisecond)
	}
	return b.open
}

func (b *backend) PutArtifact(_ context.Context, _ string, body []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.put += len(body)
	return b.err
}

func (b *backend) Stage(context.Context, string) error       { return b.err }
func (b *backend) Finish(context.Context, wire.Finish) error { return b.err }

// connected serves b to an enclave's end of the channel.
func connected(t testing.TB, b Backend) (*link.Host, context.Context) {
	t.Helper()
	near, far := net.Pipe()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, near, b) }()
	h, err := link.Open(ctx, far, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
		cancel()
	})
	return h, ctx
}

func wantRefusal(t *testing.T, err error, status int, code string) {
	t.Helper()
	var e *link.Error
	if !errors.As(err, &e) || e.Status != status || e.Code != code {
		t.Errorf("got %v, want %d %s", err, status, code)
	}
}

func TestRangesOfLargeObjects(t *testing.T) {
	b := &backend{object: make([]byte, 9<<20)}
	rand.Read(b.object)
	h, ctx := connected(t, b)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			off := i << 20
			got := make([]byte, 1<<20+i)
			last := 0
			err := h.Range(ctx, link.Range{Object: "owner/data.parquet", Off: int64(off), Dst: got, Arrived: func(n int) {
				if n < last {
					t.Error("progress goes back")
				}
				last = n
			}})
			if err != nil || !bytes.Equal(got, b.object[off:off+len(got)]) || last != len(got) {
				t.Errorf("range %d: %v", i, err)
			}
		})
	}
	all.Wait()
}

// TestManyRanges: of several objects, in one answer, in the order in which they were asked for, however long each takes to open.
func TestManyRanges(t *testing.T) {
	b := &backend{object: make([]byte, 1<<20)}
	rand.Read(b.object)
	h, ctx := connected(t, b)
	var ask []link.Range
	for i := range 500 {
		ask = append(ask, link.Range{Object: "owner/data.parquet", Off: int64(i * 2000), Dst: make([]byte, 1+i)})
	}
	if err := h.Ranges(ctx, ask); err != nil {
		t.Fatal(err)
	}
	for _, r := range ask {
		if !bytes.Equal(r.Dst, b.object[r.Off:r.Off+int64(len(r.Dst))]) {
			t.Fatalf("other bytes at %d", r.Off)
		}
	}
	if b.opened(t) != 0 {
		t.Errorf("%d ranges are open still", b.open)
	}
	b.failAt = 300 * 2000
	if err := h.Ranges(ctx, ask); !errors.Is(err, link.ErrLink) {
		t.Errorf("got %v", err)
	}
	if err := h.Stage(ctx, "run"); err != nil {
		t.Error(err)
	}
	if h.Close(); b.opened(t) != 0 {
		t.Errorf("%d ranges are open still", b.open)
	}
}

func TestShortObjectIsAnError(t *testing.T) {
	h, ctx := connected(t, &backend{object: make([]byte, 4096), short: true})
	if err := h.Range(ctx, link.Range{Object: "a/b", Dst: make([]byte, 4096)}); !errors.Is(err, link.ErrLink) {
		t.Errorf("got %v", err)
	}
}

func TestRefusalsCarryACodeAndNoText(t *testing.T) {
	b := &backend{err: &Problem{Status: 404, Code: "not-found"}}
	h, ctx := connected(t, b)
	wantRefusal(t, h.Range(ctx, link.Range{Object: "a/b", Dst: make([]byte, 1)}), 404, "not-found")
	b.err = errors.New("the disk of host 10.0.0.1 is full")
	wantRefusal(t, h.Stage(ctx, "run"), 503, "unavailable")
	_, err := h.Job(ctx)
	wantRefusal(t, err, 503, "unavailable")
}

func TestEnclaveIsBounded(t *testing.T) {
	b := &backend{}
	h, ctx := connected(t, b)
	t.Run("evidence", func(t *testing.T) {
		for range wire.MaxAttest {
			if _, err := h.Evidence(ctx, wire.Attest{Data: evidence.ReportData{1}}); err != nil {
				t.Fatal(err)
			}
		}
		_, err := h.Evidence(ctx, wire.Attest{Data: evidence.ReportData{1}})
		wantRefusal(t, err, 429, "too-much")
		if b.attested != wire.MaxAttest {
			t.Errorf("%d pieces of evidence", b.attested)
		}
	})
	t.Run("messages", func(t *testing.T) {
		some := make([]wire.Message, wire.MaxParties)
		for i := range some {
			some[i] = wire.Message{To: someone, Kind: "hello", Body: []byte{1}}
		}
		for range 3 {
			if err := h.Send(ctx, some); err != nil {
				t.Fatal(err)
			}
		}
		wantRefusal(t, h.Send(ctx, some[:1]), 429, "too-much")
		if b.sent != wire.MaxSent {
			t.Errorf("%d messages sent", b.sent)
		}
	})
	t.Run("stages", func(t *testing.T) {
		for range wire.MaxStages {
			if err := h.Stage(ctx, "run"); err != nil {
				t.Fatal(err)
			}
		}
		wantRefusal(t, h.Stage(ctx, "run"), 429, "too-much")
	})
	if b.put != 0 {
		t.Error("stored something")
	}
}

func TestOtherWordsAreRefused(t *testing.T) {
	b := &backend{}
	h, ctx := connected(t, b)
	wantRefusal(t, h.Stage(ctx, "the value is 42"), 400, "malformed")
	wantRefusal(t, h.Put(ctx, "anything", []byte{1}), 400, "malformed")
	wantRefusal(t, h.Put(ctx, wire.ArtifactResult, nil), 400, "malformed")
	wantRefusal(t, h.Finish(ctx, wire.Finish{State: "maybe"}), 400, "malformed")
	if b.put != 0 {
		t.Error("stored something")
	}
}

func TestLargeRoundsAreSplit(t *testing.T) {
	b := &backend{}
	h, ctx := connected(t, b)
	var all []wire.Message
	for range 4 {
		all = append(all, wire.Message{To: someone, Kind: "quote", Body: make([]byte, 3<<20)})
	}
	if err := h.Send(ctx, all); err != nil {
		t.Fatal(err)
	}
	if b.sent != 4 {
		t.Errorf("%d sent", b.sent)
	}
}

func TestPagesOfReplies(t *testing.T) {
	var items []wire.Reply
	for i := range 5 {
		items = append(items, wire.Reply{Seq: int64(i + 1), From: someone, Body: make([]byte, 2<<20)})
	}
	got := 0
	for after := 0; after < len(items); {
		p := page(items[after:])
		b, err := statement.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := wire.DecodeReplies(b, int64(after)); err != nil {
			t.Fatalf("page after %d: %v", after, err)
		}
		after += len(p.Items)
		got++
	}
	if got != 3 {
		t.Errorf("%d pages", got)
	}
}

func TestHangingUpEndsWhatIsUnderWay(t *testing.T) {
	near, far := net.Pipe()
	ctx := context.Background()
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, near, &backend{hold: make(chan struct{})}) }()
	h, err := link.Open(ctx, far, nil)
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan error, 1)
	go func() { _, err := h.Replies(ctx, wire.Await{Wait: time.Second}); asked <- err }()
	time.Sleep(20 * time.Millisecond)
	far.Close()
	select {
	case err := <-served:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("still serving")
	}
	if err := <-asked; err == nil {
		t.Error("answered after the end")
	}
}

func TestStopEndsTheChannel(t *testing.T) {
	near, far := net.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, near, &backend{hold: make(chan struct{})}) }()
	h, err := link.Open(context.Background(), far, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Stage(ctx, "run"); err != nil {
		t.Fatal(err)
	}
	cancel()
	select {
	case <-served:
	case <-time.After(5 * time.Second):
		t.Fatal("still serving")
	}
	if err := h.Stage(context.Background(), "run"); err == nil {
		t.Error("answered after the end")
	}
}

func BenchmarkRanges(b *testing.B) {
	back := &backend{object: make([]byte, 32<<20)}
	h, ctx := connected(b, back)
	got := make([]byte, len(back.object))
	b.SetBytes(int64(len(got)))
	for b.Loop() {
		if err := h.Range(ctx, link.Range{Object: "a/b", Dst: got}); err != nil {
			b.Fatal(err)
		}
	}
}
