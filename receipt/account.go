package receipt

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cordon-exchange/cordon/statement"
)

// opened is one key that can have been in clear.
type opened struct {
	owner  statement.Fingerprint
	offer  statement.Digest
	column string
}

// exposures: section 4, step 12. The account lists what was released, no more
// and no less, whatever the outcome: a key that left is an exposure.
func (v *verification) exposures(context.Context) (string, error) {
	missing := map[opened]bool{}
	for owner, r := range v.release {
		for _, o := range r.Body().Columns {
			missing[opened{owner, o.Offer, statement.FooterKey}] = true
			for _, c := range o.Columns {
				missing[opened{owner, o.Offer, c}] = true
			}
		}
	}
	for _, e := range v.r.Exposures {
		k := opened{e.Owner, e.Offer, e.Column}
		if !missing[k] {
			return "", errors.New("a column was in clear that nobody released, or is listed twice")
		}
		delete(missing, k)
	}
	if len(missing) > 0 {
		return "", errors.New("a released column is missing from the account")
	}
	return fmt.Sprintf("%d columns and footers accounted for, %d bytes", len(v.r.Exposures), v.r.Clear.Bytes), nil
}

// acks: step 13. They alone bound the time from outside.
func (v *verification) acks(context.Context) (string, error) {
	by, _, err := perOwner[statement.Ack](v.b.Acks)
	if err != nil {
		return "", err
	}
	for owner, s := range by {
		if err := v.oneAck(s.Body()); err != nil {
			return "", err
		}
		v.report.Outside = append(v.report.Outside, Outside{
			Owner: owner, ReleasedMS: s.Body().ReleasedMS, ClosedMS: s.Body().ClosedMS, Head: s.Body().Head,
		})
		v.report.Acks = append(v.report.Acks, s)
	}
	if len(by) != len(v.release) {
		return "", fmt.Errorf("missing: have %d of %d owners", len(by), len(v.release))
	}
	slices.SortFunc(v.report.Acks, func(a, b *statement.Verified[statement.Ack]) int { return compare(a.Body().Owner, b.Body().Owner) })
	slices.SortFunc(v.report.Outside, func(a, b Outside) int { return compare(a.Owner, b.Owner) })
	return fmt.Sprintf("%d owners closed their exposure", len(by)), nil
}

func (v *verification) oneAck(a *statement.Ack) error {
	rel := v.release[a.Owner]
	switch {
	case rel == nil:
		return errors.New("an acknowledgement of somebody who released nothing")
	case a.Job != v.r.Job:
		return errors.New("an acknowledgement is for another job")
	case a.Receipt != v.report.Digest:
		return errors.New("an acknowledgement is for another receipt")
	case a.Release != rel.Digest():
		return errors.New("an acknowledgement is for another release")
	case a.ReleasedMS != rel.Body().ReleasedMS:
		return errors.New("an acknowledgement states another time of release")
	}
	return nil
}
