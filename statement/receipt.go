package statement

// Receipt is the enclave's account of one job. Signed by the session key, which
// the evidence in it binds to the enclave.
type Receipt struct {
	Header
	Job            Digest           `json:"job"`
	Contract       Digest           `json:"contract"`
	Plan           Digest           `json:"plan"`
	Requester      Fingerprint      `json:"requester"`
	Recipients     []Fingerprint    `json:"recipients"`
	Operator       Fingerprint      `json:"operator"`
	Session        Session          `json:"session"`
	Build          Digest           `json:"build"`
	Evidence       Evidence         `json:"evidence"`
	Readies        []Digest         `json:"readies"`
	Releases       []Digest         `json:"releases"`
	Grants         []Digest         `json:"grants"`
	Perimeter      Perimeter        `json:"perimeter"`
	Outcome        string           `json:"outcome"` // "result", or "failed:" and a code
	Result         *ResultRef       `json:"result,omitempty"`
	Exposures      []Exposure       `json:"exposures"`
	Clear          Clear            `json:"clear"`
	Responsibility []Responsibility `json:"responsibility"`
	Stages         []Stage          `json:"stages"`
	ClockClass     string           `json:"clock_class"` // whose clock the times below are
	EndedMS        int64            `json:"ended_ms"`
}

// OutcomeResult is a receipt's outcome when a result left; every other begins with OutcomeFailed.
const (
	OutcomeResult = "result"
	OutcomeFailed = "failed:"
)

// ResultRef names the encrypted result.
type ResultRef struct {
	Digest Digest `json:"digest"` // Sum of the ciphertext
	Bytes  int64  `json:"bytes"`  // padded
}

// Exposure is one column that was in clear.
type Exposure struct {
	Owner  Fingerprint `json:"owner"`
	Offer  Digest      `json:"offer"`
	Column string      `json:"column"`
	Bytes  int64       `json:"bytes"` // decrypted module bytes
}

// Clear measures what was in clear as a whole.
type Clear struct {
	Bytes            int64 `json:"bytes"`             // sum over the exposures
	Micros           int64 `json:"micros"`            // from the first key held to the last data closed, by the enclave's clock
	ByteMilliseconds int64 `json:"byte_milliseconds"` // bytes times duration, rounded up
	PeakMemory       int64 `json:"peak_memory"`       // bytes resident at most, of the whole enclave
}

// Perimeter says behind what the data was in clear.
type Perimeter struct {
	Kind      string     `json:"kind"` // kind of evidence
	Simulated bool       `json:"simulated"`
	Form      string     `json:"form"`
	Details   []Property `json:"details"` // protections in force, sorted by name
	Seccomp   Digest     `json:"seccomp,omitempty"`
}

// Property is one named fact.
type Property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Responsibility says who answers for one layer.
type Responsibility struct {
	Layer string `json:"layer"`
	Who   string `json:"who"`
	Basis string `json:"basis"`
}

// Stage is the enclave's time in one stage of the job.
type Stage struct {
	Name   string `json:"name"`
	Micros int64  `json:"micros"`
}

func (*Receipt) typeURI() string { return TypeReceipt }

// Authors of a receipt: the session key. Whether that is an enclave's is for the evidence to show.
func (r *Receipt) Authors() []Fingerprint { return []Fingerprint{r.Session.Fingerprint()} }

func (r *Receipt) valid() error {
	var c check
	c.digest(r.Job, "job")
	c.digest(r.Contract, "contract")
	c.digest(r.Plan, "plan")
	c.fingerprint(r.Requester, "requester")
	c.fingerprints(r.Recipients, "recipients")
	c.fingerprint(r.Operator, "operator")
	c.session(&r.Session)
	c.digest(r.Build, "build")
	c.evidence(&r.Evidence)
	c.digests(r.Readies, "readies")
	c.digests(r.Releases, "releases")
	c.digests(r.Grants, "grants")
	c.that(r.Perimeter.Kind == r.Evidence.Kind, "perimeter kind")
	c.that(r.Perimeter.Simulated == (r.Perimeter.Kind == "simulated"), "perimeter simulated")
	c.that(r.Perimeter.Form != "" && len(r.Perimeter.Details) <= 256, "perimeter form")
	c.that(r.Perimeter.Seccomp == "" || r.Perimeter.Seccomp.Valid(), "perimeter seccomp")
	failed := len(r.Outcome) > len(OutcomeFailed) && r.Outcome[:len(OutcomeFailed)] == OutcomeFailed && len(r.Outcome) <= maxName
	c.that((r.Outcome == OutcomeResult && r.Result != nil) || (failed && r.Result == nil), "outcome")
	if r.Result != nil {
		c.digest(r.Result.Digest, "result digest")
		c.count(r.Result.Bytes, "result bytes")
	}
	c.exposures(r)
	c.that(len(r.Responsibility) > 0 && len(r.Responsibility) <= 64, "responsibility")
	c.that(len(r.Stages) <= 64, "stages")
	c.that(r.ClockClass != "" && len(r.ClockClass) <= maxName, "clock_class")
	c.time(r.EndedMS, "ended_ms")
	return c.err
}

func (c *check) exposures(r *Receipt) {
	c.that(len(r.Exposures) <= maxList*4, "exposures")
	var total int64
	for _, e := range r.Exposures {
		c.fingerprint(e.Owner, "exposure owner")
		c.digest(e.Offer, "exposure offer")
		c.that(e.Column == FooterKey || ValidColumn(e.Column), "exposure column")
		c.count(e.Bytes, "exposure bytes")
		total += e.Bytes
	}
	c.that(total == r.Clear.Bytes, "clear bytes")
	c.count(r.Clear.Micros, "clear micros")
	c.count(r.Clear.ByteMilliseconds, "clear byte_milliseconds")
	c.count(r.Clear.PeakMemory, "clear peak_memory")
}

// Ack closes an exposure in the owner's ledger: the broker saw the receipt. Its
// two times bound from the outside how long the keys were out. Signed by the owner.
type Ack struct {
	Header
	Owner      Fingerprint `json:"owner"`
	Job        Digest      `json:"job"`
	Receipt    Digest      `json:"receipt"`
	Release    Digest      `json:"release"`
	ReleasedMS int64       `json:"released_ms"`
	ClosedMS   int64       `json:"closed_ms"`
}

func (*Ack) typeURI() string { return TypeAck }

// Authors of an acknowledgement: the owner.
func (a *Ack) Authors() []Fingerprint { return []Fingerprint{a.Owner} }

func (a *Ack) valid() error {
	var c check
	c.fingerprint(a.Owner, "owner")
	c.digest(a.Job, "job")
	c.digest(a.Receipt, "receipt")
	c.digest(a.Release, "release")
	c.time(a.ReleasedMS, "released_ms")
	c.time(a.ClosedMS, "closed_ms")
	c.that(a.ReleasedMS <= a.ClosedMS, "closed_ms")
	return c.err
}
