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

var errClaimTooLarge = errors.New("exchange: claim is larger than an answer may be")

// claim leases a job to the caller.
func (s *Server) claim(c *call) error {
	var in wire.ClaimRequest
	if err := c.decode(&in); err != nil {
		return err
	}
	if len(in.Classes) == 0 || len(in.Classes) > wire.MaxClasses || in.WaitMS < 0 || in.Poll != "" && !wire.ValidNonce(in.Poll) {
		return malformed("claim names no class, or too many, or has a malformed name")
	}
	for _, class := range in.Classes {
		if !wire.ValidToken(class) {
			return malformed("a class is malformed")
		}
	}
	recalled, end := s.recalls.begin(c.party, in.Poll)
	defer end()
	var out *claimAnswer
	asked := s.now()
	err := s.pollUntil(c, queueTopic, waitOf(in.WaitMS), recalled, func(ctx context.Context) (found bool, err error) {
		out, err = s.tryClaim(ctx, c.party, in.Classes, asked)
		if errors.Is(err, store.ErrAskAnew) {
			return true, nil // who is still there asks again at once
		}
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

func (s *Server) tryClaim(ctx context.Context, operator statement.Fingerprint, classes []string, asked time.Time) (*claimAnswer, error) {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand aborts the process instead
	lease, now := hex.EncodeToString(b[:]), s.now()
	j, err := s.store.Claim(ctx, store.Claim{Operator: operator, Classes: classes, Lease: lease,
		AskedMS: asked.UnixMilli(), NowMS: now.UnixMilli(), UntilMS: now.Add(s.lease).UnixMilli()})
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s.log.Info("job claimed", "job", j.Digest.Short(), "by", operator.Short(), "attempt", j.Attempts)
	s.notify(jobTopic(j.Digest))
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
	ch, err := s.store.Finish(context.WithoutCancel(ctx), h, store.Ending{State: state, Code: code, MaxAttempts: s.maxAttempts})
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
	g.keyRevocations(ctx, append(contractParties(t), j.Host))
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

// keyRevocations are those of everyone concerned, whatever their keys signed: replies will be signed too.
func (g *gather) keyRevocations(ctx context.Context, list []statement.Fingerprint) {
	for _, f := range unique(list) {
		found, err := g.s.store.List(ctx, store.Query{Kind: store.KindRevocation, Author: f, Name: wire.KeyRevocation, Page: page()})
		if err != nil && g.err == nil {
			g.err = err
		}
		for i := range found {
			g.add(found[i].Digest, found[i].Envelope)
		}
	}
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
	list, err := g.s.store.List(ctx, store.Query{Kind: store.KindGrant, Refs: []statement.Digest{contract}, Page: page()})
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
