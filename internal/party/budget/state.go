package budget

import (
	"fmt"
	"math/big"
	"slices"

	"github.com/cordon-exchange/cordon/privacy/dp/account"
	"github.com/cordon-exchange/cordon/statement"
)

// State is a budget with what was taken from it.
type State struct {
	Rule
	Spent        account.Cost // each question once
	Left         account.Cost // of the total
	SpentEpsilon *big.Rat     // that Spent stands for
	Orgs         []Org        // in the order of their first charge
}

// Org is what one organisation was charged for. Two that asked the same question both have it here, and the whole paid once.
type Org struct {
	Fingerprint statement.Fingerprint
	Charges     int
	Spent       account.Cost
}

// StateOf replays a data set's charges.
func StateOf(r Rule, events []account.Event) (*State, error) {
	b, err := account.Open(r.terms, events)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCharge, err)
	}
	s := &State{Rule: r, Spent: b.Spent(), Left: b.Left()}
	for _, e := range events {
		c, err := e.Cost()
		if err != nil {
			return nil, ErrCharge
		}
		o := s.org(e.Org)
		o.Charges++
		o.Spent = o.Spent.Plus(c)
	}
	s.SpentEpsilon, err = r.Epsilon(s.Spent)
	return s, err
}

func (s *State) org(f statement.Fingerprint) *Org {
	at := slices.IndexFunc(s.Orgs, func(o Org) bool { return o.Fingerprint == f })
	if at < 0 {
		at, s.Orgs = len(s.Orgs), append(s.Orgs, Org{Fingerprint: f, Spent: account.Nothing()})
	}
	return &s.Orgs[at]
}

// Decimal writes a number for people: six places, rounded down; smaller ones with three digits.
func Decimal(x *big.Rat) string {
	if x.Sign() != 0 && x.Cmp(big.NewRat(1, 1000)) < 0 {
		return tiny(x)
	}
	return decimal(x)
}
