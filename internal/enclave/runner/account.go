package runner

import (
	"slices"
	"strings"

	"github.com/cordon-exchange/cordon/internal/enclave/failure"
	"github.com/cordon-exchange/cordon/statement"
)

// clockClass of every duration and time in a receipt: the host sets the clock, and nobody vouches for it.
const clockClass = "host clock, unattested"

// account signs the receipt of the job. result is nil where none leaves; outcome then says why.
func (r *run) account(outcome string, result *statement.ResultRef) (*statement.Envelope, error) {
	peak, err := r.opt.PeakMemory()
	if err != nil {
		return nil, failure.New(failure.Internal, err)
	}
	if r.plan.Tick() > 0 {
		peak = max(peak, r.limits.MemoryBytes) // how much it was can say as much as when it ended
	}
	exposures := r.exposures()
	claims := r.second.claims
	perimeter := claims.Perimeter
	perimeter.Seccomp = r.opt.Seccomp
	c := r.brief.Contract.Body()
	e, err := statement.Sign(statement.Receipt{
		Job: r.brief.Job.Digest(), Contract: r.brief.Contract.Digest(), Plan: r.salted,
		Requester: c.Requester, Recipients: c.Recipients, Operator: claims.Operator,
		Session: r.session.public, Build: claims.Build, Evidence: *r.second.evidence,
		Readies: r.readyDigests(), Releases: r.releaseDigests(), Grants: r.grantDigests(),
		Perimeter: perimeter, Outcome: outcome, Result: result,
		Exposures: exposures, Clear: r.meter.Clear(exposures, peak),
		Responsibility: r.responsibility(), Stages: r.meter.Stages(),
		TickMS: r.plan.Tick().Milliseconds(), ClockClass: clockClass, EndedMS: r.opt.Now().UnixMilli(),
	}, r.session.sign)
	if err != nil {
		return nil, failure.New(failure.Internal, err)
	}
	return e, nil
}

// exposures lists every key that was held, with the bytes that it opened: none, where the job ended before.
func (r *run) exposures() []statement.Exposure {
	out := []statement.Exposure{}
	for _, owner := range r.contributors() {
		for _, o := range r.releases[owner].Body().Columns {
			for _, column := range append([]string{statement.FooterKey}, o.Columns...) {
				e := statement.Exposure{Owner: owner, Offer: o.Offer, Column: column}
				if r.opened != nil {
					e.Bytes = r.opened.columns[exposed{o.Offer, column}]
				}
				out = append(out, e)
			}
		}
	}
	return out
}

// contributors are the owners who released, in the job's order.
func (r *run) contributors() []statement.Fingerprint {
	var out []statement.Fingerprint
	for _, o := range r.brief.Job.Body().Owners {
		if r.releases[o] != nil {
			out = append(out, o)
		}
	}
	return out
}

func (r *run) readyDigests() []statement.Digest {
	var out []statement.Digest
	for _, o := range r.brief.Job.Body().Owners {
		out = append(out, r.readies[o].Digest())
	}
	return out
}

func (r *run) grantDigests() []statement.Digest {
	var out []statement.Digest
	for _, o := range r.brief.Job.Body().Owners {
		out = append(out, r.readies[o].Body().Grant)
	}
	return out
}

func (r *run) releaseDigests() []statement.Digest {
	var out []statement.Digest
	for _, o := range r.contributors() {
		out = append(out, r.releases[o].Digest())
	}
	return out
}

// responsibility says who answers for which layer, and what that rests on.
func (r *run) responsibility() []statement.Responsibility {
	owners := r.names(r.brief.Job.Body().Owners)
	operator := r.names([]statement.Fingerprint{r.second.claims.Operator})
	vouches := r.second.claims.Kind + " evidence"
	switch {
	case r.second.claims.Kind == statement.KindSimulated:
		vouches = "SIMULATED: the operator's word alone, no hardware vouches for it"
	case r.second.claims.Simulated:
		vouches = "SOFTWARE-ROOTED: a TPM that the operator runs, no hardware vouches for it"
	}
	return []statement.Responsibility{
		{Layer: "truth of the data", Who: owners, Basis: "offers signed by their owners; the enclave checks form, bounds and commitments"},
		{Layer: "keys and their release", Who: owners, Basis: "releases signed by their owners, under their own policies and grants"},
		{Layer: "the query", Who: r.names([]statement.Fingerprint{r.brief.Contract.Body().Requester}), Basis: "job signed by the requester; every owner and the enclave compiled it to the same plan"},
		{Layer: "enclave code", Who: "builder of " + string(r.second.claims.Build), Basis: "digest accepted in the contract that the owners granted"},
		{Layer: "perimeter and hardware", Who: operator, Basis: vouches},
		{Layer: "transport and storage", Who: "exchange", Basis: "availability only: it carried sealed messages and ciphertext"},
		{Layer: "use of the result", Who: r.names(r.brief.Contract.Body().Recipients), Basis: "result sealed to the recipients of the contract"},
	}
}

// names of parties for people; a party that did not introduce itself goes by its fingerprint.
func (r *run) names(list []statement.Fingerprint) string {
	var out []string
	for _, f := range list {
		if n := r.brief.Name(f); n != "" {
			out = append(out, n)
		} else {
			out = append(out, string(f))
		}
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), ", ")
}
