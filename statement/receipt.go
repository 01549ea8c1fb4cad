package statement

import (
	"math/bits"
	"strings"
)

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
	TickMS         int64            `json:"tick_ms,omitempty"` // times here, and when the job ended, are rounded up to multiples; memory to what there is
	ClockClass     string           `json:"clock_class"`       // whose clock the times below are
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

// Exposure is one column whose key was released, or the footer: FooterKey, or the
// noise: NoiseKey, which opens nothing. All of them are listed, also where the job
// failed before it opened one: with 0 bytes.
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
	ByteMilliseconds int64 `json:"byte_milliseconds"` // ByteMilliseconds(Bytes, Micros)
	PeakMemory       int64 `json:"peak_memory"`       // bytes resident at most, of the whole enclave
}

// Perimeter says behind what the data was in clear.
type Perimeter struct {
	Kind      string     `json:"kind"` // kind of evidence
	Simulated bool       `json:"simulated"`
	Form      string     `json:"form"`
	Details   []Property `json:"details"` // protections in force, sorted by name, none twice
	Seccomp   Digest     `json:"seccomp,omitempty"`
	Self      []Property `json:"self,omitempty"` // what the enclave says of itself, sorted by name, none twice
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
	c.perimeter(&r.Perimeter)
	c.outcome(r)
	c.exposures(r)
	c.that(len(r.Responsibility) > 0 && len(r.Responsibility) <= maxRows, "responsibility")
	for _, l := range r.Responsibility {
		c.label(l.Layer, "responsibility layer")
		c.that(l.Who != "" && len(l.Who) <= maxWho && printable(l.Who), "responsibility who")
		c.that(l.Basis != "" && len(l.Basis) <= maxText && printable(l.Basis), "responsibility basis")
	}
	c.that(len(r.Stages) <= maxRows, "stages")
	for _, s := range r.Stages {
		c.token(s.Name, "stage name")
		c.count(s.Micros, "stage micros")
	}
	c.count(r.TickMS, "tick_ms")
	c.label(r.ClockClass, "clock_class")
	c.time(r.EndedMS, "ended_ms")
	return c.err
}

func (c *check) outcome(r *Receipt) {
	code, failed := strings.CutPrefix(r.Outcome, OutcomeFailed)
	c.that((r.Outcome == OutcomeResult && r.Result != nil) || (failed && r.Result == nil), "outcome")
	if failed {
		c.token(code, "outcome")
	}
	if r.Result != nil {
		c.digest(r.Result.Digest, "result digest")
		c.count(r.Result.Bytes, "result bytes")
		c.that(r.Result.Bytes > 0, "result bytes")
	}
}

// Valid reports whether p is complete: kind and form named, simulation said, details in order.
func (p *Perimeter) Valid() bool {
	var c check
	c.perimeter(p)
	return c.err == nil
}

func (c *check) perimeter(p *Perimeter) {
	c.token(p.Kind, "perimeter kind")
	c.that(p.Simulated == (p.Kind == simulatedKind), "perimeter simulated")
	c.label(p.Form, "perimeter form")
	c.facts(p.Details, "perimeter details")
	c.facts(p.Self, "perimeter self")
	c.that(p.Seccomp == "" || p.Seccomp.Valid(), "perimeter seccomp")
}

func (c *check) facts(list []Property, field string) {
	c.that(len(list) <= maxFacts, field)
	for i, d := range list {
		c.token(d.Name, field)
		c.label(d.Value, field)
		c.that(i == 0 || list[i-1].Name < d.Name, field)
	}
}

// simulatedKind is the one kind of evidence that no hardware stands behind.
const simulatedKind = "simulated"

func (c *check) exposures(r *Receipt) {
	c.that(len(r.Exposures) > 0 && len(r.Exposures) <= maxExposures, "exposures")
	var total int64
	for _, e := range r.Exposures {
		c.fingerprint(e.Owner, "exposure owner")
		c.digest(e.Offer, "exposure offer")
		c.that(e.Column == FooterKey || e.Column == NoiseKey || ValidColumn(e.Column), "exposure column")
		c.count(e.Bytes, "exposure bytes")
		c.that(e.Column != NoiseKey || e.Bytes == 0, "exposure bytes")
		if c.err != nil {
			return // else the sum could wrap around
		}
		total += e.Bytes
		c.count(total, "clear bytes")
	}
	c.that(total == r.Clear.Bytes, "clear bytes")
	c.count(r.Clear.Micros, "clear micros")
	c.that(r.Clear.ByteMilliseconds == ByteMilliseconds(r.Clear.Bytes, r.Clear.Micros), "clear byte_milliseconds")
	c.count(r.Clear.PeakMemory, "clear peak_memory")
}

// ByteMilliseconds is bytes × micros ÷ 1000, rounded up; what is more than the
// largest number of a statement is that number.
func ByteMilliseconds(bytes, micros int64) int64 {
	hi, lo := bits.Mul64(uint64(bytes), uint64(micros))
	lo, carry := bits.Add64(lo, 999, 0)
	if hi += carry; hi >= 1000 {
		return maxNumber
	}
	q, _ := bits.Div64(hi, lo, 1000)
	return int64(min(q, maxNumber))
}

// Ack closes an exposure in the owner's ledger: the broker saw the receipt. Its
// two times bound from the outside how long the keys were out, and its head lets
// whoever holds it see whether the ledger is older than this. Signed by the owner.
type Ack struct {
	Header
	Owner      Fingerprint `json:"owner"`
	Job        Digest      `json:"job"`
	Receipt    Digest      `json:"receipt"`
	Release    Digest      `json:"release"`
	ReleasedMS int64       `json:"released_ms"`
	ClosedMS   int64       `json:"closed_ms"`
	Head       LedgerHead  `json:"head"` // the entry that closed the exposure
}

// LedgerHead names a ledger as it was after one entry: all before it are bound by its digest.
type LedgerHead struct {
	Seq    int64  `json:"seq"`    // of the entry, from 1; 0: of a ledger without entries
	Digest Digest `json:"digest"` // Sum of the entry's line
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
	c.count(a.Head.Seq, "head seq")
	c.that(a.Head.Seq > 0, "head seq") // the one that closed it is there
	c.digest(a.Head.Digest, "head digest")
	return c.err
}
