package postgres

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
)

const (
	poolSize    = 8 // connections of each of the two pools, unless the URL says pool_max_conns
	connectTime = 5 * time.Second
	callTime    = 30 * time.Second // of one call, whatever its caller's context says
	idleTime    = "15s"            // of a transaction: a process that stands still must not keep its locks
)

// Store is an open store. Its methods may be called concurrently, here and in other processes over the same database.
type Store struct {
	id      string
	durable *pgxpool.Pool // commits when the disk has it
	quick   *pgxpool.Pool // commits at once; reads
	closing sync.Once
	closed  atomic.Bool
	shared  *shared
	view    *view // nil: not a view
}

var _ store.Store = (*Store)(nil)

// ErrURL is returned by Open for a URL that it does not take.
var ErrURL = errors.New("postgres: not a URL of the form postgres://user@host/database")

// ErrPassword is returned by Open for a URL with a password: it would be seen where the URL is.
var ErrPassword = errors.New("postgres: the URL holds a password")

// Open opens the store in a database, or makes one there. Names of user, database and host that the URL leaves out come from the
// environment, as with libpq; so does the password. A host that is not this machine must show a certificate of its name, unless the
// URL or PGSSLMODE says otherwise.
func Open(ctx context.Context, link string) (*Store, error) {
	durable, quick, err := configs(link)
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, durable.ConnConfig); err != nil {
		return nil, classify(err)
	}
	s := &Store{}
	s.shared = newShared(s, quick.ConnConfig)
	if s.durable, err = pgxpool.NewWithConfig(ctx, durable); err != nil {
		return nil, classify(err)
	}
	if s.quick, err = pgxpool.NewWithConfig(ctx, quick); err != nil {
		s.durable.Close()
		return nil, classify(err)
	}
	if err := s.begin(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Store) begin(ctx context.Context) (err error) {
	if s.id, err = s.identify(ctx); err != nil {
		return err
	}
	if err := s.shared.look(ctx); err != nil {
		return err
	}
	s.shared.start()
	return nil
}

func (s *Store) identify(ctx context.Context) (id string, err error) {
	var b [32]byte
	rand.Read(b[:]) // never fails: crypto/rand aborts the process instead
	err = s.write(ctx, true, func(t *tx) error {
		if err := t.exec("INSERT INTO meta (key, value) VALUES ('id', $1) ON CONFLICT DO NOTHING", "exchange1"+hex.EncodeToString(b[:])); err != nil {
			return err
		}
		return t.one("SELECT value FROM meta WHERE key = 'id'", nil, &id)
	})
	return id, err
}

// configs of the two pools.
func configs(link string) (durable, quick *pgxpool.Config, err error) {
	link, err = strict(link)
	if err != nil {
		return nil, nil, err
	}
	for _, c := range []struct {
		into   **pgxpool.Config
		commit string
	}{{&durable, "on"}, {&quick, "off"}} {
		cfg, err := pgxpool.ParseConfig(link)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: %w", ErrURL, err) // pgx leaves passwords out
		}
		if !strings.Contains(link, "pool_max_conns") {
			cfg.MaxConns = poolSize
		}
		cfg.ConnConfig.ConnectTimeout = connectTime
		defaults(cfg.ConnConfig, c.commit)
		*c.into = cfg
	}
	return durable, quick, nil
}

func defaults(c *pgx.ConnConfig, commit string) {
	p := c.RuntimeParams
	if p["application_name"] == "" {
		p["application_name"] = "cordon-exchange"
	}
	p["statement_timeout"] = fmt.Sprint(callTime.Milliseconds())
	p["lock_timeout"] = fmt.Sprint(callTime.Milliseconds())
	p["idle_in_transaction_session_timeout"] = idleTime
	p["synchronous_commit"] = commit // whatever the server's default is: what must be durable may not depend on it
	p["default_transaction_isolation"] = "read committed"
	p["timezone"] = "UTC"
}

// strict refuses URLs that would show or send what they should not.
func strict(link string) (string, error) {
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Fragment != "" || u.Opaque != "" {
		return "", ErrURL // the text of a parser's error would hold the URL
	}
	q := u.Query()
	if _, set := u.User.Password(); set || q.Has("password") {
		return "", ErrPassword
	}
	if q.Get("sslmode") == "" && os.Getenv("PGSSLMODE") == "" && !onThisMachine(u, q) {
		q.Set("sslmode", "verify-full")
		u.RawQuery = q.Encode()
	}
	return u.String(), nil
}

// onThisMachine reports whether every host of a URL is a socket in a folder, or loopback.
func onThisMachine(u *url.URL, q url.Values) bool {
	hosts := strings.Split(q.Get("host"), ",")
	if q.Get("host") == "" {
		hosts = strings.Split(u.Host, ",")
	}
	if u.Host == "" && q.Get("host") == "" {
		hosts = strings.Split(os.Getenv("PGHOST"), ",")
	}
	for _, h := range hosts {
		if name, _, err := net.SplitHostPort(h); err == nil {
			h = name
		}
		ip := net.ParseIP(strings.Trim(h, "[]"))
		if h != "" && h != "localhost" && !strings.HasPrefix(h, "/") && !strings.HasPrefix(h, "@") && (ip == nil || !ip.IsLoopback()) {
			return false
		}
	}
	return true
}

// ID of the exchange.
func (s *Store) ID() string { return s.id }

// Shared is what the processes tell each other.
func (s *Store) Shared() store.Shared {
	if s.shared == nil {
		return nil // a view: nobody serves from it
	}
	return s.shared
}

// Close ends the store; calls that run are finished first.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.closed.Store(true)
		if s.view != nil {
			s.view.close()
			return
		}
		s.shared.stop()
		s.durable.Close()
		s.quick.Close()
	})
	return nil
}
