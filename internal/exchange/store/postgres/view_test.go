//go:build unix

package postgres

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/testpg"
	"github.com/cordon-exchange/cordon/statement"
)

func viewedOffer(text string) store.Statement {
	return store.Statement{Digest: statement.Sum([]byte(text)), Kind: store.KindOffer, Complete: true, Envelope: []byte(text)}
}

func run(t *testing.T, link, sql string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), link)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	if _, err := c.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// TestView: it shows one moment whatever is written since, and writes nothing.
func TestView(t *testing.T) {
	link := testpg.Database(t)
	if _, err := View(t.Context(), link); !errors.Is(err, ErrNoExchange) {
		t.Errorf("of an empty database: %v", err)
	}
	s := open(t, link)
	add := func(text string) {
		if _, err := s.AddStatement(t.Context(), viewedOffer(text), nil); err != nil {
			t.Fatal(err)
		}
	}
	add("before")
	v, err := View(t.Context(), link)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	add("since")
	if v.ID() != s.ID() || v.Shared() != nil {
		t.Errorf("id %q of %q, shared %v", v.ID(), s.ID(), v.Shared())
	}
	for text, want := range map[string]error{"before": nil, "since": store.ErrNotFound} {
		if _, err := v.Statement(t.Context(), viewedOffer(text).Digest); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
	}
	if _, err := v.AddStatement(t.Context(), viewedOffer("mine"), nil); err == nil {
		t.Error("a view took a statement")
	}
	if err := v.AckMailbox(t.Context(), "cordon1x", 1); err == nil {
		t.Error("a view removed something")
	}
	for change, want := range map[string]error{"+ 1": store.ErrNewerSchema, "- 1": store.ErrOlderSchema} {
		link := testpg.Database(t)
		open(t, link)
		run(t, link, "UPDATE goose_db_version SET version_id = version_id "+change+" WHERE version_id = (SELECT max(version_id) FROM goose_db_version)")
		if _, err := View(t.Context(), link); !errors.Is(err, want) {
			t.Errorf("schema %s: %v, want %v", change, err, want)
		}
	}
}
