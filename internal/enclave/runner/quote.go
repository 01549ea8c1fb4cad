package runner

import (
	"context"
	"slices"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/internal/enclave/failure"
	"github.com/cordon-exchange/cordon/internal/secretmode"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// grace for owners that are about to release when another refuses: their exposure opens, so they must get a receipt.
const grace = 2 * time.Second

// quote asks every owner for its keys, with evidence over what all of them said they are ready for.
func (r *run) quote(ctx context.Context) (err error) {
	r.stage("quote")
	r.ahead = r.fetchAhead(ctx)
	if err := r.bindFiles(ctx); err != nil {
		return err
	}
	job := r.brief.Job.Digest()
	r.releases = map[statement.Fingerprint]*statement.Verified[statement.Release]{}
	var envelopes []statement.Envelope
	var digests []statement.Digest
	for _, owner := range r.brief.Job.Body().Owners {
		envelopes = append(envelopes, *r.readies[owner].Envelope())
		digests = append(digests, r.readies[owner].Digest())
	}
	if r.second, err = r.attest(ctx, evidence.QuoteBinding(job, r.session.digest, r.salted, digests)); err != nil {
		return err
	}
	if !sameEnclave(r.first.claims, r.second.claims) {
		return failure.New(failure.BadEvidence, evidence.ErrBinding)
	}
	return r.post.ask(ctx, round{
		kind: message.KindQuote, to: r.brief.Job.Body().Owners, context: message.QuoteContext,
		letter: message.Quote{
			Job: job, Session: r.session.public, Plan: r.salted, Readies: envelopes, Evidence: *r.second.evidence,
		},
		wait: r.patience(), grace: grace, accept: r.acceptRelease,
	})
}

// sameEnclave: the plan was compiled for the operator in the first evidence.
func sameEnclave(a, b *evidence.Claims) bool {
	return a.Kind == b.Kind && a.Build == b.Build && a.Operator == b.Operator && a.Perimeter.Form == b.Perimeter.Form
}

// acceptRelease takes an owner's keys. The signature is checked before a key is opened, under the fingerprint that the
// contract pins; then each key against the owner's commitment: keys that a host or another owner made end here.
func (r *run) acceptRelease(from statement.Fingerprint, reply *message.Reply) error {
	name := r.brief.Name(from)
	v, err := signedBy[statement.Release](r.brief, reply.Release, from)
	if err != nil {
		return failure.Of(failure.BadRelease, name, err)
	}
	if !r.released(from, v.Body()) || v.Body().Sealed != statement.Sum(reply.Keys) {
		return failure.Of(failure.BadRelease, name, errForeign)
	}
	// From here on the owner has released, whatever the keys turn out to be: it gets a receipt.
	r.releases[from] = v
	secretmode.Do(func() { err = r.openKeys(from, reply.Keys) })
	return err
}

// openKeys opens and keeps the keys of one owner. In secret mode: what decoding leaves behind is erased.
func (r *run) openKeys(from statement.Fingerprint, sealed []byte) error {
	name := r.brief.Name(from)
	text, err := r.session.box.Open(message.KeysContext(r.brief.Job.Digest(), from), sealed)
	if err != nil {
		return failure.Of(failure.BadRelease, name, err)
	}
	r.meter.Held()
	defer clear(text)
	if err := r.takeKeys(from, text); err != nil {
		return failure.Of(failure.BadKey, name, err)
	}
	return nil
}

// released reports whether the release is for this job, session, plan, evidence, ready and grant, and for exactly the keys that the plan needs.
func (r *run) released(owner statement.Fingerprint, b *statement.Release) bool {
	ready := r.readies[owner]
	if b.Owner != owner || b.Job != r.brief.Job.Digest() || b.Session != r.session.digest || b.Plan != r.salted ||
		b.Evidence != r.second.digest || b.Ready != ready.Digest() || b.Grant != ready.Body().Grant {
		return false
	}
	var offers []statement.Digest
	for _, o := range b.Columns {
		offers = append(offers, o.Offer)
		if !sameSet(o.Columns, r.needs(o.Offer)) {
			return false
		}
	}
	return sameSet(offers, r.offersOf(owner))
}

// needs are the names of the keys of an offer that the plan needs beside the footer's: of the columns that it reads, and of noise
// where it draws some.
func (r *run) needs(offer statement.Digest) []string {
	out := slices.Clone(r.plan.Columns(string(offer)))
	if slices.Contains(r.plan.NoiseOffers(), string(offer)) {
		out = append(out, statement.NoiseKey)
	}
	return out
}

// takeKeys keeps the keys of one owner once every one of them is what its offer commits to.
func (r *run) takeKeys(owner statement.Fingerprint, text []byte) error {
	keys, err := statement.DecodeReleasedKeys(text)
	if err != nil {
		return err
	}
	defer keys.Wipe()
	var offers []statement.Digest
	for _, k := range keys.Offers {
		offers = append(offers, k.Offer)
	}
	if !sameSet(offers, r.offersOf(owner)) {
		return errForeign
	}
	for _, k := range keys.Offers {
		set, err := committedKeys(r.opt.Keys, r.brief.Offers[k.Offer].Body(), k, r.needs(k.Offer))
		if err != nil {
			return err
		}
		r.keys.put(k.Offer, set)
	}
	return nil
}

// committedKeys checks that the keys are the footer's and exactly those needed, each the one that the offer commits to.
func committedKeys(mem seal.Memory, o *statement.Offer, k statement.OfferKeys, needed []string) (*keySet, error) {
	set := &keySet{columns: map[string]*seal.DataKey{}}
	ok := false
	defer func() {
		if !ok {
			set.wipe()
		}
	}()
	var err error
	if set.footer, err = committed(mem, o, statement.FooterKey, k.Footer); err != nil {
		return nil, err
	}
	var names []string
	for _, c := range k.Column {
		names = append(names, c.Column)
		if set.columns[c.Column], err = committed(mem, o, c.Column, c.Key); err != nil {
			return nil, err
		}
	}
	if !sameSet(names, needed) {
		return nil, errForeign
	}
	set.noise = set.columns[statement.NoiseKey]
	delete(set.columns, statement.NoiseKey)
	ok = true
	return set, nil
}

func committed(mem seal.Memory, o *statement.Offer, name string, key []byte) (*seal.DataKey, error) {
	k, err := seal.DataKeyFromBytesIn(mem, key)
	if err != nil {
		return nil, err
	}
	commit, there := o.Commitment(name)
	if !there || !seal.Committed(seal.KeyName{Owner: o.Owner, Dataset: o.Dataset, Version: o.Version, Key: name}, k, commit) {
		k.Wipe()
		return nil, seal.ErrBadKey
	}
	return k, nil
}
