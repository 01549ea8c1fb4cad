package runner

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cordon-exchange/cordon/internal/channel"
	"github.com/cordon-exchange/cordon/internal/enclave/failure"
	"github.com/cordon-exchange/cordon/internal/secretmode"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/receipt"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

type acks map[statement.Fingerprint]*statement.Verified[statement.Ack]

// deliver gives the result away: its ciphertext to the host at once, its key only when every owner has acknowledged the
// receipt.
func (r *run) deliver(ctx context.Context, s *sealedResult) error {
	defer s.key.Wipe()
	signed, err := r.account(statement.OutcomeResult, &s.ref)
	if err != nil {
		return err
	}
	r.reports.add("receipt")
	stored := make(chan error, 1)
	go func() { stored <- r.host.Put(ctx, channel.ArtifactResult, s.ciphertext) }()
	closed, err := r.closeExposures(ctx, signed, r.patience())
	storeErr := <-stored
	if err != nil {
		return err
	}
	if storeErr != nil {
		return failure.New(failure.Unstored, storeErr)
	}
	return r.handOver(ctx, s.key, r.bundle(signed, closed))
}

// fail ends a job after its keys may have been released: data closed, and a receipt for those who released. It returns why.
func (r *run) fail(ctx context.Context, why error) error {
	r.letGo()
	if len(r.releases) == 0 {
		return why
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), wordTime)
	defer cancel()
	signed, err := r.account(statement.OutcomeFailed+failure.CodeOf(why), nil)
	if err != nil {
		return why
	}
	// Whether they acknowledge changes nothing any more: no result leaves.
	_, _ = r.closeExposures(ctx, signed, min(wordTime, r.patience()))
	return why
}

// closeExposures sends the receipt to every owner that released, and collects their acknowledgements.
func (r *run) closeExposures(ctx context.Context, signed *statement.Envelope, wait time.Duration) (acks, error) {
	got := acks{}
	err := r.post.ask(ctx, round{
		kind: message.KindReceipt, to: r.contributors(), context: message.ReceiptContext,
		letter: message.ReceiptNotice{
			Job: r.brief.Job.Digest(), Receipt: *signed,
			Releases: envelopes(r.releases, r.contributors()), Readies: envelopes(r.readies, r.brief.Job.Body().Owners),
		},
		wait: wait,
		accept: func(from statement.Fingerprint, reply *message.Reply) error {
			a, err := r.acceptAck(from, reply, signed.Digest())
			if err != nil {
				return failure.Of(failure.BadAck, r.brief.Name(from), err)
			}
			got[from] = a
			return nil
		},
	})
	return got, err
}

func (r *run) acceptAck(from statement.Fingerprint, reply *message.Reply, receipt statement.Digest) (*statement.Verified[statement.Ack], error) {
	a, err := signedBy[statement.Ack](r.brief, reply.Ack, from)
	if err != nil {
		return nil, err
	}
	b, release := a.Body(), r.releases[from]
	if b.Owner != from || b.Job != r.brief.Job.Digest() || b.Receipt != receipt || b.Release != release.Digest() || b.ReleasedMS != release.Body().ReleasedMS {
		return nil, errForeign
	}
	return a, nil
}

// envelopes of statements, in the order of those who made them.
func envelopes[T any](of map[statement.Fingerprint]*statement.Verified[T], order []statement.Fingerprint) []statement.Envelope {
	out := []statement.Envelope{}
	for _, f := range order {
		if v := of[f]; v != nil {
			out = append(out, *v.Envelope())
		}
	}
	return out
}

// bundle is the whole account of the job, for everyone concerned to check offline.
func (r *run) bundle(signed *statement.Envelope, closed acks) *receipt.Bundle {
	owners := r.brief.Job.Body().Owners
	b := &receipt.Bundle{
		Receipt: *signed, Job: *r.brief.Job.Envelope(), Contract: *r.brief.Contract.Envelope(),
		Readies: envelopes(r.readies, owners), Releases: envelopes(r.releases, owners), Acks: envelopes(closed, owners),
	}
	for _, p := range r.brief.Pools {
		b.Pools = append(b.Pools, *p.Envelope())
	}
	for _, t := range r.brief.Contract.Body().Tables {
		for _, m := range t.Members {
			b.Offers = appendOnce(b.Offers, r.brief.Offers[m.Offer].Envelope())
		}
	}
	for _, g := range r.grantDigests() {
		b.Grants = append(b.Grants, *r.brief.Grants[g].Envelope())
	}
	for _, f := range slices.Concat(r.concerned(), []statement.Fingerprint{r.second.claims.Operator}) {
		if p := r.brief.Parties[f]; p != nil {
			b.Parties = appendOnce(b.Parties, p.Envelope())
		}
	}
	return b
}

func appendOnce(list []statement.Envelope, e *statement.Envelope) []statement.Envelope {
	for i := range list {
		if list[i].Digest() == e.Digest() {
			return list
		}
	}
	return append(list, *e)
}

// concerned is everyone whom the job's account is for: the recipients first.
func (r *run) concerned() []statement.Fingerprint {
	var out []statement.Fingerprint
	c := r.brief.Contract.Body()
	for _, f := range slices.Concat(c.Recipients, []statement.Fingerprint{c.Requester}, r.brief.Job.Body().Owners) {
		if !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	return out
}

// handOver seals the result's key to each recipient, with the account that entitles it to the key, and the account alone to
// the others concerned. What fits leaves with the enclave's last word, in one request.
func (r *run) handOver(ctx context.Context, key *seal.DataKey, b *receipt.Bundle) error {
	account, err := b.Encode()
	if err != nil {
		return failure.New(failure.Internal, err)
	}
	concerned := r.concerned()
	out := make([]channel.Artifact, len(concerned))
	var all errgroup.Group
	all.SetLimit(maxPuts)
	for i, to := range concerned {
		all.Go(func() (err error) {
			out[i].Name, out[i].Body, err = r.sealTo(to, key, account)
			return err
		})
	}
	if err := all.Wait(); err != nil {
		return failure.New(failure.Internal, err)
	}
	var before []channel.Artifact
	r.last, before = lastOf(out)
	for _, a := range before {
		all.Go(func() error { return r.host.Put(ctx, a.Name, a.Body) })
	}
	if err := all.Wait(); err != nil {
		return failure.New(failure.Unstored, err)
	}
	return nil
}

// lastOf are the first of the artifacts, as many as fit into the last word; the others are put before.
func lastOf(all []channel.Artifact) (last, before []channel.Artifact) {
	room := channel.MaxLast
	for i, a := range all {
		if room -= len(a.Body) + len(a.Name); room < 0 {
			return all[:i], all[i:]
		}
	}
	return all, nil
}

// maxPuts bounds how many artifacts are under way at once.
const maxPuts = 8

func (r *run) sealTo(to statement.Fingerprint, key *seal.DataKey, account []byte) (name string, sealed []byte, err error) {
	job := r.brief.Job.Digest()
	if !slices.Contains(r.brief.Contract.Body().Recipients, to) {
		sealed, err = seal.To(r.brief.Box(to), message.ReceiptContext(job, to), account)
		return channel.ArtifactBundle + string(to), sealed, err
	}
	text := message.ResultKey{Key: key.LendUnsafe(), Bundle: account}
	secretmode.Do(func() { sealed, err = message.SealTo(r.brief.Box(to), message.ResultContext(job, to), text) })
	return channel.ArtifactKey + string(to), sealed, err
}
