package fsck

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/cordon-exchange/cordon/internal/exchange/lake"
	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

func (c *check) statements(ctx context.Context) error {
	for _, pending := range []bool{false, true} {
		err := c.list(ctx, store.Query{Pending: pending}, func(st *store.Statement) error { return c.statement(ctx, st.Digest) })
		if err != nil {
			return err
		}
	}
	return nil
}

// errWrong is a fault of one statement, as its text says.
type errWrong string

func (e errWrong) Error() string { return string(e) }

// statement checks one: its signatures, what the store keeps about it, and what it names.
func (c *check) statement(ctx context.Context, d statement.Digest) error {
	c.sum.Statements++
	st, err := c.Store.Statement(ctx, d)
	if errors.Is(err, store.ErrNotFound) {
		return c.fault("statement", d, "is listed, and is not there")
	}
	if err != nil {
		return err
	}
	err = c.examine(ctx, st)
	var wrong errWrong
	if errors.As(err, &wrong) {
		return c.fault(st.Kind, d, "%s", wrong)
	}
	return err
}

func (c *check) examine(ctx context.Context, st *store.Statement) error {
	e, err := statement.ParseEnvelope(st.Envelope)
	if err != nil {
		return errWrong("its envelope is malformed")
	}
	if e.Digest() != st.Digest {
		return errWrong("its content has another digest")
	}
	if !bytes.Equal(e.Bytes(), st.Envelope) {
		return errWrong("its envelope is not strictly encoded")
	}
	want, err := c.describe(ctx, st.Kind, e)
	if err != nil {
		return err
	}
	want.Digest, want.Kind = st.Digest, st.Kind
	if err := compare(st, want); err != nil {
		return err
	}
	for _, f := range st.Authors {
		if st.Kind == store.KindSettlement {
			break // by a settler, which need not be a party
		}
		if _, err := c.Store.Party(ctx, f); err != nil {
			return absent(err, "an author is not registered")
		}
	}
	return nil
}

// absent tells what is not there from a failure to look.
func absent(err error, text string) error {
	if errors.Is(err, store.ErrNotFound) {
		return errWrong(text)
	}
	return err
}

// compare looks whether the store keeps of a statement what the statement says.
func compare(have, want *store.Statement) error {
	switch {
	case have.Name != want.Name:
		return errWrong("it is kept under another name")
	case have.Complete != want.Complete:
		return errWrong("it is kept as complete and is not, or the other way round")
	case !sameSet(have.Authors, want.Authors):
		return errWrong("its authors are not those that are kept")
	case !sameSet(have.Readers, want.Readers):
		return errWrong("who may read it is not who it concerns")
	case !sameSet(have.Refs, want.Refs):
		return errWrong("what it names is not what is kept")
	}
	return nil
}

func sameSet[T ~string](a, b []T) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}

// describe verifies a statement and says what the store has to keep about it.
func (c *check) describe(ctx context.Context, kind string, e *statement.Envelope) (*store.Statement, error) {
	switch kind {
	case store.KindParty:
		return describeParty(e)
	case store.KindOffer:
		return c.describeOffer(ctx, e)
	case store.KindPool:
		return c.describePool(ctx, e)
	case store.KindContract:
		return c.describeContract(ctx, e)
	case store.KindGrant:
		return c.describeGrant(ctx, e)
	case store.KindRevocation:
		return c.describeRevocation(ctx, e)
	case store.KindCounter:
		n, err := verify[statement.Counter](e)
		if err != nil {
			return nil, err
		}
		return c.describeAnswer(ctx, n.Owner, n.Contract)
	case store.KindRejection:
		n, err := verify[statement.Rejection](e)
		if err != nil {
			return nil, err
		}
		return c.describeAnswer(ctx, n.Owner, n.Contract)
	case store.KindTemplate:
		return c.describeTemplate(ctx, e)
	case store.KindAccreditation:
		return describeAccreditation(e)
	}
	return c.describePurchase(ctx, kind, e)
}

// verify checks that exactly its authors signed a statement.
func verify[T any, P interface {
	*T
	statement.Statement
	Authors() []statement.Fingerprint
}](e *statement.Envelope) (*T, error) {
	body, err := statement.DecodeUnverified[T, P](e.Payload)
	if err != nil {
		return nil, errWrong("its content is not of its kind")
	}
	if _, err := statement.Verify[T, P](e, P(body).Authors()...); err != nil {
		return nil, errWrong("is not signed by its authors")
	}
	return body, nil
}

func describeParty(e *statement.Envelope) (*store.Statement, error) {
	p, err := verify[statement.Party](e)
	if err != nil {
		return nil, err
	}
	return &store.Statement{Name: p.Name, Complete: true, Authors: p.Authors()}, nil
}

func (c *check) describeOffer(ctx context.Context, e *statement.Envelope) (*store.Statement, error) {
	o, err := verify[statement.Offer](e)
	if err != nil {
		return nil, err
	}
	st := &store.Statement{Name: o.Dataset, Complete: true, Authors: o.Authors()}
	if o.Replaces != "" {
		st.Refs = append(st.Refs, o.Replaces)
		if err := c.offer(ctx, o.Replaces, o.Owner); err != nil {
			return nil, err
		}
	}
	return st, c.objects(ctx, e.Digest(), o)
}

// objects looks for the files of an offer, unless it was revoked: its owner may have removed them.
func (c *check) objects(ctx context.Context, d statement.Digest, o *statement.Offer) error {
	if c.Lake == nil {
		return nil
	}
	revoked, err := c.Store.Revocations(ctx, []statement.Digest{d})
	if err != nil || len(revoked) > 0 {
		return err
	}
	for _, f := range o.Files {
		c.sum.Objects++
		faults := c.sum.Faults
		size, err := c.Lake.Size(ctx, f.Object)
		switch {
		case errors.Is(err, lake.ErrNotFound):
			err = c.fault("object", f.Object, "is not in the lake, and offer %s names it; lost, or removed by its owner", d.Short())
		case err == nil && size != f.Bytes:
			err = c.fault("object", f.Object, "has %d bytes, and offer %s says %d", size, d.Short(), f.Bytes)
		}
		if err != nil {
			return err
		}
		c.told[f.Object] = c.told[f.Object] || c.sum.Faults > faults
	}
	return nil
}

// named returns a complete statement of a kind.
func (c *check) named(ctx context.Context, d statement.Digest, kind, what string) (*store.Statement, error) {
	st, err := c.Store.Statement(ctx, d)
	if err != nil {
		return nil, absent(err, what+" that it names is not there")
	}
	if st.Kind != kind || !st.Complete {
		return nil, errWrong(what + " that it names is of another kind, or not complete")
	}
	return st, nil
}

func (c *check) offer(ctx context.Context, d statement.Digest, owner statement.Fingerprint) error {
	st, err := c.named(ctx, d, store.KindOffer, "an offer")
	if err == nil && !slices.Contains(st.Authors, owner) {
		return errWrong("an offer that it names is of another owner")
	}
	return err
}

// describePool: members sign one after the other, and until all have, only they see it.
func (c *check) describePool(ctx context.Context, e *statement.Envelope) (*store.Statement, error) {
	p, err := statement.DecodeUnverified[statement.Pool](e.Payload)
	if err != nil {
		return nil, errWrong("its content is not of its kind")
	}
	signers, err := e.Signers()
	if err != nil {
		return nil, errWrong("a signature is wrong")
	}
	for _, f := range signers {
		if !slices.Contains(p.Authors(), f) {
			return nil, errWrong("is signed by another than its members")
		}
	}
	st := &store.Statement{Name: p.Name, Complete: sameSet(signers, p.Authors()), Authors: p.Authors()}
	if !st.Complete {
		st.Readers = p.Authors()
	}
	for _, m := range p.Members {
		if err := c.offer(ctx, m.Offer, m.Owner); err != nil {
			return nil, err
		}
		st.Refs = append(st.Refs, m.Offer)
	}
	if p.Previous != "" {
		if _, err := c.named(ctx, p.Previous, store.KindPool, "the previous epoch"); err != nil {
			return nil, err
		}
		st.Refs = append(st.Refs, p.Previous)
	}
	return st, nil
}

func (c *check) describeContract(ctx context.Context, e *statement.Envelope) (*store.Statement, error) {
	t, err := verify[statement.Contract](e)
	if err != nil {
		return nil, err
	}
	st := &store.Statement{Complete: true, Authors: t.Authors(), Readers: readers(t)}
	for _, tab := range t.Tables {
		for _, m := range tab.Members {
			if err := c.offer(ctx, m.Offer, m.Owner); err != nil {
				return nil, err
			}
			st.Refs = append(st.Refs, m.Offer)
		}
		if tab.Pool == "" {
			continue
		}
		if _, err := c.named(ctx, tab.Pool, store.KindPool, "a pool"); err != nil {
			return nil, err
		}
		st.Refs = append(st.Refs, tab.Pool)
	}
	if err := c.ruleReferences(ctx, t, st); err != nil {
		return nil, err
	}
	for _, f := range t.Recipients {
		if _, err := c.Store.Party(ctx, f); err != nil {
			return nil, absent(err, "a recipient is not registered")
		}
	}
	return st, nil
}

// readers of a contract: its parties, and the operators that may host it.
func readers(t *statement.Contract) []statement.Fingerprint {
	return slices.Concat([]statement.Fingerprint{t.Requester}, t.Recipients, t.Owners(), t.Operators)
}

func (c *check) contract(ctx context.Context, d statement.Digest) (*statement.Contract, error) {
	st, err := c.named(ctx, d, store.KindContract, "the contract")
	if err != nil {
		return nil, err
	}
	e, err := statement.ParseEnvelope(st.Envelope)
	if err != nil {
		return nil, errWrong("the contract that it names is malformed")
	}
	t, err := statement.DecodeUnverified[statement.Contract](e.Payload)
	if err != nil {
		return nil, errWrong("the contract that it names is malformed")
	}
	return t, nil
}

func (c *check) describeGrant(ctx context.Context, e *statement.Envelope) (*store.Statement, error) {
	g, err := verify[statement.Grant](e)
	if err != nil {
		return nil, err
	}
	t, err := c.contract(ctx, g.Contract)
	if err != nil {
		return nil, err
	}
	for _, o := range g.Offers {
		if !grantable(t, o, g.Owner) {
			return nil, errWrong("an offer that it grants is not its owner's in the contract")
		}
	}
	return &store.Statement{Complete: true, Authors: g.Authors(), Readers: readers(t), Refs: []statement.Digest{g.Contract}}, nil
}

// describeAnswer is about a counter or rejection, which only its owner and the requester of the contract may read.
func (c *check) describeAnswer(ctx context.Context, owner statement.Fingerprint, contract statement.Digest) (*store.Statement, error) {
	t, err := c.contract(ctx, contract)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(t.Owners(), owner) {
		return nil, errWrong("it answers a contract that does not name its author")
	}
	readers := []statement.Fingerprint{owner, t.Requester}
	return &store.Statement{Complete: true, Authors: []statement.Fingerprint{owner}, Readers: readers, Refs: []statement.Digest{contract}}, nil
}

func grantable(t *statement.Contract, offer statement.Digest, owner statement.Fingerprint) bool {
	return slices.ContainsFunc(t.Tables, func(tab statement.Table) bool {
		return slices.Contains(tab.Members, statement.Member{Owner: owner, Offer: offer})
	})
}

func (c *check) describeRevocation(ctx context.Context, e *statement.Envelope) (*store.Statement, error) {
	r, err := verify[statement.Revocation](e)
	if err != nil {
		return nil, err
	}
	st := &store.Statement{Complete: true, Authors: r.Authors(), Refs: []statement.Digest{r.Revokes}}
	if r.Key != "" {
		st.Name = wire.KeyRevocation
		return st, nil
	}
	target, err := c.Store.Statement(ctx, r.Revokes)
	if err != nil {
		return nil, absent(err, "the statement that it revokes is not there")
	}
	if !slices.Contains(target.Authors, r.Author) {
		return nil, errWrong("it revokes what another has said")
	}
	st.Readers = target.Readers
	if target.Kind == store.KindPool {
		// Who could read a pool when it was revoked depends on who had signed by then.
		have, err := c.Store.Statement(ctx, e.Digest())
		if err != nil {
			return nil, err
		}
		if len(have.Readers) > 0 && !sameSet(have.Readers, target.Authors) {
			return nil, errWrong("who may read it is not who it concerns")
		}
		st.Readers = have.Readers
	}
	return st, nil
}
