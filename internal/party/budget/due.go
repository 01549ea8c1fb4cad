package budget

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/privacy/dp/account"
	"github.com/cordon-exchange/cordon/statement"
)

// ErrCharge says that a plan's charge is malformed, or that the ledger's charges do not fit together.
var ErrCharge = errors.New("budget: not a charge of this account")

// Due is what one plan takes from one data set.
type Due struct {
	Dataset string
	Rules   []Rule // of the version read and of the newest: a charge is within all of them
	Charges []policy.Charge
}

// By is who asks, when and under what.
type By struct {
	AtMS      int64
	Requester statement.Fingerprint // the organisation that is charged
	Job       statement.Digest
	Contract  statement.Digest
}

// Refused says why a charge is not covered. It follows from policies and charges alone.
type Refused struct {
	Dataset string
	Why     string
}

func (r *Refused) Error() string { return "data set " + r.Dataset + ": " + r.Why }

// Entries decides about all charges together and gives those that are not in the ledger yet: the same release is charged once.
// It changes nothing. The caller makes the entries durable in the same step, before any key leaves.
func (d Due) Entries(a *ledger.Accounts, by By) ([]ledger.Entry, error) {
	if len(d.Rules) == 0 || len(d.Charges) == 0 {
		return nil, ErrNoTerms
	}
	if a.Exhausted(d.Dataset) {
		return nil, &Refused{d.Dataset, "its budget was given up when the ledger lost entries: how much of it was spent is not known any more"}
	}
	events := a.Budget(d.Dataset)
	if err := d.perQuery(events, by); err != nil {
		return nil, err
	}
	fresh := len(events)
	for _, r := range d.Rules {
		b, err := account.Open(r.terms, events[:fresh])
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCharge, err)
		}
		for _, c := range d.Charges {
			if err := d.charge(b, r, c, by); err != nil {
				return nil, err
			}
		}
		events = b.Events()
	}
	return d.entries(events[fresh:], by), nil
}

// perQuery holds what all charges of the plan together come to against what one query may cost. What the requester paid before,
// perhaps under a policy that allowed more, counts no more.
func (d Due) perQuery(events []account.Event, by By) error {
	sum := new(big.Rat)
	for _, c := range d.Charges {
		if slices.ContainsFunc(events, func(e account.Event) bool { return string(e.Release) == c.Release && e.Org == by.Requester }) {
			continue
		}
		e, err := account.Amount(c.Epsilon).Rat()
		if err != nil || e.Sign() == 0 {
			return ErrCharge
		}
		sum.Add(sum, e)
	}
	for _, r := range d.Rules {
		if sum.Cmp(r.EpsilonMaxQuery) > 0 {
			return &Refused{d.Dataset, fmt.Sprintf("the query costs epsilon %s, and one query may cost %s, by the policy of the version that is read or by that of the newest", decimal(sum), decimal(r.EpsilonMaxQuery))}
		}
	}
	return nil
}

func (d Due) charge(b *account.Budget, r Rule, c policy.Charge, by By) error {
	cost, err := costOf(c)
	if err != nil {
		return err
	}
	_, _, err = b.Charge(account.Charge{AtMS: by.AtMS, Release: statement.Digest(c.Release), Org: by.Requester, Cost: cost})
	if errors.Is(err, account.ErrOverspent) {
		return &Refused{d.Dataset, r.whatIsLeft(b, by, c, cost)}
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCharge, err)
	}
	return nil
}

func costOf(c policy.Charge) (account.Cost, error) {
	rho, err := account.Amount(c.Rho).Rat()
	if err != nil {
		return account.Cost{}, ErrCharge
	}
	delta, err := account.Amount(c.Delta).Rat()
	if err != nil {
		return account.Cost{}, ErrCharge
	}
	epsilon, err := account.Amount(c.Epsilon).Rat()
	if err != nil {
		return account.Cost{}, ErrCharge
	}
	return account.Cost{Rho: rho, Delta: delta, Epsilon: epsilon}, nil
}

func (d Due) entries(events []account.Event, by By) (out []ledger.Entry) {
	for _, e := range events {
		out = append(out, ledger.Entry{
			Kind: ledger.KindBudget, AtMS: e.AtMS, Name: d.Dataset, Release: e.Release, Requester: e.Org, Job: by.Job, Contract: by.Contract,
			Epsilon: e.Epsilon, Rho: e.Rho, Delta: e.Delta,
		})
	}
	return out
}

// whatIsLeft says it of the whole budget, and names the cap if that is what is used up.
func (r Rule) whatIsLeft(b *account.Budget, by By, c policy.Charge, cost account.Cost) string {
	left := b.Left()
	text := fmt.Sprintf("the query takes epsilon %s (rho %s, delta %s)", c.Epsilon, decimal(cost.Rho), tiny(cost.Delta))
	if cost.Within(left) && r.PerOrg != nil {
		text += ", which is more than the requester has left of the epsilon " + decimal(r.PerOrg) + " of one organisation"
		if r.Period > 0 {
			text += fmt.Sprintf(" in %d days", int64(r.Period.Hours())/24)
		}
		text += ": epsilon " + decimal(b.LeftOf(0, by.Requester, by.AtMS).Epsilon)
	}
	total := r.terms.Total
	text += "; left of the whole budget is "
	if total.Epsilon != nil {
		text += fmt.Sprintf("epsilon %s of %s or ", decimal(left.Epsilon), decimal(total.Epsilon))
	}
	text += fmt.Sprintf("rho %s of %s, and delta %s of %s", decimal(left.Rho), decimal(total.Rho), tiny(left.Delta), tiny(total.Delta))
	return text
}

// decimal writes six places, rounded down, so that nothing looks larger than it is.
func decimal(x *big.Rat) string {
	n := new(big.Int).Mul(x.Num(), big.NewInt(1_000_000))
	n.Quo(n, x.Denom())
	s := new(big.Rat).SetFrac(n, big.NewInt(1_000_000)).FloatString(6)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

func tiny(x *big.Rat) string {
	f, _ := x.Float64()
	return fmt.Sprintf("%.3g", f)
}
