package exchange

import (
	"context"
	"net/http"
	"slices"
	"sync"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// jobParties remembers the parties of jobs, which never change.
type jobParties struct {
	mu sync.Mutex
	of map[statement.Digest]map[statement.Fingerprint]store.Role
}

const maxRemembered = 4096

// parties of a job, with their roles. The map is shared: read it only.
func (s *Server) parties(ctx context.Context, d statement.Digest) (map[statement.Fingerprint]store.Role, error) {
	s.jobs.mu.Lock()
	m := s.jobs.of[d]
	s.jobs.mu.Unlock()
	if m != nil {
		return m, nil
	}
	list, err := s.store.JobParties(ctx, d)
	if err != nil {
		return nil, err
	}
	m = map[statement.Fingerprint]store.Role{}
	for _, p := range list {
		m[p.Party] = p.Role
	}
	s.jobs.mu.Lock()
	defer s.jobs.mu.Unlock()
	if s.jobs.of == nil || len(s.jobs.of) >= maxRemembered {
		s.jobs.of = map[statement.Digest]map[statement.Fingerprint]store.Role{}
	}
	s.jobs.of[d] = m
	return m, nil
}

func (s *Server) role(ctx context.Context, d statement.Digest, f statement.Fingerprint) (store.Role, error) {
	m, err := s.parties(ctx, d)
	return m[f], err
}

// postJob queues a job and tells its brokers (spec, section 7).
func (s *Server) postJob(c *call) error {
	b, err := c.read(wire.MaxEnvelope)
	if err != nil {
		return err
	}
	e, err := statement.ParseEnvelope(b)
	if err != nil {
		return err
	}
	v, err := statement.VerifyAuthor[statement.Job](e)
	if err != nil {
		return err
	}
	if err := s.unrevoked(c.r.Context(), e.OnlineKeys()); err != nil {
		return err
	}
	j := v.Body()
	t, err := s.jobContract(c, j)
	if err != nil {
		return err
	}
	if err := s.mayAsk(c, j); err != nil {
		return err
	}
	item := store.Item{Job: v.Digest(), Kind: wire.KindJob, From: c.party, Body: b}
	var items []store.Delivery
	for _, f := range j.Brokers() {
		items = append(items, store.Delivery{To: f, Item: item})
	}
	err = s.store.AddJob(c.r.Context(), store.Job{Digest: v.Digest(), Contract: j.Contract, Class: j.Class, Envelope: b,
		Parties: jobRoles(j, t), SubmittedMS: s.now().UnixMilli(), ExpiresMS: j.ExpiresMS}, items)
	if err != nil {
		return err
	}
	s.tlog.poke()
	s.log.Info("job queued", "job", v.Digest().Short(), "by", c.party.Short(), "owners", len(j.Owners))
	s.notify(queueTopic)
	s.wake(items)
	return c.answer(wire.Posted{Digest: v.Digest()})
}

// jobContract checks that the job is its requester's, and fits its contract.
func (s *Server) jobContract(c *call, j *statement.Job) (*statement.Contract, error) {
	if j.Requester != c.party {
		return nil, forbidden("jobs are submitted by their requester")
	}
	if !wire.ValidToken(j.Class) {
		return nil, badStatement("class of the job is malformed")
	}
	if j.ExpiresMS <= s.now().UnixMilli() {
		return nil, refuse(http.StatusUnprocessableEntity, wire.CodeExpired, "job has expired", "sign a new job")
	}
	_, t, err := s.contract(c.r.Context(), j.Contract)
	if err != nil {
		return nil, err
	}
	if t.Requester != j.Requester {
		return nil, unknownReference("the contract")
	}
	owners := t.Owners()
	for _, o := range j.Owners {
		if !slices.Contains(owners, o) {
			return nil, badStatement("job concerns an owner whom its contract does not name")
		}
	}
	return t, nil
}

func jobRoles(j *statement.Job, t *statement.Contract) []store.JobParty {
	out := []store.JobParty{{Party: j.Requester, Role: store.Requester}}
	for _, f := range j.Owners {
		out = append(out, store.JobParty{Party: f, Role: store.Owner})
	}
	for _, f := range t.Recipients {
		out = append(out, store.JobParty{Party: f, Role: store.Recipient})
	}
	for _, f := range t.Operators {
		out = append(out, store.JobParty{Party: f, Role: store.Operator})
	}
	return out
}

// jobFor returns the job of the path, if the caller is a party or hosts it.
func (s *Server) jobFor(ctx context.Context, c *call) (*store.Job, store.Role, error) {
	d, err := c.digest()
	if err != nil {
		return nil, 0, err
	}
	role, err := s.role(ctx, d, c.party)
	if err != nil {
		return nil, 0, err
	}
	j, err := s.store.Job(ctx, d)
	if err != nil {
		return nil, 0, err
	}
	if role&store.Concerned == 0 && (j.Host != c.party || role&store.Operator == 0) {
		return nil, 0, notFound()
	}
	return j, role, nil
}

func (s *Server) getJobEnvelope(c *call) error {
	j, _, err := s.jobFor(c.r.Context(), c)
	if err != nil {
		return err
	}
	send(c.w, http.StatusOK, j.Envelope)
	return nil
}

func (s *Server) getJob(c *call) error {
	p, err := c.params("version", "wait_ms")
	if err != nil {
		return err
	}
	version, err := p.number("version")
	if err != nil {
		return err
	}
	wait, err := p.number("wait_ms")
	if err != nil {
		return err
	}
	d, err := c.digest()
	if err != nil {
		return err
	}
	var j *store.Job
	var role store.Role
	err = s.poll(c, jobTopic(d), waitOf(wait), func(ctx context.Context) (found bool, err error) {
		j, role, err = s.jobFor(ctx, c)
		return err == nil && j.Version > version, err
	})
	if err != nil {
		return err
	}
	st, err := s.status(c, j, role)
	if err != nil {
		return err
	}
	return c.answer(st)
}

func (s *Server) status(c *call, j *store.Job, role store.Role) (*wire.JobStatus, error) {
	out := &wire.JobStatus{Digest: j.Digest, State: j.State, Version: j.Version, Attempts: j.Attempts, Host: j.Host,
		Code: j.Code, SubmittedMS: j.SubmittedMS, EndedMS: j.EndedMS}
	stages, err := s.store.Stages(c.r.Context(), j.Digest)
	if err != nil {
		return nil, err
	}
	for _, g := range stages {
		out.Stages = append(out.Stages, wire.JobStage(g))
	}
	list, err := s.store.Artifacts(c.r.Context(), j.Digest)
	if err != nil {
		return nil, err
	}
	for _, a := range list {
		if mayRead(a.Name, c.party, role) {
			out.Artifacts = append(out.Artifacts, wire.Artifact(a))
		}
	}
	return out, nil
}

// mayRead reports whether a party of a job may read an artifact: the result goes
// to who can open it, a key or bundle only to whom it is for.
func mayRead(name string, f statement.Fingerprint, role store.Role) bool {
	to, ok := wire.ArtifactFor(name)
	switch {
	case !ok || role&store.Concerned == 0:
		return false
	case to != "":
		return to == f
	case name == wire.ArtifactResult:
		return role&(store.Requester|store.Recipient) != 0
	}
	return true
}

func (s *Server) getArtifact(c *call) error {
	d, err := c.digest()
	if err != nil {
		return err
	}
	role, err := s.role(c.r.Context(), d, c.party)
	if err != nil {
		return err
	}
	name := c.r.PathValue("name")
	if !mayRead(name, c.party, role) {
		return notFound()
	}
	b, err := s.store.Artifact(c.r.Context(), d, name)
	if err != nil {
		return err
	}
	c.expect(largeTime)
	sendBytes(c.w, b)
	return nil
}

// postReply takes a broker's answer to its enclave.
func (s *Server) postReply(c *call) error {
	d, err := c.digest()
	if err != nil {
		return err
	}
	var in wire.Answer
	if err := c.decode(&in); err != nil {
		return err
	}
	if in.Attempt < 1 || in.Ref < 1 || !wire.ValidToken(in.Kind) || len(in.Body) == 0 || len(in.Body) > wire.MaxMessage {
		return malformed("reply has no attempt, ref, kind or body, or is too large")
	}
	role, err := s.role(c.r.Context(), d, c.party)
	if err != nil {
		return err
	}
	if role&store.Concerned == 0 {
		return notFound()
	}
	if role&store.Brokers == 0 {
		return forbidden("only brokers of the job reply to its enclave")
	}
	err = s.store.AddReply(c.r.Context(), store.Reply{Job: d, Attempt: in.Attempt, From: c.party, Kind: in.Kind, Body: in.Body, Ref: in.Ref})
	if err != nil {
		return err
	}
	s.notify(repliesTopic(d))
	return c.answer(wire.Empty{})
}
