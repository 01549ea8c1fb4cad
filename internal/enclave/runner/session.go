package runner

import (
	"context"
	"crypto/ed25519"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/internal/channel"
	"github.com/cordon-exchange/cordon/internal/enclave/failure"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// session is the enclave's key pair for this one job.
type session struct {
	sign   *seal.SigningKey
	box    *seal.BoxKey
	public statement.Session
	digest statement.Digest
}

func newSession(mem seal.Memory) (*session, error) {
	sign, err := seal.NewSigningKeyIn(mem)
	if err != nil {
		return nil, err
	}
	box, err := seal.NewBoxKeyIn(mem)
	if err != nil {
		return nil, err
	}
	s := &session{sign: sign, box: box, public: statement.Session{Key: sign.Public().String(), Box: box.Public()}}
	s.digest = s.public.Digest()
	return s, nil
}

// warm makes and checks a signature by a key that everybody knows, for the tables of the curve's multiples, which are made when they are
// first used: an enclave that waits for its job has them when it comes, and one whose job is there needs them next.
func warm() {
	k, err := seal.SigningKeyFromSeed(make([]byte, ed25519.SeedSize))
	if err != nil {
		return
	}
	defer k.Wipe()
	const text = "cordon/warm/v1"
	if sig, err := k.Sign([]byte(text)); err == nil {
		_ = k.Public().Verify([]byte(text), sig)
	}
}

// wipe overwrites both keys, where there is a session.
func (s *session) wipe() {
	if s != nil {
		s.sign.Wipe()
		s.box.Wipe()
	}
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
	if err := evidence.Appraise(claims, evidence.OfContract(r.brief.Contract.Body()), data); err != nil {
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
