package receipt

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/statement"
)

// ErrInvalid is wrapped by every check that fails.
var ErrInvalid = errors.New("receipt: does not verify")

// Options of a verification.
type Options struct {
	Pins      []statement.Fingerprint // required: every party that the reader relies on
	Verifiers evidence.Verifiers      // required: kinds of evidence that the reader understands
	Logged    bool                    // the caller checks what a contract wants of a log (package logged); default: a note says that nobody did
}

// Check is one thing that was found true, in words for people.
type Check struct {
	Name   string `json:"name"`
	Detail string `json:"detail"`
}

// Report is a verified account. Only Verify makes one.
type Report struct {
	Digest   statement.Digest
	Receipt  *statement.Receipt
	Shown    statement.Appraisal  // what the evidence shows of the machine, by its own collateral
	Releases []*statement.Release // each says what its owner's broker found, and by which policies
	Contract *statement.Contract
	Job      *statement.Job
	Names    map[statement.Fingerprint]string // as the parties call themselves
	Offers   map[statement.Digest]*statement.Offer
	Grants   []*statement.Grant
	Outside  []Outside
	Acks     []*statement.Verified[statement.Ack] // of every owner that released
	Notes    []string                             // true and allowed by the contract, but the reader should know
	Checks   []Check
}

// Outside is an owner's own bound on how long its keys were out: from its
// release to its acknowledgement, by its own clock.
type Outside struct {
	Owner      statement.Fingerprint `json:"owner"`
	ReleasedMS int64                 `json:"released_ms"`
	ClosedMS   int64                 `json:"closed_ms"`
	Head       statement.LedgerHead  `json:"head"` // of the owner's ledger then
}

// Verify decodes a bundle and checks the whole account (docs/spec/receipt.md,
// section 4, in its order). The error names the check that failed; the report
// then is nil.
func Verify(ctx context.Context, src []byte, opt Options) (*Report, error) {
	b, err := Decode(src)
	if err != nil {
		return nil, err
	}
	if len(opt.Pins) == 0 || len(opt.Verifiers) == 0 {
		return nil, fmt.Errorf("%w: no fingerprints pinned or no verifier of evidence given", ErrInvalid)
	}
	v := &verification{b: b, opt: opt, report: &Report{}}
	for _, step := range []struct {
		name string
		run  func(context.Context) (string, error)
	}{
		{"receipt", v.receipt}, {"job and contract", v.agreement}, {"parties", v.parties}, {"pinned", v.pinned},
		{"offers", v.offers}, {"pools", v.pools}, {"grants", v.grants}, {"ready", v.readies}, {"releases", v.releases},
		{"times", v.times}, {"evidence", v.evidence}, {"exposures", v.exposures}, {"acknowledgements", v.acks},
	} {
		detail, err := step.run(ctx)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrInvalid, step.name, err)
		}
		v.report.Checks = append(v.report.Checks, Check{Name: step.name, Detail: detail})
	}
	v.notes()
	return v.report, nil
}

// verification carries what earlier steps established to later ones.
type verification struct {
	b        *Bundle
	opt      Options
	report   *Report
	r        *statement.Receipt
	job      *statement.Job
	contract *statement.Contract
	ready    map[statement.Fingerprint]*statement.Verified[statement.Ready]
	grant    map[statement.Fingerprint]*statement.Verified[statement.Grant]
	release  map[statement.Fingerprint]*statement.Verified[statement.Release]
}

// Simulated reports whether the account rests on the operator's word alone.
func (r *Report) Simulated() bool { return r.Receipt.Perimeter.Simulated }

// Who names a party for people: the name that it gave itself, else its whole
// fingerprint. The start of one would be easy to imitate.
func (r *Report) Who(f statement.Fingerprint) string {
	if n := r.Names[f]; n != "" {
		return n
	}
	return string(f)
}

// notes says what the contract allows but weakens an account.
func (v *verification) notes() {
	op := v.r.Operator
	switch {
	case v.r.Evidence.Kind == evidence.Simulated:
		v.note("SIMULATED evidence: the operator alone vouches for enclave and perimeter")
	case v.report.Simulated():
		v.note("SOFTWARE-ROOTED evidence: the operator runs the TPM, and alone vouches for enclave and perimeter")
	}
	if v.report.Shown.Debug {
		v.note("DEBUG enclave: its host could read the memory, so nothing was protected from the operator; every owner that released keys allows that in its policy")
	}
	if notCurrent(v.report.Shown.Status) {
		v.note("MACHINE NOT CURRENT: its vendor says " + v.report.Shown.Status + "; every owner that released keys allows that in its policy")
	}
	for _, o := range v.job.Owners {
		if rel := v.release[o]; rel != nil {
			v.report.Releases = append(v.report.Releases, rel.Body())
			if a := rel.Body().Appraisal; a.Evaluation > v.report.Shown.Evaluation {
				v.note(fmt.Sprintf("%s judged the machine by newer collateral of its own: %s", v.report.Who(o), AppraisalText(a)))
				if notCurrent(a.Status) {
					v.note(fmt.Sprintf("MACHINE NOT CURRENT, as %s found, whose policy allows it", v.report.Who(o)))
				}
			}
		}
	}
	if v.contract.Log != nil && !v.opt.Logged {
		v.note("NOT SHOWN TO BE LOGGED: the contract wants its accounts in a witnessed log, and this file alone does not show that")
	}
	if op == v.r.Requester || slices.Contains(v.r.Recipients, op) {
		v.note("the operator of the host also receives or requested the result")
	}
	if slices.Contains(v.job.Owners, op) {
		v.note("the operator of the host is one of the owners")
	}
	for _, o := range v.job.Owners {
		if rel := v.release[o]; rel != nil && rel.Body().Number > 1 {
			v.note(fmt.Sprintf("%s released its keys for the %s time for this job: each release has its own account",
				v.report.Who(o), [...]string{"", "first", "second", "third", "fourth"}[rel.Body().Number]))
		}
	}
}

// notCurrent is of Intel's statuses. AMD has none: its policies name the least TCB.
func notCurrent(status string) bool {
	return status != "" && status != "UpToDate" && status != "SWHardeningNeeded"
}

func (v *verification) note(s string) { v.report.Notes = append(v.report.Notes, s) }

// sameSet compares two lists as multisets: a repetition on one side only is a difference.
func sameSet[T ~string](a, b []T) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

func subset[T comparable](a, of []T) bool {
	for _, x := range a {
		if !slices.Contains(of, x) {
			return false
		}
	}
	return true
}

// perOwner verifies signed statements of which every owner may have one.
func perOwner[T any, P interface {
	*T
	statement.Statement
	Authors() []statement.Fingerprint
}](list []envelope) (map[statement.Fingerprint]*statement.Verified[T], []statement.Digest, error) {
	by := map[statement.Fingerprint]*statement.Verified[T]{}
	var digests []statement.Digest
	for i := range list {
		s, err := statement.VerifyAuthor[T, P](&list[i])
		if err != nil {
			return nil, nil, err
		}
		owner := P(s.Body()).Authors()[0]
		if by[owner] != nil {
			return nil, nil, errors.New("two of one owner")
		}
		by[owner] = s
		digests = append(digests, s.Digest())
	}
	return by, digests, nil
}

func owners[V any](by map[statement.Fingerprint]V) []statement.Fingerprint {
	out := make([]statement.Fingerprint, 0, len(by))
	for f := range by {
		out = append(out, f)
	}
	return out
}
