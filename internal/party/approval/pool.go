package approval

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/catalog"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/statement"
)

// ProposePool signs the next epoch of a pool as its first member, and posts it
// for the others to sign. members are PARTY.DATASET, with an optional @DIGEST.
func (d *Desk) ProposePool(ctx context.Context, name string, members []string, pins map[string]statement.Fingerprint) (*statement.Envelope, error) {
	p := statement.Pool{Name: name, Epoch: 1, CreatedMS: d.Now().UnixMilli()}
	for _, text := range members {
		t, err := d.Catalog.Table(ctx, text, pins)
		if err != nil {
			return nil, err
		}
		if t.Pool != "" {
			return nil, fault.New(fault.Usage, "a pool can't be a member of a pool", "name its members instead", nil)
		}
		p.Members = append(p.Members, t.Members[0])
	}
	last, err := d.Catalog.LatestPool(ctx, name)
	if err == nil {
		p.Epoch, p.Previous = last.Body().Epoch+1, last.Digest()
	} else if !errors.Is(err, catalog.ErrNotFound) {
		return nil, err
	}
	if err := d.checkPool(ctx, &p); err != nil {
		return nil, err
	}
	if err := d.dualPool(ctx, &p); err != nil {
		return nil, err
	}
	e, err := statement.Sign(p, d.Signer)
	if err != nil {
		return nil, fault.New(fault.Usage, "this is not a pool", "a pool has a name and at least two members, each once", err)
	}
	return e, d.signed(ctx, e, &p)
}

// SignPool adds this party's signature to a proposed epoch.
func (d *Desk) SignPool(ctx context.Context, e *statement.Envelope) error {
	p, err := statement.DecodeUnverified[statement.Pool](e.Payload)
	if err != nil {
		return fault.New(fault.Input, "not a pool", "see 'cordon pool list'", err)
	}
	signers, err := e.Signers()
	if err != nil {
		return fault.New(fault.Untrusted, "a signature on the pool is wrong", "ask who proposed it", err)
	}
	for _, s := range signers {
		if !slices.ContainsFunc(p.Members, func(m statement.Member) bool { return m.Owner == s }) {
			return fault.New(fault.Untrusted, "someone signed the pool who is no member", "ask who proposed it", nil)
		}
	}
	if slices.Contains(signers, d.self()) {
		return nil
	}
	if err := d.checkPool(ctx, p); err != nil {
		return err
	}
	if err := d.Officers.Require(ctx, statement.ActionPool, e.Payload); err != nil {
		return err
	}
	own := &statement.Envelope{PayloadType: e.PayloadType, Payload: e.Payload}
	if err := own.AddSignature(d.Signer); err != nil {
		return err
	}
	return d.signed(ctx, own, p)
}

// signed remembers what was signed, durably, before anyone else sees the signature.
func (d *Desk) signed(ctx context.Context, e *statement.Envelope, p *statement.Pool) error {
	if err := d.rememberApart(ctx, e, p); err != nil {
		return err
	}
	entry := ledger.Entry{Kind: ledger.KindPool, About: e.Digest(), Name: p.Name, Epoch: p.Epoch}
	if _, err := d.Ledger.Append(ctx, entry, nil); err != nil {
		return err
	}
	_, err := d.Exchange.PostStatement(ctx, e)
	return err
}

// rememberApart compares with all that was signed and remembers, in one step: of
// two proposals that arrive together, the second is compared with the first.
func (d *Desk) rememberApart(ctx context.Context, e *statement.Envelope, p *statement.Pool) error {
	others, err := d.policiesOf(ctx, p)
	if err != nil {
		return err
	}
	d.pools.Lock()
	defer d.pools.Unlock()
	if err := d.apart(ctx, p, others); err != nil {
		return err
	}
	return d.rememberPool(e)
}

func (d *Desk) rememberPool(e *statement.Envelope) error {
	file := strings.TrimPrefix(string(e.Digest()), "sha256:") + ".json"
	if err := home.MkdirAll(d.Home.Pools()); err != nil {
		return err
	}
	return home.WriteFile(filepath.Join(d.Home.Pools(), file), e.Bytes())
}

// signedPools are all epochs of all pools that this party ever signed, complete or not.
func (d *Desk) signedPools() (map[statement.Digest]*statement.Pool, error) {
	entries, err := os.ReadDir(d.Home.Pools())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, home.Storage("can't read the pools that were signed", err)
	}
	out := map[statement.Digest]*statement.Pool{}
	for _, f := range entries {
		if filepath.Ext(f.Name()) != ".json" {
			continue
		}
		b, err := os.ReadFile(filepath.Join(d.Home.Pools(), f.Name()))
		if err != nil {
			return nil, home.Storage("can't read a pool that was signed", err)
		}
		v, err := d.ownSignature(b)
		if err != nil {
			return nil, fault.New(fault.Untrusted, "a pool that was signed can't be trusted", "restore the home folder from a backup: pools/"+f.Name(), err)
		}
		out[v.Digest()] = v.Body()
	}
	return out, nil
}

func (d *Desk) ownSignature(file []byte) (*statement.Verified[statement.Pool], error) {
	e, err := statement.ParseEnvelope(file)
	if err != nil {
		return nil, err
	}
	return statement.Verify[statement.Pool](e, d.self())
}

// join signs a proposal that arrived by itself, if it is of a pool to be joined.
func (d *Desk) join(ctx context.Context, e *statement.Envelope) error {
	p, err := statement.DecodeUnverified[statement.Pool](e.Payload)
	if err != nil || !slices.Contains(d.JoinPools, p.Name) {
		return nil // left for 'pool sign'
	}
	return d.SignPool(ctx, e)
}

// checkPool decides whether this party may sign an epoch, but for the epochs beside it: rememberApart.
func (d *Desk) checkPool(ctx context.Context, p *statement.Pool) error {
	if err := d.ownMembership(p); err != nil {
		return err
	}
	if err := d.oneSchema(ctx, p); err != nil {
		return err
	}
	if p.Previous == "" {
		return nil
	}
	before, err := d.Catalog.Pool(ctx, p.Previous)
	if err != nil {
		return err
	}
	if before.Body().Name != p.Name || before.Body().Epoch != p.Epoch-1 {
		return refuse("pool-epoch", "the epoch does not follow the one that it names")
	}
	return nil
}

// ownMembership checks that the pool names a version of this party's own that may be pooled.
func (d *Desk) ownMembership(p *statement.Pool) error {
	for _, m := range p.Members {
		if m.Owner != d.self() {
			continue
		}
		own, ok := d.Store.Get(m.Offer)
		switch {
		case !ok:
			return refuse("offer-unknown", "the pool names an offer that this party did not make")
		case own.Retired:
			return refuse("offer-retired", "the pool names a version that is retired")
		case own.Policy.MinContributors() == 0:
			return refuse("pool-small", "the policy has no rule on contributors, so its data can't be pooled")
		}
		return nil
	}
	return refuse("not-concerned", "the pool does not name this party as a member")
}

func (d *Desk) oneSchema(ctx context.Context, p *statement.Pool) error {
	var first []statement.Column
	for i, m := range p.Members {
		o, err := d.Catalog.Offer(ctx, m.Owner, m.Offer)
		if err != nil {
			return err
		}
		if i == 0 {
			first = o.Body().Schema
		} else if !slices.Equal(first, o.Body().Schema) {
			return refuse("pool-schema", "the members' offers do not have one schema: "+d.Catalog.Name(ctx, m.Owner)+"'s differs from "+d.Catalog.Name(ctx, p.Members[0].Owner)+"'s")
		}
	}
	return nil
}

// PoolState is a pool epoch with who has signed.
type PoolState struct {
	Envelope *statement.Envelope
	Pool     *statement.Pool
	Digest   statement.Digest
	Signed   []statement.Fingerprint
	Missing  []statement.Fingerprint
}

// Pools lists the epochs that the exchange knows: complete ones, and those that
// wait for signatures and name this party. name may be empty for all.
func (d *Desk) Pools(ctx context.Context, name string) ([]PoolState, error) {
	var items []wire.StatementItem
	for _, pending := range []bool{true, false} { // what is signed by the last member in between is in both, not in neither
		page, err := d.Exchange.AllStatements(ctx, client.Query{Kind: client.Pools, Name: name, Pending: pending})
		if err != nil {
			return nil, err
		}
		items = append(items, page...)
	}
	var out []PoolState
	for i := range items {
		e := &items[i].Envelope
		p, err := statement.DecodeUnverified[statement.Pool](e.Payload)
		signers, serr := e.Signers()
		if err != nil || serr != nil || name != "" && p.Name != name {
			continue
		}
		out = slices.DeleteFunc(out, func(s PoolState) bool { return s.Digest == e.Digest() })
		s := PoolState{Envelope: e, Pool: p, Digest: e.Digest(), Signed: signers}
		for _, m := range p.Members {
			if !slices.Contains(signers, m.Owner) {
				s.Missing = append(s.Missing, m.Owner)
			}
		}
		out = append(out, s)
	}
	return out, nil
}
