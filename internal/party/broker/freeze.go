package broker

// CodeFrozen refuses whatever may lead to a release, while this party has stopped its releases (docs/spec/ledger.md, section 7).
const CodeFrozen = "frozen"

// unfrozen reads the mark in the party's home, each time anew. Why it is frozen is for the party alone. A mark that can't be read
// refuses: it may say so.
func (b *Broker) unfrozen() error {
	f, err := b.Home.Freeze()
	switch {
	case err != nil:
		b.Log.Error("nothing is released", "error", err)
		return refuseBecause(CodeFrozen, "whether this party stopped its releases can't be told", err)
	case f.Frozen:
		return refuse(CodeFrozen, "this party has stopped its releases")
	}
	return nil
}
