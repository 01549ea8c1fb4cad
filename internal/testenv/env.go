package testenv

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/statement"
)

const (
	// Form is the perimeter of an enclave that has none.
	Form = "in-process-test"
	// Lease is how long a host may be silent.
	Lease = time.Second
	// Patience bounds every wait of this package.
	Patience = 60 * time.Second
)

// Build stands for the measurement of a program that nobody could measure: the test itself.
var Build = statement.Sum([]byte("the enclave's code within a test"))

// Env is one exchange with its parties and hosts. Its methods are for one goroutine.
type Env struct {
	offlineRoots bool                          // of parties that are made from now on
	place        func(*Party) *keyring.Keyring // gives such a party its online key; nil: in its keyring
	testing.TB
	URL      string
	Operator *keyring.Keyring // of all hosts

	dir      string
	log      *slog.Logger
	exchange *server
}

type server struct {
	stop context.CancelFunc
	done chan error
}

// New starts an exchange, and ends it with the test.
func New(t testing.TB) *Env {
	t.Helper()
	e := &Env{TB: t, dir: t.TempDir(), log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	if testing.Verbose() {
		e.log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	e.up("127.0.0.1:0")
	t.Cleanup(e.Down)
	var err error
	e.Operator, err = keyring.New("hangar")
	e.Must(err)
	return e
}

// Must ends the test on an error.
func (e *Env) Must(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

func (e *Env) up(addr string) {
	e.Helper()
	ctx, stop := context.WithCancel(context.Background())
	h, err := exchange.OpenHome(ctx, filepath.Join(e.dir, "exchange"))
	e.Must(err)
	srv, err := exchange.New(ctx, exchange.Options{Store: h.Store, Lake: h.Lake, Lease: Lease, Log: e.log, LogDir: h.LogDir})
	e.Must(err)
	l, err := net.Listen("tcp", addr)
	e.Must(err)
	e.URL = "http://" + l.Addr().String()
	s := &server{stop: stop, done: make(chan error, 1)}
	go func() {
		err := srv.Run(ctx, l)
		s.done <- errors.Join(err, h.Close())
	}()
	e.exchange = s
}

// Down stops the exchange as SIGTERM does. What it stored stays.
func (e *Env) Down() {
	e.Helper()
	if e.exchange == nil {
		return
	}
	e.exchange.stop()
	if err := <-e.exchange.done; err != nil {
		e.Error(err)
	}
	e.exchange = nil
}

// Up starts the exchange again, where it was.
func (e *Env) Up() {
	e.Helper()
	e.up(strings.TrimPrefix(e.URL, "http://"))
}

// Until waits until f is true.
func (e *Env) Until(what string, f func() bool) {
	e.Helper()
	for end := time.Now().Add(Patience); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			e.Fatalf("not within %s: %s", Patience, what)
		}
	}
}
