package agent

import (
	"context"
	"errors"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/fault"
	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/internal/party/witness"
	"github.com/cordon-exchange/cordon/statement"
)

// anchorTime between two looks at whether the ledger has grown.
const anchorTime = 5 * time.Second

// accepted is told of what the exchange took: it must be in the log soon.
func (a *Agent) accepted(d statement.Digest) {
	if a.witness != nil {
		a.witness.Expect(d)
	}
}

func (a *Agent) openLog() (err error) {
	o := &a.opt
	a.witness, err = witness.Open(witness.Options{Exchange: a.exchange, Dir: o.Home.Log(), Signer: o.Keyring.Signer(), Log: o.Log, Now: o.Now})
	if err != nil {
		return err
	}
	a.anchors, err = witness.OpenAnchors(o.Home.Log(), o.Keyring.Box())
	return err
}

// compareAnchors compares the ledger with what this party has anchored of it, as the exchange's log says.
func (a *Agent) compareAnchors(ctx context.Context) error {
	own, err := a.exchange.LogCommitments(ctx, 1)
	if client.HasCode(err, wire.CodeNotFound) {
		return nil // it keeps no log
	}
	if err != nil || len(own.Items) == 0 {
		return err
	}
	last := own.Items[0]
	for seq := a.ledger.Head().Seq; seq > 0; seq-- { // the newest first: it is most often one of the last
		if h, ok := a.ledger.At(seq); ok && a.anchors.Is(last.Commitment, h) {
			return nil
		}
	}
	a.broker.AnchorMissing(last.TimeMS)
	return nil
}

// keepAnchors has the ledger's head logged whenever it has moved.
func (a *Agent) keepAnchors(ctx context.Context) error {
	t := time.NewTicker(anchorTime)
	defer t.Stop()
	for {
		if err := a.anchor(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, client.ErrUnavailable) && !client.HasCode(err, wire.CodeNotFound) {
			a.opt.Log.Warn("the ledger's head is not anchored", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
	}
}

// anchor keeps the head before it hands it out: a home that is put back lacks it then, and so does its ledger.
func (a *Agent) anchor(ctx context.Context) error {
	head := a.ledger.Head()
	if head.Seq == 0 || a.broker.Behind() {
		return nil
	}
	if k := a.anchors.Kept(); k != nil && k.Head == head && k.Done {
		return nil
	}
	if err := a.anchors.Keep(witness.Anchor{Head: head, AtMS: a.opt.Now().UnixMilli()}); err != nil {
		return err
	}
	if err := a.exchange.LogCommit(ctx, a.anchors.Commitment(head)); err != nil {
		return err
	}
	a.anchors.Handed()
	return nil
}

// verifyLog looks at the log at once, and tells what this party's witness knows of it.
func (a *Agent) verifyLog(ctx context.Context, in *api.LogVerify) (*api.Log, error) {
	if in.Look {
		err := a.witness.CheckKey(ctx)
		if err == nil {
			err = a.witness.Look(ctx, 0)
		}
		switch {
		case errors.Is(err, witness.ErrAlarm): // it is in the answer
		case client.HasCode(err, wire.CodeNotFound):
			return nil, fault.New(fault.Refused, "the exchange keeps no log", "ask its operator", err)
		case err != nil:
			return nil, err
		}
	}
	s := a.witness.Status()
	out := &api.Log{Key: s.Key, Size: s.Size, Root: s.Root, LastMS: s.LastMS, SeenMS: s.SeenMS, Waiting: s.Waiting}
	if s.Alarm != nil {
		out.Alarm = &api.LogAlarm{Kind: s.Alarm.Kind, Text: s.Alarm.Text, AtMS: s.Alarm.AtMS, Known: s.Alarm.Known, Seen: s.Alarm.Seen, Digest: s.Alarm.Digest}
	}
	if k := a.anchors.Kept(); k != nil {
		h := ledger.Head(k.Head)
		out.Anchor = &h
	}
	return out, nil
}
