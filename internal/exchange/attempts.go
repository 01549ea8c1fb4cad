package exchange

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// largeTime to send or receive an artifact.
const largeTime = 5 * time.Minute

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
	p, err := c.params("lease", "after", "wait_ms", "want")
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
	want, err := p.number("want")
	if err != nil {
		return err
	}
	h, err := s.holder(c, p["lease"])
	if err != nil {
		return err
	}
	var list []store.Reply
	atLeast := func(n int64) func(context.Context) (bool, error) {
		return func(ctx context.Context) (_ bool, err error) {
			h.NowMS = s.now().UnixMilli()
			list, err = s.store.Replies(ctx, h, after, page())
			return int64(len(list)) >= n, err
		}
	}
	if err = s.poll(c, repliesTopic(h.Job), waitOf(wait), atLeast(1)); err == nil && len(list) > 0 && int64(len(list)) < want {
		err = s.poll(c, repliesTopic(h.Job), together, atLeast(want))
	}
	if err != nil {
		return err
	}
	out := wire.Replies{Next: after}
	for _, r := range list {
		out.Items = append(out.Items, wire.Reply{Seq: r.Seq, From: r.From, Kind: r.Kind, Body: r.Body, Ref: r.Ref})
		out.Next = r.Seq
	}
	return c.answer(out)
}

// together is how long a first reply waits for the others that its reader wants: brokers that are near each other answer about at
// once, and each reply by itself would take a request through exchange, host and enclave.
const together = 10 * time.Millisecond

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
	s.notify(jobTopic(h.Job))
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
	if err := s.mayLeave(c.r.Context(), h.Job, name); err != nil {
		return err
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
	if err != nil {
		return notLeft(err)
	}
	return c.answer(wire.Empty{})
}

// mayLeave refuses artifacts of other names, and those that are for who is no party of the job.
func (s *Server) mayLeave(ctx context.Context, job statement.Digest, name string) error {
	to, ok := wire.ArtifactFor(name)
	if !ok {
		return malformed("artifact has no name of one")
	}
	if to == "" {
		return nil
	}
	if role, err := s.role(ctx, job, to); err != nil || role&store.Concerned == 0 {
		return errors.Join(err, forbidden("artifacts are for parties of the job"))
	}
	return nil
}

func notLeft(err error) error {
	if errors.Is(err, store.ErrExists) {
		return refuse(http.StatusConflict, wire.CodeArtifactExists, "another artifact is there under this name", "an attempt writes each artifact once")
	}
	return err
}

func (s *Server) finish(c *call) error {
	b, err := c.read(wire.MaxJSON)
	if err != nil {
		return err
	}
	in, err := wire.DecodeFinish(b)
	if err != nil {
		return malformed("body is not strictly encoded JSON of this call, with the artifacts' bytes behind it")
	}
	if !validFinish(in) {
		return malformed("state, code and artifacts do not fit: done has no code, failed and retry have one, retry leaves nothing")
	}
	h, err := s.holder(c, in.Lease)
	if err != nil {
		return err
	}
	e := store.Ending{State: in.State, Code: in.Code, MaxAttempts: s.maxAttempts}
	if in.State == wire.StateRetry {
		e.State = store.StateQueued
	}
	for _, a := range in.Artifacts {
		if err := s.mayLeave(c.r.Context(), h.Job, a.Name); err != nil {
			return err
		}
		e.Artifacts = append(e.Artifacts, store.NewArtifact(a))
	}
	ch, err := s.store.Finish(c.r.Context(), h, e)
	if err != nil {
		return notLeft(err)
	}
	s.log.Info("attempt finished", "job", h.Job.Short(), "by", c.party.Short(), "state", ch.State, "code", ch.Code)
	s.changed(ch)
	return c.answer(wire.Empty{})
}

func validFinish(in *wire.Finish) bool {
	switch in.State {
	case wire.StateDone:
		return in.Code == ""
	case wire.StateFailed:
		return wire.ValidToken(in.Code)
	case wire.StateRetry:
		return wire.ValidToken(in.Code) && len(in.Artifacts) == 0
	}
	return false
}
