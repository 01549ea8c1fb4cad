package dcap

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cordon-exchange/cordon/evidence/stage"
)

// ErrPolicy is a policy, or a call, that leaves open what must be said.
var ErrPolicy = errors.New("dcap: policy incomplete")

// Policy is what a relying party accepts of genuine quotes. Nothing in it accepts absent or stale collateral.
type Policy struct {
	Statuses      []Status  // required: accepted converged statuses; Revoked is never accepted
	Advisories    []string  // accepted advisories; none if empty
	AnyAdvisory   bool      // accept a machine whatever advisories its level has
	MinTCBDate    time.Time // required: of the platform's level
	MinEvaluation int       // required: tcbEvaluationDataNumber of both documents
	AllowDebug    bool      // accept enclaves whose memory the host can read and change
}

// Result is what was accepted, and on what leave.
type Result struct {
	Kind         string
	TCB          TCB
	DebugAllowed bool // it is a debug enclave, and the policy allows that
}

// Appraise decides whether a genuine quote's machine is good enough (docs/spec/evidence.md, section 7.4). Which program runs in
// it, and for whom, is not asked here. The refusal names everything that is wrong.
func Appraise(v *Verified, p Policy) (*Result, error) {
	if v == nil || v.Quote == nil || len(p.Statuses) == 0 || p.MinTCBDate.IsZero() || p.MinEvaluation < 1 {
		return nil, ErrPolicy
	}
	var list []error
	if v.Foreign {
		list = append(list, malformed("data behind the quote"))
	}
	if v.observable() && !p.AllowDebug { // step 8
		list = append(list, fmt.Errorf("%w: the host can look into this enclave", stage.Debug))
	}
	list = append(list, p.judge(v.TCB)...)
	if err := refused(list); err != nil {
		return nil, err
	}
	return &Result{Kind: v.Kind, TCB: *v.TCB, DebugAllowed: v.observable()}, nil
}

// observable: debug, or one of the TD attributes that open a trust domain to its host (the group TUD).
func (q *Quote) observable() bool { return q.Debug() || q.TD != nil && q.TD.Attributes[0] != 0 }

func (p Policy) judge(t *TCB) (out []error) {
	if t == nil {
		return []error{fmt.Errorf("%w: nothing says whether the machine is current or revoked", stage.NoCollateral)}
	}
	refuse := func(s stage.Error, format string, args ...any) {
		out = append(out, fmt.Errorf("%w: "+format, append([]any{s}, args...)...))
	}
	if !t.CRLs {
		refuse(stage.NoCRL, "nothing says whether the machine is revoked")
	}
	out = append(out, t.stale()...)
	if t.Status == "" {
		refuse(stage.TCBNoLevel, "%s below every level", strings.Join(t.Below, ", "))
		return out
	}
	if !slices.Contains(p.Statuses, t.Status) || t.Status == Revoked {
		refuse(stage.TCBStatus, "%s", t.Status)
	}
	for _, a := range t.Advisories {
		if !p.AnyAdvisory && !slices.Contains(p.Advisories, a) {
			refuse(stage.TCBStatus, "advisory %s", a)
		}
	}
	if t.Date.Before(p.MinTCBDate) {
		refuse(stage.TCBStatus, "level of %s", t.Date.Format(time.DateOnly))
	}
	if e := min(t.Evaluation, t.QEEvaluation); e < p.MinEvaluation {
		refuse(stage.TCBStatus, "collateral of evaluation %d", e)
	}
	return out
}
