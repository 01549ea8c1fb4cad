package exchange

import (
	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/statement"
)

// addTemplate takes a template of contracts. Whether it still holds is for its readers: they look for revocations, and for the one that
// replaces it.
func (s *Server) addTemplate(c *call, e *statement.Envelope) error {
	v, err := statement.VerifyAuthor[statement.Template](e)
	if err != nil {
		return err
	}
	t := v.Body()
	if err := c.byAuthor(t.Authors()); err != nil {
		return err
	}
	st := store.Statement{Digest: v.Digest(), Kind: store.KindTemplate, Name: t.Name, Complete: true, Envelope: e.Bytes(),
		Authors: t.Authors(), Readers: t.Concerns()}
	if t.Replaces != "" {
		old, err := s.find(c.r.Context(), t.Replaces, store.KindTemplate, "the template that it replaces")
		if err != nil {
			return err
		}
		if len(old.Authors) != 1 || old.Authors[0] != t.Author {
			return unknownReference("the template that it replaces")
		}
		st.Refs = []statement.Digest{t.Replaces}
	}
	return s.add(c, st, t.Owners())
}

// addAccreditation takes a party's word about another. All may read it: owners look it up before they grant.
func (s *Server) addAccreditation(c *call, e *statement.Envelope) error {
	v, err := statement.VerifyAuthor[statement.Accreditation](e)
	if err != nil {
		return err
	}
	a := v.Body()
	if err := c.byAuthor(a.Authors()); err != nil {
		return err
	}
	if _, err := s.store.Party(c.r.Context(), a.Member); err != nil {
		return missing(err, "the member")
	}
	return s.add(c, store.Statement{Digest: v.Digest(), Kind: store.KindAccreditation, Complete: true, Envelope: e.Bytes(), Authors: a.Authors()},
		[]statement.Fingerprint{a.Member})
}

// ruleReferences looks for the template and the accreditations that a contract names: who stands in the contract learns of their end.
func (s *Server) ruleReferences(c *call, t *statement.Contract, st *store.Statement) error {
	if t.Template != "" {
		found, err := s.find(c.r.Context(), t.Template, store.KindTemplate, "the template")
		if err != nil {
			return err
		}
		if !found.VisibleTo(c.party) {
			return unknownReference("the template")
		}
		st.Refs = append(st.Refs, t.Template)
	}
	for _, d := range t.Accreditations {
		if _, err := s.find(c.r.Context(), d, store.KindAccreditation, "an accreditation"); err != nil {
			return err
		}
		st.Refs = append(st.Refs, d)
	}
	return nil
}
