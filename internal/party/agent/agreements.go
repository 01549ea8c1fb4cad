package agent

import (
	"context"
	"errors"
	"slices"
	"time"

	api "github.com/cordon-exchange/cordon/internal/party/agentclient"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/approval"
	"github.com/cordon-exchange/cordon/internal/party/officers"
	"github.com/cordon-exchange/cordon/statement"
)

func (a *Agent) proposePool(ctx context.Context, in *api.PoolPropose) (*api.Pool, error) {
	e, err := a.desk.ProposePool(ctx, in.Name, in.Members, pinsOf(in.Pins))
	if err != nil {
		return nil, err
	}
	return a.poolNow(ctx, e.Digest())
}

// poolNow is the state of an epoch as the exchange has it.
func (a *Agent) poolNow(ctx context.Context, digest statement.Digest) (*api.Pool, error) {
	states, err := a.desk.Pools(ctx, "")
	if err != nil {
		return nil, err
	}
	for i := range states {
		if states[i].Digest == digest {
			p := a.poolOf(ctx, &states[i])
			return &p, nil
		}
	}
	return nil, fault.New(fault.Unavailable, "the exchange does not show the pool", "try again: 'cordon pool list'", nil)
}

func (a *Agent) poolOf(ctx context.Context, s *approval.PoolState) api.Pool {
	p := api.Pool{Name: s.Pool.Name, Epoch: s.Pool.Epoch, Digest: s.Digest, Missing: a.parties(ctx, s.Missing)}
	for _, m := range s.Pool.Members {
		p.Members = append(p.Members, api.Member{Party: a.party(ctx, m.Owner), Offer: m.Offer, Signed: slices.Contains(s.Signed, m.Owner)})
	}
	return p
}

func (a *Agent) signPool(ctx context.Context, in *api.PoolSign) (*api.Pool, error) {
	states, err := a.desk.Pools(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	states = slices.DeleteFunc(states, func(s approval.PoolState) bool {
		mine := slices.ContainsFunc(s.Pool.Members, func(m statement.Member) bool { return m.Owner == a.self })
		return !mine || in.Digest != "" && s.Digest != in.Digest || in.Digest == "" && !slices.Contains(s.Missing, a.self)
	})
	if len(states) != 1 {
		return nil, fault.New(fault.Input, "there is not exactly one such pool that waits for this party", "see 'cordon pool list', and give --digest", nil)
	}
	if err := a.desk.SignPool(ctx, states[0].Envelope); err != nil {
		return nil, err
	}
	return a.poolNow(ctx, states[0].Digest)
}

func (a *Agent) pools(ctx context.Context, in *api.PoolList) (*api.Pools, error) {
	states, err := a.desk.Pools(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	out := &api.Pools{Pools: []api.Pool{}}
	for i := range states {
		out.Pools = append(out.Pools, a.poolOf(ctx, &states[i]))
	}
	return out, nil
}

func (a *Agent) propose(ctx context.Context, in *api.ContractPropose) (*api.Contract, error) {
	c, err := a.proposed(ctx, in)
	if err != nil {
		return nil, err
	}
	// Who proposes a contract over its own data means to grant it.
	if slices.Contains(c.Body().Owners(), a.self) {
		_, err := a.desk.Grant(ctx, c.Digest(), statement.ByHand)
		if w := new(officers.Waiting); err != nil && !errors.As(err, &w) { // the contract is there; the own grant waits for officers
			return nil, err
		}
	}
	s, err := a.desk.WaitGrants(ctx, c.Digest(), time.Duration(in.WaitMS)*time.Millisecond)
	if err != nil {
		return nil, err
	}
	out := a.contractOf(ctx, s)
	return &out, nil
}

func (a *Agent) proposed(ctx context.Context, in *api.ContractPropose) (*statement.Verified[statement.Contract], error) {
	if in.Accept != "" {
		return a.desk.Accept(ctx, in.Accept)
	}
	if in.Template != "" {
		return a.desk.ProposeOf(ctx, approval.OfTemplate{
			Template: in.Template, Data: in.Data, Recipients: in.Recipients, UntilMS: in.UntilMS, Pins: pinsOf(in.Pins),
		})
	}
	p := approval.Proposal{
		Accredited: in.Accredited,
		Data:       in.Data, Purpose: in.Purpose, Recipients: in.Recipients, Builds: in.Builds, Operators: in.Operators,
		Evidence: in.Evidence, Perimeters: in.Perimeters, Until: time.UnixMilli(in.UntilMS), Pins: pinsOf(in.Pins),
		Logged: in.Logged, Witnesses: in.Witnesses,
	}
	if in.AnswerByMS != 0 {
		p.AnswerBy = time.UnixMilli(in.AnswerByMS)
	}
	return a.desk.Propose(ctx, p)
}

func (a *Agent) contractOf(ctx context.Context, s *approval.State) api.Contract {
	b := s.Contract.Body()
	c := api.Contract{
		Digest: s.Contract.Digest(), Requester: a.party(ctx, b.Requester), Purpose: b.Purpose, Terms: b, Tables: []api.Table{},
		Granted: a.parties(ctx, s.Granted), Missing: a.parties(ctx, s.Missing), Notes: append([]string{}, a.desk.Notes(b)...),
	}
	for _, r := range s.Rejected {
		c.Rejected = append(c.Rejected, api.Rejected{Party: a.party(ctx, r.Owner), Reason: r.Reason})
	}
	for _, n := range s.Counters {
		c.Counters = append(c.Counters, api.Counter{Digest: n.Digest(), Owner: a.party(ctx, n.Body().Owner), Terms: n.Body()})
	}
	switch {
	case len(s.Missing) == 0:
		c.State = "granted"
	case len(s.Rejected) > 0:
		c.State = "rejected"
	case s.Expired:
		c.State = "expired"
	default:
		c.State = "waiting"
	}
	for _, t := range b.Tables {
		table := api.Table{Name: t.Name, Pool: t.Pool}
		for _, m := range t.Members {
			table.Members = append(table.Members, api.Member{Party: a.party(ctx, m.Owner), Offer: m.Offer, Signed: slices.Contains(s.Granted, m.Owner)})
		}
		c.Tables = append(c.Tables, table)
	}
	return c
}

func (a *Agent) grant(ctx context.Context, in *api.About) (*api.Contract, error) {
	if _, err := a.desk.Grant(ctx, in.Digest, statement.ByHand); err != nil {
		return nil, err
	}
	return a.contractNow(ctx, in.Digest)
}

func (a *Agent) contractNow(ctx context.Context, digest statement.Digest) (*api.Contract, error) {
	s, err := a.desk.Contract(ctx, digest)
	if err != nil {
		return nil, err
	}
	c := a.contractOf(ctx, s)
	return &c, nil
}

func (a *Agent) revoke(ctx context.Context, in *api.About) (*api.Revoked, error) {
	r, err := a.desk.Revoke(ctx, in.Digest, in.Reason)
	if err != nil {
		return nil, err
	}
	if r.Unposted != nil {
		a.opt.Log.Warn("a revocation holds here, and is not posted yet", "revokes", r.Body().Revokes.Short(), "error", r.Unposted)
	}
	return &api.Revoked{Digests: []statement.Digest{r.Body().Revokes}, Unposted: r.Unposted != nil}, nil
}

// keepRevocations posts what the exchange did not take, again and again.
func (a *Agent) keepRevocations(ctx context.Context) error {
	for {
		if err := sleep(ctx, postTime); err != nil {
			return err
		}
		if !a.desk.Unposted() {
			continue
		}
		if err := a.desk.HealRevocations(ctx); err != nil {
			a.opt.Log.Warn("revocations are not posted yet", "error", err)
		}
	}
}

// contracts lists all that name this party, or shows one.
func (a *Agent) contracts(ctx context.Context, in *api.About) (*api.Contracts, error) {
	out := &api.Contracts{Contracts: []api.Contract{}}
	if in.Digest != "" {
		c, err := a.contractNow(ctx, in.Digest)
		if err != nil {
			return nil, err
		}
		out.Contracts = append(out.Contracts, *c)
		return out, nil
	}
	list, err := a.desk.Contracts(ctx)
	if err != nil {
		return nil, err
	}
	for i := range list {
		out.Contracts = append(out.Contracts, a.contractOf(ctx, &list[i]))
	}
	return out, nil
}
