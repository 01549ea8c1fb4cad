package catalog

import (
	"context"
	"errors"
	"slices"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/statement"
)

// MaxPoolsAround bounds the epochs that are looked at around one.
const MaxPoolsAround = 128

// ErrManyPools says that more epochs are linked to one than are looked at.
var ErrManyPools = errors.New("catalog: too many pools are linked by versions in common")

// Policy is the policy of a pool's member.
func (c *Catalog) Policy(ctx context.Context, m statement.Member) (*policy.Policy, error) {
	o, err := c.Offer(ctx, m.Owner, m.Offer)
	if err != nil {
		return nil, err
	}
	p, err := c.policyOf(o)
	if err != nil {
		return nil, fault.New(fault.Input, "the policy of "+c.Name(ctx, m.Owner)+"."+o.Body().Dataset+" can't be read", "ask its owner to publish it again", err)
	}
	return p, nil
}

// PoolsAround lists the epochs, of pools of any name, that are linked to one of the given: they have a version in common
// with it, or with another that is linked. They are of those that the exchange shows and all their members signed, and of
// those that the caller knows. The given themselves may be among them.
func (c *Catalog) PoolsAround(ctx context.Context, given, known []*statement.Pool) ([]*statement.Pool, error) {
	items, err := c.ex.AllStatements(ctx, client.Query{Kind: client.Pools})
	if err != nil {
		return nil, err
	}
	var left []candidate
	for _, p := range known {
		left = append(left, candidate{pool: p})
	}
	for i := range items {
		if p, err := statement.DecodeUnverified[statement.Pool](items[i].Envelope.Payload); err == nil {
			left = append(left, candidate{p, &items[i].Envelope})
		}
	}
	return c.linked(given, left)
}

// candidate is an epoch that may be linked. One with an envelope is not verified yet.
type candidate struct {
	pool     *statement.Pool
	envelope *statement.Envelope
}

func (c *Catalog) linked(given []*statement.Pool, left []candidate) ([]*statement.Pool, error) {
	versions := map[statement.Member]bool{}
	reach := func(p *statement.Pool) {
		for _, m := range p.Members {
			versions[m] = true
		}
	}
	for _, p := range given {
		reach(p)
	}
	var out []*statement.Pool
	for before := -1; before != len(left); {
		before = len(left)
		left = slices.DeleteFunc(left, func(x candidate) bool {
			touches := slices.ContainsFunc(x.pool.Members, func(m statement.Member) bool { return versions[m] })
			if touches && (x.envelope == nil || c.complete(x.envelope)) {
				out = append(out, x.pool)
				reach(x.pool)
			}
			return touches // one that is not signed by all its members answers nobody
		})
		if len(out) > MaxPoolsAround {
			return nil, ErrManyPools
		}
	}
	return out, nil
}

// complete reports whether all members signed an epoch. Each is verified once.
func (c *Catalog) complete(e *statement.Envelope) bool {
	d := e.Digest()
	c.mu.Lock()
	_, ok := c.known[d].(*statement.Verified[statement.Pool])
	c.mu.Unlock()
	if ok {
		return true
	}
	v, err := statement.VerifyAuthor[statement.Pool](e)
	if err == nil {
		c.remember(d, v)
	}
	return err == nil
}
