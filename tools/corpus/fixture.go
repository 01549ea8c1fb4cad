package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	_ "github.com/duckdb/duckdb-go/v2" // the database that the fixture lives in

	"github.com/cordon-exchange/cordon/internal/enclave/served"
	"github.com/cordon-exchange/cordon/internal/party/publish"
	"github.com/cordon-exchange/cordon/pme"
	"github.com/cordon-exchange/cordon/policy"
)

// plain is the fixture in a DuckDB of the judge's own: what is true, and never shown to anybody asked.
type plain struct {
	db    *sql.DB
	types map[string]map[string]policy.Type // by data set and column
	nulls map[string]map[string]bool
	order map[string][]string
}

func openPlain(ctx context.Context, fixture string) (*plain, error) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	p := &plain{db: db, types: map[string]map[string]policy.Type{}, nulls: map[string]map[string]bool{}, order: map[string][]string{}}
	if _, err := db.ExecContext(ctx, fixture); err != nil {
		db.Close()
		return nil, fmt.Errorf("fixture: %w", err)
	}
	return p, nil
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func tableSQL(dataset string) string {
	return quote(ownerOf(dataset)) + "." + quote(cutAfter(dataset, "."))
}

// describe reads a data set's columns, their types, and whether they hold a NULL.
func (p *plain) describe(ctx context.Context, dataset string) error {
	rows, err := p.db.QueryContext(ctx, "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position",
		ownerOf(dataset), cutAfter(dataset, "."))
	if err != nil {
		return err
	}
	defer rows.Close()
	p.types[dataset], p.nulls[dataset] = map[string]policy.Type{}, map[string]bool{}
	for rows.Next() {
		var name, t string
		if err := rows.Scan(&name, &t); err != nil {
			return err
		}
		p.order[dataset] = append(p.order[dataset], name)
		p.types[dataset][name] = fixtureType(t)
	}
	if len(p.order[dataset]) == 0 {
		return fmt.Errorf("the fixture has no table %s", dataset)
	}
	for _, name := range p.order[dataset] {
		var n int64
		if err := p.db.QueryRowContext(ctx, "SELECT count(*) - count("+quote(name)+") FROM "+tableSQL(dataset)).Scan(&n); err != nil {
			return err
		}
		p.nulls[dataset][name] = n > 0
	}
	return rows.Err()
}

// fixtureType is what publishing makes of a column that no policy measures.
func fixtureType(t string) policy.Type {
	switch t {
	case "TINYINT", "SMALLINT", "INTEGER", "BIGINT":
		return policy.Int64
	}
	return policy.Type(strings.ToLower(t))
}

// sealed is one data set as its owner published it: sealed bytes, and the keys.
type sealed struct {
	name   string
	schema []policy.Column
	policy *policy.Policy
	text   string
	bytes  []byte
	keys   pme.Keys
}

func (s *sealed) prefix() []byte { return []byte("cordon:corpus/" + s.name) }

func (s *sealed) withoutNull() (names []string) {
	for _, c := range s.schema {
		if !c.Nullable {
			names = append(names, c.Name)
		}
	}
	return names
}

// publish exports a data set and takes the same way as an owner does: the policy file, the conversion, sealing.
func (p *plain) publish(ctx context.Context, dir string, a *assumed, w *assumedWorld) (*sealed, error) {
	text, err := a.text(w, p.types[a.name])
	if err != nil {
		return nil, err
	}
	s := &sealed{name: a.name, text: text}
	if s.policy, err = policy.Parse([]byte(text)); err != nil {
		return nil, fmt.Errorf("%s: the policy can't be written: %w", a.name, err)
	}
	file := filepath.Join(dir, a.name+".parquet")
	if _, err := p.db.ExecContext(ctx, "COPY "+tableSQL(a.name)+" TO '"+strings.ReplaceAll(file, "'", "''")+"' (FORMAT parquet)"); err != nil {
		return nil, err
	}
	defer os.Remove(file)
	r := publish.Request{Path: file, Dataset: cutAfter(a.name, "."), Policy: []byte(text), Schema: p.schema(a)}
	t, err := publish.Read(ctx, r, func(publish.Progress) {})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.name, err)
	}
	s.schema = t.Schema
	if err := s.policy.Validate(s.schema); err != nil {
		return nil, fmt.Errorf("%s: the policy does not fit the table: %w", a.name, err)
	}
	return s, s.seal(ctx, t.Parquet)
}

// schema says what no policy says: which columns have no NULL, and so that one can say it, the types.
func (p *plain) schema(a *assumed) (out []publish.Typed) {
	measures := map[string]bool{}
	for _, c := range a.columns {
		measures[c.name] = c.measure
	}
	for _, name := range p.order[a.name] {
		t := p.types[a.name][name]
		if s := scaleOf(t); measures[name] && s > 0 {
			t = policy.Decimal(18, s)
		} else if measures[name] {
			t = policy.Int64
		}
		out = append(out, publish.Typed{Column: name, Type: t, NotNull: !p.nulls[a.name][name]})
	}
	return out
}

func (s *sealed) seal(ctx context.Context, plain []byte) error {
	s.keys = pme.Keys{Footer: newKey(), Columns: map[string][]byte{}}
	for _, c := range s.schema {
		s.keys.Columns[c.Name] = newKey()
	}
	var out bytes.Buffer
	if _, err := pme.Seal(ctx, bytes.NewReader(plain), int64(len(plain)), &out, pme.SealOptions{Keys: s.keys, AADPrefix: s.prefix()}); err != nil {
		return err
	}
	s.bytes = out.Bytes()
	return nil
}

func newKey() []byte {
	k := make([]byte, 32)
	rand.Read(k) // never fails
	return k
}

// open serves the columns that a plan reads, as the enclave does.
func (s *sealed) open(ctx context.Context, columns []string) (*served.File, error) {
	src := pme.Bytes(s.bytes)
	p, err := pme.ReadPlan(src, int64(len(s.bytes)), pme.OpenOptions{Keys: s.keys, AADPrefix: s.prefix(), Columns: columns, PagesOnly: true})
	if err != nil {
		return nil, err
	}
	v, err := p.View(ctx, src)
	if err != nil {
		return nil, err
	}
	f, err := served.Create("corpus")
	if err != nil {
		return nil, err
	}
	if err := f.Serve(v, v.Size()); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
