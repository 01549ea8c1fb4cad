package exchange

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// largeTime to send or receive an artifact.
const largeTime = 5 * time.Minute

// claim leases a job to the caller.
func (s *Server) claim(c *call) error {
	var in wire.ClaimRequest
	if err := c.decode(&in); err != nil {
		return err
	}
	if len(in.Classes) == 0 || len(in.Classes) > wire.MaxClasses || in.WaitMS < 0 {
		return malformed("claim names no class, or too many")
	}
	for _, class := range in.Classes {
		if !wire.ValidToken(class) {
			return malformed("a class is malformed")
		}
	}
	var out *claimAnswer
	err := s.poll(c, queueTopic, waitOf(in.WaitMS), func(ctx context.Context) (found bool, err error) {
		out, err = s.tryClaim(ctx, c.party, in.Classes)
		return out != nil, err
	})
	if err != nil {
		return err
	}
	if out == nil {
		c.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return c.answer(out)
}

func (s *Server) tryClaim(ctx context.Context, operator statement.Fingerprint, classes []string) (*claimAnswer, error) {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand aborts the process instead
	lease, now := hex.EncodeToString(b[:]), s.now()
	j, err := s.store.Claim(ctx, store.Claim{Operator: operator, Classes: classes, Lease: lease,
		NowMS: now.UnixMilli(), UntilMS: now.Add(s.lease).UnixMilli()})
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s.log.Info("job claimed", "job", j.Digest.Short(), "by", operator.Short(), "attempt", j.Attempts)
	s.hub.notify(jobTopic(j.Digest))
	out, err := s.assemble(ctx, j, lease)
	if err != nil {
		return nil, s.release(ctx, store.Holder{Job: j.Digest, Host: operator, Lease: lease, NowMS: now.UnixMilli()}, err)
	}
	return out, nil
}

// release gives up a claim that could not be handed out, and returns why.
func (s *Server) release(ctx context.Context, h store.Holder, why error) error {
	state, code := store.StateQueued, wire.FailedHostLost
	if errors.Is(why, errClaimTooLarge) {
		state, code = store.StateFailed, wire.FailedTooLarge
	}
	ch, err := s.store.Finish(context.WithoutCancel(ctx), h, state, code, s.maxAttempts)
	if err == nil {
		s.changed(ch)
	}
	return errors.Join(why, err)
}

// claimAnswer is a wire.Claim whose envelopes go out as the store holds them:
// they were strictly encoded when they came.
type claimAnswer struct {
	Digest     statement.Digest  `json:"digest"`
	Job        json.RawMessage   `json:"job"`
	Contract   json.RawMessage   `json:"contract"`
	Lease      string            `json:"lease"`
	LeaseMS    int64             `json:"lease_ms"`
	Attempt    int64             `json:"attempt"`
	Statements []json.RawMessage `json:"statements,omitempty"`
}

// assemble gathers what an enclave needs to check a job from nothing.
func (s *Server) assemble(ctx context.Context, j *store.Job, lease string) (*claimAnswer, error) {
	st, t, err := s.contract(ctx, j.Contract)
	if err != nil {
		return nil, err
	}
	g := gather{s: s, about: []statement.Digest{j.Contract}, seen: map[statement.Digest]bool{}}
	g.tables(ctx, t)
	g.introductions(ctx, append(contractParties(t), j.Host))
	g.grants(ctx, j.Contract)
	g.revocations(ctx)
	if g.err != nil {
		return nil, g.err
	}
	if g.bytes+len(j.Envelope)+len(st.Envelope) > wire.MaxJSON {
		return nil, errClaimTooLarge
	}
	return &claimAnswer{Digest: j.Digest, Job: j.Envelope, Contract: st.Envelope, Lease: lease,
		LeaseMS: s.lease.Milliseconds(), Attempt: j.Attempts, Statements: g.out}, nil
}

// gather collects the statements of a claim, each once, until something fails.
type gather struct {
	s     *Server
	about []statement.Digest
	out   []json.RawMessage
	bytes int
	seen  map[statement.Digest]bool
	err   error
}

func (g *gather) add(d statement.Digest, envelope []byte) {
	if g.err != nil || g.seen[d] {
		return
	}
	g.seen[d] = true
	g.about = append(g.about, d)
	g.out = append(g.out, envelope)
	g.bytes += len(envelope)
}

func (g *gather) get(ctx context.Context, d statement.Digest) {
	if g.err != nil || g.seen[d] {
		return
	}
	st, err := g.s.store.Statement(ctx, d)
	if err != nil {
		g.err = err
		return
	}
	g.add(d, st.Envelope)
}

func (g *gather) tables(ctx context.Context, t *statement.Contract) {
	for _, tab := range t.Tables {
		if tab.Pool != "" {
			g.get(ctx, tab.Pool)
		}
		for _, m := range tab.Members {
			g.get(ctx, m.Offer)
		}
	}
}

func (g *gather) introductions(ctx context.Context, list []statement.Fingerprint) {
	for _, f := range unique(list) {
		if g.err != nil {
			return
		}
		p, err := g.s.store.Party(ctx, f)
		if err != nil {
			g.err = err
			return
		}
		g.get(ctx, p.Statement)
	}
}

func (g *gather) grants(ctx context.Context, contract statement.Digest) {
	list, err := g.s.store.List(ctx, store.Query{Kind: store.KindGrant, Ref: contract, Page: page()})
	if err != nil && g.err == nil {
		g.err = err
	}
	for i := range list {
		g.add(list[i].Digest, list[i].Envelope)
	}
}

func (g *gather) revocations(ctx context.Context) {
	list, err := g.s.store.Revocations(ctx, g.about)
	if err != nil && g.err == nil {
		g.err = err
	}
	for i := range list {
		g.add(list[i].Digest, list[i].Envelope)
	}
}

// holder of the path's job, with the lease that the caller names.
func (s *Server) holder(c *call, lease string) (store.Holder, error) {
	d, err := c.digest()
	if err != nil {
		return store.Holder{}, err
	}
	if !wire.ValidNonce(lease) {
		return store.Holder{}, malformed("lease is malformed")
	}
	role, err := s.role(c.r.Context(), d, c.party)
	if err != nil {
		return store.Holder{}, err
	}
	if role&store.Operator == 0 {
		return store.Holder{}, notFound()
	}
	return store.Holder{Job: d, Host: c.party, Lease: lease, NowMS: s.now().UnixMilli()}, nil
}

func (s *Server) renew(c *call) error {
	var in wire.Heartbeat
	if err := c.decode(&in); err != nil {
		return err
	}
	h, err := s.holder(c, in.Lease)
	if err != nil {
		return err
	}
	if err := s.store.Renew(c.r.Context(), h, s.now().Add(s.lease).UnixMilli()); err != nil {
		return err
	}
	return c.answer(wire.Empty{})
}

// postMessages passes an enclave's messages to brokers of its job.
func (s *Server) postMessages(c *call) error {
	var in wire.Messages
	if err := c.decode(&in); err != nil {
		return err
	}
	h, err := s.holder(c, in.Lease)
	if err != nil {
		return err
	}
	if !wire.ValidNonce(in.ID) || len(in.Messages) == 0 || len(in.Messages) > wire.MaxOutgoing {
		return malformed("no messages, too many, or no id")
	}
	parties, err := s.parties(c.r.Context(), h.Job)
	if err != nil {
		return err
	}
	var items []store.Delivery
	for _, m := range in.Messages {
		if err := checkMessage(&m, parties); err != nil {
			return err
		}
		items = append(items, store.Delivery{To: m.To, Item: store.Item{Kind: m.Kind, Body: m.Body}})
	}
	if err := s.store.Send(c.r.Context(), h, in.ID, items); err != nil {
		return err
	}
	s.wake(items)
	return c.answer(wire.Empty{})
}

func checkMessage(m *wire.Outgoing, parties map[statement.Fingerprint]store.Role) error {
	switch m.Kind {
	case wire.KindHello, wire.KindQuote, wire.KindReceipt:
	default:
		return malformed("an enclave sends no messages of this kind")
	}
	if len(m.Body) == 0 || len(m.Body) > wire.MaxMessage {
		return malformed("a message is empty or too large")
	}
	if parties[m.To]&store.Brokers == 0 {
		return forbidden("messages go to brokers of the job")
	}
	return nil
}

func (s *Server) getReplies(c *call) error {
	p, err := c.params("lease", "after", "wait_ms")
	if err != nil {
		return err
	}
	after, err := p.number("after")
	if err != nil {
		return err
	}
	wait, err := p.number("wait_ms")
	if err != nil {
		return err
	}
	h, err := s.holder(c, p["lease"])
	if err != nil {
		return err
	}
	out := wire.Replies{Next: after}
	err = s.poll(c, repliesTopic(h.Job), waitOf(wait), func(ctx context.Context) (bool, error) {
		h.NowMS = s.now().UnixMilli()
		list, err := s.store.Replies(ctx, h, after, page())
		for _, r := range list {
			out.Items = append(out.Items, wire.Reply{Seq: r.Seq, From: r.From, Kind: r.Kind, Body: r.Body, Ref: r.Ref})
			out.Next = r.Seq
		}
		return len(list) > 0, err
	})
	if err != nil {
		return err
	}
	return c.answer(out)
}

func (s *Server) postStage(c *call) error {
	var in wire.StageReport
	if err := c.decode(&in); err != nil {
		return err
	}
	if !wire.ValidToken(in.Name) {
		return malformed("name of the stage is malformed")
	}
	h, err := s.holder(c, in.Lease)
	if err != nil {
		return err
	}
	if err := s.store.AddStage(c.r.Context(), h, in.Name); err != nil {
		return err
	}
	s.hub.notify(jobTopic(h.Job))
	return c.answer(wire.Empty{})
}

func (s *Server) putArtifact(c *call) error {
	p, err := c.params("lease")
	if err != nil {
		return err
	}
	h, err := s.holder(c, p["lease"])
	if err != nil {
		return err
	}
	name := c.r.PathValue("name")
	to, ok := wire.ArtifactFor(name)
	if !ok {
		return malformed("path names no artifact")
	}
	if to != "" {
		if role, err := s.role(c.r.Context(), h.Job, to); err != nil || role&store.Concerned == 0 {
			return errors.Join(err, forbidden("artifacts are for parties of the job"))
		}
	}
	b, err := c.read(wire.MaxArtifact)
	if err != nil {
		return err
	}
	if len(b) == 0 {
		return malformed("artifact is empty")
	}
	h.NowMS = s.now().UnixMilli()
	err = s.store.PutArtifact(c.r.Context(), h, name, b)
	if errors.Is(err, store.ErrExists) {
		return refuse(http.StatusConflict, wire.CodeArtifactExists, "another artifact is there under this name", "an attempt writes each artifact once")
	}
	if err != nil {
		return err
	}
	return c.answer(wire.Empty{})
}

func (s *Server) finish(c *call) error {
	var in wire.Finish
	if err := c.decode(&in); err != nil {
		return err
	}
	if !validFinish(&in) {
		return malformed("state and code do not fit: done has no code, failed and retry have one")
	}
	h, err := s.holder(c, in.Lease)
	if err != nil {
		return err
	}
	state := in.State
	if state == wire.StateRetry {
		state = store.StateQueued
	}
	ch, err := s.store.Finish(c.r.Context(), h, state, in.Code, s.maxAttempts)
	if err != nil {
		return err
	}
	s.log.Info("attempt finished", "job", h.Job.Short(), "by", c.party.Short(), "state", ch.State, "code", ch.Code)
	s.changed(ch)
	return c.answer(wire.Empty{})
}

func validFinish(in *wire.Finish) bool {
	switch in.State {
	case wire.StateDone:
		return in.Code == ""
	case wire.StateFailed, wire.StateRetry:
		return wire.ValidToken(in.Code)
	}
	return false
}
