package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/pme"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/statement"
)

// published is one published file as it lies in the lake, with its owner's keys: the
// bench plays the owner, too.
type published struct {
	offer *statement.Offer
	id    statement.Digest
	file  sealedFile
}

// unseal finds the newest versions of an owner's data sets.
func (w *world) unseal(ctx context.Context, owner string, names ...string) ([]*published, error) {
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
	var out []*published
	for _, name := range names {
		s, err := w.unsealOne(ctx, store, name)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

func (w *world) unsealOne(ctx context.Context, store *dataset.Store, name string) (*published, error) {
	p, ok := store.Latest(name)
	if !ok {
		return nil, errors.New("the data set is not there")
	}
	s := &published{offer: p.Offer.Body(), id: p.Offer.Digest()}
	s.file = sealedFile{size: s.offer.Files[0].Bytes, keys: pme.Keys{Columns: map[string][]byte{}}, aad: []byte(s.offer.Files[0].AADPrefix)}
	var columns []string
	for _, c := range s.offer.Schema {
		columns = append(columns, c.Name)
	}
	keys, err := store.Release(ctx, s.id, columns)
	if err != nil {
		return nil, err
	}
	s.file.keys.Footer = keys.Footer
	for _, c := range keys.Column {
		s.file.keys.Columns[c.Column] = c.Key
	}
	s.file.path = filepath.Join(w.dir, "exchange", "lake", filepath.FromSlash(s.offer.Files[0].Object))
	_, err = os.Stat(s.file.path)
	return s, err
}

// writePlain writes the plain file that the sealed one opens to, all columns of
// it: the other side's file has the same pages, codec and row groups.
func (s *published) writePlain(ctx context.Context, path string) error {
	src, err := os.ReadFile(s.file.path)
	if err != nil {
		return err
	}
	plain, _, err := pme.OpenStrict(ctx, pme.Bytes(src), int64(len(src)), s.file.options(nil))
	if err != nil {
		return err
	}
	return os.WriteFile(path, plain, 0o600)
}

// compile makes the plan that every party makes of the question under a policy.
func (s *published) compile(w *world, sql, table, text, encoding string) (*policy.Plan, error) {
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
