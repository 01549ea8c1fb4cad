package exchange_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange"
	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/lake"
	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/testpg"
	"github.com/cordon-exchange/cordon/statement"
)

// env is an exchange on loopback, with a clock that only tests move.
type env struct {
	*testing.T
	home    string
	link    string // of a database; "": SQLite in home
	url     string
	srv     *exchange.Server
	stop    func()
	skew    atomic.Int64 // milliseconds that the exchange's clock is ahead
	lake    func(lake.Lake) lake.Lake
	st      func(store.Store) store.Store
	opts    func(*exchange.Options)              // what a test wants otherwise
	seed    string                               // "": parties have random keys
	through func(party string) http.RoundTripper // what its requests go through; nil: nothing
	seq     int
}

// overPostgres is the test that runs others over PostgreSQL.
const overPostgres = "TestOverPostgres"

func newEnv(t *testing.T) *env {
	t.Helper()
	e := &env{T: t, home: t.TempDir()}
	if strings.HasPrefix(t.Name(), overPostgres+"/") {
		e.link = testpg.Database(t)
	}
	before := runtime.NumGoroutine()
	e.start("127.0.0.1:0")
	t.Cleanup(func() {
		e.stop()
		e.noneLeft(before)
	})
	return e
}

// noneLeft waits for goroutines of closed connections, and fails if others stay.
func (e *env) noneLeft(before int) {
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	deadline := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
		time.Sleep(2 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before && !e.Failed() {
		buf := make([]byte, 1<<20)
		e.Errorf("%d goroutines more than before:\n%s", n-before, buf[:runtime.Stack(buf, true)])
	}
}

func (e *env) now() time.Time { return time.Now().Add(time.Duration(e.skew.Load()) * time.Millisecond) }

// start serves e.home; stop ends that as SIGTERM would.
func (e *env) start(addr string) {
	e.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	h, err := exchange.Open(ctx, exchange.Place{Home: e.home, Store: e.link})
	e.ok(err)
	var lk lake.Lake = h.Lake
	var st store.Store = h.Store
	if e.lake != nil {
		lk = e.lake(lk)
	}
	if e.st != nil {
		st = e.st(st)
	}
	o := exchange.Options{Store: st, Lake: lk, Now: e.now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), LogDir: h.LogDir}
	if e.opts != nil {
		e.opts(&o)
	}
	e.srv, err = exchange.New(ctx, o)
	e.ok(err)
	l, err := net.Listen("tcp", addr)
	e.ok(err)
	e.url = "http://" + l.Addr().String()
	done := make(chan error, 1)
	go func() { done <- e.srv.Run(ctx, l) }()
	stopped := false
	e.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			e.Error(err)
		}
		if err := h.Close(); err != nil {
			e.Error(err)
		}
	}
}

// restart ends the exchange and starts it again at the same place.
func (e *env) restart() {
	e.Helper()
	addr := strings.TrimPrefix(e.url, "http://")
	e.stop()
	e.start(addr)
}

func (e *env) ok(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

func (e *env) code(err error, want string) {
	e.Helper()
	if !client.HasCode(err, want) {
		e.Fatalf("got %v, want code %s", err, want)
	}
}

// keys signs for a party.
type keys ed25519.PrivateKey

func newKeys(t *testing.T) keys {
	_, priv, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return keys(priv)
}

func (k keys) Public() (p statement.PublicKey) {
	copy(p[:], ed25519.PrivateKey(k).Public().(ed25519.PublicKey))
	return p
}

func (k keys) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(ed25519.PrivateKey(k), msg), nil }

// party is one that calls the exchange.
type party struct {
	*client.Client
	e    *env
	name string
	keys keys
	fp   statement.Fingerprint
	in   statement.Digest // its introduction
}

// stranger has keys but is not registered.
func (e *env) stranger(name string) *party {
	e.Helper()
	k := newKeys(e.T)
	if e.seed != "" {
		seed := sha256.Sum256([]byte(e.seed + " " + name))
		k = keys(ed25519.NewKeyFromSeed(seed[:]))
	}
	hc := client.NewHTTP()
	e.Cleanup(hc.CloseIdleConnections)
	if e.through != nil {
		hc.Transport = e.through(name)
	}
	c, err := client.New(client.Options{URL: e.url, Signer: k, HTTP: hc, Patience: 5 * time.Second, Now: e.now})
	e.ok(err)
	return &party{Client: c, e: e, name: name, keys: k, fp: k.Public().Fingerprint()}
}

func (e *env) party(name string) *party {
	e.Helper()
	p := e.stranger(name)
	var err error
	p.in, err = p.PostStatement(e.Context(), p.introduction(1))
	e.ok(err)
	return p
}

func (p *party) introduction(at int64) *statement.Envelope {
	return sign(p.e, statement.Party{Name: p.name, Key: p.keys.Public().String(), Box: make([]byte, 1216), CreatedMS: at}, p)
}

func sign[T any, P interface {
	*T
	statement.Statement
}](e *env, s T, by ...*party) *statement.Envelope {
	e.Helper()
	var signers []statement.Signer
	for _, p := range by {
		signers = append(signers, p.keys)
	}
	env, err := statement.Sign[T, P](s, signers...)
	e.ok(err)
	return env
}

// object uploads made-up bytes and returns their path and size.
func (p *party) object(file string, content string) (string, int64) {
	p.e.Helper()
	path := client.ObjectPath(p.fp, "strikes", "v1", file)
	p.e.ok(p.put(path, content))
	return path, int64(len(content))
}

func (p *party) put(path, content string) error {
	return p.PutObject(p.e.Context(), path, client.Upload{Size: int64(len(content)), Digest: statement.Sum([]byte(content)),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil }})
}

func (p *party) offerOf(path string, size int64) statement.Offer {
	commit := statement.Sum([]byte("key"))
	return statement.Offer{Owner: p.fp, Dataset: "strikes", Version: "v1",
		Schema:      []statement.Column{{Name: "cost", Type: "int64"}},
		Files:       []statement.File{{Object: path, Bytes: size, Rows: 1, AADPrefix: "a"}},
		Commitments: []statement.Commitment{{Key: "cost", Commit: commit}, {Key: statement.FooterKey, Commit: commit}},
		Policy:      "policy", Price: 1, Terms: &statement.Terms{Access: statement.AccessPurchase, PerQuery: 1}, CreatedMS: 1}
}

// offer publishes a small data set.
func (p *party) offer() statement.Digest {
	p.e.Helper()
	path, size := p.object("part.parquet", "ciphertext of "+p.name)
	d, err := p.PostStatement(p.e.Context(), sign(p.e, p.offerOf(path, size), p))
	p.e.ok(err)
	return d
}

// world is two owners with a pool, a requester with a contract over it, and a host.
type world struct {
	*env
	a, b, asker, host, other *party
	members                  []statement.Member
	pool                     statement.Digest
	contract                 statement.Digest
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldIn(newEnv(t))
}

func newWorldIn(e *env) *world {
	e.Helper()
	w := &world{env: e, a: e.party("alpha"), b: e.party("beta"), asker: e.party("institute"), host: e.party("hoster"), other: e.party("other")}
	w.members = []statement.Member{{Owner: w.a.fp, Offer: w.a.offer()}, {Owner: w.b.fp, Offer: w.b.offer()}}
	var err error
	w.pool, err = w.a.PostStatement(e.Context(), sign(e, w.poolOf(1, ""), w.a, w.b))
	e.ok(err)
	w.contract, err = w.asker.PostStatement(e.Context(), sign(e, w.contractOf(), w.asker))
	e.ok(err)
	return w
}

func (w *world) poolOf(epoch int64, previous statement.Digest) statement.Pool {
	return statement.Pool{Name: "market", Epoch: epoch, Previous: previous, Members: w.members, CreatedMS: 1}
}

func (w *world) nonce() []byte {
	w.seq++
	return fmt.Appendf(nil, "%032d", w.seq)
}

func (w *world) contractOf() statement.Contract {
	return statement.Contract{Nonce: w.nonce(), Requester: w.asker.fp, Recipients: []statement.Fingerprint{w.asker.fp}, Purpose: "safety",
		Tables: []statement.Table{{Name: "pool.market", Pool: w.pool, Members: w.members}},
		Builds: []statement.Digest{statement.Sum([]byte("build"))}, Operators: []statement.Fingerprint{w.host.fp},
		Evidence: []string{"simulated"}, Perimeters: []string{"process"}, PlanEncoding: "plan/1", FromMS: 1, UntilMS: 1 << 50, CreatedMS: 1}
}

func (w *world) jobOf() statement.Job {
	owners := []statement.Fingerprint{w.a.fp, w.b.fp}
	slices.Sort(owners)
	j := statement.Job{Nonce: w.nonce(), Contract: w.contract, Requester: w.asker.fp, Owners: owners, Class: "small",
		Commitment: statement.Sum([]byte("body")), CreatedMS: 1, ExpiresMS: w.now().Add(time.Hour).UnixMilli()}
	for _, f := range append(owners, w.asker.fp) {
		j.Bodies = append(j.Bodies, statement.SealedBody{To: f, Sealed: []byte("sealed")})
	}
	return j
}

func (w *world) submit() statement.Digest {
	w.Helper()
	d, err := w.asker.SubmitJob(w.Context(), sign(w.env, w.jobOf(), w.asker))
	w.ok(err)
	return d
}

func (w *world) claim() *wire.Claim {
	w.Helper()
	c, err := w.host.Claim(w.Context(), []string{"small"}, 0, nil)
	w.ok(err)
	return c
}

// kinds of the items in a mailbox, oldest first.
func (p *party) kinds() string {
	p.e.Helper()
	m, err := p.Mailbox(p.e.Context(), 0, 0)
	p.e.ok(err)
	var out []string
	for _, it := range m.Items {
		out = append(out, it.Kind)
	}
	return strings.Join(out, ",")
}

func (p *party) empty() {
	p.e.Helper()
	p.e.ok(p.AckMailbox(p.e.Context(), 1<<40))
}
