package agent

import (
	"context"
	"slices"

	"github.com/cordon-exchange/cordon/internal/party/approval"
	"github.com/cordon-exchange/cordon/internal/party/ledger"

	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
	"github.com/cordon-exchange/cordon/statement"
)

func (a *Agent) counter(ctx context.Context, in *api.ContractCounter) (*api.Counter, error) {
	n, err := a.desk.Counter(ctx, in.Contract, approval.Answer{
		Offers: in.Offers, Purpose: in.Purpose, Recipients: in.Recipients, Builds: in.Builds, Operators: in.Operators,
		UntilMS: in.UntilMS, Reason: in.Reason, Pins: pinsOf(in.Pins),
	})
	if err != nil {
		return nil, err
	}
	return &api.Counter{Digest: n.Digest(), Owner: a.party(ctx, a.self), Terms: n.Body()}, nil
}

func (a *Agent) reject(ctx context.Context, in *api.About) (*api.Contract, error) {
	if err := a.desk.Reject(ctx, in.Digest, in.Reason); err != nil {
		return nil, err
	}
	return a.contractNow(ctx, in.Digest)
}

// waiting lists what nobody but this party, or its officers, can answer.
func (a *Agent) waiting(ctx context.Context, _ *api.Empty) (*api.Waiting, error) {
	out := &api.Waiting{Items: []api.WaitingItem{}}
	states, err := a.desk.Contracts(ctx)
	if err != nil {
		return nil, err
	}
	accepted := map[statement.Digest]bool{}
	for i := range states {
		accepted[states[i].Contract.Body().Counter] = true
	}
	for i := range states {
		if s := &states[i]; !s.Expired {
			out.Items = append(out.Items, a.waitingContract(ctx, s)...)
			out.Items = append(out.Items, a.waitingCounters(ctx, s, accepted)...)
		}
	}
	pools, err := a.desk.Pools(ctx, "")
	if err != nil {
		return nil, err
	}
	for i := range pools {
		if p := &pools[i]; slices.Contains(p.Missing, a.self) {
			out.Items = append(out.Items, api.WaitingItem{
				Kind: "pool", Digest: p.Digest, Why: "its members form an epoch of the pool " + p.Pool.Name, Command: "cordon pool sign --digest " + string(p.Digest),
			})
		}
	}
	templates, err := a.waitingTemplates(ctx)
	if err != nil {
		return nil, err
	}
	out.Items = append(out.Items, templates...)
	requests, err := a.officers.Requests()
	if err != nil {
		return nil, err
	}
	for _, r := range requests {
		d := r.Request.Digest()
		out.Items = append(out.Items, api.WaitingItem{
			Kind: "officers", Digest: d, Why: "this party signs it (" + r.Request.Action + ") once its officers approve", Command: "cordon approve sign " + string(d) + " --officer FILE",
		})
	}
	return out, nil
}

// waitingContract is a contract that this party could grant, and did not answer.
func (a *Agent) waitingContract(ctx context.Context, s *approval.State) []api.WaitingItem {
	d, c := s.Contract.Digest(), s.Contract.Body()
	var answered bool
	a.ledger.View(func(l *ledger.Accounts) {
		granted, revoked := l.Grant(d)
		answered = granted != "" || revoked || l.Rejected(d)
	})
	mine := func(n *statement.Verified[statement.Counter]) bool { return n.Body().Owner == a.self }
	if answered || !slices.Contains(s.Missing, a.self) || slices.ContainsFunc(s.Counters, mine) {
		return nil
	}
	why := "it names data of this party, for " + c.Purpose
	if c.Counter != "" {
		if n, err := a.catalog.Counter(ctx, c.Counter); err == nil && mine(n) {
			why = "it accepts this party's counter, for " + c.Purpose
		}
	}
	for _, e := range slices.Backward(a.ledger.Entries()) {
		if e.Kind == ledger.KindRefusal && e.About == d {
			why += "; not granted by itself: " + e.Reason
			break
		}
	}
	until := c.UntilMS
	if c.AnswerByMS != 0 {
		until = c.AnswerByMS
	}
	from := a.party(ctx, c.Requester)
	return []api.WaitingItem{{Kind: "contract", Digest: d, From: &from, Why: why, Command: "cordon contract grant " + string(d), UntilMS: until}}
}

// waitingCounters are those to this party's own contracts that it did not accept.
func (a *Agent) waitingCounters(ctx context.Context, s *approval.State, accepted map[statement.Digest]bool) (out []api.WaitingItem) {
	if s.Contract.Body().Requester != a.self || len(s.Rejected) > 0 {
		return nil
	}
	for _, n := range s.Counters {
		if accepted[n.Digest()] || slices.Contains(s.Granted, n.Body().Owner) {
			continue
		}
		from, why := a.party(ctx, n.Body().Owner), "it would grant something else"
		if n.Body().Reason != "" {
			why += ": " + n.Body().Reason
		}
		out = append(out, api.WaitingItem{Kind: "counter", Digest: n.Digest(), From: &from, Why: why, Command: "cordon contract propose --accept " + string(n.Digest())})
	}
	return out
}
