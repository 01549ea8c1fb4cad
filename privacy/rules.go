package privacy

import "errors"

// Errors of this package carry no data: which cell was at fault is data.
var (
	// ErrRules says that a number of the guard is absent or out of range.
	ErrRules = errors.New("release rules are incomplete or out of range")
	// ErrParties says that the owners, asker, recognised or affiliate lists name somebody who is not there.
	ErrParties = errors.New("parties of the release do not fit together")
	// ErrParts says that the contributions contradict themselves; it points to a bug before this package.
	ErrParts = errors.New("contributions to a cell contradict themselves")
)

// Rules are the numbers of the guard, merged over all owners. The zero value is refused.
type Rules struct {
	MinUnits        int64 // k, required: units that must remain without the coalition
	MinContributors int64 // n, required unless there is one owner only
	MaxSharePct     int64 // X, required unless there is one owner only: 1 to 100
	PPercent        int64 // p: 0 is no margin over the largest, which a policy has to say in so many words
	Coalition       int64 // c, required unless there is one owner only: contributors assumed to pool what they know
	RoundCount      int64 // required: counts leave as multiples of it; 1 says exact
	ValueDigits     int64 // required: significant digits of sums, 1 to 38
}

const maxRule = 1 << 40 // far above any sensible threshold, far below any overflow

func (r Rules) valid(p *Parties) error {
	in := func(v, lo, hi int64) bool { return lo <= v && v <= hi }
	if !in(r.MinUnits, 1, maxRule) || !in(r.RoundCount, 1, maxRule) || !in(r.ValueDigits, 1, 38) {
		return ErrRules
	}
	if p.single() && r.noContributorRule() {
		return nil
	}
	if !in(r.MinContributors, 1, maxRule) || !in(r.MaxSharePct, 1, 100) || !in(r.PPercent, 0, maxRule) || !in(r.Coalition, 1, maxRule) {
		return ErrRules
	}
	return nil
}

// noContributorRule tells a guard on units alone, which only a single owner's data set can have.
func (r Rules) noContributorRule() bool {
	return r.MinContributors == 0 && r.MaxSharePct == 0 && r.PPercent == 0 && r.Coalition == 0
}
