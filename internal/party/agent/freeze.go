package agent

import (
	"context"

	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
	"github.com/cordon-exchange/cordon/internal/party/freeze"
	"github.com/cordon-exchange/cordon/internal/party/home"
)

// freeze stops all releases, or lets them go on. When it returns, the ledger has an entry behind which there is no release.
func (a *Agent) freeze(ctx context.Context, in *api.Freeze) (*api.Freeze, error) {
	at, err := freeze.Set(ctx, a.opt.Home, a.ledger, in.Reason, a.opt.Now())
	if err != nil {
		return nil, err
	}
	a.opt.Log.Warn("releases", "frozen", in.Reason != "")
	return &api.Freeze{Reason: in.Reason, AtMS: at.UnixMilli()}, nil
}

// frozen is nil where releases go on.
func frozen(dir home.Dir) *api.Freeze {
	f, err := dir.Freeze()
	switch {
	case err != nil:
		return &api.Freeze{Reason: err.Error()}
	case f.Frozen:
		return &api.Freeze{Reason: f.Reason, AtMS: f.AtMS}
	}
	return nil
}
