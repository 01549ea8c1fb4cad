package agent

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	api "github.com/cordon-exchange/cordon/internal/party/agentclient"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/machines"
	"github.com/cordon-exchange/cordon/internal/party/publish"
	"github.com/cordon-exchange/cordon/internal/party/query"
	"github.com/cordon-exchange/cordon/internal/party/results"
	"github.com/cordon-exchange/cordon/statement"
)

func (a *Agent) status(ctx context.Context, _ *api.Empty) (*api.Status, error) {
	s := &api.Status{
		Party: api.Party{Name: a.config.Name, Fingerprint: a.self}, Exchange: a.opt.Exchange, Home: a.opt.Home.Path(),
		Ledger: a.ledger.Head(), LedgerBehind: a.broker.Behind(), Datasets: len(a.store.List()),
	}
	if w := a.witness.Status(); w.Alarm != nil {
		s.LogAlarm = w.Alarm.Kind + ": " + w.Alarm.Text
	}
	s.Frozen = frozen(a.opt.Home, a.ledger)
	if c := statement.CertificateOf(a.opt.Keyring.Signer()); c != nil {
		s.KeyUntilMS = c.Body().UntilMS
	}
	for _, p := range a.closed(ctx) {
		if s.KeysMissing == nil {
			s.KeysWhy, s.KeysHint = p.Err.Error(), closedHint(p.Err)
		}
		s.KeysMissing = append(s.KeysMissing, p.Offer.Body().Dataset+" version "+p.Offer.Body().Version)
	}
	for _, x := range a.ledger.Exposures() {
		if x.Open() {
			s.OpenExposures++
		}
	}
	return s, nil
}

func (a *Agent) party(ctx context.Context, f statement.Fingerprint) api.Party {
	return api.Party{Name: a.catalog.Name(ctx, f), Fingerprint: f}
}

func (a *Agent) parties(ctx context.Context, list []statement.Fingerprint) []api.Party {
	out := []api.Party{}
	for _, f := range list {
		out = append(out, a.party(ctx, f))
	}
	return out
}

func pinsOf(list []api.Party) map[string]statement.Fingerprint {
	out := map[string]statement.Fingerprint{}
	for _, p := range list {
		out[p.Name] = p.Fingerprint
	}
	return out
}

func (a *Agent) publishFile(ctx context.Context, in *api.Publish, tell func(api.Progress)) (*api.Dataset, error) {
	r := publish.Request{Path: in.Path, Dataset: in.Dataset, Version: in.Version, Policy: in.Policy, Terms: in.Terms, RowID: in.RowID, EvenIfUnchanged: in.EvenIfUnchanged}
	var err error
	if r.Schema, err = publish.ParseSchema(in.Schema); err != nil {
		return nil, err
	}
	for _, c := range in.Columns {
		rename, err := publish.ParseRename(c)
		if err != nil {
			return nil, err
		}
		r.Columns = append(r.Columns, rename)
	}
	for _, w := range in.Where {
		equal, err := publish.ParseEqual(w)
		if err != nil {
			return nil, err
		}
		r.Where = append(r.Where, equal)
	}
	a.opt.Log.Info("publishing", "dataset", in.Dataset)
	var clamped []string
	o, err := a.publish.Publish(ctx, r, func(p publish.Progress) {
		if p.Note != "" {
			clamped = append(clamped, p.Note)
			return
		}
		tell(api.Progress{Stage: p.Stage, Rows: p.Rows, Bytes: p.Bytes, Total: p.Total})
	})
	if err != nil {
		return nil, err
	}
	a.opt.Log.Info("published", "dataset", in.Dataset, "version", o.Body().Version, "offer", o.Digest())
	d := a.datasetOf(ctx, o, false)
	d.Notes = append(clamped, a.publish.Notes(o)...)
	return &d, nil
}

func (a *Agent) datasetOf(ctx context.Context, o *statement.Verified[statement.Offer], retired bool) api.Dataset {
	b := o.Body()
	d := api.Dataset{
		Owner: a.party(ctx, b.Owner), Name: b.Dataset, Version: b.Version, Offer: o.Digest(), Schema: b.Schema, Price: b.Price, Access: b.Access(), Terms: b.Terms,
		CreatedMS: b.CreatedMS, Retired: retired,
	}
	for _, f := range b.Files {
		d.Rows, d.Bytes = d.Rows+f.Rows, d.Bytes+f.Bytes
	}
	return d
}

func (a *Agent) datasets(ctx context.Context, in *api.List) (*api.Datasets, error) {
	out := &api.Datasets{Datasets: []api.Dataset{}}
	if in.Of == "" {
		for _, p := range a.store.List() {
			out.Datasets = append(out.Datasets, a.datasetOf(ctx, p.Offer, p.Retired))
		}
		markReplaced(out.Datasets)
		return out, nil
	}
	owner, err := a.catalog.Resolve(ctx, in.Of, nil)
	if err != nil {
		return nil, err
	}
	items, err := a.exchange.AllStatements(ctx, client.Query{Kind: client.Offers, Owner: owner})
	if err != nil {
		return nil, err
	}
	for i := range items {
		o, err := statement.Verify[statement.Offer](&items[i].Envelope, owner)
		if err != nil {
			continue
		}
		revoked, err := a.catalog.Revoked(ctx, owner, o.Digest())
		if err != nil {
			return nil, err
		}
		out.Datasets = append(out.Datasets, a.datasetOf(ctx, o, revoked))
	}
	markReplaced(out.Datasets)
	return out, nil
}

// markReplaced tells of each version which one is the newest of its data set.
func markReplaced(list []api.Dataset) {
	newer := func(a, b *api.Dataset) bool {
		return cmp.Or(cmp.Compare(a.CreatedMS, b.CreatedMS), cmp.Compare(a.Version, b.Version)) > 0
	}
	newest := map[string]*api.Dataset{}
	for i := range list {
		if d := newest[list[i].Name]; d == nil || newer(&list[i], d) {
			newest[list[i].Name] = &list[i]
		}
	}
	for i := range list {
		if d := newest[list[i].Name]; d != &list[i] {
			list[i].ReplacedBy = d.Version
		}
	}
}

func (a *Agent) retire(ctx context.Context, in *api.Retire) (*api.Digests, error) {
	d, err := a.desk.Retire(ctx, in.Name, in.Version)
	if err != nil {
		return nil, err
	}
	return &api.Digests{Digests: d}, nil
}

func (a *Agent) questionOf(in *api.Query) query.Question {
	return query.Question{Contract: in.Contract, Data: in.Data, Purpose: in.Purpose, Pins: pinsOf(in.Pins), SQL: in.SQL, Params: in.Params}
}

func (a *Agent) explain(ctx context.Context, in *api.Query) (*api.Explained, error) {
	v, err := a.asker.Explain(ctx, a.questionOf(in))
	if err != nil {
		return nil, err
	}
	e := v.Plan.Explain().Named(func(f string) string { return a.catalog.Name(ctx, statement.Fingerprint(f)) })
	return &api.Explained{Explanation: e, Text: e.Text(), Price: v.Price, Missing: append([]string{}, v.Missing...)}, nil
}

// run submits a job and follows it. The job goes on if the caller goes away.
func (a *Agent) run(ctx context.Context, in *api.Query, tell func(api.Progress)) (*api.Job, error) {
	tell(api.Progress{Stage: "check", AtMS: a.opt.Now().UnixMilli()})
	job, v, err := a.asker.Submit(ctx, query.Run{
		Question: a.questionOf(in), Class: in.Class, Expire: time.Duration(in.ExpireMS) * time.Millisecond,
	})
	if err != nil {
		return nil, err
	}
	for _, name := range v.Missing {
		tell(api.Progress{Stage: "check", Note: "no grant of " + name + " is in force yet"})
	}
	tell(api.Progress{Stage: "submitted", AtMS: a.opt.Now().UnixMilli(), Note: string(job)})
	if in.WaitMS == 0 {
		return &api.Job{Digest: job, State: wire.StateQueued, Stages: []api.Progress{}, Refusals: []query.Said{}}, nil
	}
	s, err := a.asker.Wait(ctx, job, time.Duration(in.WaitMS)*time.Millisecond, func(e query.Event) {
		tell(api.Progress{Stage: e.Stage, AtMS: e.AtMS, Note: e.Note})
	})
	if err != nil {
		return nil, err
	}
	return a.jobOf(ctx, s)
}

func (a *Agent) jobStatus(ctx context.Context, in *api.JobRef) (*api.Job, error) {
	s, err := a.exchange.Job(ctx, in.Job)
	if err != nil {
		return nil, err
	}
	return a.jobOf(ctx, s)
}

func (a *Agent) jobOf(ctx context.Context, s *wire.JobStatus) (*api.Job, error) {
	refusals, err := a.asker.Refusals(ctx, s.Digest)
	if err != nil {
		return nil, err
	}
	j := &api.Job{
		Digest: s.Digest, State: s.State, Attempts: s.Attempts, Code: s.Code, Stages: []api.Progress{},
		Refusals: append([]query.Said{}, refusals...),
	}
	for _, st := range s.Stages {
		j.Stages = append(j.Stages, api.Progress{Stage: st.Name, AtMS: st.AtMS})
	}
	return j, nil
}

func (a *Agent) openResult(ctx context.Context, in *api.JobRef) (*api.Result, error) {
	o, err := a.opener.Open(ctx, in.Job, in.Pins)
	if err != nil {
		return nil, err
	}
	a.keptAccount(ctx, o.Account)
	t, warnings := o.Table, o.Account.Back
	if in.Beside != "" {
		other, err := a.opener.Open(ctx, in.Beside, in.Pins)
		if err != nil {
			return nil, err
		}
		if t, err = results.Beside(t, other.Table, cmp.Or(in.Prefix, "beside_")); err != nil {
			return nil, err
		}
		warnings = slices.Concat(warnings, other.Account.Back)
	}
	b, err := t.Encode()
	if err != nil {
		return nil, fault.New(fault.Internal, "the result can't be shown", "report this", err)
	}
	a.opt.Log.Info("result opened", "job", in.Job.Short())
	a.keepEvidence(in.Job, o.Account)
	return &api.Result{Table: b, Receipt: o.Account.Report.Digest, Simulated: o.Account.Report.Simulated(), Warnings: warnings}, nil
}

// keepEvidence keeps what a verified account shows of the enclave, for 'receipt find'.
func (a *Agent) keepEvidence(job statement.Digest, acc *results.Account) {
	r := acc.Report.Receipt
	if err := machines.Keep(a.opt.Home, job, &r.Evidence, r.EndedMS); err != nil {
		a.opt.Log.Warn("evidence not kept", "job", job.Short(), "error", err)
	}
}

func (a *Agent) receipt(ctx context.Context, in *api.JobRef) (*api.Receipt, error) {
	acc, err := a.opener.Account(ctx, in.Job, in.Pins)
	if err != nil {
		return nil, err
	}
	a.keptAccount(ctx, acc)
	a.keepEvidence(in.Job, acc)
	var text bytes.Buffer
	if err := acc.Report.WriteText(&text); err != nil {
		return nil, err
	}
	summary, err := statement.Marshal(acc.Report.Summary())
	if err != nil {
		return nil, err
	}
	return &api.Receipt{Bundle: acc.Bundle, Digest: acc.Report.Digest, Text: text.String(), JSON: summary}, nil
}

// namesTime bounds how long a ledger waits for names of parties: it can be read without the exchange.
const namesTime = time.Second

func (a *Agent) showLedger(ctx context.Context, _ *api.Empty) (*api.LedgerView, error) {
	ctx, cancel := context.WithTimeout(ctx, namesTime)
	defer cancel()
	v := &api.LedgerView{Head: a.ledger.Head(), Exposures: a.ledger.Exposures(), Entries: a.ledger.Entries(), Parties: []api.Party{}}
	seen := map[statement.Fingerprint]bool{"": true}
	for _, e := range v.Entries {
		if seen[e.Requester] {
			continue
		}
		seen[e.Requester] = true
		p, err := a.catalog.Party(ctx, e.Requester)
		if ctx.Err() != nil || errors.Is(err, client.ErrUnavailable) {
			break
		}
		if err == nil {
			v.Parties = append(v.Parties, api.Party{Name: p.Body().Name, Fingerprint: e.Requester})
		}
	}
	return v, nil
}
