package ledger

import (
	"maps"
	"slices"

	"github.com/cordon-exchange/cordon/privacy/dp/account"
	"github.com/cordon-exchange/cordon/statement"
)

// Accounts are the balances that follow from the entries: they are never stored.
type Accounts struct {
	jobs     map[statement.Digest]*Job
	evidence map[statement.Digest]bool
	readies  map[statement.Digest]bool
	grants   map[statement.Digest]statement.Digest // by contract, the one in force
	revoked  map[statement.Digest]bool             // contracts whose grant was revoked
	rejected map[statement.Digest]bool             // contracts
	judged   map[statement.Digest]bool             // contracts and pools that a rule granted, signed or refused
	byRule   int64

	templates  map[statement.Digest]bool                                // approved: whether still
	byTemplate map[statement.Digest]int64                               // contracts that were granted by each
	members    map[statement.Fingerprint]map[statement.Fingerprint]bool // requesters granted to for who accredited them

	officers statement.Digest          // the list in force
	approved map[statement.Digest]bool // approvals that counted
	keys     map[statement.Digest]bool // operations on keys that began
	done     map[statement.Digest]bool // grants, pools and lists of officers that were signed, whatever became of them

	repairedMS int64                             // of the last repair; 0: none
	published  map[string]bool                   // data sets
	exhausted  map[string]bool                   // data sets whose budget a repair gave up
	charges    map[statement.Fingerprint][]int64 // times of charged jobs by requester, sorted
	uses       map[use]int64                     // charged jobs
	fees       map[fee][]*Job                    // whose charges have them in it
	budgets    map[string][]account.Event        // by data set, all its versions together
	refusals   map[refused]int
	purchases  purchases
	frozen     bool // the party stopped its releases, and did not let them go on
}

// Job is what the ledger knows of one job.
type Job struct {
	Job       statement.Digest
	Contract  statement.Digest
	Requester statement.Fingerprint
	Charged   int64
	ChargedMS int64            // 0: not charged
	UntilMS   int64            // no first keys from then on, by its charge; 0: the entry is of an older version
	Order     statement.Digest // that it is charged to; "" for none
	Exposures []Exposure
	Refusals  int
	Closed    bool  // a receipt closed one of its exposures: no more keys for this job
	last      Entry // refusal
}

// Exposure is one release of keys, and what closed it.
type Exposure struct {
	Job        statement.Digest      `json:"job"`
	Contract   statement.Digest      `json:"contract"`
	Requester  statement.Fingerprint `json:"requester"`
	Release    statement.Digest      `json:"release"`
	Session    statement.Digest      `json:"session"`
	Plan       statement.Digest      `json:"plan"`
	Evidence   statement.Digest      `json:"evidence"`
	Ready      statement.Digest      `json:"ready"`
	Grant      statement.Digest      `json:"grant"`
	Number     int64                 `json:"number"`
	Columns    []statement.Opening   `json:"columns"`
	ReleasedMS int64                 `json:"released_ms"`
	Appraisal  *statement.Appraisal  `json:"appraisal,omitempty"` // of what keys were released to; entries of older versions lack it
	Receipt    statement.Digest      `json:"receipt,omitempty"`   // empty: open
	Outcome    string                `json:"outcome,omitempty"`
	Bytes      int64                 `json:"bytes,omitempty"`
	ClosedMS   int64                 `json:"closed_ms,omitempty"`
	ClosedSeq  int64                 `json:"closed_seq,omitempty"` // the entry that closed it
}

// Open reports whether no receipt has closed the exposure.
func (e *Exposure) Open() bool { return e.Receipt == "" }

func newAccounts() *Accounts {
	return &Accounts{
		jobs: map[statement.Digest]*Job{}, evidence: map[statement.Digest]bool{},
		readies: map[statement.Digest]bool{}, grants: map[statement.Digest]statement.Digest{},
		revoked: map[statement.Digest]bool{}, judged: map[statement.Digest]bool{}, rejected: map[statement.Digest]bool{},
		uses: map[use]int64{}, fees: map[fee][]*Job{}, budgets: map[string][]account.Event{}, approved: map[statement.Digest]bool{}, keys: map[statement.Digest]bool{}, exhausted: map[string]bool{}, published: map[string]bool{},
		templates: map[statement.Digest]bool{}, byTemplate: map[statement.Digest]int64{}, members: map[statement.Fingerprint]map[statement.Fingerprint]bool{},
		purchases: newPurchases(), refusals: map[refused]int{}, charges: map[statement.Fingerprint][]int64{}, done: map[statement.Digest]bool{},
	}
}

const dayMS = 24 * 60 * 60 * 1000

// refused is one day's refusals of jobs that are known to be genuine, or of those that are not.
type refused struct {
	day   int64
	known bool
}

// RefusalsOn counts the refusals of jobs that are recorded for the day (in UTC) of a time: of jobs that their requester signed under a
// contract of this party's, or of all that came without.
func (a *Accounts) RefusalsOn(atMS int64, known bool) int {
	return a.refusals[refused{atMS / dayMS, known}]
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
		a.grants[e.Contract] = e.Grant
		a.judged[e.Contract] = true
		a.done[e.Grant] = true
		delete(a.revoked, e.Contract)
		a.granted(e)
	case KindReject:
		a.rejected[e.Contract] = true
		a.judged[e.Contract] = true
	case KindRevoke:
		if g := a.grants[e.Contract]; g != "" && (g == e.About || e.Contract == e.About) { // with a contract its grant ends
			delete(a.grants, e.Contract)
			a.revoked[e.Contract] = true
		}
	case KindPublish, KindRetire:
		a.published[e.Name] = true
	case KindPool:
		a.judged[e.About] = true
		a.done[e.About] = true
	case KindRefusal:
		if e.About != "" {
			a.judged[e.About] = true
		}
		if e.Job != "" {
			j := a.job(e.Job)
			j.Refusals++
			j.last = *e
			a.refusals[refused{e.AtMS / dayMS, e.Contract != ""}]++
		}
	case KindPurchases, KindSettle, KindOrderEnd, KindRefund, KindReceived:
		a.purchases.apply(e)
		if e.Kind == KindPurchases {
			a.done[e.About] = true // what officers approved is used up: a rule that was replaced needs them anew
		}
	case KindFreeze, KindThaw:
		a.frozen = e.Kind == KindFreeze
	case KindTemplate, KindWithdraw:
		a.templates[e.About] = e.Kind == KindTemplate
		a.done[e.About] = true // what officers approved is used up: once withdrawn, a template needs them anew
	case KindOfficers:
		a.officers = e.About
		a.done[e.About] = true
	case KindRepair:
		a.repair(e)
	case KindExhaust:
		a.exhausted[e.Name] = true
	case KindApprove:
		a.approved[e.Approval] = true
	case KindKey:
		a.keys[e.About] = true
	case KindCharge:
		j := a.job(e.Job)
		j.Contract, j.Requester, j.Charged, j.ChargedMS, j.UntilMS, j.Order = e.Contract, e.Requester, e.Charged, e.AtMS, e.UntilMS, e.Order
		a.purchases.charge(j)
		times := a.charges[e.Requester]
		at, _ := slices.BinarySearch(times, e.AtMS+1) // behind its equals; at the end, but where a clock was put back
		a.charges[e.Requester] = slices.Insert(times, at, e.AtMS)
		a.use(e, j)
	case KindBudget:
		a.budgets[e.Name] = append(a.budgets[e.Name], e.event())
	case KindRelease:
		a.release(e)
	case KindClose:
		a.close(e)
	}
}

// Frozen reports whether the party stopped its releases and has not let them go on.
func (a *Accounts) Frozen() bool { return a.frozen }

// repair takes everything as said that lost entries may have said: no grant from before is in force, for its revocation may be lost.
func (a *Accounts) repair(e *Entry) {
	a.repairedMS = max(a.repairedMS, e.AtMS)
	a.purchases.repair()
	for contract := range a.grants {
		delete(a.grants, contract)
		a.revoked[contract] = true
	}
	clear(a.templates) // what withdrew one may be lost
}

// RepairedMS is the time of the last repair; 0 if there was none. What was signed before it may be in entries that are lost.
func (a *Accounts) RepairedMS() int64 { return a.repairedMS }

// Exhausted reports whether a repair gave up a data set's privacy budget.
func (a *Accounts) Exhausted(dataset string) bool { return a.exhausted[dataset] }

// Datasets are those that the entries name.
func (a *Accounts) Datasets() []string {
	seen := map[string]bool{}
	for name := range a.budgets {
		seen[name] = true
	}
	for name := range a.published {
		seen[name] = true
	}
	return slices.Sorted(maps.Keys(seen))
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
		Plan: e.Plan, Evidence: e.Evidence, Ready: e.Ready, Grant: e.Grant, Number: e.Number, Columns: e.Columns, ReleasedMS: e.AtMS, Appraisal: e.Appraisal,
	})
	a.evidence[e.Evidence] = true
	a.readies[e.Ready] = true
	a.purchases.bill(j, e)
}

func (a *Accounts) close(e *Entry) {
	j := a.job(e.Job)
	j.Closed = true
	for i := range j.Exposures {
		if x := &j.Exposures[i]; x.Release == e.Release {
			x.Receipt, x.Outcome, x.Bytes, x.ClosedMS, x.ClosedSeq = e.Receipt, e.Outcome, e.Bytes, e.AtMS, e.Seq
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

// LastRefusal reports whether e would repeat the last refusal of its job: a message that came again.
func (a *Accounts) LastRefusal(e Entry) bool {
	last := a.Job(e.Job).last
	return last.Kind == e.Kind && last.Stage == e.Stage && last.Code == e.Code && last.Session == e.Session
}

// EvidenceSeen reports whether keys were released to this evidence before.
func (a *Accounts) EvidenceSeen(d statement.Digest) bool { return a.evidence[d] }

// ReadyUsed reports whether keys were released on this ready before.
func (a *Accounts) ReadyUsed(d statement.Digest) bool { return a.readies[d] }

// Grant returns the grant of a contract that is in force as far as the ledger
// knows, or "", and whether there was one that was revoked.
func (a *Accounts) Grant(contract statement.Digest) (grant statement.Digest, revoked bool) {
	return a.grants[contract], a.revoked[contract]
}

// Officers is the digest of the list of officers in force; empty if there never was one.
func (a *Accounts) Officers() statement.Digest { return a.officers }

// Approved reports whether this approval was recorded before.
func (a *Accounts) Approved(approval statement.Digest) bool { return a.approved[approval] }

// KeyOperationBegun reports whether this operation on keys began before.
func (a *Accounts) KeyOperationBegun(operation statement.Digest) bool { return a.keys[operation] }

// Done reports whether this very grant, pool epoch or list of officers was signed before. A revocation does not undo that.
func (a *Accounts) Done(d statement.Digest) bool { return a.done[d] }

// Rejected reports whether the party rejected the contract.
func (a *Accounts) Rejected(contract statement.Digest) bool { return a.rejected[contract] }

// Judged reports whether a rule has decided about this contract or pool before.
func (a *Accounts) Judged(d statement.Digest) bool { return a.judged[d] }

// GrantedByRule counts the contracts that standing rules granted: as many as can be, once entries were lost.
func (a *Accounts) GrantedByRule() int64 {
	if a.repairedMS != 0 {
		return manyLost
	}
	return a.byRule
}

// granted counts what rules granted.
func (a *Accounts) granted(e *Entry) {
	switch {
	case e.Authority != statement.ByRule:
	case e.About != "":
		a.byTemplate[e.About]++
	default:
		a.byRule++
	}
	if by := statement.Fingerprint(e.Name); e.Name != "" {
		if a.members[by] == nil {
			a.members[by] = map[statement.Fingerprint]bool{}
		}
		a.members[by][e.Requester] = true
	}
}

// Template reports whether contracts of a template are granted by rule, and whether they ever were.
func (a *Accounts) Template(template statement.Digest) (approved, known bool) {
	approved, known = a.templates[template]
	return approved, known
}

// GrantedByTemplate counts the contracts that a template granted: as many as can be, once entries were lost.
func (a *Accounts) GrantedByTemplate(template statement.Digest) int64 {
	if a.repairedMS != 0 {
		return manyLost
	}
	return a.byTemplate[template]
}

// Members are the requesters whose contracts were granted because this party accredits them.
func (a *Accounts) Members(accreditor statement.Fingerprint) []statement.Fingerprint {
	return slices.Sorted(maps.Keys(a.members[accreditor]))
}

// manyLost is how much lost entries are taken to say: more than any limit, and far from overflow where several are added.
const manyLost = 1 << 40

// QueriesSince counts the charged jobs of a requester since a time: more than any quota, if entries of that time may be lost.
func (a *Accounts) QueriesSince(requester statement.Fingerprint, sinceMS int64) int64 {
	if a.repairedMS != 0 && sinceMS <= a.repairedMS {
		return manyLost
	}
	times := a.charges[requester]
	first, _ := slices.BinarySearch(times, sinceMS)
	return int64(len(times) - first)
}

// Budget returns what was charged to a data set's privacy budget, oldest first: the whole account (docs/spec/dp.md, section 9).
func (a *Accounts) Budget(dataset string) []account.Event { return slices.Clone(a.budgets[dataset]) }

// BudgetOf is Accounts.Budget of a list of verified entries.
func BudgetOf(entries []Entry, dataset string) (out []account.Event) {
	for i := range entries {
		if e := &entries[i]; e.Kind == KindBudget && e.Name == dataset {
			out = append(out, e.event())
		}
	}
	return out
}
