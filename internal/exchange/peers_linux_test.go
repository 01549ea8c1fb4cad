package exchange_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange"
	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/testpg"
	"github.com/cordon-exchange/cordon/statement"
)

// TestOverPostgres runs tests of the exchange over PostgreSQL; those that move the exchange's own clock can't.
func TestOverPostgres(t *testing.T) {
	for name, f := range map[string]func(*testing.T){
		"authentication": TestAuthentication, "malformed": TestMalformed, "others": TestOthers, "statements": TestStatementRefusals,
		"revocations": TestRevocations, "key revocation": TestKeyRevocation, "certified": TestCertifiedRequests, "pools": TestPoolSigning,
		"polls": TestPollsWakeAtOnce, "together": TestRepliesComeTogether, "recall": TestOthersCannotRecall, "leaves": TestPollerLeaves,
		"full": TestStorageFull, "cost": TestJobCost,
		"uploads and removals": TestUploadsAndRemovals, "room": TestRoomOfAnUpload, "cut off": TestUploadCutOff, "lost room": TestUploadLosesItsRoom,
	} {
		t.Run(name, f)
	}
}

// peers are three exchanges over one database and one lake.
type peers struct {
	*world
	all [3]*env
}

func newPeers(t *testing.T, change func(n int, e *env)) *peers {
	t.Helper()
	p := &peers{}
	link, home := testpg.Database(t), t.TempDir()
	for n := range p.all {
		e := &env{T: t, home: home, link: link}
		if change != nil {
			change(n, e)
		}
		e.start("127.0.0.1:0")
		t.Cleanup(func() { e.stop() }) // the one that a restart leaves
		p.all[n] = e
	}
	p.world = newWorldIn(p.all[0])
	return p
}

// at is a party that calls another exchange.
func (p *party) at(url string) *party {
	p.e.Helper()
	hc := client.NewHTTP()
	p.e.Cleanup(hc.CloseIdleConnections)
	c, err := client.New(client.Options{URL: url, Signer: p.keys, HTTP: hc, Patience: 2 * time.Second})
	p.e.ok(err)
	out := *p
	out.Client = c
	return &out
}

// soon is less than never: the time after which polls look again by themselves.
const (
	soon  = 20 * time.Second
	never = time.Hour
)

// wakes checks that wait, begun before it, is over soon after do.
func (p *peers) wakes(what string, wait, do func() error) {
	p.Helper()
	over := make(chan error, 1)
	go func() { over <- wait() }()
	time.Sleep(100 * time.Millisecond)
	begin := time.Now()
	p.ok(do())
	select {
	case err := <-over:
		if err != nil {
			p.Errorf("%s: %v", what, err)
		}
		p.Logf("%s: %v", what, time.Since(begin).Round(100*time.Microsecond))
	case <-time.After(soon):
		p.Errorf("%s: not woken", what)
	}
}

// TestPeers does each step of a job at another exchange than the one where somebody waits for it.
func TestPeers(t *testing.T) {
	p := newPeers(t, func(_ int, e *env) { e.opts = func(o *exchange.Options) { o.Relook = never } })
	ctx := t.Context()
	first, err := p.host.at(p.all[0].url).Exchange(ctx)
	p.ok(err)
	for _, e := range p.all[1:] {
		ex, err := p.host.at(e.url).Exchange(ctx)
		p.ok(err)
		if ex.ID != first.ID || ex.Instance != first.Instance {
			t.Errorf("one says %+v, another %+v", first, ex)
		}
	}
	host, asker, a := p.host.at(p.all[1].url), p.asker.at(p.all[0].url), p.a.at(p.all[2].url)
	var job statement.Digest
	var c *wire.Claim
	p.wakes("claim", func() (err error) { c, err = host.Claim(ctx, []string{"small"}, time.Minute, nil); return err },
		func() (err error) { job, err = asker.SubmitJob(ctx, sign(p.env, p.jobOf(), asker)); return err })
	m, err := a.Mailbox(ctx, 0, 0)
	p.ok(err)
	p.wakes("message", func() (err error) { m, err = a.Mailbox(ctx, m.Next, time.Minute); return err },
		func() error {
			return host.SendMessages(ctx, job, c.Lease, []wire.Outgoing{{To: a.fp, Kind: wire.KindQuote, Body: []byte("q")}})
		})
	p.wakes("reply", func() error {
		_, err := host.Replies(ctx, job, c.Lease, wire.Await{Wait: time.Minute})
		return err
	},
		func() error {
			return a.Reply(ctx, job, wire.Answer{Attempt: 1, Kind: "reply", Body: []byte("r"), Ref: m.Next})
		})
	st, err := asker.Job(ctx, job)
	p.ok(err)
	p.wakes("stage", func() error { _, err := asker.WaitJob(ctx, job, st.Version, time.Minute); return err },
		func() error { return host.ReportStage(ctx, job, c.Lease, "running") })
	recall := make(chan struct{})
	const name = "000102030405060708090a0b0c0d0e0f"
	q := p.host.raw("POST", "/v1/claim", []byte(`{"classes":["small"],"wait_ms":60000,"poll":"`+name+`"}`))
	p.wakes("recall", func() error { _, _ = p.all[1].send(q); close(recall); return nil },
		func() error {
			status, code := p.all[2].send(p.host.raw("POST", "/v1/claim/recall", []byte(`{"poll":"`+name+`"}`)))
			if status != 200 {
				return errors.New(code)
			}
			return nil
		})
	p.ok(host.at(p.all[2].url).Finish(ctx, job, wire.Finish{Lease: c.Lease, State: wire.StateDone}))
	// What one process took holds at all of them at once.
	other := p.other.at(p.all[2].url)
	_, err = other.Mailbox(ctx, 0, 0)
	p.ok(err)
	_, err = p.other.PostStatement(ctx, p.revocation(p.other, p.other.in))
	p.ok(err)
	_, err = other.Mailbox(ctx, 0, 0)
	p.code(err, wire.CodeRevoked)
}

func TestReplayAtAnotherProcess(t *testing.T) {
	p := newPeers(t, nil)
	for n := range p.all {
		r := p.a.raw("GET", "/v1/mailbox", nil)
		for k := range p.all {
			want := wire.CodeReplayed
			if k == 0 {
				want = ""
			}
			if _, code := p.all[(n+k)%3].send(r); code != want {
				t.Errorf("sent to %d first, then %d others: %q", n, k, code)
			}
		}
	}
	// A process that was started since is told, too.
	r := p.a.raw("GET", "/v1/mailbox", nil)
	p.all[1].send(r)
	p.all[2].restart()
	if _, code := p.all[2].send(r); code != wire.CodeReplayed {
		t.Errorf("after a restart of another process: %q", code)
	}
}

// TestWrongClock gives one process a clock that is ten minutes ahead, and another one that is ten behind.
func TestWrongClock(t *testing.T) {
	p := newPeers(t, func(n int, e *env) { e.skew.Store([]int64{0, 600_000, -600_000}[n]) })
	job := p.submit()
	for n, e := range p.all {
		ex, err := p.host.at(e.url).Exchange(t.Context())
		p.ok(err)
		if d := time.Since(time.UnixMilli(ex.TimeMS)); d.Abs() > 5*time.Second {
			t.Errorf("process %d goes by a clock that is %v off", n, d)
		}
	}
	c, err := p.host.at(p.all[2].url).Claim(t.Context(), []string{"small"}, 0, nil)
	p.ok(err)
	time.Sleep(time.Second) // all have looked at leases
	for _, e := range p.all {
		p.ok(p.host.at(e.url).Renew(t.Context(), job, c.Lease))
	}
}

// lossy is a store whose notifications get lost.
type lossy struct{ store.Store }

func (l lossy) Shared() store.Shared { return silent{l.Store.Shared()} }

type silent struct{ store.Shared }

func (silent) Notify(...string) {}

// TestLostNotifications only delay.
func TestLostNotifications(t *testing.T) {
	p := newPeers(t, func(_ int, e *env) { e.st = func(s store.Store) store.Store { return lossy{s} } })
	begin := time.Now()
	got := make(chan error, 1)
	go func() {
		_, err := p.host.at(p.all[1].url).Claim(t.Context(), []string{"small"}, time.Minute, nil)
		got <- err
	}()
	time.Sleep(100 * time.Millisecond)
	p.submit()
	p.ok(<-got)
	if d := time.Since(begin); d > 20*time.Second {
		t.Errorf("took %v", d)
	}
}

// TestDatabaseDown crashes the database under an exchange: calls say so, and work again without hands.
func TestDatabaseDown(t *testing.T) {
	server := testpg.Start(t)
	e := &env{T: t, home: t.TempDir(), link: server.Database(t)}
	e.start("127.0.0.1:0")
	t.Cleanup(e.stop)
	w := newWorldIn(e)
	job := w.submit()
	c := w.claim()
	// A crash may undo the latest of what is not durable; a message is, and the claim before it.
	w.ok(w.host.SendMessages(t.Context(), job, c.Lease, []wire.Outgoing{{To: w.a.fp, Kind: wire.KindHello, Body: []byte("h")}}))
	polled := make(chan error, 1)
	go func() { // gone when its patience is
		_, err := w.host.at(e.url).Replies(t.Context(), job, c.Lease, wire.Await{Wait: 60 * time.Second})
		polled <- err
	}()
	r := w.a.raw("GET", "/v1/mailbox", nil)
	server.Crash(t)
	if status, code := e.send(r); status != 503 || code != wire.CodeUnavailable {
		t.Errorf("got %d %q", status, code)
	}
	_, err := w.a.at(e.url).Mailbox(t.Context(), 0, 0)
	if !errors.Is(err, client.ErrUnavailable) || fault.ExitCode(err) != int(fault.Unavailable) {
		t.Errorf("without a database: %v", err)
	}
	if err := <-polled; !errors.Is(err, client.ErrUnavailable) {
		t.Errorf("who waited: %v", err)
	}
	time.Sleep(10 * time.Second) // longer than the lease
	w.ok(server.Run())
	w.ok(w.host.Renew(t.Context(), job, c.Lease))
	if _, code := e.send(r); code != wire.CodeWrongInstance {
		t.Errorf("a request of before: %q", code)
	}
	w.ok(w.host.Finish(t.Context(), job, wire.Finish{Lease: c.Lease, State: wire.StateDone}))
}

const (
	peerHome  = "CORDON_EXCHANGE_TEST_HOME"
	peerStore = "CORDON_EXCHANGE_TEST_STORE"
)

// servePeer is an exchange that TestKilledProcess kills.
func servePeer(ctx context.Context, home, link string) error {
	h, err := exchange.Open(ctx, exchange.Place{Home: home, Store: link})
	if err != nil {
		return err
	}
	srv, err := exchange.New(ctx, exchange.Options{Store: h.Store, Lake: h.Lake, Lease: 2 * time.Second, LogDir: h.LogDir})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", l.Addr())
	return srv.Run(ctx, l)
}

func startPeer(t *testing.T, home, link string) (url string, kill func()) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), peerHome+"="+home, peerStore+"="+link)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	})
	t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "http://") {
		t.Fatalf("%q, %v", line, err)
	}
	return strings.TrimSpace(line), kill
}

// TestKilledProcess kills one of three exchange processes while jobs are submitted, claimed and finished at all of them: what was confirmed
// is there, and each job is done once.
func TestKilledProcess(t *testing.T) {
	link, home := testpg.Database(t), t.TempDir()
	var urls [3]string
	var kills [3]func()
	for n := range urls {
		urls[n], kills[n] = startPeer(t, home, link)
	}
	w := newWorldIn(&env{T: t, home: home, link: link, url: urls[0]})
	const each = 20
	var mu sync.Mutex
	confirmed, claims, done := map[statement.Digest]bool{}, map[statement.Digest]int64{}, map[statement.Digest]int{}
	var jobs [3][]*statement.Envelope
	for n := range jobs {
		for range each {
			jobs[n] = append(jobs[n], sign(w.env, w.jobOf(), w.asker))
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var submitting, hosting sync.WaitGroup
	for n, url := range urls {
		asker, host := w.asker.at(url), w.host.at(url)
		submitting.Go(func() {
			for k, e := range jobs[n] {
				if n == 1 && k == each/2 {
					kills[1]()
				}
				d, err := asker.SubmitJob(ctx, e)
				if err != nil {
					if n != 1 || !errors.Is(err, client.ErrUnavailable) {
						t.Errorf("submitted at %d: %v", n, err)
					}
					return
				}
				mu.Lock()
				confirmed[d] = true
				mu.Unlock()
			}
		})
		hosting.Go(func() {
			for ctx.Err() == nil {
				c, err := host.Claim(ctx, []string{"small"}, 500*time.Millisecond, nil)
				if err != nil {
					if n == 1 && errors.Is(err, client.ErrUnavailable) {
						return
					}
					continue
				}
				mu.Lock()
				if claims[c.Digest] == c.Attempt {
					t.Errorf("attempt %d was claimed twice", c.Attempt)
				}
				claims[c.Digest] = c.Attempt
				mu.Unlock()
				// The other processes know the lease.
				err = w.host.at(urls[(n/2)*2]).Finish(ctx, c.Digest, wire.Finish{Lease: c.Lease, State: wire.StateDone})
				if err == nil {
					mu.Lock()
					done[c.Digest]++
					mu.Unlock()
				}
			}
		})
	}
	submitting.Wait()
	deadline := time.Now().Add(30 * time.Second)
	for {
		mu.Lock()
		missing := 0
		for d := range confirmed {
			if done[d] == 0 {
				missing++
			}
		}
		mu.Unlock()
		if missing == 0 || time.Now().After(deadline) {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	cancel()
	hosting.Wait()
	if len(confirmed) < 2*each {
		t.Fatalf("only %d jobs were confirmed", len(confirmed))
	}
	last := w.asker.at(urls[2])
	for d := range confirmed {
		st, err := last.Job(t.Context(), d)
		if err != nil || st.State != wire.StateDone || done[d] != 1 {
			t.Errorf("job %s: %+v, finished %d times: %v", d.Short(), st, done[d], err)
		}
	}
	told := map[statement.Digest]int{}
	m, err := w.a.at(urls[2]).Mailbox(t.Context(), 0, 0)
	w.ok(err)
	for _, it := range m.Items {
		if it.Kind == wire.KindJob {
			told[it.Job]++
		}
	}
	for d := range confirmed {
		if told[d] != 1 {
			t.Errorf("an owner was told %d times of job %s", told[d], d.Short())
		}
	}
}
