package policy

import (
	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/statement"
)

// Accepts is what the owner accepts of an enclave, as evidence is appraised: before a release by the owner's broker, after it by who
// reads the receipt.
func (p *Policy) Accepts() evidence.Policy {
	e := p.Evidence()
	out := evidence.Policy{
		Kinds: e.Accept, Perimeters: e.Perimeters, AllowDebug: e.Debug,
		TCB: evidence.TCBPolicy{
			Statuses: e.TCBStatus, Advisories: e.Advisories, MinDate: e.MinTCBDate, MinEvaluation: int(e.MinTCBEvaluation), MinVersion: e.MinTCBSNP,
		},
	}
	for _, d := range e.Builds {
		out.Builds = append(out.Builds, statement.Digest(d))
	}
	for _, f := range p.Operators() {
		out.Operators = append(out.Operators, statement.Fingerprint(f))
	}
	return out
}
