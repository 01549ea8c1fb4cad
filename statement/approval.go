package statement

// Approval is one officer's word for one thing that a party may sign only with several officers' approval. It stays with the
// party: nobody else relies on it. Signed by the officer's own key.
type Approval struct {
	Header
	Officer  Fingerprint `json:"officer"`
	Party    Fingerprint `json:"party"`
	Action   string      `json:"action"`   // one of Actions
	About    Digest      `json:"about"`    // Sum of exactly the payload that the party would sign
	Officers Digest      `json:"officers"` // the list of officers under which this was asked
	AtMS     int64       `json:"at_ms"`
}

// Actions that dual control can be required for.
const (
	ActionGrant    = "grant"    // a grant by hand
	ActionPolicy   = "policy"   // an offer, with its policy and standing rules
	ActionPool     = "pool"     // an epoch of a pool
	ActionKey      = "key"      // a certificate of an online key, and other operations on keys
	ActionOfficers = "officers" // another list of officers; always needs it
	ActionLedger   = "ledger"   // going on with a ledger that lost entries
)

func validAction(s string) bool {
	switch s {
	case ActionGrant, ActionPolicy, ActionPool, ActionKey, ActionOfficers, ActionLedger:
		return true
	}
	return false
}

func (*Approval) typeURI() string { return TypeApproval }

// Authors of an approval: the officer.
func (a *Approval) Authors() []Fingerprint { return []Fingerprint{a.Officer} }

func (a *Approval) valid() error {
	var c check
	c.fingerprint(a.Officer, "officer")
	c.fingerprint(a.Party, "party")
	c.that(validAction(a.Action), "action")
	c.digest(a.About, "about")
	c.digest(a.Officers, "officers")
	c.time(a.AtMS, "at_ms")
	return c.err
}
