package machines

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cordon-exchange/cordon/evidence/dcap"
	"github.com/cordon-exchange/cordon/evidence/exhibit"
	"github.com/cordon-exchange/cordon/evidence/snp"
	"github.com/cordon-exchange/cordon/internal/party/collateral"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/internal/party/released"
	"github.com/cordon-exchange/cordon/statement"
)

// Matches.
const (
	Yes     = "yes"
	Unknown = "unknown" // it can't be told: whoever asks must look
)

// Ran is a job of the past on one enclave.
type Ran struct {
	Job      statement.Digest      `json:"job"`
	Evidence statement.Digest      `json:"evidence"`
	AtMS     int64                 `json:"at_ms"`
	Asker    statement.Fingerprint `json:"requester,omitempty"`
	Release  statement.Digest      `json:"release,omitempty"` // of this party's keys; none where it only asked
	Open     bool                  `json:"open,omitempty"`    // no receipt closed it
	Then     *exhibit.Facts        `json:"then,omitempty"`    // by the collateral that it came with, at its time
	Now      *exhibit.Facts        `json:"now,omitempty"`     // by the collateral that this party keeps now
	Match    string                `json:"match"`
	Why      string                `json:"why,omitempty"` // it is not known
}

// Query says which jobs are looked for. All that is given must hold, and of each list one; nothing given finds all.
type Query struct {
	Kinds, Builds, Forms []string
	TCB                  []Criterion
}

// Criterion is one thing that a vendor can warn of. Exactly one field is set.
type Criterion struct {
	Before   time.Time // the TCB level is of an earlier day
	Status   string    // Intel's
	Advisory string    // INTEL-SA-00615
	Below    *snp.TCB  // a component of AMD's TCB is lower
}

var (
	advisoryForm = regexp.MustCompile(`^[A-Z]+-[A-Z]+-[0-9]+$`)
	tcbForm      = regexp.MustCompile(`^[0-9a-f]{16}$`)
)

// ParseCriterion reads a date, a status, an advisory, or an AMD TCB of 16 hex digits.
func ParseCriterion(s string) (Criterion, error) {
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return Criterion{Before: t}, nil
	}
	if tcbForm.MatchString(s) {
		n, err := strconv.ParseUint(s, 16, 64)
		min := snp.TCB(n)
		return Criterion{Below: &min}, err
	}
	if advisoryForm.MatchString(s) {
		return Criterion{Advisory: s}, nil
	}
	for _, known := range []dcap.Status{dcap.UpToDate, dcap.SWHardeningNeeded, dcap.ConfigurationNeeded, dcap.ConfigurationAndSWHardeningNeeded, dcap.OutOfDate, dcap.OutOfDateConfigurationNeeded, dcap.Revoked} {
		if s == string(known) {
			return Criterion{Status: s}, nil
		}
	}
	return Criterion{}, fmt.Errorf("neither a date, a status, an advisory nor a TCB: %.40q", s)
}

// meets says whether facts meet a criterion, or whether they do not tell.
func (c Criterion) meets(f *exhibit.Facts) (is, known bool) {
	switch {
	case f == nil || f.Unknown != "":
		return false, false
	case c.Below != nil:
		return f.Below(*c.Below), true // of Intel's machines none is
	case f.TCB != "": // AMD's have no status, and no advisories of Intel's
		return false, c.Status != "" || strings.HasPrefix(c.Advisory, "INTEL-")
	case c.Status != "":
		return f.Status == c.Status, true
	case c.Advisory != "":
		return f.Warned(c.Advisory), true
	}
	return f.Before(c.Before), true
}

// errNoCurrent: what a vendor said then does not tell what it warns of since.
const errNoCurrent = "no current collateral for its machine is kept: 'cordon evidence collateral fetch' gets it"

// denied says whether a criterion surely does not hold; else why that is not known. Statuses and advisories change: that they did not
// hold then says nothing of now.
func (c Criterion) denied(r *Ran) (sure bool, why string) {
	is, known := c.meets(r.Then)
	changes := (c.Status != "" || c.Advisory != "") && r.Then.TCB == ""
	if isNow, knownNow := c.meets(r.Now); changes && !isNow && !knownNow {
		why = errNoCurrent
		if r.Then.Unknown != "" && r.Now == nil {
			why = r.Then.Unknown
		}
		return false, why
	} else if changes {
		return !is && !isNow, ""
	}
	if !known {
		if why = r.Then.Unknown; why == "" {
			why = "its evidence does not tell that"
		}
	}
	return known && !is, why
}

// Past is what is looked through.
type Past struct {
	Home    home.Dir
	Entries []ledger.Entry    // of the party's verified ledger
	Cache   *collateral.Cache // required: for what vendors say now
	Now     time.Time         // required
}

// Find lists the jobs that match, and those of which it is not known, oldest first.
func Find(p Past, q Query) ([]*Ran, error) {
	list, err := p.list()
	if err != nil {
		return nil, err
	}
	var out []*Ran
	for _, r := range list {
		if r.Match, r.Why = q.match(r); r.Match != "" {
			out = append(out, r)
		}
	}
	return out, nil
}

// list is every release of the ledger, and every other evidence that is kept.
func (p Past) list() (out []*Ran, err error) {
	closed, seen := map[statement.Digest]bool{}, map[[2]statement.Digest]bool{}
	for _, e := range p.Entries {
		if e.Kind == ledger.KindClose {
			closed[e.Release] = true
		}
	}
	files, err := released.Read(p.Home)
	if err != nil {
		return nil, err
	}
	for _, e := range p.Entries {
		if e.Kind != ledger.KindRelease {
			continue
		}
		seen[[2]statement.Digest{e.Job, e.Evidence}] = true
		r := &Ran{Job: e.Job, Evidence: e.Evidence, AtMS: e.AtMS, Asker: e.Requester, Release: e.Release, Open: !closed[e.Release]}
		k, err := p.kept(files, e.Job, e.Evidence)
		p.tell(r, k, err)
		out = append(out, r)
	}
	for _, id := range files.IDs() { // of a ledger that lost entries
		if seen[[2]statement.Digest{id.Job, id.Evidence}] {
			continue
		}
		seen[[2]statement.Digest{id.Job, id.Evidence}] = true
		r := &Ran{Job: id.Job, Evidence: id.Evidence}
		k, err := p.kept(files, id.Job, id.Evidence)
		if k != nil {
			r.AtMS = k.AtMS
		}
		p.tell(r, k, err)
		out = append(out, r)
	}
	err = all(p.Home, func(job, evidence statement.Digest, k *kept, err error) {
		if seen[[2]statement.Digest{job, evidence}] {
			return
		}
		r := &Ran{Job: job, Evidence: evidence}
		if k != nil {
			r.AtMS = k.AtMS
		}
		p.tell(r, k, err)
		out = append(out, r)
	})
	slices.SortStableFunc(out, func(a, b *Ran) int { return int(max(-1, min(1, a.AtMS-b.AtMS))) })
	return out, err
}

// kept is the evidence of a release, as the broker kept it, or as it came back with the receipt.
func (p Past) kept(files *released.Files, job, evidence statement.Digest) (*kept, error) {
	e, err := files.Entry(released.ID{Job: job, Evidence: evidence})
	if err == nil {
		return &kept{Job: job, AtMS: e.AtMS, Evidence: e.Evidence}, nil
	}
	k, other := read(filepath.Join(p.Home.Job(job), name(evidence)), job, evidence)
	if other == nil || errors.Is(err, released.ErrNone) {
		return k, other
	}
	return nil, err
}

// tell judges kept evidence, by what it came with and by what the vendor says now.
func (p Past) tell(r *Ran, k *kept, err error) {
	if err != nil {
		r.Why = err.Error()
		return
	}
	r.Then, r.Now, err = Facts(&k.Evidence, time.UnixMilli(r.AtMS), p.Cache, p.Now)
	if err != nil {
		r.Why = err.Error()
	}
}

// Facts judges evidence at its time, by the collateral it has, and now, by the collateral that is kept; now is nil where that adds
// nothing.
func Facts(e *statement.Evidence, at time.Time, c *collateral.Cache, now time.Time) (then, today *exhibit.Facts, err error) {
	x, err := exhibit.Of(e)
	if err != nil {
		return nil, nil, err
	}
	x.At = at
	then = exhibit.FactsOf(x)
	if x.Kind != exhibit.SGX && x.Kind != exhibit.TDX {
		return then, nil, nil
	}
	quote, err := dcap.Parse(x.Raw)
	if err != nil {
		return then, nil, nil
	}
	src, _, err := c.ForIntel(collateral.MachineOf(quote), now)
	if err != nil {
		return then, nil, nil
	}
	newer := *x
	newer.Collateral, newer.At = src, now
	return then, exhibit.FactsOf(&newer), nil
}

// match is Yes, Unknown with the reason, or "".
func (q Query) match(r *Ran) (match, why string) {
	if r.Then == nil {
		return Unknown, r.Why
	}
	f := r.Then
	named := func(list []string, values ...string) bool {
		return len(list) == 0 || slices.ContainsFunc(values, func(v string) bool { return v != "" && slices.Contains(list, v) })
	}
	if !named(q.Kinds, string(f.Kind)) || !named(q.Builds, f.Build, f.Measured) || !named(q.Forms, f.Form) {
		return "", ""
	}
	if len(q.TCB) == 0 {
		return Yes, ""
	}
	for _, c := range q.TCB {
		for _, facts := range []*exhibit.Facts{r.Then, r.Now} {
			if is, _ := c.meets(facts); is {
				return Yes, ""
			}
		}
	}
	for _, c := range q.TCB {
		if sure, why := c.denied(r); !sure {
			return Unknown, why
		}
	}
	return "", ""
}
