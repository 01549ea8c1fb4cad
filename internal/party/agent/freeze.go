package agent

import (
	"context"

	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
	"github.com/cordon-exchange/cordon/internal/party/freeze"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
)

// freeze stops all releases, or lets them go on. When it returns, the ledger has an entry behind which there is no release.
func (a *Agent) freeze(ctx context.Context, in *api.Freeze) (*api.Freeze, error) {
	a.freezing.Lock() // one after the other: a mark and its entry belong together
	defer a.freezing.Unlock()
	at, err := freeze.Set(ctx, a.opt.Home, a.ledger, in.Reason, a.opt.Now())
	if err != nil {
		return nil, err
	}
	a.opt.Log.Warn("releases", "frozen", in.Reason != "")
	return &api.Freeze{Reason: in.Reason, AtMS: at.UnixMilli()}, nil
}

// frozen is nil where releases go on: by the mark in the home, and by the ledger, which a home restored from an old copy contradicts.
func frozen(dir home.Dir, l *ledger.Ledger) *api.Freeze {
	f := api.FreezeOf(dir)
	l.View(func(a *ledger.Accounts) {
		if f == nil && a.Frozen() {
			f = &api.Freeze{Reason: "the ledger says so, and freeze.json is older"}
		}
	})
	return f
}
