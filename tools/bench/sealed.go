package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cordon-exchange/cordon/internal/enclave/engine"
	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/pme"
	"github.com/cordon-exchange/cordon/pme/memfile"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/result"
	"github.com/cordon-exchange/cordon/statement"
)

// sealed is one published file as it lies in the lake, with its owner's keys: the
// bench plays the owner, too.
type sealed struct {
	offer *statement.Offer
	id    statement.Digest
	path  string
	keys  pme.Keys
}

// unseal finds the newest version of a data set of the first owner.
func (w *world) unseal(ctx context.Context, names ...string) ([]*sealed, error) {
	owner := owners()[0]
	dir, err := home.Open(w.home(owner))
	if err != nil {
		return nil, err
	}
	file, err := os.ReadFile(dir.Keyring())
	if err != nil {
		return nil, err
	}
	pass, err := keyring.ReadPassphrase(w.passphrase(owner))
	if err != nil {
		return nil, err
	}
	ring, err := keyring.Decrypt(file, pass)
	if err != nil {
		return nil, err
	}
	store, err := dataset.Open(dir, ring.Fingerprint(), ring)
	if err != nil {
		return nil, err
	}
	var out []*sealed
	for _, name := range names {
		s, err := w.unsealOne(ctx, store, name)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

func (w *world) unsealOne(ctx context.Context, store *dataset.Store, name string) (*sealed, error) {
	p, ok := store.Latest(name)
	if !ok {
		return nil, errors.New("the data set is not there")
	}
	s := &sealed{offer: p.Offer.Body(), id: p.Offer.Digest(), keys: pme.Keys{Columns: map[string][]byte{}}}
	var columns []string
	for _, c := range s.offer.Schema {
		columns = append(columns, c.Name)
	}
	keys, err := store.Release(ctx, s.id, columns)
	if err != nil {
		return nil, err
	}
	s.keys.Footer = keys.Footer
	for _, c := range keys.Column {
		s.keys.Columns[c.Column] = c.Key
	}
	s.path = filepath.Join(w.dir, "exchange", "lake", filepath.FromSlash(s.offer.Files[0].Object))
	_, err = os.Stat(s.path)
	return s, err
}

func (s *sealed) options(columns []string) pme.OpenOptions {
	return pme.OpenOptions{Keys: s.keys, AADPrefix: []byte(s.offer.Files[0].AADPrefix), Columns: columns, AllWithKeys: columns == nil}
}

// writePlain writes the plain file that the sealed one opens to, all columns of
// it: the other side's file has the same pages, codec and row groups.
func (s *sealed) writePlain(ctx context.Context, path string) error {
	src, err := os.ReadFile(s.path)
	if err != nil {
		return err
	}
	plain, _, err := pme.OpenStrict(ctx, pme.Bytes(src), int64(len(src)), s.options(nil))
	if err != nil {
		return err
	}
	return os.WriteFile(path, plain, 0o600)
}

// compile makes the plan that every party makes of the question under a policy.
func (s *sealed) compile(w *world, sql, table, text, encoding string) (*policy.Plan, error) {
	p, err := policy.Parse([]byte(text))
	if err != nil {
		return nil, err
	}
	var schema []policy.Column
	for _, c := range s.offer.Schema {
		schema = append(schema, policy.Column{Name: c.Name, Type: policy.Type(c.Type), Nullable: c.Nullable})
	}
	owner, _, _ := strings.Cut(table, ".")
	return policy.Compile(policy.Request{
		SQL: sql, Requester: w.prints[analyst], Recipients: []string{w.prints[analyst]}, Purpose: purpose, At: time.Now(), Operator: w.host.Operator, Encoding: encoding,
		Tables: []policy.Table{{Name: table, Members: []policy.Source{{
			Owner: string(s.offer.Owner), OwnerName: owner, Dataset: s.offer.Dataset, Version: s.offer.Version, Offer: string(s.id), Schema: schema, Policy: p,
		}}}},
	})
}

// engineMemory is what an enclave of class standard gives its engine.
const engineMemory = 2 << 30

// local is one opening and query in this process. What happens while keys are
// awaited is not measured, as it is not waited for: the engine is open and locked,
// and has checked the SQL.
func (s *sealed) local(ctx context.Context, plan *policy.Plan, threads int) (t *result.Table, openMS, runMS, busy float64, err error) {
	file, err := os.Open(s.path)
	if err != nil {
		return nil, 0, 0, 0, err
	}
	defer file.Close()
	size := s.offer.Files[0].Bytes
	memory, err := memfile.Create("bench", size+1<<20)
	if err != nil {
		return nil, 0, 0, 0, err
	}
	defer memory.Close()
	e, err := engine.New(ctx, engine.Options{MemoryBytes: engineMemory, Threads: threads})
	if err != nil {
		return nil, 0, 0, 0, err
	}
	defer e.Close()
	if err := e.Bind(ctx, []engine.Source{{Index: 0, Path: memory.Path(), Required: s.offer.WithoutNull()}}); err != nil {
		return nil, 0, 0, 0, err
	}
	if err := e.Prepare(ctx, plan); err != nil {
		return nil, 0, 0, 0, err
	}
	// The runner populates memory while keys are awaited, as much as the plan's share of the columns.
	memory.Populate(ctx, size*int64(len(plan.Sources[0].Columns))/int64(len(s.offer.Schema)))
	openMS, err = timed(func() error { return s.openInto(ctx, memory, file, size, plan.Sources[0].Columns) })
	if err != nil {
		return nil, 0, 0, 0, err
	}
	began := processorTime()
	runMS, err = timed(func() (err error) {
		t, err = e.Run(ctx, plan)
		return err
	})
	return t, openMS, runMS, processorTime() - began, err
}

func (s *sealed) openInto(ctx context.Context, memory *memfile.File, src *os.File, size int64, columns []string) error {
	opt := s.options(columns)
	opt.PagesOnly = true // as the enclave opens
	p, err := pme.ReadPlan(src, size, opt)
	if err != nil {
		return err
	}
	done, err := p.RunTo(ctx, src, memory)
	if err != nil {
		return err
	}
	return memory.Finish(done.Size)
}
