package ledger

import (
	"github.com/cordon-exchange/cordon/statement"
)

// Accounts are the balances that follow from the entries: they are never stored.
type Accounts struct {
	jobs     map[statement.Digest]*Job
	evidence map[statement.Digest]bool
	readies  map[statement.Digest]bool
	granted  map[statement.Digest]int
	byRule   int64
	charges  []charge
}

type charge struct {
	requester statement.Fingerprint
	atMS      int64
}

// Job is what the ledger knows of one job.
type Job struct {
	Job       statement.Digest
	Contract  statement.Digest
	Requester statement.Fingerprint
	Charged   int64
	ChargedMS int64 // 0: not charged
	Exposures []Exposure
	Closed    bool // a receipt closed one of its exposures: no more keys for this job
}

// Exposure is one release of keys, and what closed it.
type Exposure struct {
	Job        statement.Digest      `json:"job"`
	Contract   statement.Digest      `json:"contract"`
	Requester  statement.Fingerprint `json:"requester"`
	Release    statement.Digest      `json:"release"`
	Session    statement.Digest      `json:"session"`
	Evidence   statement.Digest      `json:"evidence"`
	Number     int64                 `json:"number"`
	Columns    []statement.Opening   `json:"columns"`
	ReleasedMS int64                 `json:"released_ms"`
	Receipt    statement.Digest      `json:"receipt,omitempty"` // empty: open
	Outcome    string                `json:"outcome,omitempty"`
	Bytes      int64                 `json:"bytes,omitempty"`
	ClosedMS   int64                 `json:"closed_ms,omitempty"`
}

// Open reports whether no receipt has closed the exposure.
func (e *Exposure) Open() bool { return e.Receipt == "" }

func newAccounts() *Accounts {
	return &Accounts{
		jobs: map[statement.Digest]*Job{}, evidence: map[statement.Digest]bool{},
		readies: map[statement.Digest]bool{}, granted: map[statement.Digest]int{},
	}
}

func fold(entries []Entry) *Accounts {
	a := newAccounts()
	for i := range entries {
		a.apply(&entries[i])
	}
	return a
}

func (a *Accounts) apply(e *Entry) {
	switch e.Kind {
	case KindGrant:
		a.granted[e.Contract]++
		if e.Authority == statement.ByRule {
			a.byRule++
		}
	case KindCharge:
		j := a.job(e.Job)
		j.Contract, j.Requester, j.Charged, j.ChargedMS = e.Contract, e.Requester, e.Charged, e.AtMS
		a.charges = append(a.charges, charge{e.Requester, e.AtMS})
	case KindRelease:
		a.release(e)
	case KindClose:
		a.close(e)
	}
}

func (a *Accounts) job(d statement.Digest) *Job {
	j := a.jobs[d]
	if j == nil {
		j = &Job{Job: d}
		a.jobs[d] = j
	}
	return j
}

func (a *Accounts) release(e *Entry) {
	j := a.job(e.Job)
	j.Exposures = append(j.Exposures, Exposure{
		Job: e.Job, Contract: j.Contract, Requester: j.Requester, Release: e.Release, Session: e.Session,
		Evidence: e.Evidence, Number: e.Number, Columns: e.Columns, ReleasedMS: e.AtMS,
	})
	a.evidence[e.Evidence] = true
	a.readies[e.Ready] = true
}

func (a *Accounts) close(e *Entry) {
	j := a.job(e.Job)
	j.Closed = true
	for i := range j.Exposures {
		if x := &j.Exposures[i]; x.Release == e.Release {
			x.Receipt, x.Outcome, x.Bytes, x.ClosedMS = e.Receipt, e.Outcome, e.Bytes, e.AtMS
		}
	}
}

// Job returns a copy of what is known of a job; the zero Job if nothing is.
func (a *Accounts) Job(d statement.Digest) Job {
	j := a.jobs[d]
	if j == nil {
		return Job{Job: d}
	}
	out := *j
	out.Exposures = append([]Exposure{}, j.Exposures...)
	return out
}

// EvidenceSeen reports whether keys were released to this evidence before.
func (a *Accounts) EvidenceSeen(d statement.Digest) bool { return a.evidence[d] }

// ReadyUsed reports whether keys were released on this ready before.
func (a *Accounts) ReadyUsed(d statement.Digest) bool { return a.readies[d] }

// Granted reports whether the contract was granted before.
func (a *Accounts) Granted(contract statement.Digest) bool { return a.granted[contract] > 0 }

// GrantedByRule counts the contracts that standing rules granted.
func (a *Accounts) GrantedByRule() int64 { return a.byRule }

// QueriesSince counts the charged jobs of a requester since a time.
func (a *Accounts) QueriesSince(requester statement.Fingerprint, sinceMS int64) int64 {
	var n int64
	for _, c := range a.charges {
		if c.requester == requester && c.atMS >= sinceMS {
			n++
		}
	}
	return n
}
