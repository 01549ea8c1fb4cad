package publish

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/internal/party/officers"
	"github.com/cordon-exchange/cordon/statement"
)

// Exchange is what publishing asks of the exchange's client.
type Exchange interface {
	PutObject(ctx context.Context, path string, u client.Upload) error
	OpenObject(ctx context.Context, path string, offset, length int64) (io.ReadCloser, error)
	PostStatement(ctx context.Context, e *statement.Envelope) (statement.Digest, error)
}

// Publisher publishes for one party.
type Publisher struct {
	Exchange Exchange         // required
	Store    *dataset.Store   // required
	Ledger   *ledger.Ledger   // required
	Signer   statement.Signer // required
	Officers *officers.Gate   // required: dual control, where there is any
	Now      func() time.Time // required
}

// Publication is what officers approve where dual control is required for policies: which policy, with its standing rules, which
// version of which data set is offered under. An offer is signed only for one that was approved.
type Publication struct {
	Format  string                `json:"format"` // PublicationFormat
	Party   statement.Fingerprint `json:"party"`
	Dataset string                `json:"dataset"`
	Version string                `json:"version"`
	Policy  string                `json:"policy"`
	Terms   *statement.Terms      `json:"terms,omitempty"`
}

// PublicationFormat names the format of a Publication, with its version.
const PublicationFormat = "cordon-publication/1"

func (p *Publisher) approved(ctx context.Context, dataset, version string, t *Table) error {
	payload, err := statement.Marshal(Publication{
		Format: PublicationFormat, Party: statement.PartyOf(p.Signer), Dataset: dataset, Version: version, Policy: string(t.Policy.Text()), Terms: t.Terms,
	})
	if err != nil {
		return err
	}
	return p.Officers.Require(ctx, statement.ActionPolicy, payload)
}

// Publish seals the file, uploads it, and signs and posts the offer. The wrapped
// keys are durable before anything leaves, the offer before it is posted. What is
// sealed lies in the home folder until it is uploaded: ciphertext, and no more.
func (p *Publisher) Publish(ctx context.Context, r Request, tell func(Progress)) (*statement.Verified[statement.Offer], error) {
	if r.Version == "" {
		r.Version = p.Store.NextVersion(r.Dataset)
	}
	s, err := newScan(ctx, r, tell)
	if err != nil {
		return nil, err
	}
	if s.request.contentsKey, err = p.Store.ContentsKey(ctx, r.Dataset); err != nil {
		return nil, err
	}
	defer s.request.contentsKey.Wipe()
	// Where officers are asked, they are asked about a table that can be published, before hours of sealing.
	asks, err := p.Officers.Asks(statement.ActionPolicy)
	if err != nil {
		return nil, err
	}
	if asks {
		t, err := s.run(ctx, nil, tell)
		if err != nil {
			return nil, err
		}
		if o, done, err := p.unchanged(ctx, &r, t); done || err != nil {
			return o, err
		}
		if err := p.approved(ctx, r.Dataset, r.Version, t); err != nil {
			return nil, err
		}
	}
	v, err := p.seal(ctx, dataset.ID{Owner: statement.PartyOf(p.Signer), Dataset: r.Dataset, Version: r.Version}, s, tell)
	if err != nil {
		return nil, err
	}
	defer v.close()
	for _, note := range v.table.Clamped {
		tell(Progress{Stage: "read", Rows: v.table.Rows, Note: note})
	}
	if o, done, err := p.unchanged(ctx, &r, v.table); done || err != nil {
		return o, err
	}
	return p.offerSealed(ctx, v, tell)
}

// unchanged answers a request for rows that the newest version has already.
func (p *Publisher) unchanged(ctx context.Context, r *Request, t *Table) (o *statement.Verified[statement.Offer], done bool, err error) {
	newest, same, err := p.Store.Unchanged(ctx, r.Dataset, t.contents)
	if err != nil {
		return nil, false, err
	}
	if same && !r.EvenIfUnchanged {
		o, err = p.finish(ctx, newest, t)
		return o, true, err
	}
	return nil, false, nil
}

// offerSealed uploads a sealed table and offers it.
func (p *Publisher) offerSealed(ctx context.Context, v *sealed, tell func(Progress)) (*statement.Verified[statement.Offer], error) {
	if err := p.approved(ctx, v.id.Dataset, v.id.Version, v.table); err != nil {
		return nil, err // before anything leaves, and again when the offer is signed
	}
	if err := p.Store.Begin(ctx, v.keys, v.table.contents); err != nil {
		return nil, err
	}
	if err := p.upload(ctx, v, tell); err != nil {
		return nil, err
	}
	return p.offer(ctx, v.id, v.table, v.keys, v.file, tell)
}

func (p *Publisher) record(ctx context.Context, offer statement.Digest, o *statement.Offer) error {
	_, err := p.Ledger.Append(ctx, ledger.Entry{Kind: ledger.KindPublish, About: offer, Name: o.Dataset, Version: o.Version}, nil)
	return err
}

// finish answers a request for rows that the newest version has. What a full disk or an exchange that went away left out of
// its publication is made up for; a version that nobody had seen under the same policy is then the one that was asked for.
func (p *Publisher) finish(ctx context.Context, newest *dataset.Published, t *Table) (*statement.Verified[statement.Offer], error) {
	o := newest.Offer
	recorded := slices.ContainsFunc(p.Ledger.Entries(), func(e ledger.Entry) bool {
		return e.Kind == ledger.KindPublish && e.About == o.Digest()
	})
	if newest.Retired {
		return nil, unchanged(o.Body().Version)
	}
	if !recorded {
		if err := p.record(ctx, o.Digest(), o.Body()); err != nil {
			return nil, err
		}
	}
	if _, err := p.Exchange.PostStatement(ctx, o.Envelope()); err != nil {
		return nil, err
	}
	if !recorded && bytes.Equal(newest.Policy.Text(), t.Policy.Text()) && reflect.DeepEqual(o.Body().Terms, t.Terms) {
		return o, nil
	}
	return nil, unchanged(o.Body().Version)
}

// Notes are what an owner should know after it published a version: what older ones are good for.
func (p *Publisher) Notes(o *statement.Verified[statement.Offer]) []string {
	var older []string
	noisy, noise := 0, false // of the older ones; of the new one
	for _, v := range p.Store.List() {
		switch b := v.Offer.Body(); {
		case v.Offer.Digest() == o.Digest():
			noise = v.Policy.Noisy()
		case b.Dataset == o.Body().Dataset && !v.Retired:
			older = append(older, b.Version)
			if v.Policy.Noisy() {
				noisy++
			}
		}
	}
	if older == nil {
		return nil
	}
	list, both := strings.Join(older, ", "), "outside a pool, who may ask two versions sees their difference"
	switch {
	case noise && noisy == len(older):
		both = "all versions share one privacy budget, by the terms of the version that is asked and of this one"
	case noisy > 0 && !noise:
		both = "older versions answer with noise out of a budget and this one does not: who may ask it sees what the budget was for"
	}
	return []string{
		"replaced: version " + list + "; contracts granted over it stay until revoked; new ones are granted by hand, or by a rule that says even_if_replaced",
		both + "; 'cordon dataset retire " + o.Body().Dataset + " --version …' ends an old one",
	}
}

// AADPrefix binds a sealed file to its owner, data set, version and number.
func AADPrefix(id dataset.ID, file int) string {
	return fmt.Sprintf("cordon:%s/%s/%s/%d", id.Owner, id.Dataset, id.Version, file)
}

// telling reports what passed, every MiB.
type telling struct {
	r    io.Reader
	tell func(int64)
	n    int64
	told int64
}

func (t *telling) Read(b []byte) (int, error) {
	n, err := t.r.Read(b)
	t.n += int64(n)
	if t.n-t.told >= 1<<20 {
		t.told = t.n
		t.tell(t.n)
	}
	return n, err
}

func (p *Publisher) offer(ctx context.Context, id dataset.ID, t *Table, keys *dataset.Keys, f statement.File, tell func(Progress)) (*statement.Verified[statement.Offer], error) {
	o := statement.Offer{
		Owner: id.Owner, Dataset: id.Dataset, Version: id.Version, Files: []statement.File{f},
		Commitments: keys.Commitments(), Policy: string(t.Policy.Text()), Price: t.Policy.Price(), CreatedMS: p.Now().UnixMilli(),
	}
	for _, v := range p.Store.List() { // a clock that was set back makes no version older than the one that it replaces
		if v.Offer.Body().Dataset == id.Dataset {
			o.CreatedMS = max(o.CreatedMS, v.Offer.Body().CreatedMS+1)
		}
	}
	for _, c := range t.Schema {
		o.Schema = append(o.Schema, statement.Column{Name: c.Name, Type: string(c.Type), Nullable: c.Nullable})
	}
	if o.Terms = t.Terms; o.Terms != nil {
		o.Price = o.Terms.PerQuery
	}
	if last, ok := p.Store.Latest(id.Dataset); ok {
		o.Replaces = last.Offer.Digest()
	}
	if err := p.approved(ctx, o.Dataset, o.Version, t); err != nil {
		return nil, err
	}
	e, err := statement.Sign(o, p.Signer)
	if err != nil {
		return nil, err
	}
	if err := p.Store.Finish(e); err != nil {
		return nil, err
	}
	if err := p.record(ctx, e.Digest(), &o); err != nil {
		return nil, err
	}
	tell(Progress{Stage: "offer", Rows: t.Rows, Bytes: f.Bytes, Total: f.Bytes})
	if _, err := p.Exchange.PostStatement(ctx, e); err != nil {
		return nil, err
	}
	return statement.Verify[statement.Offer](e, id.Owner)
}
