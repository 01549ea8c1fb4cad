package host

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/cordon-exchange/cordon/evidence/hosted"
	"github.com/cordon-exchange/cordon/evidence/simulated"
	words "github.com/cordon-exchange/cordon/internal/channel"
	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/host/channel"
	"github.com/cordon-exchange/cordon/statement"
)

// relay is the channel's backend for one enclave and its one job: what the enclave asks of it, it asks of the exchange under the
// job's lease. Before there is a job it answers nothing, and the enclave's question for one waits.
type relay struct {
	o       Options
	class   Class
	enclave Enclave
	given   chan struct{} // closed once there is a job
	claim   *wire.Claim   // set before
	objects objects

	mu       sync.Mutex
	told     bool          // the enclave has been told its job
	finished *words.Finish // what the exchange has accepted
}

var _ channel.Backend = (*relay)(nil)

func newRelay(o Options, c Class, e Enclave) *relay {
	return &relay{o: o, class: c, enclave: e, given: make(chan struct{})}
}

// give hands the enclave its job. An enclave has one: giving a second is a bug of this host, and panics.
func (r *relay) give(claim *wire.Claim) {
	r.claim = claim
	close(r.given)
}

// errNoJob is told to an enclave that asks for more than its job before it has one.
var errNoJob = &channel.Problem{Status: http.StatusConflict, Code: "no-job"}

// held is the job that the enclave was given.
func (r *relay) held() (*wire.Claim, error) {
	select {
	case <-r.given:
		return r.claim, nil
	default:
		return nil, errNoJob
	}
}

func (r *relay) Job(ctx context.Context) (*words.Job, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-r.given:
	}
	r.mu.Lock()
	r.told = true
	r.mu.Unlock()
	return &words.Job{
		Job: r.claim.Job, Contract: r.claim.Contract, Limits: r.class.limits(),
		Statements: append([]statement.Envelope{}, r.claim.Statements...),
	}, nil
}

// Evidence wraps what the enclave's machine said with the operator's signature. Behind a perimeter that is no machine of its own it is
// simulated: the operator vouches for the program that it measured and for the form that it started it in. An enclave that was started
// for one and asks for the other gets neither.
func (r *relay) Evidence(_ context.Context, a *words.Attest) (*statement.Evidence, error) {
	if _, err := r.held(); err != nil {
		return nil, err
	}
	kind, quoted := r.enclave.Kind(), len(a.Quoted.Quote) > 0
	switch {
	case quoted != (kind != simulated.Kind):
		return nil, &channel.Problem{Status: http.StatusConflict, Code: codeOtherEvidence}
	case !quoted:
		return simulated.Attest(r.o.Operator, r.enclave.Build(), a.Data, r.enclave.Form(), r.o.Now())
	}
	return hosted.Attest(r.o.Operator, kind, r.enclave.Build(), a.Data, r.enclave.Form(), a.Quoted, r.o.Now())
}

// codeOtherEvidence is told to an enclave that has a quote where none belongs, or none where one does.
const codeOtherEvidence = "other-evidence"

func (r *relay) Send(ctx context.Context, all []words.Message) error {
	job, err := r.held()
	if err != nil {
		return err
	}
	out := make([]wire.Outgoing, 0, len(all))
	for _, m := range all {
		out = append(out, wire.Outgoing{To: m.To, Kind: m.Kind, Body: m.Body})
	}
	return told(r.o.Exchange.SendMessages(ctx, job.Digest, job.Lease, out))
}

func (r *relay) Replies(ctx context.Context, a words.Await) ([]words.Reply, error) {
	job, err := r.held()
	if err != nil {
		return nil, err
	}
	got, err := r.o.Exchange.Replies(ctx, job.Digest, job.Lease, wire.Await{After: a.After, Want: a.Want, Wait: a.Wait})
	if err != nil {
		return nil, told(err)
	}
	out := make([]words.Reply, 0, len(got.Items))
	for _, i := range got.Items {
		out = append(out, words.Reply{Seq: i.Seq, From: i.From, Body: i.Body})
	}
	return out, nil
}

func (r *relay) PutArtifact(ctx context.Context, name string, body []byte) error {
	job, err := r.held()
	if err != nil {
		return err
	}
	return told(r.o.Exchange.PutArtifact(ctx, job.Digest, job.Lease, name, body))
}

func (r *relay) Stage(ctx context.Context, name string) error {
	job, err := r.held()
	if err != nil {
		return err
	}
	return told(r.o.Exchange.ReportStage(ctx, job.Digest, job.Lease, name))
}

func (r *relay) Finish(ctx context.Context, f words.Finish) error {
	job, err := r.held()
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.finished != nil {
		return &channel.Problem{Status: http.StatusConflict, Code: "finished"}
	}
	out := wire.Finish{Lease: job.Lease, State: f.State, Code: f.Code}
	for _, a := range f.Artifacts {
		out.Artifacts = append(out.Artifacts, wire.NewArtifact(a))
	}
	if err := r.o.Exchange.Finish(ctx, job.Digest, out); err != nil {
		return told(err)
	}
	r.finished = &words.Finish{State: f.State, Code: f.Code}
	r.forget(f.Code)
	return nil
}

// wasTold reports whether the enclave knows of its job.
func (r *relay) wasTold() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.told
}

// outcome is what the enclave said last, if the exchange knows it.
func (r *relay) outcome() (words.Finish, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.finished == nil {
		return words.Finish{}, false
	}
	return *r.finished, true
}

// told turns a refusal by the exchange into one that the enclave may know. Texts and hints are for people and stay here.
func told(err error) error {
	var e *client.Error
	if err == nil || !errors.As(err, &e) || !words.ValidCode(e.Code) || e.Status < 400 || e.Status > 599 {
		return err
	}
	return &channel.Problem{Status: e.Status, Code: e.Code}
}
