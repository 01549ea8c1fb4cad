package budget

import "github.com/cordon-exchange/cordon/internal/party/ledger"

// Paid reports whether every charge is in the ledger, for this requester and at this cost: looked at once more in the step that
// records the release of keys, so that nothing leaves on a charge that was not written in the end.
func (d Due) Paid(a *ledger.Accounts, by By) bool {
	have := a.Budget(d.Dataset)
	for _, c := range d.Charges {
		found := false
		for _, e := range have {
			found = found || string(e.Release) == c.Release && e.Org == by.Requester && string(e.Rho) == c.Rho && string(e.Epsilon) == c.Epsilon && string(e.Delta) == c.Delta
		}
		if !found {
			return false
		}
	}
	return len(d.Charges) > 0
}
