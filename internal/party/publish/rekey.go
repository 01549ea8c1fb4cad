package publish

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/officers"
	"github.com/cordon-exchange/cordon/pme"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/statement"
)

// Rekey opens the newest version of a data set, in memory, and publishes it anew: other keys for every column, the same rows, schema
// and policy. The caller retires the version that it replaces.
func (p *Publisher) Rekey(ctx context.Context, name string, tell func(Progress)) (old dataset.Published, o *statement.Verified[statement.Offer], err error) {
	old, ok := p.Store.Latest(name)
	if !ok {
		return old, nil, input("no version of this data set is on offer", "see 'cordon dataset list'")
	}
	plain, err := p.open(ctx, old.Offer, tell)
	if err != nil {
		return old, nil, err
	}
	defer clear(plain)
	key, err := p.Store.ContentsKey(ctx, name)
	if err != nil {
		return old, nil, err
	}
	defer key.Wipe()
	again, t, err := p.again(ctx, &old, plain, key, tell)
	if err != nil {
		return old, nil, err
	}
	id := dataset.ID{Owner: statement.PartyOf(p.Signer), Dataset: name, Version: p.Store.NextVersion(name)}
	if err := p.mayRekey(ctx, &old, id, t); err != nil {
		return old, nil, err
	}
	v, err := p.seal(ctx, id, again, tell)
	if err != nil {
		return old, nil, err
	}
	defer v.close()
	o, err = p.offerSealed(ctx, v, tell)
	return old, o, err
}

// mayRekey asks for the policy first, which can be asked for again: what was approved for keys passes once.
func (p *Publisher) mayRekey(ctx context.Context, old *dataset.Published, next dataset.ID, t *Table) error {
	if err := p.approved(ctx, next.Dataset, next.Version, t); err != nil {
		return err
	}
	return p.Officers.Operate(ctx, officers.KeyOperation{
		Operation: officers.RekeyData, Dataset: next.Dataset, Version: old.Offer.Body().Version, Offer: old.Offer.Digest(), Next: next.Version,
	})
}

// open fetches the sealed file and decrypts it: each of its modules authenticates under the keys that were committed to.
func (p *Publisher) open(ctx context.Context, v *statement.Verified[statement.Offer], tell func(Progress)) ([]byte, error) {
	o := v.Body()
	if len(o.Files) != 1 {
		return nil, fault.New(fault.Input, "the version has several files", "publish its table again", nil)
	}
	f := o.Files[0]
	var names []string
	for _, c := range o.Schema {
		names = append(names, c.Name)
	}
	keys, err := p.Store.Release(ctx, v.Digest(), names)
	if err != nil {
		return nil, err
	}
	opt := pme.OpenOptions{Keys: pme.Keys{Footer: keys.Footer, Columns: map[string][]byte{}}, AADPrefix: []byte(f.AADPrefix), Columns: names}
	defer clear(keys.Footer)
	for _, k := range keys.Column {
		opt.Keys.Columns[k.Column] = k.Key
		defer clear(k.Key)
	}
	sealed, err := p.fetch(ctx, f, tell)
	if err != nil {
		return nil, err
	}
	plain, _, err := pme.OpenStrict(ctx, bytes.NewReader(sealed), int64(len(sealed)), opt)
	if err != nil {
		return nil, fault.New(fault.Untrusted, "what lies in the lake is not what was published", "publish the table again", err)
	}
	return plain, nil
}

func (p *Publisher) fetch(ctx context.Context, f statement.File, tell func(Progress)) ([]byte, error) {
	r, err := p.Exchange.OpenObject(ctx, f.Object, 0, f.Bytes)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	sealed, err := io.ReadAll(io.LimitReader(r, f.Bytes))
	if err == nil && int64(len(sealed)) != f.Bytes {
		err = fault.New(fault.Untrusted, "the lake gives fewer bytes than were published", "publish the table again", nil)
	}
	tell(Progress{Stage: "fetch", Rows: f.Rows, Bytes: int64(len(sealed)), Total: f.Bytes})
	return sealed, err
}

// again reads and checks the table as publishing did. Whether one of its columns is a numbering that publishing had added, the mark
// of its contents tells: the new version's has to be of the same contents.
func (p *Publisher) again(ctx context.Context, old *dataset.Published, plain []byte, key *dataset.ContentsKey, tell func(Progress)) (*scan, *Table, error) {
	o := old.Offer.Body()
	r := Request{Dataset: o.Dataset, Policy: []byte(o.Policy), plain: plain, contentsKey: key, terms: o.Terms}
	for _, c := range o.Schema {
		r.Schema = append(r.Schema, Typed{Column: c.Name, Type: policy.Type(c.Type), NotNull: !c.Nullable})
	}
	s, t, err := checked(ctx, r, tell)
	if err != nil {
		return nil, nil, errors.Join(errors.New("publish: a version that was published does not fit its own policy"), err)
	}
	same, err := p.Store.HasContents(ctx, old.Offer.Digest(), t.contents)
	if err != nil || same || !old.Policy.RowsAreUnits() {
		return s, t, err
	}
	r.numbered = old.Policy.UnitColumn()
	return checked(ctx, r, tell)
}

func checked(ctx context.Context, r Request, tell func(Progress)) (*scan, *Table, error) {
	s, err := newScan(ctx, r, tell)
	if err != nil {
		return nil, nil, err
	}
	t, err := s.run(ctx, nil, tell)
	return s, t, err
}
