package statement

// Contract is what an analyst proposes and owners grant. Everyone who matters
// stands in it by fingerprint. Signed by the requester.
type Contract struct {
	Header
	Nonce        []byte        `json:"nonce"`
	Requester    Fingerprint   `json:"requester"`
	Recipients   []Fingerprint `json:"recipients"` // who can open results; the requester too, if it is to
	Purpose      string        `json:"purpose"`
	Tables       []Table       `json:"tables"`
	Builds       []Digest      `json:"builds"`     // accepted enclave builds, SHA-256 of the binary
	Operators    []Fingerprint `json:"operators"`  // accepted operators of hosts
	Evidence     []string      `json:"evidence"`   // accepted kinds of evidence; "simulated" only by name
	Perimeters   []string      `json:"perimeters"` // accepted forms of the perimeter
	PlanEncoding string        `json:"plan_encoding"`
	FromMS       int64         `json:"from_ms"`
	UntilMS      int64         `json:"until_ms"`
	CreatedMS    int64         `json:"created_ms"`
	AnswerByMS   int64         `json:"answer_by_ms,omitempty"` // no owner grants it from then on
	Counter      Digest        `json:"counter,omitempty"`      // that it accepts

	Template       Digest   `json:"template,omitempty"`       // that it is made from
	Accreditations []Digest `json:"accreditations,omitempty"` // of requester and recipients, shown to owners that ask for them
	Log            *Log     `json:"log,omitempty"`            // which accounts of its jobs can be shown to be in
}

// Expired reports whether nobody can grant the contract any more; grants that were given before answer_by_ms are another matter.
func (t *Contract) Expired(atMS int64) bool {
	return atMS >= t.UntilMS || t.AnswerByMS != 0 && atMS >= t.AnswerByMS
}

// Table names data in the contract's SQL: one offer, or one epoch of a pool.
type Table struct {
	Name    string   `json:"name"` // party.dataset or pool.name
	Pool    Digest   `json:"pool,omitempty"`
	Members []Member `json:"members"` // one, or the pool's, in the pool's order
}

func (*Contract) typeURI() string { return TypeContract }

// Authors of a contract: its requester.
func (t *Contract) Authors() []Fingerprint { return []Fingerprint{t.Requester} }

// Owners whose data the contract names, in order of first appearance.
func (t *Contract) Owners() []Fingerprint {
	seen := map[Fingerprint]bool{}
	var out []Fingerprint
	for _, tab := range t.Tables {
		for _, m := range tab.Members {
			if !seen[m.Owner] {
				seen[m.Owner] = true
				out = append(out, m.Owner)
			}
		}
	}
	return out
}

func (t *Contract) valid() error {
	var c check
	c.nonce(t.Nonce, "nonce")
	c.fingerprint(t.Requester, "requester")
	c.fingerprints(t.Recipients, "recipients")
	c.label(t.Purpose, "purpose")
	c.that(len(t.Tables) > 0 && len(t.Tables) <= maxTables, "tables")
	names := map[string]bool{}
	for _, tab := range t.Tables {
		c.that(validTableName(tab.Name, tab.Pool != "") && !names[tab.Name], "table name")
		names[tab.Name] = true
		c.that(tab.Pool == "" || tab.Pool.Valid(), "table pool")
		c.members(tab.Members)
		c.that((tab.Pool != "") == (len(tab.Members) > 1), "table members")
	}
	c.digests(t.Builds, "builds")
	c.fingerprints(t.Operators, "operators")
	c.labels(t.Evidence, "evidence")
	c.labels(t.Perimeters, "perimeters")
	c.token(t.PlanEncoding, "plan_encoding")
	c.time(t.FromMS, "from_ms")
	c.time(t.UntilMS, "until_ms")
	c.that(t.FromMS < t.UntilMS, "until_ms")
	c.time(t.CreatedMS, "created_ms")
	c.that(t.AnswerByMS == 0 || t.AnswerByMS > t.CreatedMS && t.AnswerByMS <= t.UntilMS, "answer_by_ms")
	c.that(t.Counter == "" || t.Counter.Valid(), "counter")
	c.that(t.Template == "" || t.Template.Valid(), "template")
	if len(t.Accreditations) > 0 {
		c.digests(t.Accreditations, "accreditations")
		c.that(len(t.Accreditations) <= maxShown, "accreditations")
	}
	t.validLog(&c)
	return c.err
}

// validTableName checks "party.dataset", or "pool.name" for a pool.
func validTableName(s string, pool bool) bool {
	for i := range s {
		if s[i] == '.' {
			left, right := s[:i], s[i+1:]
			return ValidName(right) && (pool && left == "pool" || !pool && ValidName(left))
		}
	}
	return false
}

// Grant lets one owner's offers be used under one contract. Signed by the owner.
type Grant struct {
	Header
	Owner     Fingerprint `json:"owner"`
	Contract  Digest      `json:"contract"`
	Offers    []Digest    `json:"offers"`
	Authority string      `json:"authority"` // "manual", "rule" or "purchase": who decided
	UntilMS   int64       `json:"until_ms"`
	CreatedMS int64       `json:"created_ms"`
	OfMonth   int64       `json:"queries_per_month,omitempty"` // of the requester in a calendar month, in UTC; 0: no such bound

	AccreditedBy   Fingerprint `json:"accredited_by,omitempty"`             // whose members the rule grants to
	AllOfMonth     int64       `json:"members_queries_per_month,omitempty"` // of all of them together; 0: no such bound
	Accreditations []Digest    `json:"accreditations,omitempty"`            // that the grant rests on: it ends with the first of them
	Settlement     Digest      `json:"settlement,omitempty"`                // that the owner believed: with a purchase
}

// Values of Grant.Authority.
const (
	ByHand     = "manual"
	ByRule     = "rule"     // of the policy
	ByPurchase = "purchase" // the owner's rule for purchases, which believed a settlement
)

func (*Grant) typeURI() string { return TypeGrant }

// Authors of a grant: the owner.
func (g *Grant) Authors() []Fingerprint { return []Fingerprint{g.Owner} }

func (g *Grant) valid() error {
	var c check
	c.fingerprint(g.Owner, "owner")
	c.digest(g.Contract, "contract")
	c.digests(g.Offers, "offers")
	c.that(g.Authority == ByHand || g.Authority == ByRule || g.Authority == ByPurchase, "authority")
	c.that((g.Authority == ByPurchase) == (g.Settlement != ""), "settlement")
	c.that(g.Settlement == "" || g.Settlement.Valid(), "settlement")
	c.time(g.UntilMS, "until_ms")
	c.time(g.CreatedMS, "created_ms")
	c.that(g.CreatedMS < g.UntilMS, "until_ms")
	c.count(g.OfMonth, "queries_per_month")
	c.that(g.AccreditedBy == "" || g.AccreditedBy.Valid() && g.Authority == ByRule, "accredited_by")
	c.count(g.AllOfMonth, "members_queries_per_month")
	c.that(g.AllOfMonth == 0 || g.AccreditedBy != "", "members_queries_per_month")
	if len(g.Accreditations) > 0 {
		c.digests(g.Accreditations, "accreditations")
		c.that(len(g.Accreditations) <= maxShown && g.AccreditedBy != "", "accreditations")
	}
	return c.err
}

// Job asks for one query under a contract. What it asks is sealed to the brokers
// concerned; the header says no more than the exchange must know. Signed by the requester.
type Job struct {
	Header
	Nonce      []byte        `json:"nonce"`
	Contract   Digest        `json:"contract"`
	Requester  Fingerprint   `json:"requester"`
	Owners     []Fingerprint `json:"owners"` // whose brokers are concerned, sorted
	Class      string        `json:"class"`  // resource class
	Commitment Digest        `json:"commitment"`
	Bodies     []SealedBody  `json:"bodies"` // one per owner, and one for the requester
	CreatedMS  int64         `json:"created_ms"`
	ExpiresMS  int64         `json:"expires_ms"`
}

// SealedBody is a Body sealed to one broker.
type SealedBody struct {
	To     Fingerprint `json:"to"`
	Sealed []byte      `json:"sealed"`
}

// Body is what a job asks. It is not a statement: the job commits to it with its salt.
type Body struct {
	SQL    string  `json:"sql"`
	Params []Param `json:"params,omitempty"`
	Salt   []byte  `json:"salt"`
}

// Param is a typed literal for $1, $2, …
type Param struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// Valid reports whether b asks something and can be committed to.
func (b *Body) Valid() bool {
	return b.SQL != "" && len(b.Params) <= maxList && len(b.Salt) == NonceSize
}

// Commit is the job's commitment to its body (docs/spec/statement.md, section
// 5.6): the body holds the salt.
func (b *Body) Commit() (Digest, error) {
	if !b.Valid() {
		return "", ErrInvalid
	}
	enc, err := Marshal(b)
	if err != nil {
		return "", err
	}
	return LabelledSum("cordon/job-body/v1", enc), nil
}

func (*Job) typeURI() string { return TypeJob }

// Authors of a job: its requester.
func (j *Job) Authors() []Fingerprint { return []Fingerprint{j.Requester} }

// Brokers concerned by the job: the owners, and the requester where it owns nothing.
func (j *Job) Brokers() []Fingerprint {
	for _, o := range j.Owners {
		if o == j.Requester {
			return j.Owners
		}
	}
	return append(append([]Fingerprint{}, j.Owners...), j.Requester)
}

func (j *Job) valid() error {
	var c check
	c.nonce(j.Nonce, "nonce")
	c.digest(j.Contract, "contract")
	c.fingerprint(j.Requester, "requester")
	c.fingerprints(j.Owners, "owners")
	for i := 1; i < len(j.Owners); i++ {
		c.that(j.Owners[i-1] < j.Owners[i], "owners order")
	}
	c.token(j.Class, "class")
	c.digest(j.Commitment, "commitment")
	want := map[Fingerprint]bool{}
	for _, b := range j.Brokers() {
		want[b] = true
	}
	c.that(len(j.Bodies) == len(want), "bodies")
	for _, b := range j.Bodies {
		c.that(want[b.To], "body recipient")
		delete(want, b.To)
		c.that(len(b.Sealed) > 0 && len(b.Sealed) <= maxSealedBody, "body")
	}
	c.time(j.CreatedMS, "created_ms")
	c.time(j.ExpiresMS, "expires_ms")
	c.that(j.CreatedMS < j.ExpiresMS, "expires_ms")
	return c.err
}
