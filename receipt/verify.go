package receipt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/statement"
)

// ErrInvalid is wrapped by every check that fails.
var ErrInvalid = errors.New("receipt: does not verify")

// Options of a verification.
type Options struct {
	Pins      []statement.Fingerprint // required: every party that the reader relies on
	Verifiers evidence.Verifiers      // required: kinds of evidence that the reader understands
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
	Contract *statement.Contract
	Job      *statement.Job
	Names    map[statement.Fingerprint]string // as the parties call themselves
	Offers   map[statement.Digest]*statement.Offer
	Grants   []*statement.Grant
	Outside  []Outside
	Checks   []Check
}

// Outside is an owner's own bound on how long its keys were out: from its
// release to its acknowledgement, by its own clock.
type Outside struct {
	Owner      statement.Fingerprint `json:"owner"`
	ReleasedMS int64                 `json:"released_ms"`
	ClosedMS   int64                 `json:"closed_ms"`
}

// Verify decodes a bundle and checks the whole account. The error names the
// check that failed; the report then is nil.
func Verify(ctx context.Context, src []byte, opt Options) (*Report, error) {
	b, err := Decode(src)
	if err != nil {
		return nil, err
	}
	if len(opt.Pins) == 0 || len(opt.Verifiers) == 0 {
		return nil, fmt.Errorf("%w: no fingerprints pinned or no verifier of evidence given", ErrInvalid)
	}
	v := &verification{b: b, opt: opt, report: &Report{Names: map[statement.Fingerprint]string{}, Offers: map[statement.Digest]*statement.Offer{}}}
	for _, step := range []struct {
		name string
		run  func(context.Context) (string, error)
	}{
		{"receipt", v.receipt}, {"job and contract", v.agreement}, {"parties", v.parties}, {"pinned", v.pinned},
		{"offers", v.offers}, {"pools", v.pools}, {"grants", v.grants}, {"ready", v.readies}, {"releases", v.releases},
		{"evidence", v.evidence}, {"exposures", v.exposures}, {"acknowledgements", v.acks},
	} {
		detail, err := step.run(ctx)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrInvalid, step.name, err)
		}
		v.report.Checks = append(v.report.Checks, Check{Name: step.name, Detail: detail})
	}
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
	byReady  map[statement.Fingerprint]statement.Digest
	byGrant  map[statement.Fingerprint]*statement.Verified[statement.Grant]
	release  map[statement.Fingerprint]*statement.Verified[statement.Release]
}

func (v *verification) receipt(context.Context) (string, error) {
	s, err := statement.VerifyAuthor[statement.Receipt](&v.b.Receipt)
	if err != nil {
		return "", err
	}
	v.r, v.report.Receipt, v.report.Digest = s.Body(), s.Body(), s.Digest()
	return "signed by the session key that it names", nil
}

func (v *verification) agreement(context.Context) (string, error) {
	job, err := statement.VerifyAuthor[statement.Job](&v.b.Job)
	if err != nil {
		return "", fmt.Errorf("job: %w", err)
	}
	contract, err := statement.VerifyAuthor[statement.Contract](&v.b.Contract)
	if err != nil {
		return "", fmt.Errorf("contract: %w", err)
	}
	v.job, v.contract = job.Body(), contract.Body()
	v.report.Job, v.report.Contract = v.job, v.contract
	switch {
	case job.Digest() != v.r.Job:
		return "", errors.New("receipt is for another job")
	case contract.Digest() != v.r.Contract || v.job.Contract != v.r.Contract:
		return "", errors.New("receipt or job is for another contract")
	case v.job.Requester != v.contract.Requester || v.r.Requester != v.contract.Requester:
		return "", errors.New("requester differs from the contract's")
	case !slices.Equal(v.r.Recipients, v.contract.Recipients):
		return "", errors.New("recipients differ from the contract's")
	case !slices.Contains(v.contract.Operators, v.r.Operator):
		return "", errors.New("operator is not in the contract")
	case !slices.Contains(v.contract.Builds, v.r.Build):
		return "", errors.New("enclave build is not in the contract")
	case !subset(v.job.Owners, v.contract.Owners()):
		return "", errors.New("job names an owner that the contract does not")
	}
	return "both signed by the requester; receipt, job and contract name each other", nil
}

func (v *verification) parties(context.Context) (string, error) {
	for i := range v.b.Parties {
		s, err := statement.VerifyAuthor[statement.Party](&v.b.Parties[i])
		if err != nil {
			return "", err
		}
		v.report.Names[s.Body().Authors()[0]] = s.Body().Name
	}
	return fmt.Sprintf("%d parties introduce themselves", len(v.report.Names)), nil
}

// pinned requires a pin for everyone whose word the account rests on.
func (v *verification) pinned(context.Context) (string, error) {
	need := append([]statement.Fingerprint{v.r.Requester, v.r.Operator}, v.job.Owners...)
	need = append(need, v.r.Recipients...)
	for _, f := range need {
		if !slices.Contains(v.opt.Pins, f) {
			return "", fmt.Errorf("no pin given for %s (%s)", f, v.name(f))
		}
	}
	return "requester, recipients, operator and all owners are the ones that were pinned", nil
}

func (v *verification) name(f statement.Fingerprint) string {
	if n := v.report.Names[f]; n != "" {
		return "calls itself " + n
	}
	return "not introduced"
}

func (v *verification) offers(context.Context) (string, error) {
	contracted := map[statement.Member]bool{}
	for _, t := range v.contract.Tables {
		for _, m := range t.Members {
			contracted[m] = true
		}
	}
	for i := range v.b.Offers {
		s, err := statement.VerifyAuthor[statement.Offer](&v.b.Offers[i])
		if err != nil {
			return "", err
		}
		if !contracted[statement.Member{Owner: s.Body().Owner, Offer: s.Digest()}] {
			return "", errors.New("an offer is not in the contract")
		}
		v.report.Offers[s.Digest()] = s.Body()
	}
	return fmt.Sprintf("%d offers signed by their owners, named in the contract", len(v.report.Offers)), nil
}

func (v *verification) pools(context.Context) (string, error) {
	have := map[statement.Digest]*statement.Pool{}
	for i := range v.b.Pools {
		s, err := statement.VerifyAuthor[statement.Pool](&v.b.Pools[i])
		if err != nil {
			return "", err
		}
		have[s.Digest()] = s.Body()
	}
	for _, t := range v.contract.Tables {
		if t.Pool == "" {
			continue
		}
		p, ok := have[t.Pool]
		if !ok || !slices.Equal(p.Members, t.Members) || "pool."+p.Name != t.Name {
			return "", fmt.Errorf("pool statement of %s missing or different from the contract", t.Name)
		}
	}
	return fmt.Sprintf("%d pool epochs signed by all members", len(have)), nil
}

func (v *verification) grants(context.Context) (string, error) {
	v.byGrant = map[statement.Fingerprint]*statement.Verified[statement.Grant]{}
	var digests []statement.Digest
	for i := range v.b.Grants {
		s, err := statement.VerifyAuthor[statement.Grant](&v.b.Grants[i])
		if err != nil {
			return "", err
		}
		if s.Body().Contract != v.r.Contract || v.byGrant[s.Body().Owner] != nil {
			return "", errors.New("a grant is for another contract, or there are two of one owner")
		}
		v.byGrant[s.Body().Owner] = s
		v.report.Grants = append(v.report.Grants, s.Body())
		digests = append(digests, s.Digest())
	}
	for _, o := range v.job.Owners {
		if v.byGrant[o] == nil {
			return "", fmt.Errorf("no grant of %s", o)
		}
	}
	if !sameDigests(digests, v.r.Grants) {
		return "", errors.New("not the grants that the receipt names")
	}
	return fmt.Sprintf("%d owners granted this contract", len(v.byGrant)), nil
}

func (v *verification) readies(context.Context) (string, error) {
	v.byReady = map[statement.Fingerprint]statement.Digest{}
	var digests []statement.Digest
	for i := range v.b.Readies {
		s, err := statement.VerifyAuthor[statement.Ready](&v.b.Readies[i])
		if err != nil {
			return "", err
		}
		r := s.Body()
		if r.Job != v.r.Job || r.Plan != v.r.Plan || r.Session != v.r.Session.Digest() || v.byReady[r.Owner] != "" {
			return "", errors.New("a ready is for another job, plan or session, or there are two of one owner")
		}
		v.byReady[r.Owner] = s.Digest()
		digests = append(digests, s.Digest())
	}
	if !sameDigests(digests, v.r.Readies) || !sameOwners(keys(v.byReady), v.job.Owners) {
		return "", errors.New("not the readies of the job's owners that the receipt names")
	}
	return fmt.Sprintf("%d owners' brokers compiled the same plan", len(digests)), nil
}

func (v *verification) releases(context.Context) (string, error) {
	v.release = map[statement.Fingerprint]*statement.Verified[statement.Release]{}
	ev, err := v.r.Evidence.Digest()
	if err != nil {
		return "", err
	}
	var digests []statement.Digest
	for i := range v.b.Releases {
		s, err := statement.VerifyAuthor[statement.Release](&v.b.Releases[i])
		if err != nil {
			return "", err
		}
		r := s.Body()
		switch {
		case r.Job != v.r.Job || r.Plan != v.r.Plan || r.Session != v.r.Session.Digest() || r.Evidence != ev:
			return "", errors.New("a release is for another job, plan, session or evidence")
		case r.Ready != v.byReady[r.Owner] || v.byGrant[r.Owner] == nil || r.Grant != v.byGrant[r.Owner].Digest():
			return "", errors.New("a release does not follow from its owner's ready and grant")
		case v.release[r.Owner] != nil:
			return "", errors.New("two releases of one owner")
		}
		v.release[r.Owner] = s
		digests = append(digests, s.Digest())
	}
	if !sameDigests(digests, v.r.Releases) {
		return "", errors.New("not the releases that the receipt names")
	}
	if v.r.Outcome == statement.OutcomeResult && !sameOwners(keys(v.release), v.job.Owners) {
		return "", errors.New("a result without a release of every owner")
	}
	return fmt.Sprintf("%d owners released keys for this job, plan, session and evidence", len(digests)), nil
}

// evidence takes the time at which it must have been fresh from the owners'
// releases, never from the enclave.
func (v *verification) evidence(ctx context.Context) (string, error) {
	at := time.UnixMilli(v.firstRelease())
	c, err := v.opt.Verifiers.Verify(ctx, &v.r.Evidence, at)
	if err != nil {
		return "", err
	}
	policy := evidence.Policy{
		Kinds: v.contract.Evidence, Builds: v.contract.Builds,
		Operators: v.contract.Operators, Perimeters: v.contract.Perimeters,
	}
	if err := evidence.Appraise(c, policy, evidence.QuoteBinding(v.r.Job, v.r.Session.Digest(), v.r.Plan, v.r.Readies)); err != nil {
		return "", err
	}
	if c.Build != v.r.Build || c.Operator != v.r.Operator || !samePerimeter(c.Perimeter, v.r.Perimeter) {
		return "", errors.New("receipt states another build, operator or perimeter than its evidence")
	}
	if c.Simulated {
		return "SIMULATED: signed by the operator, no hardware vouches for it; binds session, plan and readies", nil
	}
	return c.Kind + " evidence is genuine; binds session, plan and readies", nil
}

func (v *verification) firstRelease() int64 {
	var first int64
	for _, r := range v.release {
		if ms := r.Body().ReleasedMS; first == 0 || ms < first {
			first = ms
		}
	}
	return first
}

// samePerimeter compares what the evidence shows. The seccomp filter is the
// enclave's own addition, made by the attested build.
func samePerimeter(shown, stated statement.Perimeter) bool {
	return shown.Kind == stated.Kind && shown.Simulated == stated.Simulated &&
		shown.Form == stated.Form && slices.Equal(shown.Details, stated.Details)
}

func (v *verification) exposures(context.Context) (string, error) {
	type key struct {
		offer  statement.Digest
		column string
	}
	released := map[key]bool{}
	for _, r := range v.release {
		for _, o := range r.Body().Columns {
			if off := v.report.Offers[o.Offer]; off == nil || off.Owner != r.Body().Owner {
				return "", errors.New("a release names an offer that is not its owner's")
			}
			released[key{o.Offer, statement.FooterKey}] = true
			for _, c := range o.Columns {
				released[key{o.Offer, c}] = true
			}
		}
	}
	seen := map[key]bool{}
	for _, e := range v.r.Exposures {
		k := key{e.Offer, e.Column}
		if !released[k] || seen[k] || v.report.Offers[e.Offer] == nil || v.report.Offers[e.Offer].Owner != e.Owner {
			return "", errors.New("a column was in clear that nobody released, or is listed twice")
		}
		seen[k] = true
	}
	if v.r.Outcome == statement.OutcomeResult && len(seen) != len(released) {
		return "", errors.New("a released column is missing from the account")
	}
	return fmt.Sprintf("%d columns and footers accounted for, %d bytes", len(seen), v.r.Clear.Bytes), nil
}

func (v *verification) acks(context.Context) (string, error) {
	for i := range v.b.Acks {
		s, err := statement.VerifyAuthor[statement.Ack](&v.b.Acks[i])
		if err != nil {
			return "", err
		}
		a := s.Body()
		rel := v.release[a.Owner]
		if rel == nil || a.Receipt != v.report.Digest || a.Release != rel.Digest() || a.Job != v.r.Job || a.ReleasedMS != rel.Body().ReleasedMS {
			return "", errors.New("an acknowledgement is for another receipt or release")
		}
		v.report.Outside = append(v.report.Outside, Outside{Owner: a.Owner, ReleasedMS: a.ReleasedMS, ClosedMS: a.ClosedMS})
	}
	sort.Slice(v.report.Outside, func(i, j int) bool { return v.report.Outside[i].Owner < v.report.Outside[j].Owner })
	got := make([]statement.Fingerprint, 0, len(v.report.Outside))
	for _, o := range v.report.Outside {
		got = append(got, o.Owner)
	}
	if !sameOwners(got, keys(v.release)) {
		return "", fmt.Errorf("missing or repeated: have %d of %d owners", len(got), len(v.release))
	}
	return fmt.Sprintf("%d owners closed their exposure", len(got)), nil
}

func keys[V any](m map[statement.Fingerprint]V) []statement.Fingerprint {
	out := make([]statement.Fingerprint, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	return out
}

func subset(a, of []statement.Fingerprint) bool {
	for _, f := range a {
		if !slices.Contains(of, f) {
			return false
		}
	}
	return true
}

func sameOwners(a, b []statement.Fingerprint) bool { return sameSorted(a, b) }
func sameDigests(a, b []statement.Digest) bool     { return sameSorted(a, b) }

// sameSorted compares as multisets: a repetition on one side only is a difference.
func sameSorted[T ~string](a, b []T) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// Simulated reports whether the account rests on the operator's word alone.
func (r *Report) Simulated() bool { return r.Receipt.Perimeter.Simulated }

// Who names a party for people: its own name, and the start of its fingerprint.
func (r *Report) Who(f statement.Fingerprint) string {
	if n := r.Names[f]; n != "" {
		return n
	}
	return strings.TrimSuffix(f.Short(), "…")
}
