package catalog

import (
	"context"
	"fmt"
	"strings"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/statement"
)

// LatestOffer is the owner's newest version of a data set that it has not revoked.
func (c *Catalog) LatestOffer(ctx context.Context, owner statement.Fingerprint, dataset string) (*statement.Verified[statement.Offer], error) {
	items, err := c.ex.AllStatements(ctx, client.Query{Kind: client.Offers, Owner: owner, Name: dataset})
	if err != nil {
		return nil, err
	}
	var found *statement.Verified[statement.Offer]
	for i := range items {
		v, err := statement.Verify[statement.Offer](&items[i].Envelope, owner)
		if err != nil || v.Body().Owner != owner || v.Body().Dataset != dataset {
			continue
		}
		if found != nil && found.Body().CreatedMS > v.Body().CreatedMS {
			continue
		}
		revoked, err := c.Revoked(ctx, owner, v.Digest())
		if err != nil {
			return nil, err
		}
		ok, err := c.keysInForce(ctx, v.OnlineKeys())
		if err != nil {
			return nil, err
		}
		if !revoked && ok {
			found = v
		}
	}
	if found == nil {
		return nil, fault.New(fault.Input, "no data set "+dataset+" of "+c.Name(ctx, owner)+" is offered", "see 'cordon dataset list --of PARTY'", ErrNotFound)
	}
	c.remember(found.Digest(), found)
	return found, nil
}

// LatestPool is the newest epoch of a pool that all its members signed. Two
// pools of one name and epoch are an error: the caller must give a digest.
func (c *Catalog) LatestPool(ctx context.Context, name string) (*statement.Verified[statement.Pool], error) {
	items, err := c.ex.AllStatements(ctx, client.Query{Kind: client.Pools, Name: name})
	if err != nil {
		return nil, err
	}
	var found *statement.Verified[statement.Pool]
	for i := range items {
		v, err := statement.VerifyAuthor[statement.Pool](&items[i].Envelope)
		if err != nil || v.Body().Name != name {
			continue
		}
		if ok, err := c.keysInForce(ctx, v.OnlineKeys()); err != nil {
			return nil, err
		} else if !ok {
			continue
		}
		switch {
		case found == nil || v.Body().Epoch > found.Body().Epoch:
			found = v
		case v.Body().Epoch == found.Body().Epoch && v.Digest() != found.Digest():
			return nil, fault.New(fault.Input, "two pools are named "+name, fmt.Sprintf("say which: pool.%s@%s or @%s", name, found.Digest(), v.Digest()), nil)
		}
	}
	if found == nil {
		return nil, fault.New(fault.Input, "no pool "+name+" is signed by all its members", "see 'cordon pool show "+name+"' for who is missing", ErrNotFound)
	}
	c.remember(found.Digest(), found)
	return found, nil
}

// Table resolves "pool.NAME" or "PARTY.DATASET", each with an optional @DIGEST,
// to what a contract pins. pins are fingerprints that names must have.
func (c *Catalog) Table(ctx context.Context, text string, pins map[string]statement.Fingerprint) (statement.Table, error) {
	name, digest, _ := strings.Cut(text, "@")
	left, right, ok := strings.Cut(name, ".")
	if !ok || !statement.ValidName(right) || digest != "" && !statement.Digest(digest).Valid() {
		return statement.Table{}, fault.New(fault.Usage, "not a name of data: "+text, "write pool.NAME or PARTY.DATASET, with @DIGEST behind it to say which", nil)
	}
	if left == "pool" {
		return c.poolTable(ctx, name, statement.Digest(digest))
	}
	owner, err := c.Resolve(ctx, left, pins)
	if err != nil {
		return statement.Table{}, err
	}
	var offer *statement.Verified[statement.Offer]
	if digest != "" {
		offer, err = c.Offer(ctx, owner, statement.Digest(digest))
	} else {
		offer, err = c.LatestOffer(ctx, owner, right)
	}
	if err != nil {
		return statement.Table{}, err
	}
	return statement.Table{Name: name, Members: []statement.Member{{Owner: owner, Offer: offer.Digest()}}}, nil
}

func (c *Catalog) poolTable(ctx context.Context, name string, digest statement.Digest) (statement.Table, error) {
	var p *statement.Verified[statement.Pool]
	var err error
	if digest != "" {
		p, err = c.Pool(ctx, digest)
	} else {
		p, err = c.LatestPool(ctx, strings.TrimPrefix(name, "pool."))
	}
	if err != nil {
		return statement.Table{}, err
	}
	if "pool."+p.Body().Name != name {
		return statement.Table{}, fault.New(fault.Input, "the pool with this digest is named "+p.Body().Name, "check the digest", nil)
	}
	return statement.Table{Name: name, Pool: p.Digest(), Members: p.Body().Members}, nil
}

// Resolve turns a fingerprint or a name into a fingerprint. A name that is
// pinned never asks the exchange; any other is the exchange's word.
func (c *Catalog) Resolve(ctx context.Context, text string, pins map[string]statement.Fingerprint) (statement.Fingerprint, error) {
	if f := statement.Fingerprint(text); f.Valid() {
		return f, nil
	}
	if f, ok := pins[text]; ok {
		return f, nil
	}
	return c.ByName(ctx, text)
}
