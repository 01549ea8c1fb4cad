package statement

// Counter says what an owner would grant instead of a contract: whatever it leaves out stays as in the contract. It grants nothing; the
// requester may propose a new contract that names it. Signed by the owner.
type Counter struct {
	Header
	Owner      Fingerprint   `json:"owner"`
	Contract   Digest        `json:"contract"`
	Offers     []Digest      `json:"offers,omitempty"` // of the owner, instead of those of the same data sets: with other terms, perhaps
	Purpose    string        `json:"purpose,omitempty"`
	Recipients []Fingerprint `json:"recipients,omitempty"`
	Builds     []Digest      `json:"builds,omitempty"`
	Operators  []Fingerprint `json:"operators,omitempty"`
	UntilMS    int64         `json:"until_ms,omitempty"` // of the contract
	Reason     string        `json:"reason,omitempty"`
	CreatedMS  int64         `json:"created_ms"`
}

func (*Counter) typeURI() string { return TypeCounter }

// Authors of a counter: the owner.
func (n *Counter) Authors() []Fingerprint { return []Fingerprint{n.Owner} }

func (n *Counter) valid() error {
	var c check
	c.fingerprint(n.Owner, "owner")
	c.digest(n.Contract, "contract")
	if len(n.Offers) > 0 {
		c.digests(n.Offers, "offers")
	}
	if n.Purpose != "" {
		c.label(n.Purpose, "purpose")
	}
	if len(n.Recipients) > 0 {
		c.fingerprints(n.Recipients, "recipients")
	}
	if len(n.Builds) > 0 {
		c.digests(n.Builds, "builds")
	}
	if len(n.Operators) > 0 {
		c.fingerprints(n.Operators, "operators")
	}
	if n.UntilMS != 0 {
		c.time(n.UntilMS, "until_ms")
		c.that(n.UntilMS > n.CreatedMS, "until_ms")
	}
	changes := len(n.Offers) + len(n.Recipients) + len(n.Builds) + len(n.Operators)
	c.that(changes > 0 || n.Purpose != "" || n.UntilMS != 0, "nothing else than the contract")
	c.text(n.Reason, "reason")
	c.time(n.CreatedMS, "created_ms")
	return c.err
}

// Rejection says that an owner will not grant a contract. Nothing undoes it: the requester may propose another. Signed by the owner.
type Rejection struct {
	Header
	Owner    Fingerprint `json:"owner"`
	Contract Digest      `json:"contract"`
	Reason   string      `json:"reason"`
	AtMS     int64       `json:"at_ms"`
}

func (*Rejection) typeURI() string { return TypeRejection }

// Authors of a rejection: the owner.
func (r *Rejection) Authors() []Fingerprint { return []Fingerprint{r.Owner} }

func (r *Rejection) valid() error {
	var c check
	c.fingerprint(r.Owner, "owner")
	c.digest(r.Contract, "contract")
	c.that(r.Reason != "", "reason")
	c.text(r.Reason, "reason")
	c.time(r.AtMS, "at_ms")
	return c.err
}
