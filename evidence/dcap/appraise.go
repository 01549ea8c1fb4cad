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
	list := v.unsound()
	if v.observable() && !p.AllowDebug { // step 8
		list = append(list, fmt.Errorf("%w: the host can look into this enclave", stage.Debug))
	}
	if v.TCB != nil && v.TCB.Status != "" {
		list = append(list, p.judge(v.TCB)...)
	}
	if err := refused(list); err != nil {
		return nil, err
	}
	return v.result(), nil
}

// Sound refuses what no policy may accept of a genuine quote (docs/spec/evidence.md, section 7.4). A caller that appraises status,
// advisories, date and evaluation by itself asks this first. The result says whether the host can look into the enclave.
func Sound(v *Verified) (*Result, error) {
	if v == nil || v.Quote == nil {
		return nil, ErrPolicy
	}
	if err := refused(v.unsound()); err != nil {
		return nil, err
	}
	return v.result(), nil
}

func (v *Verified) result() *Result {
	return &Result{Kind: v.Kind, TCB: *v.TCB, DebugAllowed: v.observable()}
}

func (v *Verified) unsound() (out []error) {
	if v.Foreign {
		out = append(out, malformed("data behind the quote"))
	}
	t := v.TCB
	if t == nil {
		return append(out, fmt.Errorf("%w: nothing says whether the machine is current or revoked", stage.NoCollateral))
	}
	if !t.CRLs {
		out = append(out, fmt.Errorf("%w: nothing says whether the machine is revoked", stage.NoCRL))
	}
	out = append(out, t.stale()...)
	switch t.Status {
	case "":
		out = append(out, fmt.Errorf("%w: %s below every level", stage.TCBNoLevel, strings.Join(t.Below, ", ")))
	case Revoked:
		out = append(out, fmt.Errorf("%w: %s", stage.TCBStatus, Revoked))
	}
	return out
}

// observable: debug, or one of the TD attributes that open a trust domain to its host (the group TUD).
func (q *Quote) observable() bool { return q.Debug() || q.TD != nil && q.TD.Attributes[0] != 0 }

func (p Policy) judge(t *TCB) (out []error) {
	refuse := func(s stage.Error, format string, args ...any) {
		out = append(out, fmt.Errorf("%w: "+format, append([]any{s}, args...)...))
	}
	if t.Status != Revoked && !slices.Contains(p.Statuses, t.Status) {
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
