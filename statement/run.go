package statement

import "time"

// Evidence is what an attester offers about itself (RFC 9334, section 8.1), as
// it came: package evidence says what it proves.
type Evidence struct {
	Kind         string   `json:"kind"` // "simulated", …
	Raw          []byte   `json:"raw"`
	Endorsements [][]byte `json:"endorsements,omitempty"`
}

// Digest names the evidence (docs/spec/evidence.md, section 1).
func (e *Evidence) Digest() (Digest, error) {
	b, err := Marshal(e)
	if err != nil {
		return "", err
	}
	return LabelledSum("cordon/evidence/v1", b), nil
}

// Valid reports whether e is complete and within bounds. It says nothing about what e proves.
func (e *Evidence) Valid() bool {
	var c check
	c.evidence(e)
	return c.err == nil
}

func (c *check) evidence(e *Evidence) {
	c.token(e.Kind, "evidence kind")
	c.that(len(e.Raw) > 0 && len(e.Raw) <= maxEvidence, "evidence raw")
	c.that(len(e.Endorsements) <= maxRows, "evidence endorsements")
	for _, x := range e.Endorsements {
		c.that(len(x) > 0 && len(x) <= maxEvidence, "evidence endorsements")
	}
}

// Session is the key pair that an enclave makes for one job.
type Session struct {
	Key string `json:"key"` // PublicKey text: signs messages and the receipt
	Box []byte `json:"box"` // HPKE public key that replies and keys are sealed to
}

// Digest names the session (docs/spec/evidence.md, section 1).
func (s *Session) Digest() Digest {
	return LabelledSum("cordon/session/v1", []byte(s.Key), s.Box)
}

// Fingerprint of the session's signing key.
func (s *Session) Fingerprint() Fingerprint {
	k, err := ParsePublicKey(s.Key)
	if err != nil {
		return ""
	}
	return k.Fingerprint()
}

// Valid reports whether s has two keys of the right form.
func (s *Session) Valid() bool {
	var c check
	c.session(s)
	return c.err == nil
}

func (c *check) session(s *Session) {
	_, err := ParsePublicKey(s.Key)
	c.that(err == nil, "session key")
	c.that(len(s.Box) == boxSize, "session box")
}

// Ready says that an owner's broker compiled the job to a plan and would release
// its keys for it. Signed by the owner.
type Ready struct {
	Header
	Owner     Fingerprint `json:"owner"`
	Job       Digest      `json:"job"`
	Session   Digest      `json:"session"`
	Plan      Digest      `json:"plan"` // salted with the job's salt: policy.Plan.Digest
	Offers    []Digest    `json:"offers"`
	Grant     Digest      `json:"grant"`
	Price     int64       `json:"price"`
	Nonce     []byte      `json:"nonce"`
	ExpiresMS int64       `json:"expires_ms"`
}

func (*Ready) typeURI() string { return TypeReady }

// Authors of a ready: the owner.
func (r *Ready) Authors() []Fingerprint { return []Fingerprint{r.Owner} }

func (r *Ready) valid() error {
	var c check
	c.fingerprint(r.Owner, "owner")
	c.digest(r.Job, "job")
	c.digest(r.Session, "session")
	c.digest(r.Plan, "plan")
	c.digests(r.Offers, "offers")
	c.digest(r.Grant, "grant")
	c.count(r.Price, "price")
	c.nonce(r.Nonce, "nonce")
	c.time(r.ExpiresMS, "expires_ms")
	return c.err
}

// Refusal says that a broker will not release keys for a job, and why. Signed by
// the broker's party; sealed to the requester.
type Refusal struct {
	Header
	Party  Fingerprint `json:"party"`
	Job    Digest      `json:"job"`
	Stage  string      `json:"stage"` // hello, quote
	Code   string      `json:"code"`  // names the check that refused: stable, for machines
	Reason string      `json:"reason"`
	AtMS   int64       `json:"at_ms"`
}

func (*Refusal) typeURI() string { return TypeRefusal }

// Authors of a refusal: who refuses.
func (r *Refusal) Authors() []Fingerprint { return []Fingerprint{r.Party} }

func (r *Refusal) valid() error {
	var c check
	c.fingerprint(r.Party, "party")
	c.digest(r.Job, "job")
	c.token(r.Stage, "stage")
	c.token(r.Code, "code")
	c.text(r.Reason, "reason")
	c.time(r.AtMS, "at_ms")
	return c.err
}

// Release accompanies the keys that an owner's broker seals to an attested
// enclave, and opens an exposure. Signed by the owner.
type Release struct {
	Header
	Owner      Fingerprint `json:"owner"`
	Job        Digest      `json:"job"`
	Session    Digest      `json:"session"`
	Plan       Digest      `json:"plan"`
	Evidence   Digest      `json:"evidence"`
	Ready      Digest      `json:"ready"`
	Grant      Digest      `json:"grant"`
	Sealed     Digest      `json:"sealed"` // Sum of the sealed keys
	Appraisal  Appraisal   `json:"appraisal"`
	Columns    []Opening   `json:"columns"`
	Number     int64       `json:"number"`  // 1 for the first release of the job, at most 4
	Charged    int64       `json:"charged"` // credits charged by this release; 0 for a re-release
	ReleasedMS int64       `json:"released_ms"`
}

// MaxReleases of one job by one owner: the first, and three more.
const MaxReleases = 4

// Opening lists the columns of one offer whose keys were released, and NoiseKey
// where that key was. The footer's always goes with them; a query that only
// counts rows needs no other.
type Opening struct {
	Offer   Digest   `json:"offer"`
	Columns []string `json:"columns"`
}

func (*Release) typeURI() string { return TypeRelease }

// Authors of a release: the owner.
func (r *Release) Authors() []Fingerprint { return []Fingerprint{r.Owner} }

func (r *Release) valid() error {
	var c check
	c.fingerprint(r.Owner, "owner")
	c.digest(r.Job, "job")
	c.digest(r.Session, "session")
	c.digest(r.Plan, "plan")
	c.digest(r.Evidence, "evidence")
	c.digest(r.Ready, "ready")
	c.digest(r.Grant, "grant")
	c.digest(r.Sealed, "sealed")
	c.appraisal(&r.Appraisal)
	c.openings(r.Columns)
	c.that(len(r.Appraisal.Policies) == len(r.Columns), "appraisal policies")
	c.that(r.Number >= 1 && r.Number <= MaxReleases, "number")
	c.count(r.Charged, "charged")
	c.that(r.Number == 1 || r.Charged == 0, "charged") // nothing is charged twice
	c.time(r.ReleasedMS, "released_ms")
	return c.err
}

// Appraisal is what an owner's broker found of the evidence that it released keys to, and the policies by which it was accepted. What the
// vendor of the machine does not say is left out. The owner may know more than the evidence shows: newer collateral of its own.
type Appraisal struct {
	Kind              string   `json:"kind"`
	Simulated         bool     `json:"simulated"` // SoftwareRooted(kind)
	Debug             bool     `json:"debug"`     // the host can read the enclave's memory, and the policies allow that
	Status            string   `json:"status,omitempty"`
	Advisories        []string `json:"advisories,omitempty"` // sorted, none twice
	TCBDate           string   `json:"tcb_date,omitempty"`   // 2024-11-13
	Evaluation        int64    `json:"evaluation,omitempty"`
	Line              string   `json:"line,omitempty"`
	TCB               string   `json:"tcb,omitempty"` // 16 hex digits
	CollateralUntilMS int64    `json:"collateral_until_ms,omitempty"`
	Policies          []Digest `json:"policies"` // Sum of the policy's text, for each offer of columns
}

func (c *check) appraisal(a *Appraisal) {
	c.token(a.Kind, "appraisal kind")
	c.that(a.Simulated == SoftwareRooted(a.Kind), "appraisal simulated")
	if a.Status != "" {
		c.token(a.Status, "appraisal status")
	}
	c.that(len(a.Advisories) <= maxList, "appraisal advisories")
	for i, s := range a.Advisories {
		c.token(s, "appraisal advisories")
		c.that(i == 0 || a.Advisories[i-1] < s, "appraisal advisories")
	}
	if a.TCBDate != "" {
		_, err := time.Parse(time.DateOnly, a.TCBDate)
		c.that(err == nil, "appraisal tcb_date")
	}
	c.count(a.Evaluation, "appraisal evaluation")
	if a.Line != "" {
		c.token(a.Line, "appraisal line")
	}
	c.that(a.TCB == "" || len(a.TCB) == 16 && lowerHex(a.TCB), "appraisal tcb")
	c.count(a.CollateralUntilMS, "appraisal collateral_until_ms")
	c.that(len(a.Policies) > 0 && len(a.Policies) <= maxList, "appraisal policies")
	for _, d := range a.Policies { // two offers may have one policy
		c.digest(d, "appraisal policies")
	}
}

// Valid reports whether a is complete and within bounds.
func (a *Appraisal) Valid() bool {
	var c check
	c.appraisal(a)
	return c.err == nil
}

func (c *check) openings(list []Opening) {
	c.that(len(list) > 0 && len(list) <= maxList, "columns")
	offers := map[Digest]bool{}
	for _, o := range list {
		c.that(o.Offer.Valid() && !offers[o.Offer], "columns offer")
		offers[o.Offer] = true
		c.that(len(o.Columns) <= maxList, "columns")
		names := map[string]bool{}
		for _, name := range o.Columns {
			c.that((name == NoiseKey || ValidColumn(name)) && !names[name], "columns")
			names[name] = true
		}
	}
}

// ReleasedKeys is what a release seals: not a statement, never stored.
type ReleasedKeys struct {
	Offers []OfferKeys `json:"offers"`
}

// OfferKeys are the clear keys of one offer.
type OfferKeys struct {
	Offer  Digest      `json:"offer"`
	Footer []byte      `json:"footer"`
	Column []ColumnKey `json:"columns"`
}

// ColumnKey is one clear key.
type ColumnKey struct {
	Column string `json:"column"` // or NoiseKey
	Key    []byte `json:"key"`
}
