package broker

import (
	"context"
	"errors"
	"runtime"
	"slices"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/budget"
	"github.com/cordon-exchange/cordon/internal/party/catalog"
	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// matter is what the handling of one message has established so far. A field is
// set only once it is verified.
type matter struct {
	item     wire.Item
	job      *statement.Verified[statement.Job]
	contract *statement.Verified[statement.Contract]
	session  *statement.Session
	named    statement.Digest // the session's
	line     *seal.Line       // to the session
	listener *seal.Listener   // of the line that the message came by, if it is of one
	begun    *begun           // what the hello left, if the message came by its line
	claims   *evidence.Claims
	body     *statement.Body
	plan     *policy.Plan
	salted   statement.Digest
	own      []dataset.Published // this party's offers that the plan reads
	noise    []statement.Digest  // those of them whose noise key it needs
	dues     []budget.Due        // what it takes from their budgets
	grant    *statement.Verified[statement.Grant]
}

func (m *matter) isRequester(f statement.Fingerprint) bool { return m.job.Body().Requester == f }

func (m *matter) isOwner(f statement.Fingerprint) bool {
	return slices.Contains(m.job.Body().Owners, f)
}

// openJob establishes the job and its contract: who asks, under what. Whether
// they are in force is another question.
func (b *Broker) openJob(ctx context.Context, m *matter) error {
	job, err := b.genuineJob(ctx, m.item)
	if err != nil {
		return err
	}
	contract, err := b.Catalog.SignedContract(ctx, job.Body().Contract)
	if err != nil {
		return b.unresolved(err)
	}
	if contract.Body().Requester != job.Body().Requester {
		return refuse(CodeJobSignature, "the job is not signed by the requester of its contract")
	}
	m.job, m.contract = job, contract
	if !m.isOwner(b.self) && !m.isRequester(b.self) {
		m.job = nil
		return refuse(CodeJobOwners, "the job does not concern this party")
	}
	return nil
}

// genuineJob is a job that was verified, and this party's letter in it once it was opened and found to be what the job commits to: both
// follow from the job's digest alone.
type genuineJob struct {
	job    *statement.Verified[statement.Job]
	letter *message.Letter
}

// maxJobs and maxJobBytes bound the jobs at hand: each is asked for three times or more, soon after one another.
const (
	maxJobs     = 4096
	maxJobBytes = 64 << 20
)

func (b *Broker) genuineJob(ctx context.Context, item wire.Item) (*statement.Verified[statement.Job], error) {
	d := item.Job
	b.mu.Lock()
	known := b.genuine[d]
	b.mu.Unlock()
	if known.job != nil {
		return known.job, nil
	}
	e, err := b.envelope(ctx, item)
	if fault.ExitCode(err) == int(fault.Untrusted) || client.HasCode(err, wire.CodeNotFound) {
		return nil, refuseBecause(CodeJobSignature, "the exchange gives no such job", err)
	}
	if err != nil {
		return nil, err
	}
	job, err := statement.VerifyAuthor[statement.Job](e)
	if err != nil || e.Digest() != d {
		return nil, refuseBecause(CodeJobSignature, "the job is not signed by its requester", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(job.Envelope().Payload)
	if len(b.genuine) >= maxJobs || b.size+n > maxJobBytes {
		clear(b.genuine)
		b.size = 0
	}
	if b.genuine[d].job == nil {
		b.size += n
	}
	b.genuine[d] = genuineJob{job: job}
	return job, nil
}

// signedInForce checks the keys of a statement that is made for the moment: not revoked, and certified now, not only at the time that
// it states itself, for which there is just its signer's word.
func (b *Broker) signedInForce(ctx context.Context, keys []statement.OnlineKey, coveredAt func(int64) error) error {
	if len(keys) == 0 {
		return nil
	}
	if err := coveredAt(b.Now().UnixMilli()); err != nil {
		return refuseBecause(CodeKeyRevoked, "a statement is signed by a key whose certificate is not valid now", err)
	}
	return b.revoked(b.Catalog.KeysInForce(ctx, keys))
}

// revoked turns the catalog's error about a key into a refusal.
func (b *Broker) revoked(err error) error {
	if errors.Is(err, catalog.ErrKeyRevoked) {
		return refuseBecause(CodeKeyRevoked, "a statement that the job rests on is signed by a key that its party revoked", err)
	}
	return err
}

// envelope of the item's job: the exchange sends it with the news of the job; else it is asked for.
func (b *Broker) envelope(ctx context.Context, item wire.Item) (*statement.Envelope, error) {
	if item.Kind == wire.KindJob && len(item.Body) > 0 {
		if e, err := statement.ParseEnvelope(item.Body); err == nil && e.Digest() == item.Job {
			return e, nil
		}
	}
	return b.Exchange.JobEnvelope(ctx, item.Job)
}

// openJobInForce is openJob for what may lead to a release.
func (b *Broker) openJobInForce(ctx context.Context, m *matter) error {
	if err := b.openJob(ctx, m); err != nil {
		return err
	}
	return b.inForce(ctx, m)
}

// fromBeforeARepair reports whether releases for the job may be among entries that are lost.
func (b *Broker) fromBeforeARepair(m *matter) bool {
	var repairedMS int64
	b.Ledger.View(func(a *ledger.Accounts) { repairedMS = a.RepairedMS() })
	return m.isOwner(b.self) && repairedMS != 0 && m.job.Body().CreatedMS <= repairedMS
}

// unresolved tells what can't be trusted from what can't be reached.
func (b *Broker) unresolved(err error) error {
	switch code := fault.ExitCode(err); {
	case errors.Is(err, catalog.ErrKeyRevoked):
		return b.revoked(err)
	case code == int(fault.Untrusted), code == int(fault.Input), errors.Is(err, catalog.ErrNotFound), client.HasCode(err, wire.CodeNotFound):
		return refuseBecause(CodeContract, "the contract, or data that it names, is missing or does not verify", err)
	}
	return err
}

func (b *Broker) inForce(ctx context.Context, m *matter) error {
	if err := b.seemsInForce(m); err != nil {
		return err
	}
	if err := b.signedInForce(ctx, m.job.OnlineKeys(), m.job.CoveredAt); err != nil {
		return err
	}
	if err := b.revoked(b.Catalog.KeysInForce(ctx, m.contract.OnlineKeys())); err != nil {
		return err
	}
	revoked, err := b.Catalog.Revoked(ctx, m.contract.Body().Requester, m.contract.Digest())
	if err != nil {
		return err
	}
	if revoked {
		return refuse(CodeContractRevoked, "the requester revoked the contract")
	}
	return nil
}

// seemsInForce is inForce as far as it can be told without asking the exchange what was revoked.
func (b *Broker) seemsInForce(m *matter) error {
	now, c := b.Now().UnixMilli(), m.contract.Body()
	if now < c.FromMS || now >= c.UntilMS {
		return refuse(CodeContractExpired, "the contract is not valid now")
	}
	if now >= m.job.Body().ExpiresMS {
		return refuse(CodeJobExpired, "the job has expired")
	}
	if b.fromBeforeARepair(m) {
		return refuse(CodeReplayed, "the job is older than the repair of this party's ledger: what it was answered is not known any more")
	}
	if m.isOwner(b.self) {
		if err := b.abreast(); err != nil {
			return err
		}
		if err := b.unfrozen(); err != nil {
			return err
		}
	}
	if !policy.Speaks(c.PlanEncoding) {
		return refuse(CodeContract, "the contract names an encoding of plans that this party does not read")
	}
	return nil
}

// openLetter establishes what is asked: sealed to this broker, committed to by the job.
func (b *Broker) openLetter(m *matter) error {
	b.mu.Lock()
	l := b.genuine[m.item.Job].letter
	b.mu.Unlock()
	if l == nil {
		var err error
		if l, err = b.letter(m); err != nil {
			return err
		}
		b.mu.Lock()
		if known := b.genuine[m.item.Job]; known.job != nil {
			known.letter = l
			b.genuine[m.item.Job] = known
		}
		b.mu.Unlock()
	}
	if err := b.witnessed(m, l.Ack); err != nil { // each time: the ledger may have changed
		return err
	}
	m.body = &l.Body
	return nil
}

// letter opens this party's letter of a job that was verified.
func (b *Broker) letter(m *matter) (*message.Letter, error) {
	for _, s := range m.job.Body().Bodies {
		if s.To != b.self {
			continue
		}
		l := new(message.Letter)
		if err := message.OpenWith(b.Box, message.BodyContext(m.job.Body().Requester, b.self), s.Sealed, l); err != nil {
			return nil, refuseBecause(CodeJobCommitment, "the body of the job does not open", err)
		}
		commit, err := l.Body.Commit()
		if err != nil || commit != m.job.Body().Commitment {
			return nil, refuseBecause(CodeJobCommitment, "the body is not the one that the job commits to", err)
		}
		return l, nil
	}
	return nil, refuse(CodeJobCommitment, "the job has no body for this party")
}

// compile establishes the plan, from this party's own view of all offers.
func (b *Broker) compile(ctx context.Context, m *matter) error {
	q := catalog.Question{Contract: m.contract.Body(), Body: m.body, At: b.Now()}
	if m.claims != nil {
		q.Operator = m.claims.Operator
	}
	req, err := b.Catalog.Request(ctx, q)
	if err != nil {
		return b.unresolved(err)
	}
	plan, err := b.Compile(req)
	if err != nil {
		return planRefusal(err)
	}
	m.plan, m.salted = plan, statement.Digest(plan.SaltedDigest(m.body.Salt))
	return b.concerned(m)
}

// concerned checks that the job names exactly the owners whose data the plan
// reads, and pools as a whole, and that this party's offers are its own and in force.
func (b *Broker) concerned(m *matter) error {
	var owners []statement.Fingerprint
	m.own = nil
	for _, s := range m.plan.Sources {
		owners = append(owners, statement.Fingerprint(s.Owner))
		if s.Owner != string(b.self) {
			continue
		}
		p, ok := b.Store.Get(statement.Digest(s.Offer))
		if p.Destroyed {
			return refuse(CodeDestroyed, "the plan reads a version whose keys its owner destroyed: nothing opens it any more")
		}
		if !ok || p.Retired {
			return refuse(CodeOfferRetired, "the plan reads a version that is retired, or that this party did not publish")
		}
		if !p.Policy.Valid(b.Now()) {
			return refuse(CodePolicy+"valid", "the policy is not in force")
		}
		m.own = append(m.own, p)
	}
	slices.Sort(owners)
	if owners = slices.Compact(owners); !slices.Equal(owners, m.job.Body().Owners) {
		return refuse(CodeJobOwners, "the job names other owners than its plan reads from")
	}
	for _, t := range m.contract.Body().Tables {
		for _, read := range m.plan.Tables() {
			if t.Name == read.Name && t.Pool != "" && (read.Pool != string(t.Pool) || len(read.Sources) != len(t.Members)) {
				return refuse(CodePlanMismatch, "a pool answers as a whole only")
			}
		}
	}
	return nil
}

// granted establishes the grant in force for this contract.
func (b *Broker) granted(ctx context.Context, m *matter) error {
	var digest statement.Digest
	var revoked bool
	b.Ledger.View(func(a *ledger.Accounts) { digest, revoked = a.Grant(m.contract.Digest()) })
	if revoked {
		return refuse(CodeGrantRevoked, "the grant was revoked")
	}
	if digest == "" {
		return refuse(CodeNoGrant, "this contract was not granted")
	}
	g, err := b.Catalog.Grant(ctx, digest)
	if errors.Is(err, catalog.ErrNotFound) {
		return refuseBecause(CodeNoGrant, "the exchange does not show the grant", err)
	}
	if err != nil {
		return b.unresolved(err)
	}
	if g.Body().Owner != b.self || g.Body().Contract != m.contract.Digest() {
		return refuse(CodeNoGrant, "the grant is for another contract")
	}
	if b.Now().UnixMilli() >= g.Body().UntilMS {
		return refuse(CodeGrantExpired, "the grant has expired")
	}
	if err := b.rests(ctx, g.Body()); err != nil {
		return err
	}
	m.grant = g
	return nil
}

// coversPlan checks the grant against what the plan reads.
func (m *matter) coversPlan() error {
	for _, p := range m.own {
		if !slices.Contains(m.grant.Body().Offers, p.Offer.Digest()) {
			return refuse(CodeNoGrant, "the grant does not name an offer that the plan reads")
		}
	}
	return nil
}

// quota refuses an analyst that has asked as often as one of the policies allows. A job that was charged is counted already.
func (b *Broker) quota(m *matter, a *ledger.Accounts) error {
	if a.Job(m.item.Job).ChargedMS != 0 || m.isRequester(b.self) {
		return nil
	}
	if n := m.grant.Body().OfMonth; n > 0 && a.QueriesSince(m.job.Body().Requester, monthOf(b.Now()).UnixMilli()) >= n {
		return refuse(CodeOverQuota, "the analyst has as many queries this month as the standing rule allows that granted the contract")
	}
	if err := membersQuota(m, a, monthOf(b.Now()).UnixMilli()); err != nil {
		return err
	}
	for _, p := range m.own {
		if err := b.termsQuota(m, a, &p); err != nil {
			return err
		}
		q := p.Policy.MaxQueries()
		since := b.Now().Add(-q.Period).UnixMilli()
		if a.QueriesSince(m.job.Body().Requester, since) >= q.PerAnalyst {
			return refuse(CodeOverQuota, "the analyst has asked as often as the policy allows in its period")
		}
		if q.PerOrg > 0 && askedBy(a, p.Policy.Organisation(string(m.job.Body().Requester)), since) >= q.PerOrg {
			return refuse(CodeOverQuota, "the analyst's organisation has asked as often as the policy allows in its period")
		}
	}
	return nil
}

// askedBy counts what several parties have asked together.
func askedBy(a *ledger.Accounts, parties []string, sinceMS int64) (n int64) {
	for _, p := range parties {
		n += a.QueriesSince(statement.Fingerprint(p), sinceMS)
	}
	return n
}

// again refuses jobs that are over.
func again(a *ledger.Accounts, job statement.Digest, atMS int64) error {
	j := a.Job(job)
	if j.Lapsed(atMS) {
		return refuse(CodeJobExpired, "the job was charged and got no keys in time: what it had paid is asked of others again")
	}
	if j.Closed {
		return refuse(CodeReplayed, "a receipt closed this job: it is not answered again")
	}
	if len(j.Exposures) >= statement.MaxReleases {
		return refuse(CodeTooMany, "keys were released for this job as often as they may be")
	}
	return nil
}

// attested establishes the claims about m.session: genuine evidence, of what both the
// contract and this party's policies accept, made for exactly this binding.
func (b *Broker) attested(ctx context.Context, m *matter, e *statement.Evidence, want evidence.ReportData) error {
	// What follows computes for a millisecond or two. Who was waiting for the disk goes first: Go puts it behind whoever is new, and on
	// few processors it would wait for all of them.
	runtime.Gosched()
	if m.session == nil { // not one that can be sealed to: sessionOf
		return refuse(CodeMessage, "the session is malformed")
	}
	if len(e.Raw) == 0 {
		return evidenceRefusal(evidence.ErrMalformed)
	}
	c, err := b.Verifiers.Verify(ctx, e, b.Now())
	if err != nil {
		return evidenceRefusal(err)
	}
	if err := evidence.Appraise(c, b.accepts(m), want); err != nil {
		return evidenceRefusal(err)
	}
	m.claims = c
	return nil
}

// appraisal is what the release says of the evidence: what it showed, and the policies of what is released, by which it was accepted.
func (m *matter) appraisal() statement.Appraisal {
	a := m.claims.Appraisal()
	for _, p := range m.own {
		a.Policies = append(a.Policies, statement.Sum([]byte(p.Offer.Body().Policy)))
	}
	return a
}

// accepts is what the contract and the policies of all of this party's offers in it accept.
func (b *Broker) accepts(m *matter) evidence.Policy {
	c := m.contract.Body()
	p := evidence.OfContract(c)
	if !m.isOwner(b.self) {
		return p // a party that owns nothing here has no policy: debug is refused, and of the machine what nobody may accept
	}
	p.AllowDebug = true // a contract can't, but the policies decide
	for _, t := range c.Tables {
		for _, member := range t.Members {
			if member.Owner != b.self {
				continue
			}
			own, ok := b.Store.Get(member.Offer)
			if !ok {
				return evidence.Policy{}
			}
			p = p.Intersect(own.Policy.Accepts())
		}
	}
	return p
}
