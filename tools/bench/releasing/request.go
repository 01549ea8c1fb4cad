package releasing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/hosted"
	"github.com/cordon-exchange/cordon/evidence/machinetest"
	"github.com/cordon-exchange/cordon/evidence/simulated"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/party/catalog"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// request is a message of one enclave of one job, sealed and ready to be sent, and what its answer is opened with.
type request struct {
	item wire.Item
	box  *seal.BoxKey
	plan *policy.Plan
}

// request plays an enclave of a job of its own up to its quote: the hello, and all owners' readies, are behind it.
func (w *world) request(ctx context.Context, seq int64) (r *request, err error) {
	body := statement.Body{SQL: query, Salt: nonce()}
	job, err := w.job(&body)
	if err != nil {
		return nil, err
	}
	plan, err := w.compile(ctx, &body)
	if err != nil {
		return nil, err
	}
	salted := statement.Digest(plan.SaltedDigest(body.Salt))
	sign, err := seal.NewSigningKey()
	if err != nil {
		return nil, err
	}
	box, err := seal.NewBoxKey()
	if err != nil {
		return nil, err
	}
	session := statement.Session{Key: sign.Public().String(), Box: box.Public()}
	line, err := seal.NewLine(w.owners[0].ring.Box().Public())
	if err != nil {
		return nil, err
	}
	own, err := w.ready(ctx, seq, job, session, box, line)
	if err != nil {
		return nil, err
	}
	q := message.Quote{Job: job, Session: session, Plan: salted, Readies: []statement.Envelope{*own}}
	digests := []statement.Digest{own.Digest()}
	for _, m := range w.owners[1:] {
		e, err := statement.Sign(statement.Ready{
			Owner: m.fp(), Job: job, Session: session.Digest(), Plan: salted, Offers: []statement.Digest{m.offer.Digest()},
			Grant: statement.Sum([]byte("grant")), Price: 7, Nonce: nonce(), ExpiresMS: time.Now().Add(2 * time.Minute).UnixMilli(),
		}, m.ring.Signer())
		if err != nil {
			return nil, err
		}
		q.Readies, digests = append(q.Readies, *e), append(digests, e.Digest())
	}
	if q.Evidence, err = w.evidence(evidence.QuoteBinding(job, session.Digest(), salted, digests)); err != nil {
		return nil, err
	}
	sealed, err := message.SealBy(line, message.QuoteContext(job, w.self()), q)
	if err != nil {
		return nil, err
	}
	return &request{item: wire.Item{Seq: seq, Job: job, Attempt: 1, Kind: wire.KindQuote, Body: sealed}, box: box, plan: plan}, nil
}

// job is submitted under its digest.
func (w *world) job(body *statement.Body) (statement.Digest, error) {
	now := time.Now()
	commit, err := body.Commit()
	if err != nil {
		return "", err
	}
	j := statement.Job{
		Nonce: nonce(), Contract: w.contract.Digest(), Requester: w.asker.Fingerprint(), Class: "small",
		CreatedMS: now.UnixMilli(), ExpiresMS: now.Add(time.Hour).UnixMilli(), Commitment: commit,
	}
	for _, m := range w.owners {
		j.Owners = append(j.Owners, m.fp())
	}
	slices.Sort(j.Owners)
	for _, to := range j.Brokers() {
		sealed, err := message.SealTo(w.box(to), message.BodyContext(j.Requester, to), message.Letter{Body: *body})
		if err != nil {
			return "", err
		}
		j.Bodies = append(j.Bodies, statement.SealedBody{To: to, Sealed: sealed})
	}
	e, err := statement.Sign(j, w.asker.Signer())
	if err != nil {
		return "", err
	}
	w.ex.submit(e)
	return e.Digest(), nil
}

// compile is what the enclave reaches.
func (w *world) compile(ctx context.Context, body *statement.Body) (*policy.Plan, error) {
	r, err := w.catalog.Request(ctx, catalog.Question{Contract: w.contract.Body(), Body: body, At: time.Now(), Operator: w.operator.Fingerprint()})
	if err != nil {
		return nil, err
	}
	return policy.Compile(r)
}

func (w *world) evidence(data evidence.ReportData) (statement.Evidence, error) {
	p := statement.Perimeter{Form: form, Details: []statement.Property{}}
	var e *statement.Evidence
	var err error
	if w.kind == evidence.Simulated {
		e, err = simulated.Attest(w.operator, w.build, data, p, time.Now())
	} else {
		q := w.machines.Quote(tb{}, w.kind, machinetest.Enclave{Program: program, Bare: true}, data)
		q.Endorsements = w.endorsements
		e, err = hosted.Attest(w.operator, w.kind, w.build, data, p, q, time.Now())
	}
	if err != nil {
		return statement.Evidence{}, err
	}
	return *e, nil
}

// ready is the broker's own, which it gives for the hello.
func (w *world) ready(ctx context.Context, seq int64, job statement.Digest, session statement.Session, box *seal.BoxKey, line *seal.Line) (*statement.Envelope, error) {
	e, err := w.evidence(evidence.HelloBinding(job, session.Digest()))
	if err != nil {
		return nil, err
	}
	sealed, err := message.SealBy(line, message.HelloContext(job, w.self()), message.Hello{Job: job, Session: session, Evidence: e})
	if err != nil {
		return nil, err
	}
	r, err := w.send(ctx, wire.Item{Seq: -seq, Job: job, Attempt: 1, Kind: wire.KindHello, Body: sealed}, box)
	if err != nil {
		return nil, err
	}
	return r.Ready, nil
}

// send has the broker answer a message, and opens the answer.
func (w *world) send(ctx context.Context, item wire.Item, box *seal.BoxKey) (*message.Reply, error) {
	if err := w.broker.Handle(ctx, item); err != nil {
		return nil, err
	}
	var r message.Reply
	if err := message.OpenWith(box, message.ReplyContext(item.Job, w.self()), w.ex.answer(item.Seq), &r); err != nil {
		return nil, err
	}
	if r.Refusal != nil {
		v, err := statement.Verify[statement.Refusal](r.Refusal, w.self())
		if err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("refused: %s: %s", v.Body().Code, v.Body().Reason)
	}
	return &r, nil
}

// check opens what a request was answered: the release is signed, for the keys that came with it, and they are those of the offer.
func (w *world) check(r *request) error {
	var got message.Reply
	if err := message.OpenWith(r.box, message.ReplyContext(r.item.Job, w.self()), w.ex.answer(r.item.Seq), &got); err != nil {
		return err
	}
	if got.Release == nil {
		return errors.New("no release")
	}
	v, err := statement.Verify[statement.Release](got.Release, w.self())
	if err != nil {
		return err
	}
	if v.Body().Job != r.item.Job || v.Body().Sealed != statement.Sum(got.Keys) {
		return errors.New("a release of something else")
	}
	var keys statement.ReleasedKeys
	if err := message.OpenWith(r.box, message.KeysContext(r.item.Job, w.self()), got.Keys, &keys); err != nil {
		return err
	}
	me := w.owners[0]
	want := r.plan.Columns(string(me.offer.Digest()))
	if len(keys.Offers) != 1 || len(keys.Offers[0].Column) != len(want) {
		return errors.New("other keys than the plan reads")
	}
	have := me.keys.ColumnsUnsafe()
	for _, c := range keys.Offers[0].Column {
		if !slices.Contains(want, c.Column) || !slices.Equal(have[c.Column], c.Key) {
			return errors.New("another key than the column's")
		}
	}
	return nil
}
