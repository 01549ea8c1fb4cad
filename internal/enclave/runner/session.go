package runner

import (
	"context"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/internal/channel"
	"github.com/cordon-exchange/cordon/internal/enclave/failure"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// session is the enclave's key pair for this one job. It dies with the process.
type session struct {
	sign   *seal.SigningKey
	box    *seal.BoxKey
	public statement.Session
	digest statement.Digest
}

func newSession() (*session, error) {
	sign, err := seal.NewSigningKey()
	if err != nil {
		return nil, err
	}
	box, err := seal.NewBoxKey()
	if err != nil {
		return nil, err
	}
	s := &session{sign: sign, box: box, public: statement.Session{Key: sign.Public().String(), Box: box.Public()}}
	s.digest = s.public.Digest()
	return s, nil
}

// attestation is evidence about this enclave that this enclave has checked.
type attestation struct {
	evidence *statement.Evidence
	digest   statement.Digest
	claims   *evidence.Claims
}

// attest obtains evidence over data and checks it as a broker would, so that a host that gives evidence of something else
// is found here, before anybody is asked for keys.
func (r *run) attest(ctx context.Context, data evidence.ReportData) (*attestation, error) {
	ask := channel.Attest{Data: data}
	if r.opt.Attester != nil {
		quoted, err := r.opt.Attester(ctx, data)
		if err != nil {
			return nil, failure.New(failure.BadEvidence, err)
		}
		ask.Quoted = quoted
	}
	e, err := r.host.Evidence(ctx, ask)
	if err != nil {
		return nil, failure.New(failure.Link, err)
	}
	claims, err := r.opt.Verifiers.Verify(ctx, e, r.opt.Now())
	if err != nil {
		return nil, failure.New(failure.BadEvidence, err)
	}
	c := r.brief.Contract.Body()
	accepted := evidence.Policy{
		Kinds: c.Evidence, Builds: c.Builds, Operators: c.Operators, Perimeters: c.Perimeters, TCB: evidence.TCBPolicy{LeftToOwners: true},
	}
	if err := evidence.Appraise(claims, accepted, data); err != nil {
		return nil, failure.New(failure.BadEvidence, err)
	}
	if claims.Perimeter.Form != r.opt.Form {
		return nil, failure.New(failure.BadEvidence, evidence.ErrPerimeter) // not what is around this enclave
	}
	d, err := e.Digest()
	if err != nil {
		return nil, failure.New(failure.Internal, err)
	}
	return &attestation{evidence: e, digest: d, claims: claims}, nil
}
