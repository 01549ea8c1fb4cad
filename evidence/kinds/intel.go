package kinds

import (
	"fmt"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/dcap"
	"github.com/cordon-exchange/cordon/evidence/hosted"
	"github.com/cordon-exchange/cordon/evidence/stage"
)

// intel verifies a quote of SGX or TDX (docs/spec/evidence.md, section 8.5).
func (o Options) intel(kind string, quote []byte, endorsements [][]byte, at time.Time) (*hosted.Machine, error) {
	if len(endorsements) > 1 {
		return nil, errEndorsements(len(endorsements))
	}
	own, err := o.held(kind, quote)
	if err != nil {
		return nil, err
	}
	if len(own) > 1 {
		return nil, errEndorsements(len(own))
	}
	v, r, err := o.sound(quote, endorsements, own, at)
	if err != nil {
		return nil, err
	}
	m := &hosted.Machine{Build: hosted.Build(kind, measured(v.Quote)...), ReportData: v.ReportData(), Debug: r.DebugAllowed, TCB: tcbOf(r.TCB)}
	switch {
	case v.Kind != kind:
		return nil, fmt.Errorf("%w: a quote of kind %s", stage.Parse, v.Kind)
	case v.TD != nil && v.TD.Attributes[3]&migratable != 0:
		return nil, fmt.Errorf("%w: the trust domain may be moved to another machine", stage.EndorsementMismatch)
	case m.ReportData == evidence.ReportData{}:
		return nil, ErrUnbound
	}
	return m, nil
}

// migratable is bit 29 of the attributes of a trust domain, within its byte.
const migratable = 1 << 5

// measured are the parts of a build, in their order.
func measured(q *dcap.Quote) [][]byte {
	if q.TD == nil {
		return [][]byte{q.Enclave.MREnclave[:]}
	}
	out := [][]byte{q.TD.MRTD[:]}
	for i := range q.TD.RTMR {
		out = append(out, q.TD.RTMR[i][:])
	}
	return append(out, q.TD.MRConfigID[:])
}

func tcbOf(t dcap.TCB) evidence.TCB {
	return evidence.TCB{
		Status: string(t.Status), Advisories: t.Advisories, Date: t.Date, Evaluation: evaluation(&t), CollateralUntil: t.Until,
	}
}

func evaluation(t *dcap.TCB) int { return min(t.Evaluation, t.QEEvaluation) }

// sound verifies the quote with the collateral that came with it and with what is held. What came must accept. What is held must
// accept too, if it is current; if it is not, what came must be of no earlier evaluation: whoever brings collateral picks it.
func (o Options) sound(quote []byte, came, own [][]byte, at time.Time) (*dcap.Verified, *dcap.Result, error) {
	if len(came) == 0 {
		came, own = own, nil
	}
	v, err := o.verify(quote, came, at)
	if err != nil {
		return nil, nil, err
	}
	r, err := dcap.Sound(v)
	if err != nil || len(own) == 0 {
		return v, r, err
	}
	held, err := o.verify(quote, own, at)
	if err != nil {
		return nil, nil, fmt.Errorf("by the collateral that is held: %w", err)
	}
	newer := evaluation(held.TCB) > evaluation(v.TCB)
	if len(held.TCB.Stale) > 0 && !newer {
		return v, r, nil
	}
	better, err := dcap.Sound(held)
	if err != nil {
		return nil, nil, fmt.Errorf("by the collateral that is held: %w", err)
	}
	if newer || evaluation(held.TCB) == evaluation(v.TCB) {
		return held, better, nil
	}
	return v, r, nil
}

func (o Options) verify(quote []byte, collateral [][]byte, at time.Time) (*dcap.Verified, error) {
	var c *dcap.Collateral
	if len(collateral) == 1 {
		var err error
		if c, err = dcap.RememberedCollateral(o.Memory, at, collateral[0]); err != nil {
			return nil, err
		}
	}
	return dcap.Verify(quote, c, dcap.Options{Roots: o.Anchors.Intel, At: at, Memory: o.Memory})
}
