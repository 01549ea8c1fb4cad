package agent

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/fault"
	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/internal/party/results"
	"github.com/cordon-exchange/cordon/internal/party/witness"
	"github.com/cordon-exchange/cordon/receipt"
	"github.com/cordon-exchange/cordon/receipt/logged"
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/translog"
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
	own, err := a.exchange.LogCommitments(ctx, translog.KindAnchor, 1)
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
	if err := a.exchange.LogCommit(ctx, translog.KindAnchor, a.anchors.Commitment(head)); err != nil {
		return err
	}
	a.anchors.Handed()
	return nil
}

const (
	quorumTime = 30 * time.Second // for witnesses to cosign what has the receipt
	quorumLook = 500 * time.Millisecond
)

// loggedReceipt waits until the contract's quorum of witnesses has cosigned a checkpoint that has the account, and checks the whole as a reader would.
func (a *Agent) loggedReceipt(ctx context.Context, in *api.JobRef) (*api.Logged, error) {
	acc, err := a.opener.Account(ctx, in.Job, in.Pins)
	if err != nil {
		return nil, err
	}
	t := acc.Report.Contract
	if t.Log == nil {
		return nil, fault.New(fault.Refused, "the contract of this job names no log", "propose the next one with --log; 'cordon receipt export' gives the account without proofs of a log", nil)
	}
	if err := a.logReceipt(ctx, acc.Report); err != nil {
		return nil, err
	}
	digests, err := logged.Needed(acc.Bundle)
	if err != nil {
		return nil, err
	}
	sides := append(t.Owners(), t.Requester)
	pins := append(append(append(sides, t.Recipients...), t.Operators...), in.Pins...) // Account has found that this party relies on them
	for begin := a.opt.Now(); ; {
		file, why := a.proven(ctx, acc, sides, digests)
		if why == nil {
			if _, why = logged.Verify(ctx, file, receipt.Options{Pins: pins, Verifiers: a.opener.Verifiers}); why == nil {
				return &api.Logged{Receipt: acc.Report.Digest, File: file}, nil
			}
		}
		if a.opt.Now().Sub(begin) > quorumTime {
			return nil, fault.New(fault.Unavailable, "no checkpoint that has this account was cosigned by the contract's quorum", "the agents of requester and owners must run; try again", why)
		}
		if err := sleep(ctx, quorumLook); err != nil {
			return nil, err
		}
	}
}

// logReceipt has this party's commitment to a receipt logged: the exchange has receipts only sealed. Again it changes nothing.
func (a *Agent) logReceipt(ctx context.Context, r *receipt.Report) error {
	if r.Contract.Log == nil {
		return nil
	}
	_, c := a.anchors.Receipt(r.Digest)
	return a.exchange.LogCommit(ctx, translog.KindReceipt, c)
}

// keptAccount logs the receipt of an account that was just verified, if the contract wants that. It is logged again when it is asked for.
func (a *Agent) keptAccount(ctx context.Context, acc *results.Account) {
	if err := a.logReceipt(ctx, acc.Report); err != nil {
		a.opt.Log.Warn("receipt not logged", "receipt", acc.Report.Digest.Short(), "error", err)
	}
}

func (a *Agent) proven(ctx context.Context, acc *results.Account, sides []statement.Fingerprint, digests []statement.Digest) ([]byte, error) {
	cp, err := a.exchange.LogCosigned(ctx, &wire.LogWanted{By: sides, Also: acc.Report.Contract.Log.Witnesses})
	if err != nil {
		return nil, err
	}
	f := logged.File{Bundle: acc.Bundle, Checkpoint: cp.Note, Cosignatures: cp.Cosignatures}
	salt, commitment := a.anchors.Receipt(acc.Report.Digest)
	own, err := a.exchange.LogCommitment(ctx, commitment, cp.Size)
	if err != nil {
		return nil, err
	}
	for _, o := range own.Items {
		f.Entries = append(f.Entries, translog.Entry{Kind: translog.KindReceipt, Digest: acc.Report.Digest, Salt: salt, Index: o.Index, TimeMS: o.TimeMS, Proof: o.Proof})
	}
	for some := range slices.Chunk(digests, wire.MaxLogAsked) {
		got, err := a.exchange.LogProofsOf(ctx, &wire.LogAsk{Digests: some, Size: cp.Size})
		if err != nil {
			return nil, err
		}
		f.Entries = append(f.Entries, got.Entries...)
	}
	return f.Encode()
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
	out := &api.Log{Key: s.Key, Size: s.Size, Root: s.Root, LastMS: s.LastMS, SeenMS: s.SeenMS, Cosigned: s.Cosigned, Mute: s.Mute, Waiting: s.Waiting, OldestMS: s.OldestMS}
	if s.Alarm != nil {
		out.Alarm = &api.LogAlarm{Kind: s.Alarm.Kind, Text: s.Alarm.Text, AtMS: s.Alarm.AtMS, Known: s.Alarm.Known, Seen: s.Alarm.Seen, Digest: s.Alarm.Digest}
	}
	if k := a.anchors.Kept(); k != nil {
		h := ledger.Head(k.Head)
		out.Anchor = &h
	}
	return out, nil
}
