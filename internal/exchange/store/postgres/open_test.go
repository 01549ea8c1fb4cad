//go:build unix

package postgres

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/testpg"
	"github.com/cordon-exchange/cordon/statement"
)

func TestURLs(t *testing.T) {
	t.Setenv("PGSSLMODE", "")
	t.Setenv("PGHOST", "")
	for link, want := range map[string]error{
		"postgres://u:secret@127.0.0.1/db":          ErrPassword,
		"postgres://u@127.0.0.1/db?password=secret": ErrPassword,
		"host=/tmp user=u":                          ErrURL,
		"mysql://u@h/db":                            ErrURL,
		"postgres://u@h/db#x":                       ErrURL,
		"postgres://u@127.0.0.1:secret/db":          ErrURL,
	} {
		_, err := Open(t.Context(), link)
		if !errors.Is(err, want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", link, err)
		}
	}
	for link, tls := range map[string]bool{
		"postgres://u@db.example/x":                 true,
		"postgres://u@db.example/x?sslmode=disable": false,
		"postgres://u@127.0.0.1/x":                  false,
		"postgres://u@[::1]:5432/x":                 false,
		"postgres://u@localhost,db.example/x":       true,
		"postgres:///x?host=db.example":             true,
		"postgres:///x?host=/run/postgresql":        false,
	} {
		durable, quick, err := configs(link)
		if err != nil {
			t.Fatalf("%s: %v", link, err)
		}
		got := durable.ConnConfig.TLSConfig
		last := got
		for _, f := range durable.ConnConfig.Fallbacks {
			last = f.TLSConfig
		}
		if must := last != nil && !last.InsecureSkipVerify; must != tls {
			t.Errorf("%s: the server must show a certificate: %v", link, must)
		}
		if d, q := durable.ConnConfig.RuntimeParams["synchronous_commit"], quick.ConnConfig.RuntimeParams["synchronous_commit"]; d != "on" || q != "off" {
			t.Errorf("synchronous_commit %q and %q", d, q)
		}
	}
}

// TestSettings: what is asked for is what the connections have, whatever the database's default is.
func TestSettings(t *testing.T) {
	link := testpg.Database(t)
	s := open(t, link)
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.write(t.Context(), true, func(x *tx) error {
		return x.exec("ALTER DATABASE " + strings.TrimPrefix(u.Path, "/") + " SET synchronous_commit = off")
	}); err != nil {
		t.Fatal(err)
	}
	again := open(t, link)
	for durable, want := range map[bool]string{true: "on", false: "off"} {
		var commit, name, timeout string
		err := again.write(t.Context(), durable, func(x *tx) error {
			return x.one("SELECT current_setting('synchronous_commit'), current_setting('application_name'), current_setting('statement_timeout')",
				nil, &commit, &name, &timeout)
		})
		if err != nil || commit != want || name != "cordon-exchange" || timeout != "30s" {
			t.Errorf("durable %v: %q %q %q, %v", durable, commit, name, timeout, err)
		}
	}
	if again.ID() != s.ID() {
		t.Error("two processes give two ids")
	}
}

// TestLostReaders: a statement for some, whose list is gone, is not one for all.
func TestLostReaders(t *testing.T) {
	s := open(t, testpg.Database(t))
	st := offerOf(1)
	st.Readers = []statement.Fingerprint{"x"}
	if _, err := s.AddStatement(t.Context(), st, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.write(t.Context(), true, func(x *tx) error { return x.exec("DELETE FROM statement_readers") }); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Statement(t.Context(), st.Digest); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("got %v", err)
	}
}

func TestNewerSchema(t *testing.T) {
	link := testpg.Database(t)
	s := open(t, link)
	if err := s.write(t.Context(), true, func(x *tx) error {
		return x.exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)")
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), link); !errors.Is(err, store.ErrNewerSchema) {
		t.Fatalf("open: %v", err)
	}
}

// TestNames of errors that a healthy server does not give.
func TestNames(t *testing.T) {
	for code, want := range map[string]error{
		"53100": store.ErrFull, "XX001": store.ErrDamaged, "25006": store.ErrUnavailable, "57P01": store.ErrUnavailable,
		"57014": store.ErrUnavailable, "53300": store.ErrUnavailable, "08006": store.ErrUnavailable, "55P03": store.ErrUnavailable,
	} {
		if err := classify(&pgconn.PgError{Code: code}); !errors.Is(err, want) {
			t.Errorf("%s: %v", code, err)
		}
	}
	if err := classify(&pgconn.PgError{Code: "42601"}); errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a mistake of ours is taken for an outage: %v", err)
	}
	if _, err := Open(t.Context(), "postgres://u@127.0.0.1:1/db"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("nobody there: %v", err)
	}
}
