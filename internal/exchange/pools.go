package exchange

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/statement"
)

// addPool takes a pool with the signatures of some of its members, and merges
// them with those that came before. Until all have signed only members see it.
func (s *Server) addPool(c *call, e *statement.Envelope) error {
	p, err := statement.DecodeUnverified[statement.Pool](e.Payload)
	if err != nil {
		return err
	}
	members := p.Authors()
	if err := c.byAuthor(members); err != nil {
		return err
	}
	signers, err := e.Signers()
	if err != nil {
		return err
	}
	for _, f := range signers {
		if !slices.Contains(members, f) {
			return badSignature("pool is signed by another than its members")
		}
	}
	// Another member's signature can arrive between reading and writing.
	for range maxMerges {
		err := s.mergePool(c, e, p)
		if !errors.Is(err, store.ErrChanged) {
			return err
		}
	}
	return tooMany("too many signatures of this pool at once")
}

const maxMerges = 100

func (s *Server) mergePool(c *call, e *statement.Envelope, p *statement.Pool) error {
	ctx := c.r.Context()
	have, err := s.store.Statement(ctx, e.Digest())
	if errors.Is(err, store.ErrNotFound) {
		return s.newPool(c, e, p)
	}
	if err != nil {
		return err
	}
	old, err := statement.ParseEnvelope(have.Envelope)
	if err != nil {
		return errors.Join(store.ErrDamaged, err)
	}
	kept, err := s.withoutRevoked(ctx, old)
	if err != nil {
		return err
	}
	merged := merge(p, kept, e, old) // a signature of a revoked key stays only until its member signs anew
	if bytes.Equal(merged.Bytes(), have.Envelope) {
		return nil
	}
	st := poolStatement(merged, p)
	var items []store.Delivery
	if st.Complete && !have.Complete {
		items = deliverStatement(c.party, st.Envelope, p.Authors())
	}
	if err := s.store.ReplaceEnvelope(ctx, st, have.Envelope, items); err != nil {
		return err
	}
	s.tlog.poke()
	s.log.Info("pool signed", "digest", st.Digest.Short(), "by", c.party.Short(), "signatures", len(merged.Signatures), "complete", st.Complete)
	s.wake(items)
	return nil
}

// withoutRevoked is a pool's envelope without the signatures of keys that were revoked since.
func (s *Server) withoutRevoked(ctx context.Context, e *statement.Envelope) (*statement.Envelope, error) {
	out := &statement.Envelope{PayloadType: e.PayloadType, Payload: e.Payload}
	for _, sig := range e.Signatures {
		one := statement.Envelope{Signatures: []statement.Signature{sig}}
		err := s.unrevoked(ctx, one.OnlineKeys())
		if err != nil && !isRevoked(err) {
			return nil, err
		}
		if err == nil {
			out.Signatures = append(out.Signatures, sig)
		}
	}
	return out, nil
}

func (s *Server) newPool(c *call, e *statement.Envelope, p *statement.Pool) error {
	if err := s.poolReferences(c.r.Context(), p); err != nil {
		return err
	}
	st := poolStatement(merge(p, e), p)
	if err := s.mayAdd(c, &st, p.Authors()); err != nil {
		return err
	}
	items := deliverStatement(c.party, st.Envelope, p.Authors())
	added, err := s.store.AddStatement(c.r.Context(), st, items)
	if err != nil {
		return err
	}
	if !added {
		return store.ErrChanged
	}
	s.tlog.poke()
	s.log.Info("pool added", "digest", st.Digest.Short(), "by", c.party.Short(), "complete", st.Complete)
	s.wake(items)
	return nil
}

func (s *Server) poolReferences(ctx context.Context, p *statement.Pool) error {
	for _, m := range p.Members {
		if _, err := s.offer(ctx, m.Offer, m.Owner); err != nil {
			return err
		}
	}
	if p.Previous == "" {
		return nil
	}
	st, err := s.find(ctx, p.Previous, store.KindPool, "the previous epoch")
	if err != nil {
		return err
	}
	before, err := body[statement.Pool](st)
	if err != nil {
		return err
	}
	if before.Name != p.Name || before.Epoch != p.Epoch-1 {
		return unknownReference("the previous epoch")
	}
	return nil
}

func poolStatement(e *statement.Envelope, p *statement.Pool) store.Statement {
	st := store.Statement{Digest: e.Digest(), Kind: store.KindPool, Name: p.Name, Envelope: e.Bytes(),
		Authors: p.Authors(), Complete: len(e.Signatures) == len(p.Members)}
	if !st.Complete {
		st.Readers = p.Authors()
	}
	for _, m := range p.Members {
		st.Refs = append(st.Refs, m.Offer)
	}
	if p.Previous != "" {
		st.Refs = append(st.Refs, p.Previous)
	}
	return st
}

// merge gathers the signatures of envelopes of one payload, in the order of the
// members, one per member. All were checked.
func merge(p *statement.Pool, from ...*statement.Envelope) *statement.Envelope {
	by := map[statement.Fingerprint]statement.Signature{}
	for _, e := range from {
		for _, sig := range e.Signatures {
			f, err := sig.Party()
			if _, there := by[f]; err == nil && !there {
				by[f] = sig
			}
		}
	}
	out := &statement.Envelope{PayloadType: from[0].PayloadType, Payload: from[0].Payload}
	for _, m := range p.Members {
		if sig, ok := by[m.Owner]; ok {
			out.Signatures = append(out.Signatures, sig)
		}
	}
	return out
}
