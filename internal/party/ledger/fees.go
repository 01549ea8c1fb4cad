package ledger

import (
	"slices"

	"github.com/cordon-exchange/cordon/statement"
)

// use is the use of an offer with terms under one contract.
type use struct{ contract, offer statement.Digest }

// fee is what terms ask once: for a contract, or for a day in UTC.
type fee struct {
	use
	day int64 // ofContract, or since 1970
}

const ofContract = -1

// use counts a charged job, and keeps which fees its charge has in it. Entries of older versions do not say so: the first job under
// the contract, or of the day, paid.
func (a *Accounts) use(e *Entry, j *Job) {
	flat, day := e.Flat, e.Day
	for _, o := range e.Offers {
		u := use{e.Contract, o}
		if e.UntilMS == 0 && a.uses[u] == 0 {
			flat = append(flat, o)
		}
		if e.UntilMS == 0 && len(a.fees[fee{u, e.AtMS / dayMS}]) == 0 {
			day = append(day, o)
		}
		a.uses[u]++
	}
	for _, o := range flat {
		f := fee{use{e.Contract, o}, ofContract}
		a.fees[f] = append(a.fees[f], j)
	}
	for _, o := range day {
		f := fee{use{e.Contract, o}, e.AtMS / dayMS}
		a.fees[f] = append(a.fees[f], j)
	}
}

// Used counts the charged jobs under a contract that read an offer with terms, whether keys left for them or not.
func (a *Accounts) Used(contract, offer statement.Digest) int64 { return a.uses[use{contract, offer}] }

// Paid reports what is paid, at a time, of what an offer's terms ask once: for the contract, and for the day (in UTC) of that time. A
// job's charge pays while keys can still leave for it, and for good once they have left. One that never got keys pays nothing.
func (a *Accounts) Paid(contract, offer statement.Digest, atMS int64) (flat, day bool) {
	u := use{contract, offer}
	pays := func(j *Job) bool { return a.pays(j, atMS) }
	return slices.ContainsFunc(a.fees[fee{u, ofContract}], pays), slices.ContainsFunc(a.fees[fee{u, atMS / dayMS}], pays)
}

func (a *Accounts) pays(j *Job, atMS int64) bool {
	return len(j.Exposures) > 0 || !j.Lapsed(atMS) && (j.Order == "" || a.goesOn(j.Order))
}

// Lapsed reports whether the job was charged, and got no keys while it could.
func (j *Job) Lapsed(atMS int64) bool {
	return len(j.Exposures) == 0 && j.UntilMS != 0 && atMS >= j.UntilMS
}
