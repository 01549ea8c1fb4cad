package exchange

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// postStatement takes a statement of the catalog (spec, section 6).
func (s *Server) postStatement(c *call) error {
	b, err := c.read(wire.MaxEnvelope)
	if err != nil {
		return err
	}
	e, err := statement.ParseEnvelope(b)
	if err != nil {
		return err
	}
	uri, err := statement.PeekType(e.Payload)
	if err != nil {
		return err
	}
	if !c.registered && uri != statement.TypeParty {
		return refuse(http.StatusForbidden, wire.CodeUnregistered, "this key belongs to no party of the exchange", "introduce the party first: cordon party init")
	}
	if err := s.unrevoked(c.r.Context(), e.OnlineKeys()); err != nil {
		return err
	}
	switch uri {
	case statement.TypeParty:
		err = s.addParty(c, e)
	case statement.TypeOffer:
		err = s.addOffer(c, e)
	case statement.TypePool:
		err = s.addPool(c, e)
	case statement.TypeContract:
		err = s.addContract(c, e)
	case statement.TypeGrant:
		err = s.addGrant(c, e)
	case statement.TypeCounter:
		err = addAnswer[statement.Counter](s, c, e, store.KindCounter)
	case statement.TypeRejection:
		err = addAnswer[statement.Rejection](s, c, e, store.KindRejection)
	case statement.TypeTemplate:
		err = s.addTemplate(c, e)
	case statement.TypeAccreditation:
		err = s.addAccreditation(c, e)
	case statement.TypeRevocation:
		err = s.addRevocation(c, e)
	case statement.TypeOrder:
		err = s.addOrder(c, e)
	case statement.TypeInvoice:
		err = s.addInvoice(c, e)
	case statement.TypeSettlement:
		err = s.addSettlement(c, e)
	case statement.TypeCharge:
		err = s.addCharge(c, e)
	case statement.TypeClosing:
		err = s.addClosing(c, e)
	case statement.TypeRefund:
		err = s.addRefund(c, e)
	default:
		return badStatement("statements of this type are not posted to the catalog")
	}
	if err != nil {
		return err
	}
	return c.answer(wire.Posted{Digest: e.Digest()})
}

// byAuthor refuses statements that another than one of their authors hands in.
func (c *call) byAuthor(authors []statement.Fingerprint) error {
	if !slices.Contains(authors, c.party) {
		return forbidden("statements are posted by their authors")
	}
	return nil
}

// add stores a statement and wakes those whom it was delivered to.
func (s *Server) add(c *call, st store.Statement, to []statement.Fingerprint) error {
	if err := s.mayAdd(c, &st, to); err != nil {
		return err
	}
	items := deliverStatement(c.party, st.Envelope, to)
	added, err := s.store.AddStatement(c.r.Context(), st, items)
	if err != nil {
		return err
	}
	if !added {
		return s.signedAnew(c, st)
	}
	s.tlog.poke()
	s.log.Info("statement added", "kind", st.Kind, "digest", st.Digest.Short(), "by", c.party.Short())
	s.wake(items)
	return nil
}

// signedAnew replaces the envelope of a statement whose signing key was revoked since by the one that was posted now: the same payload
// under a key in force. Else the one that came first stays.
func (s *Server) signedAnew(c *call, st store.Statement) error {
	ctx := c.r.Context()
	have, err := s.store.Statement(ctx, st.Digest)
	if err != nil {
		return err
	}
	old, err := statement.ParseEnvelope(have.Envelope)
	if err != nil {
		return errors.Join(store.ErrDamaged, err)
	}
	err = s.unrevoked(ctx, old.OnlineKeys())
	if err == nil || !isRevoked(err) {
		return err
	}
	s.log.Info("statement signed anew", "kind", st.Kind, "digest", st.Digest.Short(), "by", c.party.Short())
	defer s.tlog.poke()
	return s.store.ReplaceEnvelope(ctx, st, have.Envelope, nil)
}

func isRevoked(err error) bool {
	var r *refusal
	return errors.As(err, &r) && r.body.Code == wire.CodeRevoked
}

func deliverStatement(from statement.Fingerprint, envelope []byte, to []statement.Fingerprint) []store.Delivery {
	var out []store.Delivery
	for _, f := range unique(to) {
		out = append(out, store.Delivery{To: f, Item: store.Item{Kind: wire.KindStatement, From: from, Body: envelope}})
	}
	return out
}

func unique(list []statement.Fingerprint) []statement.Fingerprint {
	seen := map[statement.Fingerprint]bool{}
	var out []statement.Fingerprint
	for _, f := range list {
		if !seen[f] {
			seen[f] = true
			out = append(out, f)
		}
	}
	return out
}

func (s *Server) wake(items []store.Delivery) {
	names := make([]string, len(items))
	for i, d := range items {
		names[i] = mailboxTopic(d.To)
	}
	s.notify(names...)
}

func (s *Server) addParty(c *call, e *statement.Envelope) error {
	v, err := statement.VerifyAuthor[statement.Party](e)
	if err != nil {
		return err
	}
	p := v.Body()
	if err := c.byAuthor(p.Authors()); err != nil {
		return err
	}
	return s.add(c, store.Statement{
		Digest: v.Digest(), Kind: store.KindParty, Name: p.Name, Complete: true, Envelope: e.Bytes(), Authors: p.Authors(),
		Party: &store.Party{Fingerprint: c.party, Name: p.Name, Statement: v.Digest(), CreatedMS: p.CreatedMS},
	}, nil)
}

// addOffer takes an offer whose files are all in the lake, at the owner's paths.
func (s *Server) addOffer(c *call, e *statement.Envelope) error {
	v, err := statement.VerifyAuthor[statement.Offer](e)
	if err != nil {
		return err
	}
	o := v.Body()
	if err := c.byAuthor(o.Authors()); err != nil {
		return err
	}
	for _, f := range o.Files {
		if owner, ok := wire.ObjectOwner(f.Object); !ok || owner != o.Owner {
			return forbidden("a file of the offer is not at a path of its owner")
		}
		if size, err := s.lake.Size(c.r.Context(), f.Object); err != nil || size != f.Bytes {
			return missing(err, "a file of the offer")
		}
	}
	st := store.Statement{Digest: v.Digest(), Kind: store.KindOffer, Name: o.Dataset, Complete: true,
		Envelope: e.Bytes(), Authors: o.Authors()}
	if o.Replaces != "" {
		if _, err := s.offer(c.r.Context(), o.Replaces, o.Owner); err != nil {
			return err
		}
		st.Refs = []statement.Digest{o.Replaces}
	}
	return s.add(c, st, nil)
}

// missing tells a reference that is not there from a failure to look.
func missing(err error, what string) error {
	if err == nil || answerTo(err).status == http.StatusNotFound {
		return unknownReference(what)
	}
	return err
}

// find returns a complete statement of a kind.
func (s *Server) find(ctx context.Context, d statement.Digest, kind, what string) (*store.Statement, error) {
	st, err := s.store.Statement(ctx, d)
	if err != nil {
		return nil, missing(err, what)
	}
	if st.Kind != kind || !st.Complete {
		return nil, unknownReference(what)
	}
	return st, nil
}

func (s *Server) offer(ctx context.Context, d statement.Digest, owner statement.Fingerprint) (*store.Statement, error) {
	st, err := s.find(ctx, d, store.KindOffer, "an offer")
	if err != nil {
		return nil, err
	}
	if !slices.Contains(st.Authors, owner) {
		return nil, unknownReference("an offer")
	}
	return st, nil
}

// body decodes what the store holds: its signatures were checked when it came.
func body[T any, P interface {
	*T
	statement.Statement
}](st *store.Statement) (*T, error) {
	e, err := statement.ParseEnvelope(st.Envelope)
	if err != nil {
		return nil, errors.Join(store.ErrDamaged, err)
	}
	return statement.DecodeUnverified[T, P](e.Payload)
}

func (s *Server) getStatement(c *call) error {
	d, err := c.digest()
	if err != nil {
		return err
	}
	st, err := s.store.Statement(c.r.Context(), d)
	if err != nil {
		return err
	}
	if !st.VisibleTo(c.party) {
		return notFound()
	}
	send(c.w, http.StatusOK, st.Envelope)
	return nil
}

func (s *Server) listStatements(c *call) error {
	q, err := c.listing()
	if err != nil {
		return err
	}
	list, err := s.store.List(c.r.Context(), *q)
	if err != nil {
		return err
	}
	out, bytes := listAnswer{Next: q.After}, 0
	for i := range list {
		bytes += len(list[i].Envelope)
		out.Items = append(out.Items, itemAnswer{Seq: list[i].Seq, Digest: list[i].Digest, Envelope: list[i].Envelope})
		out.Next = list[i].Seq
	}
	out.End = len(list) < q.Page.Items && bytes+wire.MaxEnvelope <= q.Page.Bytes // another would have fitted
	return c.answer(out)
}

// listAnswer and itemAnswer are a wire.StatementList whose envelopes go out as
// the store holds them.
type listAnswer struct {
	Items []itemAnswer `json:"items,omitempty"`
	Next  int64        `json:"next"`
	End   bool         `json:"end,omitempty"`
}

type itemAnswer struct {
	Seq      int64            `json:"seq"`
	Digest   statement.Digest `json:"digest"`
	Envelope json.RawMessage  `json:"envelope"`
}

func (c *call) listing() (*store.Query, error) {
	p, err := c.params("type", "owner", "about", "name", "pending", "after", "limit")
	if err != nil {
		return nil, err
	}
	q := store.Query{Kind: p["type"], Author: statement.Fingerprint(p["owner"]),
		Name: p["name"], Reader: c.party, Pending: p["pending"] == "true"}
	if !slices.Contains(kinds(), q.Kind) {
		return nil, malformed("parameter type names no type of statement")
	}
	if p["about"] != "" {
		for _, d := range strings.Split(p["about"], ",") {
			q.Refs = append(q.Refs, statement.Digest(d))
		}
	}
	if p["owner"] != "" && !q.Author.Valid() || len(q.Refs) > wire.MaxAbout || slices.ContainsFunc(q.Refs, func(d statement.Digest) bool { return !d.Valid() }) ||
		p["name"] != "" && !statement.ValidName(q.Name) || p["pending"] != "" && !q.Pending {
		return nil, malformed("a parameter is not of its form")
	}
	if q.After, err = p.number("after"); err != nil {
		return nil, err
	}
	limit, err := p.number("limit")
	if err != nil {
		return nil, err
	}
	q.Page = page()
	if limit > 0 {
		q.Page.Items = int(min(limit, wire.MaxPage))
	}
	return &q, nil
}

func kinds() []string {
	return []string{store.KindParty, store.KindOffer, store.KindPool, store.KindContract, store.KindGrant, store.KindRevocation, store.KindCounter, store.KindRejection,
		store.KindTemplate, store.KindAccreditation,
		store.KindOrder, store.KindInvoice, store.KindSettlement, store.KindCharge, store.KindClosing, store.KindRefund}
}

func page() store.Page { return store.Page{Items: wire.MaxPage, Bytes: wire.MaxPageBytes} }
