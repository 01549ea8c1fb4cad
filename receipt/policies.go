package receipt

import (
	"errors"
	"fmt"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/statement"
)

var errPolicyForm = errors.New("the policy of an offer can't be read")

// byPolicies does again what each owner's broker had to do before it released: the policy of every offer that it opened must accept
// the evidence. The texts are the owners' own words, in offers that they signed.
func (v *verification) byPolicies(c *evidence.Claims, binding evidence.ReportData) error {
	for _, owner := range v.job.Owners {
		s := v.release[owner]
		if s == nil {
			continue
		}
		found, err := asFound(c, s.Body().Appraisal)
		if err != nil {
			return err
		}
		for _, o := range s.Body().Columns {
			if err := v.byPolicy(found, o.Offer, binding); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *verification) byPolicy(found *evidence.Claims, offer statement.Digest, binding evidence.ReportData) error {
	p, err := policy.Parse([]byte(v.report.Offers[offer].Policy))
	if err != nil {
		return errPolicyForm
	}
	if err := evidence.Appraise(found, p.Accepts(), binding); err != nil {
		return fmt.Errorf("a release was made against the policy of its own offer: %w", err)
	}
	return nil
}

// asFound is the evidence as an owner judged it: by newer collateral of its own, where it says that it had some.
func asFound(c *evidence.Claims, a statement.Appraisal) (*evidence.Claims, error) {
	if a.Evaluation <= int64(c.TCB.Evaluation) {
		return c, nil
	}
	date, err := time.Parse(time.DateOnly, a.TCBDate)
	if err != nil {
		return nil, errors.New("a release states no date of the TCB")
	}
	found := *c
	found.TCB.Status, found.TCB.Advisories, found.TCB.Date, found.TCB.Evaluation = a.Status, a.Advisories, date, int(a.Evaluation)
	return &found, nil
}
