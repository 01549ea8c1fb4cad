package receipt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/statement"
)

func compare(a, b statement.Fingerprint) int { return cmp.Compare(a, b) }

// readies: section 4, step 8.
func (v *verification) readies(context.Context) (string, error) {
	by, digests, err := perOwner[statement.Ready](v.b.Readies)
	if err != nil {
		return "", err
	}
	v.ready = by
	if !sameSet(owners(by), v.job.Owners) {
		return "", errors.New("not exactly the readies of the job's owners")
	}
	if !sameSet(digests, v.r.Readies) {
		return "", errors.New("not the readies that the receipt names")
	}
	used := map[statement.Digest]bool{}
	for _, s := range by {
		if err := v.oneReady(s.Body(), used); err != nil {
			return "", err
		}
	}
	if !v.wholeTables(used) {
		return "", errors.New("only part of a pool's epoch was ready")
	}
	return fmt.Sprintf("%d owners' brokers compiled the same plan", len(by)), nil
}

func (v *verification) oneReady(r *statement.Ready, used map[statement.Digest]bool) error {
	grant := v.grant[r.Owner]
	var price int64
	for _, d := range r.Offers {
		o := v.report.Offers[d]
		if o == nil || o.Owner != r.Owner {
			return errors.New("a ready names an offer that is not there or not its owner's")
		}
		used[d] = true
		price += o.MaxPrice()
	}
	switch {
	case r.Job != v.r.Job:
		return errors.New("a ready is for another job")
	case r.Plan != v.r.Plan:
		return errors.New("a ready is for another plan")
	case r.Session != v.r.Session.Digest():
		return errors.New("a ready is for another session")
	case r.Grant != grant.Digest():
		return errors.New("a ready does not follow from its owner's grant")
	case !subset(r.Offers, grant.Body().Offers):
		return errors.New("a ready names an offer that its owner did not grant")
	case r.Price > price:
		return errors.New("a ready asks for more than its offers do")
	}
	return nil
}

// wholeTables reports whether the offers used are those of whole tables of the
// contract: a pool answers by epochs, never without one of its members.
func (v *verification) wholeTables(used map[statement.Digest]bool) bool {
	covered := map[statement.Digest]bool{}
	for _, t := range v.contract.Tables {
		whole := true
		for _, m := range t.Members {
			whole = whole && used[m.Offer]
		}
		for _, m := range t.Members {
			covered[m.Offer] = covered[m.Offer] || whole
		}
	}
	for d := range used {
		if !covered[d] {
			return false
		}
	}
	return true
}

// releases: step 9.
func (v *verification) releases(context.Context) (string, error) {
	by, digests, err := perOwner[statement.Release](v.b.Releases)
	if err != nil {
		return "", err
	}
	v.release = by
	shown, err := v.r.Evidence.Digest()
	if err != nil {
		return "", err
	}
	if !sameSet(digests, v.r.Releases) {
		return "", errors.New("not the releases that the receipt names")
	}
	if !subset(owners(by), v.job.Owners) {
		return "", errors.New("a release of somebody whom the job does not concern")
	}
	if v.r.Outcome == statement.OutcomeResult && len(by) != len(v.job.Owners) {
		return "", errors.New("a result without a release of every owner")
	}
	for _, s := range by {
		if err := v.oneRelease(s.Body(), shown); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d owners released keys for this job, plan, session and evidence", len(by)), nil
}

func (v *verification) oneRelease(r *statement.Release, shown statement.Digest) error {
	ready := v.ready[r.Owner]
	var opened []statement.Digest
	for _, o := range r.Columns {
		opened = append(opened, o.Offer)
	}
	switch {
	case r.Job != v.r.Job:
		return errors.New("a release is for another job")
	case r.Plan != v.r.Plan:
		return errors.New("a release is for another plan")
	case r.Session != v.r.Session.Digest():
		return errors.New("a release is for another session")
	case r.Evidence != shown:
		return errors.New("a release is for other evidence")
	case r.Ready != ready.Digest():
		return errors.New("a release does not follow from its owner's ready")
	case r.Grant != v.grant[r.Owner].Digest():
		return errors.New("a release does not follow from its owner's grant")
	case !sameSet(opened, ready.Body().Offers):
		return errors.New("a release opens other offers than its owner's ready names")
	case r.Charged > ready.Body().Price:
		return errors.New("a release charges more than its owner's ready asked for")
	}
	for i, o := range r.Columns {
		offer := v.report.Offers[o.Offer]
		if !subset(o.Columns, columns(offer)) {
			return errors.New("a release opens a column that its offer does not have")
		}
		if r.Appraisal.Policies[i] != statement.Sum([]byte(offer.Policy)) { // as many as columns: statement.Release
			return errors.New("a release was made by another policy than its offer's")
		}
	}
	return nil
}

// columns are the names that a release can open beside the footer: the noise key's only where the offer commits to one.
func columns(o *statement.Offer) []string {
	out := make([]string, len(o.Schema))
	for i, c := range o.Schema {
		out[i] = c.Name
	}
	if _, noise := o.Commitment(statement.NoiseKey); noise {
		out = append(out, statement.NoiseKey)
	}
	return out
}

// times: step 10. Each release is compared by its owner's clock with what its
// owner agreed to: never by the clock of enclave, host or exchange.
func (v *verification) times(context.Context) (string, error) {
	for owner, s := range v.release {
		ms := s.Body().ReleasedMS
		grant, ready := v.grant[owner].Body(), v.ready[owner].Body()
		switch {
		case ms < v.contract.FromMS || ms > v.contract.UntilMS:
			return "", errors.New("a release while the contract was not in force")
		case ms < grant.CreatedMS || ms > grant.UntilMS:
			return "", errors.New("a release while its owner's grant was not in force")
		case ms > v.job.ExpiresMS:
			return "", errors.New("a release after the job had expired")
		case ms > ready.ExpiresMS:
			return "", errors.New("a release after its owner's ready had expired")
		}
	}
	return "every release lies within contract, grant, job and ready, by its owner's clock", nil
}

// evidence: step 11. It must have been fresh at the first and at the last
// release, so that no single owner's clock can make old evidence pass.
func (v *verification) evidence(ctx context.Context) (string, error) {
	first, last := v.releasedBetween()
	if _, err := v.opt.Verifiers.Verify(ctx, &v.r.Evidence, first); err != nil {
		return "", err
	}
	c, err := v.opt.Verifiers.Verify(ctx, &v.r.Evidence, last)
	if err != nil {
		return "", err
	}
	policy := evidence.OfContract(v.contract)
	policy.AllowDebug = true // that is for the owners' policies, below
	binding := evidence.QuoteBinding(v.r.Job, v.r.Session.Digest(), v.r.Plan, v.r.Readies)
	if err := evidence.Appraise(c, policy, binding); err != nil {
		return "", err
	}
	switch {
	case c.Build != v.r.Build:
		return "", errors.New("receipt states another build than its evidence")
	case c.Operator != v.r.Operator:
		return "", errors.New("receipt states another operator than its evidence")
	case c.Simulated != v.r.Perimeter.Simulated || !samePerimeter(c.Perimeter, v.r.Perimeter):
		return "", errors.New("receipt states another perimeter than its evidence")
	}
	if err := v.appraised(c); err != nil {
		return "", err
	}
	if err := v.byPolicies(c, binding); err != nil {
		return "", err
	}
	v.report.Shown = c.Appraisal()
	switch {
	case c.Kind == evidence.Simulated:
		return "SIMULATED: signed by the operator, no hardware vouches for it; binds session, plan and readies; accepted by the policy of every offer released", nil
	case c.Simulated:
		return "SOFTWARE-ROOTED: quoted by a TPM that the operator runs, no hardware vouches for it; binds session, plan and readies; accepted by the policy of every offer released", nil
	}
	return AppraisalText(v.report.Shown) + "; genuine; binds session, plan and readies; accepted by the policy of every offer released", nil
}

// appraised: what each owner says that it released keys to is what the evidence shows. An owner may have judged the machine by newer
// collateral of its own, never by older.
func (v *verification) appraised(c *evidence.Claims) error {
	shown := c.Appraisal()
	for _, s := range v.release {
		a := s.Body().Appraisal
		switch {
		case a.Kind != shown.Kind || a.Simulated != shown.Simulated:
			return errors.New("a release was made on evidence of another kind")
		case a.Debug != shown.Debug:
			return errors.New("a release does not say of the enclave what the evidence says: whether the host can read its memory")
		case a.Line != shown.Line || a.TCB != shown.TCB:
			return errors.New("a release was made on another machine's TCB than the evidence shows")
		case a.Evaluation < shown.Evaluation:
			return errors.New("a release was made by older collateral than the evidence shows")
		case a.Evaluation == shown.Evaluation && (a.Status != shown.Status || a.TCBDate != shown.TCBDate || !slices.Equal(a.Advisories, shown.Advisories)):
			return errors.New("a release states another TCB status, date or advisories than the evidence shows")
		}
	}
	return nil
}

func (v *verification) releasedBetween() (first, last time.Time) {
	var all []int64
	for _, r := range v.release {
		all = append(all, r.Body().ReleasedMS)
	}
	return time.UnixMilli(slices.Min(all)), time.UnixMilli(slices.Max(all)) // a receipt names at least one
}

// samePerimeter compares what the evidence shows. The seccomp filter, and what the enclave says of itself, are the
// enclave's own addition, made by the attested build; where the evidence has it, it must agree.
func samePerimeter(shown, stated statement.Perimeter) bool {
	return shown.Kind == stated.Kind && shown.Simulated == stated.Simulated && shown.Form == stated.Form &&
		slices.Equal(shown.Details, stated.Details) && (shown.Seccomp == "" || shown.Seccomp == stated.Seccomp) &&
		(len(shown.Self) == 0 || slices.Equal(shown.Self, stated.Self))
}
