package exchange

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// addContract takes a contract whose data and parties are all here.
func (s *Server) addContract(c *call, e *statement.Envelope) error {
	v, err := statement.VerifyAuthor[statement.Contract](e)
	if err != nil {
		return err
	}
	t := v.Body()
	if err := c.byAuthor(t.Authors()); err != nil {
		return err
	}
	ctx := c.r.Context()
	st := store.Statement{Digest: v.Digest(), Kind: store.KindContract, Complete: true, Envelope: e.Bytes(),
		Authors: t.Authors(), Readers: unique(append(contractParties(t), t.Operators...))}
	for i := range t.Tables {
		if err := s.tableReferences(ctx, &t.Tables[i], &st); err != nil {
			return err
		}
	}
	if err := s.ruleReferences(c, t, &st); err != nil {
		return err
	}
	for _, f := range t.Recipients {
		if p, err := s.store.Party(ctx, f); err != nil || p.Revoked {
			return missing(err, "a recipient")
		}
	}
	return s.add(c, st, append(t.Owners(), t.Recipients...))
}

// contractParties are all but the operators.
func contractParties(t *statement.Contract) []statement.Fingerprint {
	return unique(append(append([]statement.Fingerprint{t.Requester}, t.Recipients...), t.Owners()...))
}

func (s *Server) tableReferences(ctx context.Context, t *statement.Table, st *store.Statement) error {
	for _, m := range t.Members {
		if _, err := s.offer(ctx, m.Offer, m.Owner); err != nil {
			return err
		}
		st.Refs = append(st.Refs, m.Offer)
	}
	if t.Pool == "" {
		return nil
	}
	found, err := s.find(ctx, t.Pool, store.KindPool, "a pool")
	if err != nil {
		return err
	}
	p, err := body[statement.Pool](found)
	if err != nil {
		return err
	}
	if len(p.Members) != len(t.Members) {
		return unknownReference("a pool")
	}
	for i := range p.Members {
		if p.Members[i] != t.Members[i] {
			return unknownReference("a pool")
		}
	}
	st.Refs = append(st.Refs, t.Pool)
	return nil
}

// contract returns one, with its entry.
func (s *Server) contract(ctx context.Context, d statement.Digest) (*store.Statement, *statement.Contract, error) {
	st, err := s.find(ctx, d, store.KindContract, "the contract")
	if err != nil {
		return nil, nil, err
	}
	t, err := body[statement.Contract](st)
	return st, t, err
}

// addGrant takes an owner's grant of a contract that names it.
func (s *Server) addGrant(c *call, e *statement.Envelope) error {
	v, err := statement.VerifyAuthor[statement.Grant](e)
	if err != nil {
		return err
	}
	g := v.Body()
	if err := c.byAuthor(g.Authors()); err != nil {
		return err
	}
	st, t, err := s.contract(c.r.Context(), g.Contract)
	if err != nil {
		return err
	}
	if !grants(t, g) {
		return unknownReference("an offer of the grant")
	}
	return s.add(c, store.Statement{
		Digest: v.Digest(), Kind: store.KindGrant, Complete: true, Envelope: e.Bytes(), Authors: g.Authors(),
		Readers: st.Readers, Refs: []statement.Digest{g.Contract},
	}, append([]statement.Fingerprint{t.Requester}, t.Recipients...))
}

// grants reports whether all of g's offers stand in the contract as its owner's.
func grants(t *statement.Contract, g *statement.Grant) bool {
	own := map[statement.Digest]bool{}
	for _, tab := range t.Tables {
		for _, m := range tab.Members {
			if m.Owner == g.Owner {
				own[m.Offer] = true
			}
		}
	}
	for _, o := range g.Offers {
		if !own[o] {
			return false
		}
	}
	return true
}

// addRevocation takes a revocation by an author of what it revokes.
func (s *Server) addRevocation(c *call, e *statement.Envelope) error {
	v, err := statement.VerifyAuthor[statement.Revocation](e)
	if err != nil {
		return err
	}
	r := v.Body()
	if err := c.byAuthor(r.Authors()); err != nil {
		return err
	}
	ctx := c.r.Context()
	if r.Key != "" {
		return s.addKeyRevocation(c, v)
	}
	target, err := s.store.Statement(ctx, r.Revokes)
	if err != nil {
		return missing(err, "the statement to revoke")
	}
	if !target.VisibleTo(c.party) {
		return unknownReference("the statement to revoke")
	}
	if !slices.Contains(target.Authors, r.Author) || target.Kind == store.KindRevocation {
		return forbidden("a statement is revoked by its author")
	}
	if target.Kind == store.KindParty && len(v.OnlineKeys()) > 0 {
		return forbidden("only the root key itself ends a party")
	}
	if err := s.revokedOnce(ctx, v); err != nil {
		return err
	}
	to, err := s.concerned(ctx, target)
	if err != nil {
		return err
	}
	return s.add(c, store.Statement{
		Digest: v.Digest(), Kind: store.KindRevocation, Complete: true, Envelope: e.Bytes(), Authors: r.Authors(),
		Readers: target.Readers, Refs: []statement.Digest{r.Revokes},
	}, to)
}

// revokedOnce refuses a second revocation of one thing by one author: it would end nothing more, and tell everybody again. One whose signing
// key was revoked since counts for nothing.
func (s *Server) revokedOnce(ctx context.Context, v *statement.Verified[statement.Revocation]) error {
	list, err := s.store.List(ctx, store.Query{Kind: store.KindRevocation, Author: v.Body().Author, Refs: []statement.Digest{v.Body().Revokes}, Page: page()})
	if err != nil {
		return err
	}
	for i := range list {
		if list[i].Digest == v.Digest() {
			return nil
		}
	}
	for i := range list {
		e, err := statement.ParseEnvelope(list[i].Envelope)
		if err != nil {
			return errors.Join(store.ErrDamaged, err)
		}
		err = s.unrevoked(ctx, e.OnlineKeys())
		if err == nil {
			return refuse(http.StatusConflict, wire.CodeAlreadyRevoked, "this party has revoked it already", "nothing is left to do")
		}
		if !isRevoked(err) {
			return err
		}
	}
	return nil
}

// maxKeyRevocations of one party: readers list those of all.
const maxKeyRevocations = 64

// addKeyRevocation takes the end of an online key, and tells everybody.
func (s *Server) addKeyRevocation(c *call, v *statement.Verified[statement.Revocation]) error {
	ctx, r := c.r.Context(), v.Body()
	have, err := s.store.List(ctx, store.Query{Kind: store.KindRevocation, Author: r.Author, Name: wire.KeyRevocation, Page: store.Page{Items: maxKeyRevocations, Bytes: 1 << 30}})
	if err != nil {
		return err
	}
	if err := s.revokedOnce(ctx, v); err != nil {
		return err
	}
	if len(have) >= maxKeyRevocations {
		return tooMany("this party has revoked as many keys as the exchange lists")
	}
	to, err := s.store.Parties(ctx)
	if err != nil {
		return err
	}
	return s.add(c, store.Statement{
		Digest: v.Digest(), Kind: store.KindRevocation, Name: wire.KeyRevocation, Complete: true, Envelope: v.Envelope().Bytes(),
		Authors: r.Authors(), Refs: []statement.Digest{r.Revokes},
	}, to)
}

// concerned by the end of a statement: who wrote it, who was shown it, and who
// stands in a statement that builds on it; where a party ends, everybody.
func (s *Server) concerned(ctx context.Context, st *store.Statement) ([]statement.Fingerprint, error) {
	if st.Kind == store.KindParty {
		return s.store.Parties(ctx)
	}
	out := append(append([]statement.Fingerprint{}, st.Authors...), st.Readers...)
	for _, pending := range []bool{false, true} {
		list, err := s.store.List(ctx, store.Query{Refs: []statement.Digest{st.Digest}, Pending: pending, Page: store.Page{Items: maxConcerned, Bytes: 1 << 30}})
		if err != nil {
			return nil, err
		}
		for i := range list {
			full, err := s.store.Statement(ctx, list[i].Digest)
			if err != nil {
				return nil, err
			}
			out = append(append(out, full.Authors...), full.Readers...)
		}
	}
	return unique(out), nil
}

// maxConcerned bounds the work of one revocation; who is not told learns of it from the catalog.
const maxConcerned = 10000
