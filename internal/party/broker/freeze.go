package broker

import "github.com/cordon-exchange/cordon/internal/party/ledger"

// CodeFrozen refuses whatever may lead to a release, while this party has stopped its releases (docs/spec/ledger.md, section 7).
const CodeFrozen = "frozen"

// unfrozen reads the mark in the party's home, each time anew, and looks at what the ledger says: a home that was restored from an
// old copy has an old mark. Why it is frozen is for the party alone. A mark that can't be read refuses: it may say so.
func (b *Broker) unfrozen() (err error) {
	b.Ledger.View(func(a *ledger.Accounts) { err = b.unfrozenBy(a) })
	return err
}

// unfrozenBy is unfrozen where the accounts are at hand.
func (b *Broker) unfrozenBy(a *ledger.Accounts) error {
	f, err := b.Home.Freeze()
	switch {
	case a.Frozen():
		return refuse(CodeFrozen, "this party has stopped its releases")
	case err != nil:
		b.Log.Error("nothing is released", "error", err)
		return refuseBecause(CodeFrozen, "whether this party stopped its releases can't be told", err)
	case f.Frozen:
		return refuse(CodeFrozen, "this party has stopped its releases")
	}
	return nil
}
