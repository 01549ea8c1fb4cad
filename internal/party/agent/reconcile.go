package agent

import (
	"context"
	"errors"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/fault"
	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
	"github.com/cordon-exchange/cordon/internal/party/orders"
	"github.com/cordon-exchange/cordon/internal/party/query"
	"github.com/cordon-exchange/cordon/receipt"
	"github.com/cordon-exchange/cordon/statement"
)

// reconcile compares all that was said of this party's orders. What its ledger has and the exchange does not is posted first.
func (a *Agent) reconcile(ctx context.Context, _ *api.Empty) (*orders.Report, error) {
	if err := a.keeper.Post(ctx); err != nil {
		a.opt.Log.Warn("charges are not posted yet", "error", err)
	}
	placed, err := a.desk.Placed()
	if err != nil {
		return nil, err
	}
	b := orders.Books{Exchange: a.exchange, Ledger: a.ledger, Self: a.self, Placed: placed, Receipts: a.releasesOf, Jobs: a.signedJob}
	return b.Reconcile(ctx)
}

// signedJob is a job as its requester signed it: kept here before it was submitted, where this party asked, or as the exchange shows it.
func (a *Agent) signedJob(ctx context.Context, job statement.Digest) (*statement.Verified[statement.Job], error) {
	e, err := query.Kept(a.opt.Home, job)
	if err != nil {
		e, err = a.exchange.JobEnvelope(ctx, job)
	}
	if client.HasCode(err, wire.CodeNotFound) || client.HasCode(err, wire.CodeForbidden) {
		return nil, orders.ErrNoJob
	}
	if err != nil {
		return nil, err
	}
	v, err := statement.VerifyAuthor[statement.Job](e)
	if err != nil || v.Digest() != job {
		return nil, errors.Join(orders.ErrNoJob, err)
	}
	return v, nil
}

// releasesOf are those that the verified receipt of a job is about.
func (a *Agent) releasesOf(ctx context.Context, job statement.Digest) ([]*statement.Verified[statement.Release], error) {
	acc, err := a.opener.Account(ctx, job, nil)
	if fault.ExitCode(err) == int(fault.Refused) {
		return nil, errors.Join(orders.ErrNoReceipt, err)
	}
	if err != nil {
		return nil, err
	}
	b, err := receipt.Decode(acc.Bundle)
	if err != nil {
		return nil, err
	}
	var out []*statement.Verified[statement.Release]
	for i := range b.Releases {
		v, err := statement.VerifyAuthor[statement.Release](&b.Releases[i])
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}
