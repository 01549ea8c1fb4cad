package agent

import (
	"context"

	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
	"github.com/cordon-exchange/cordon/internal/party/officers"
)

func (a *Agent) approvals(context.Context, *api.Empty) (*api.Approvals, error) {
	list, err := a.officers.Requests()
	if err != nil {
		return nil, err
	}
	out := &api.Approvals{Requests: []api.Approval{}}
	for _, s := range list {
		out.Requests = append(out.Requests, approvalOf(s))
	}
	return out, nil
}

func approvalOf(s *officers.Status) api.Approval {
	out := api.Approval{
		Request: s.Request.Digest(), Action: s.Request.Action, Payload: s.Request.Payload, CreatedMS: s.Request.CreatedMS,
		Need: s.Need, Approved: s.Approved, Asks: []api.Ask{},
	}
	for _, l := range s.Asking {
		ask := api.Ask{List: l.Digest}
		for _, o := range l.List.Officers {
			ask.Officers = append(ask.Officers, o.Fingerprint)
		}
		out.Asks = append(out.Asks, ask)
	}
	return out
}

func (a *Agent) approve(_ context.Context, in *api.Approve) (*api.Approval, error) {
	s, err := a.officers.Add(in.Envelope.Bytes())
	if err != nil {
		return nil, err
	}
	a.opt.Log.Info("approved", "request", s.Request.Digest().Short(), "action", s.Request.Action, "have", len(s.Approved), "need", s.Need)
	out := approvalOf(s)
	return &out, nil
}

func (a *Agent) showOfficers(context.Context, *api.Empty) (*api.Officers, error) {
	l, d, err := a.officers.InForce()
	if err != nil {
		return nil, err
	}
	out := &api.Officers{Officers: []officers.Officer{}, Actions: []string{}}
	if l != nil {
		out = &api.Officers{List: d, Number: l.Number, Threshold: l.Threshold, Officers: l.Officers, Actions: l.Actions}
	}
	return out, nil
}

func (a *Agent) setOfficers(ctx context.Context, in *api.OfficersSet) (*api.Officers, error) {
	d, err := a.officers.Change(ctx, in.Officers, in.Threshold, in.Actions)
	if err != nil {
		return nil, err
	}
	a.opt.Log.Info("officers changed", "list", d.Short())
	return a.showOfficers(ctx, nil)
}
