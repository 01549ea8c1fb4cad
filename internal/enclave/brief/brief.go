package brief

import (
	"errors"
	"slices"
	"time"

	"github.com/cordon-exchange/cordon/internal/channel"
	"github.com/cordon-exchange/cordon/internal/enclave/failure"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/statement"
)

// Brief is a job with every statement that it rests on, verified. Only Check makes one.
type Brief struct {
	Job      *statement.Verified[statement.Job]
	Contract *statement.Verified[statement.Contract]
	Parties  map[statement.Fingerprint]*statement.Verified[statement.Party]
	Offers   map[statement.Digest]*statement.Verified[statement.Offer] // all of the contract's
	Pools    []*statement.Verified[statement.Pool]                     // all of the contract's
	Grants   map[statement.Digest]*statement.Verified[statement.Grant] // of the job's owners, for this contract
	revoked  map[statement.Digest]bool                                 // online keys, by OnlineKey.Digest, as far as the host told
	tables   []policy.Table
	policies map[string]*policy.Policy // parsed, by text: members of a pool often have the same
}

// Errors that say which check refused, below the code that leaves the enclave.
var (
	ErrMissing = errors.New("brief: missing")
	ErrDiffers = errors.New("brief: not what was pinned")
	ErrNotNow  = errors.New("brief: not valid now")

	ErrKeyRevoked = errors.New("brief: signed by a key that was revoked")
	ErrEncoding   = errors.New("brief: plan encoding not spoken here")
)

// Check verifies what the host handed over. Its error is a *failure.Error.
func Check(in *channel.Job, now time.Time) (*Brief, error) {
	b := &Brief{
		Parties: map[statement.Fingerprint]*statement.Verified[statement.Party]{},
		Offers:  map[statement.Digest]*statement.Verified[statement.Offer]{},
		Grants:  map[statement.Digest]*statement.Verified[statement.Grant]{},

		policies: map[string]*policy.Policy{}, revoked: map[statement.Digest]bool{},
	}
	given := sortOut(in.Statements)
	for _, step := range []func(*channel.Job, *handed, time.Time) error{
		b.checkContract, b.checkJob, b.checkParties, b.checkOffers, b.checkTables, b.checkGrants, b.checkRevocations,
	} {
		if err := step(in, given, now); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (b *Brief) checkContract(in *channel.Job, _ *handed, now time.Time) error {
	c, err := statement.VerifyAuthor[statement.Contract](&in.Contract)
	if err != nil {
		return failure.New(failure.BadContract, err)
	}
	b.Contract = c
	at := now.UnixMilli()
	switch body := c.Body(); {
	case at < body.FromMS || at >= body.UntilMS:
		return failure.New(failure.BadContract, ErrNotNow)
	case !policy.Speaks(body.PlanEncoding):
		return failure.New(failure.BadContract, ErrEncoding)
	}
	return nil
}

func (b *Brief) checkJob(in *channel.Job, _ *handed, now time.Time) error {
	c := b.Contract
	j, err := statement.Verify[statement.Job](&in.Job, c.Body().Requester)
	if err != nil {
		return failure.New(failure.BadJob, err)
	}
	b.Job = j
	body := j.Body()
	if body.Contract != c.Digest() || body.Requester != c.Body().Requester || !within(body.Owners, c.Body().Owners()) {
		return failure.New(failure.BadJob, ErrDiffers)
	}
	if now.UnixMilli() >= body.ExpiresMS {
		return failure.New(failure.BadJob, ErrNotNow)
	}
	return nil
}

func within(some, all []statement.Fingerprint) bool {
	for _, f := range some {
		if !slices.Contains(all, f) {
			return false
		}
	}
	return true
}

// everyone that the job needs to know by name and box key.
func (b *Brief) everyone() []statement.Fingerprint {
	c := b.Contract.Body()
	return slices.Concat(c.Owners(), []statement.Fingerprint{c.Requester}, c.Recipients)
}

// checkParties: a party's box key is the one in a statement that the pinned key signed. Of several the newest counts: a
// party renews its statement when it renews its box key. One by an online key counts while its certificate holds: a key that has
// expired could still date a statement back, and name a box of its thief's.
func (b *Brief) checkParties(_ *channel.Job, given *handed, now time.Time) error {
	for _, e := range given.parties {
		p, err := statement.VerifyAuthor[statement.Party](e)
		if err != nil {
			return failure.New(failure.BadParty, err)
		}
		if p.CoveredAt(now.UnixMilli()) != nil {
			continue
		}
		f := p.Body().Authors()[0]
		if old := b.Parties[f]; old == nil || old.Body().CreatedMS < p.Body().CreatedMS {
			b.Parties[f] = p
		}
	}
	names := map[string]statement.Fingerprint{}
	for _, f := range b.everyone() {
		p := b.Parties[f]
		if p == nil {
			return failure.New(failure.BadParty, ErrMissing)
		}
		if other, taken := names[p.Body().Name]; taken && other != f {
			return failure.New(failure.BadParty, ErrDiffers) // SQL could not tell the two apart
		}
		names[p.Body().Name] = f
	}
	return nil
}

func (b *Brief) checkOffers(_ *channel.Job, given *handed, _ time.Time) error {
	for _, t := range b.Contract.Body().Tables {
		for _, m := range t.Members {
			o, err := statement.Verify[statement.Offer](given.named[m.Offer], m.Owner)
			if err != nil {
				return failure.Of(failure.BadOffer, b.Name(m.Owner), err)
			}
			if o.Body().Owner != m.Owner {
				return failure.Of(failure.BadOffer, b.Name(m.Owner), ErrDiffers)
			}
			b.Offers[m.Offer] = o
		}
	}
	return nil
}

func (b *Brief) checkTables(_ *channel.Job, given *handed, _ time.Time) error {
	for _, t := range b.Contract.Body().Tables {
		table := policy.Table{Name: t.Name, Pool: string(t.Pool)}
		if t.Pool != "" {
			p, err := b.pool(t, given)
			if err != nil {
				return err
			}
			table.Epoch = p.Epoch
		} else if o := b.Offers[t.Members[0].Offer].Body(); t.Name != b.Name(o.Owner)+"."+o.Dataset {
			return failure.Of(failure.BadOffer, b.Name(o.Owner), ErrDiffers)
		}
		for _, m := range t.Members {
			s, err := b.source(b.Offers[m.Offer])
			if err != nil {
				return failure.Of(failure.BadOffer, b.Name(m.Owner), err)
			}
			table.Members = append(table.Members, s)
		}
		b.tables = append(b.tables, table)
	}
	return nil
}

func (b *Brief) pool(t statement.Table, given *handed) (*statement.Pool, error) {
	var members []statement.Fingerprint
	for _, m := range t.Members {
		members = append(members, m.Owner)
	}
	p, err := statement.Verify[statement.Pool](given.named[t.Pool], members...)
	if err != nil {
		return nil, failure.New(failure.BadPool, err)
	}
	if !slices.Equal(p.Body().Members, t.Members) || "pool."+p.Body().Name != t.Name {
		return nil, failure.New(failure.BadPool, ErrDiffers)
	}
	b.Pools = append(b.Pools, p)
	return p.Body(), nil
}

func (b *Brief) source(v *statement.Verified[statement.Offer]) (policy.Source, error) {
	o := v.Body()
	p, err := b.policy(o.Policy)
	if err != nil {
		return policy.Source{}, err
	}
	if _, noise := o.Commitment(statement.NoiseKey); noise != p.Noisy() {
		return policy.Source{}, ErrDiffers
	}
	s := policy.Source{
		Owner: string(o.Owner), OwnerName: b.Name(o.Owner), Dataset: o.Dataset, Version: o.Version,
		Offer: string(v.Digest()), Policy: p,
	}
	for _, c := range o.Schema {
		s.Schema = append(s.Schema, policy.Column{Name: c.Name, Type: policy.Type(c.Type), Nullable: c.Nullable})
	}
	return s, nil
}

func (b *Brief) policy(text string) (*policy.Policy, error) {
	if p := b.policies[text]; p != nil {
		return p, nil
	}
	p, err := policy.Parse([]byte(text))
	if err == nil {
		b.policies[text] = p
	}
	return p, err
}

func (b *Brief) checkGrants(_ *channel.Job, given *handed, now time.Time) error {
	granted := map[statement.Fingerprint]bool{}
	for _, e := range given.grants {
		g, err := statement.VerifyAuthor[statement.Grant](e)
		if err != nil {
			continue // of anybody, for anything: what counts is that each owner's is among them
		}
		if b.covers(g.Body(), now) {
			b.Grants[g.Digest()] = g
			granted[g.Body().Owner] = true
		}
	}
	for _, o := range b.Job.Body().Owners {
		if !granted[o] {
			return failure.Of(failure.NoGrant, b.Name(o), ErrMissing)
		}
	}
	return nil
}

// covers reports whether g lets this contract use all offers of its owner that it names, now.
func (b *Brief) covers(g *statement.Grant, now time.Time) bool {
	if g.Contract != b.Contract.Digest() || now.UnixMilli() >= g.UntilMS || !slices.Contains(b.Job.Body().Owners, g.Owner) {
		return false
	}
	for _, o := range b.Offers {
		if o.Body().Owner == g.Owner && !slices.Contains(g.Offers, o.Digest()) {
			return false
		}
	}
	return true
}

// checkRevocations honours what the host passed on. A host can keep one back, which is why each broker looks at its own.
func (b *Brief) checkRevocations(_ *channel.Job, given *handed, _ time.Time) error {
	rests := map[statement.Digest]statement.Fingerprint{
		b.Job.Digest(): b.Job.Body().Requester, b.Contract.Digest(): b.Job.Body().Requester,
	}
	for d, o := range b.Offers {
		rests[d] = o.Body().Owner
	}
	for d, g := range b.Grants {
		rests[d] = g.Body().Owner
	}
	for _, e := range given.revocations {
		r, err := statement.VerifyAuthor[statement.Revocation](e)
		if err != nil {
			continue // nobody's word
		}
		if r.Body().Key != "" {
			b.revoked[r.Body().Revokes] = true
			continue
		}
		if author, ok := rests[r.Body().Revokes]; ok && author == r.Body().Author {
			return failure.Of(failure.Revoked, b.Name(author), ErrNotNow)
		}
	}
	for _, k := range b.onlineKeys() {
		if err := b.KeysInForce([]statement.OnlineKey{k}); err != nil {
			return failure.Of(failure.Revoked, b.Name(k.Party), err)
		}
	}
	return nil
}

// onlineKeys of all statements that the job rests on.
func (b *Brief) onlineKeys() []statement.OnlineKey {
	out := append(b.Job.OnlineKeys(), b.Contract.OnlineKeys()...)
	for _, f := range b.everyone() {
		out = append(out, b.Parties[f].OnlineKeys()...)
	}
	for _, o := range b.Offers {
		out = append(out, o.OnlineKeys()...)
	}
	for _, p := range b.Pools {
		out = append(out, p.OnlineKeys()...)
	}
	for _, g := range b.Grants {
		out = append(out, g.OnlineKeys()...)
	}
	return out
}

// KeysInForce refuses online keys that their party revoked: what they signed is nobody's word, whenever it says it was signed.
func (b *Brief) KeysInForce(keys []statement.OnlineKey) error {
	for _, k := range keys {
		if b.revoked[k.Digest()] {
			return ErrKeyRevoked
		}
	}
	return nil
}

// Name of a party, as it introduced itself; empty for one that did not.
func (b *Brief) Name(f statement.Fingerprint) string {
	if p := b.Parties[f]; p != nil {
		return p.Body().Name
	}
	return ""
}

// Box is the public key that texts for a party are sealed to, or nil.
func (b *Brief) Box(f statement.Fingerprint) []byte {
	if p := b.Parties[f]; p != nil {
		return p.Body().Box
	}
	return nil
}

// Request for the compiler: the same that brokers judge.
func (b *Brief) Request(body *statement.Body, operator statement.Fingerprint, at time.Time) policy.Request {
	c := b.Contract.Body()
	r := policy.Request{
		SQL: body.SQL, Encoding: c.PlanEncoding, Tables: b.tables, Requester: string(c.Requester), Purpose: c.Purpose, At: at, Operator: string(operator),
	}
	for _, p := range body.Params {
		r.Params = append(r.Params, policy.Param{Type: policy.Type(p.Type), Value: p.Value})
	}
	for _, f := range c.Recipients {
		r.Recipients = append(r.Recipients, string(f))
	}
	return r
}
