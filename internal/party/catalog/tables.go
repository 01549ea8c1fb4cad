package catalog

import (
	"context"
	"slices"
	"time"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/statement"
)

// Tables resolves the data that a contract names, all of it verified: each offer
// signed by the owner that the contract pins, each pool by exactly its members.
func (c *Catalog) Tables(ctx context.Context, con *statement.Contract) ([]policy.Table, error) {
	var out []policy.Table
	for _, t := range con.Tables {
		table := policy.Table{Name: t.Name}
		if t.Pool != "" {
			p, err := c.poolOf(ctx, &t)
			if err != nil {
				return nil, err
			}
			table.Pool, table.Epoch = string(t.Pool), p.Epoch
		}
		for _, m := range t.Members {
			s, err := c.source(ctx, m)
			if err != nil {
				return nil, err
			}
			table.Members = append(table.Members, s)
		}
		if t.Pool == "" && t.Name != table.Members[0].OwnerName+"."+table.Members[0].Dataset {
			return nil, untrusted("a contract names data otherwise than its owner does", nil)
		}
		out = append(out, table)
	}
	return out, nil
}

func (c *Catalog) poolOf(ctx context.Context, t *statement.Table) (*statement.Pool, error) {
	p, err := c.Pool(ctx, t.Pool)
	if err != nil {
		return nil, err
	}
	if "pool."+p.Body().Name != t.Name || !slices.Equal(p.Body().Members, t.Members) {
		return nil, untrusted("a contract names other members than the pool's epoch has", nil)
	}
	return p.Body(), nil
}

func (c *Catalog) source(ctx context.Context, m statement.Member) (policy.Source, error) {
	o, err := c.Offer(ctx, m.Owner, m.Offer)
	if err != nil {
		return policy.Source{}, err
	}
	party, err := c.Party(ctx, m.Owner)
	if err != nil {
		return policy.Source{}, err
	}
	p, err := c.policyOf(o)
	if err != nil {
		return policy.Source{}, fault.New(fault.Input, "the policy of "+party.Body().Name+"."+o.Body().Dataset+" can't be read", "ask its owner to publish it again", err)
	}
	b := o.Body()
	if _, noise := b.Commitment(statement.NoiseKey); noise != p.Noisy() {
		return policy.Source{}, fault.New(fault.Input, "the offer of "+party.Body().Name+"."+b.Dataset+" and its policy do not agree on a noise key", "ask its owner to publish it again", nil)
	}
	s := policy.Source{
		Owner: string(b.Owner), OwnerName: party.Body().Name, Dataset: b.Dataset, Version: b.Version,
		Offer: string(o.Digest()), Policy: p,
	}
	for _, col := range b.Schema {
		s.Schema = append(s.Schema, policy.Column{Name: col.Name, Type: policy.Type(col.Type), Nullable: col.Nullable})
	}
	return s, nil
}

// policyOf parses an offer's policy once: a job of a large pool asks for each of its policies three times.
func (c *Catalog) policyOf(o *statement.Verified[statement.Offer]) (*policy.Policy, error) {
	c.mu.Lock()
	p := c.policies[o.Digest()]
	c.mu.Unlock()
	if p != nil {
		return p, nil
	}
	p, err := policy.Parse([]byte(o.Body().Policy))
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.policies) >= maxKnown {
		clear(c.policies)
	}
	c.policies[o.Digest()] = p
	return p, nil
}

// PlanEncoding is the encoding that a contract over these tables needs.
func (c *Catalog) PlanEncoding(ctx context.Context, t *statement.Contract) (string, error) {
	tables, err := c.Tables(ctx, t)
	if err != nil {
		return "", err
	}
	return policy.EncodingFor(tables), nil
}

// Question is what a body asks under a contract, for the compiler.
type Question struct {
	Contract *statement.Contract
	Body     *statement.Body
	At       time.Time
	Operator statement.Fingerprint // empty where none is known yet
}

// Request resolves a question to what every party compiles.
func (c *Catalog) Request(ctx context.Context, q Question) (policy.Request, error) {
	tables, err := c.Tables(ctx, q.Contract)
	if err != nil {
		return policy.Request{}, err
	}
	r := policy.Request{
		SQL: q.Body.SQL, Tables: tables, Requester: string(q.Contract.Requester), Purpose: q.Contract.Purpose,
		At: q.At, Operator: string(q.Operator), Encoding: q.Contract.PlanEncoding,
	}
	for _, f := range q.Contract.Recipients {
		r.Recipients = append(r.Recipients, string(f))
	}
	for _, p := range q.Body.Params {
		r.Params = append(r.Params, policy.Param{Type: policy.Type(p.Type), Value: p.Value})
	}
	return r, nil
}
