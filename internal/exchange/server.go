package exchange

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"math"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/lake"
	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
)

// Options of a server.
type Options struct {
	Store       store.Store      // required
	Lake        lake.Lake        // required
	Lease       time.Duration    // of a claimed job, without a heartbeat; default 10 s
	MaxAttempts int64            // of one job; default 4
	MaxObject   int64            // bytes; default wire.MaxObject
	Relook      time.Duration    // between two looks of a long poll over a shared store, where word of something got lost; default 3 s
	Now         func() time.Time // default time.Now; a shared store's clock comes before it
	Log         *slog.Logger     // default: none
	Limits      Limits           // of each party; default: see DefaultLimits
	Watch       Watch            // default: none
	Settler     *Settler         // signs what credits settle; default: none, and no order is settled here
	Payments    Payments         // sells credits by card; default: none
	OrderGrace  time.Duration    // for owners to charge an order after its end; default 24 h
	LogDir      string           // folder of the log's tree, which can be lost; "": no log is published, and what it would hold waits in the store
	BodyTime    time.Duration    // to receive a bounded body; default 30 s
	LogRound    time.Duration    // between two checkpoints that witnesses are asked to cosign; default 2 s
}

// Server answers the exchange's HTTP interface.
type Server struct {
	store       store.Store
	shared      store.Shared // nil: nobody else has the store
	lake        lake.Lake
	lease       time.Duration
	maxAttempts int64
	maxObject   int64
	relookTime  time.Duration
	now         func() time.Time
	log         *slog.Logger
	present     presence
	watch       Watch
	settler     *Settler
	grace       time.Duration
	payments    Payments
	refunds     sync.Mutex // of those to cards: one at a time
	health      health
	handler     http.Handler
	hub         hub
	replays     replays
	jobs        jobParties
	recalls     recalls
	tlog        *tlog // nil: no log is published
	limits      Limits
	rates       rates
	bodyTime    time.Duration
	closing     chan struct{} // closed: long polls end
	closed      sync.Once
}

const (
	defaultLease       = 10 * time.Second
	defaultMaxAttempts = 4
	defaultRelook      = 3 * time.Second
)

// New makes a server. Leases in the store get their full length again, since
// their holders could not renew them while no exchange was there.
func New(ctx context.Context, o Options) (*Server, error) {
	if o.Store == nil || o.Lake == nil {
		return nil, errors.New("exchange: no store or no lake")
	}
	s := &Server{
		store: o.Store, shared: o.Store.Shared(), lake: o.Lake, lease: o.Lease, maxAttempts: o.MaxAttempts, maxObject: o.MaxObject, relookTime: o.Relook,
		now: o.Now, log: o.Log, watch: o.Watch, settler: o.Settler, grace: o.OrderGrace, payments: o.Payments, closing: make(chan struct{}),
		bodyTime: o.BodyTime,
	}
	s.defaults()
	var err error
	if s.limits, err = o.Limits.withDefaults(); err != nil {
		return nil, err
	}
	s.hub.topics, s.hub.polls, s.hub.most = map[string]*topic{}, map[string]int{}, s.limits.Polls
	if s.handler, err = s.routes(); err != nil {
		return nil, err
	}
	if err := s.countStored(ctx); err != nil {
		s.log.Warn("objects from before are not counted for their owners; the next start tries again", "err", err)
	}
	if s.shared != nil {
		s.now = s.shared.Now
	} else if err := s.FreeRoom(ctx, math.MaxInt64); err != nil { // nobody works on an object but this process
		s.log.Warn("the room of uploads that were cut off is not given back; that is tried again when their time is over", "err", err)
	}
	if o.LogDir != "" {
		if o.LogRound <= 0 {
			o.LogRound = logRound
		}
		if s.tlog, err = openLog(ctx, s.store, o.LogDir, o.LogRound, s.now); err != nil {
			return nil, err
		}
	}
	if s.shared != nil {
		return s, s.attend(ctx) // which extends leases where no other process was there
	}
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand aborts the process instead
	s.present.set(hex.EncodeToString(b[:]))
	return s, s.store.ExtendLeases(ctx, s.now().Add(s.lease).UnixMilli())
}

func (s *Server) defaults() {
	if s.lease <= 0 {
		s.lease = defaultLease
	}
	if s.maxAttempts <= 0 {
		s.maxAttempts = defaultMaxAttempts
	}
	if s.maxObject <= 0 {
		s.maxObject = wire.MaxObject
	}
	if s.relookTime <= 0 {
		s.relookTime = defaultRelook
	}
	if s.bodyTime <= 0 {
		s.bodyTime = defaultBodyTime
	}
	if s.grace <= 0 {
		s.grace = defaultGrace
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
}

// Handler of all requests. Without Run, nobody ends leases: call Sweep.
func (s *Server) Handler() http.Handler { return s.handler }

// Run serves on l until ctx ends, then lets running calls finish, at most for
// drainTime. It returns nil after such an end, with nothing left running.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 10 * time.Second,
		WriteTimeout:      answerTime, // handlers that take longer say so
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var work sync.WaitGroup
	if s.tlog != nil {
		defer s.tlog.tree.Close() // when nobody asks it any more
	}
	defer work.Wait()
	work.Go(func() { s.sweepLoop(ctx) })
	work.Go(func() { s.orderLoop(ctx) })
	work.Go(func() { s.roomLoop(ctx) })
	if s.tlog != nil {
		work.Go(func() { s.keepLog(ctx) })
	}
	if s.payments != nil {
		work.Go(func() { s.paymentLoop(ctx) })
	}
	if s.shared != nil {
		work.Go(func() { s.shared.Listen(ctx, s.heard) })
	}
	served := make(chan error, 1)
	work.Go(func() { served <- srv.Serve(l) })
	select {
	case err := <-served:
		s.Drain()
		cancel()
		return err
	case <-ctx.Done():
	}
	return s.stop(srv)
}

const drainTime = 10 * time.Second

func (s *Server) stop(srv *http.Server) error {
	s.Drain()
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		return srv.Close()
	}
	return nil
}

// Drain ends all long polls, and refuses new ones.
func (s *Server) Drain() { s.closed.Do(func() { close(s.closing) }) }

// sweepTime between two looks at leases: a lost host is noticed that much later.
const sweepTime = 250 * time.Millisecond

func (s *Server) sweepLoop(ctx context.Context) {
	failing := false
	every(ctx, min(sweepTime, s.lease/4), func() {
		err := s.Sweep(ctx)
		switch { // each change once: an outage may last
		case err != nil && ctx.Err() == nil && !failing:
			s.log.Error("leases can't be looked at", "err", err)
		case err == nil && failing:
			s.log.Info("leases can be looked at again")
		}
		failing = err != nil
	})
}

// every calls f after each period, until ctx ends.
func every(ctx context.Context, period time.Duration, f func()) {
	t := time.NewTicker(period)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			f()
		}
	}
}

// Sweep ends leases and jobs whose time is over, and wakes who waits for that.
func (s *Server) Sweep(ctx context.Context) error {
	if s.shared != nil {
		if err := s.attend(ctx); err != nil {
			return err
		}
	}
	changes, err := s.store.Expire(ctx, s.now().UnixMilli(), s.maxAttempts)
	lost := 0
	for _, c := range changes {
		if c.Code != wire.FailedExpired {
			lost++
		}
		s.log.Warn("job lost its host or its time", "job", c.Job.Short(), "state", c.State, "code", c.Code)
		s.changed(c)
	}
	if lost > 0 && s.watch != nil {
		s.watch.LeasesLost(lost)
	}
	return err
}

// changed wakes who waits for a job's state.
func (s *Server) changed(c store.Change) {
	s.tlog.poke() // it may have left a receipt
	s.notify(jobTopic(c.Job), repliesTopic(c.Job))
	if c.State == store.StateQueued {
		s.notify(queueTopic)
	}
}
