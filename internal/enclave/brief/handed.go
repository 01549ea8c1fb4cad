package brief

import "github.com/cordon-exchange/cordon/statement"

// handed is what the host handed over, by what it claims to be. Nothing here has been verified.
type handed struct {
	named                        map[statement.Digest]*statement.Envelope // offers and pools
	parties, grants, revocations []*statement.Envelope
}

func sortOut(all []statement.Envelope) *handed {
	g := &handed{named: map[statement.Digest]*statement.Envelope{}}
	for i := range all {
		e := &all[i]
		kind, err := statement.PeekType(e.Payload)
		if err != nil {
			continue // not needed: whatever is needed will be missed
		}
		switch kind {
		case statement.TypeParty:
			g.parties = append(g.parties, e)
		case statement.TypeGrant:
			g.grants = append(g.grants, e)
		case statement.TypeRevocation:
			g.revocations = append(g.revocations, e)
		case statement.TypeOffer, statement.TypePool:
			g.named[e.Digest()] = e
		}
	}
	return g
}
