package approval

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/statement"
)

// Proposal is what an analyst proposes. Every list is required.
type Proposal struct {
	Data       []string // pool.NAME or PARTY.DATASET, with an optional @DIGEST
	Purpose    string
	Recipients []string // names or fingerprints; default: the proposer alone
	Builds     []statement.Digest
	Operators  []string // names or fingerprints
	Evidence   []string
	Perimeters []string
	Until      time.Time
	AnswerBy   time.Time                        // optional: no owner grants it from then on
	Counter    statement.Digest                 // optional: that it accepts
	Accredited []string                         // optional: by whom, names or fingerprints; shown for proposer and recipients
	Pins       map[string]statement.Fingerprint // names that must not be asked of the exchange
	Logged     bool                             // accounts of its jobs are to be shown to be in the exchange's log
	Witnesses  []string                         // names or fingerprints, beside the requester and the owners, of whom all are wanted
}

// Propose signs and posts a contract.
func (d *Desk) Propose(ctx context.Context, p Proposal) (*statement.Verified[statement.Contract], error) {
	c := statement.Contract{
		Nonce: make([]byte, statement.NonceSize), Requester: d.self(), Purpose: p.Purpose, Builds: p.Builds, Evidence: p.Evidence,
		Perimeters: p.Perimeters, FromMS: d.Now().UnixMilli(), CreatedMS: d.Now().UnixMilli(), UntilMS: p.Until.UnixMilli(),
		Counter: p.Counter,
	}
	if !p.AnswerBy.IsZero() {
		c.AnswerByMS = p.AnswerBy.UnixMilli()
	}
	if _, err := rand.Read(c.Nonce); err != nil {
		return nil, err
	}
	for _, text := range p.Data {
		t, err := d.Catalog.Table(ctx, text, p.Pins)
		if err != nil {
			return nil, err
		}
		c.Tables = append(c.Tables, t)
	}
	var err error
	if c.PlanEncoding, err = d.Catalog.PlanEncoding(ctx, &c); err != nil {
		return nil, err
	}
	if c.Operators, err = d.resolve(ctx, p.Operators, p.Pins); err != nil {
		return nil, err
	}
	if c.Recipients, err = d.resolve(ctx, p.Recipients, p.Pins); err != nil {
		return nil, err
	}
	if len(c.Recipients) == 0 {
		c.Recipients = []statement.Fingerprint{d.self()}
	}
	by, err := d.resolve(ctx, p.Accredited, p.Pins)
	if err != nil {
		return nil, err
	}
	if c.Accreditations, err = d.accreditations(ctx, by, append([]statement.Fingerprint{d.self()}, c.Recipients...)); err != nil {
		return nil, err
	}
	if p.Logged {
		if c.Log, err = d.quorum(ctx, &c, p); err != nil {
			return nil, err
		}
	}
	return d.postContract(ctx, &c)
}

// quorum is the log that this party's witness has pinned, with the word of requester, owners and all other witnesses wanted.
func (d *Desk) quorum(ctx context.Context, c *statement.Contract, p Proposal) (*statement.Log, error) {
	l := &statement.Log{Key: d.logKey(ctx)}
	if l.Key == "" {
		return nil, fault.New(fault.Refused, "this party's agent has seen no log of the exchange", "see 'cordon log verify'; without --log no log is named", nil)
	}
	more, err := d.resolve(ctx, p.Witnesses, p.Pins)
	if err != nil {
		return nil, err
	}
	for _, f := range append(append([]statement.Fingerprint{c.Requester}, c.Owners()...), more...) {
		if !slices.Contains(l.Witnesses, f) {
			l.Witnesses = append(l.Witnesses, f)
		}
	}
	l.Quorum = int64(len(l.Witnesses))
	return l, nil
}

func (d *Desk) logKey(ctx context.Context) string {
	if d.LogKey == nil {
		return ""
	}
	return d.LogKey(ctx)
}

func (d *Desk) postContract(ctx context.Context, c *statement.Contract) (*statement.Verified[statement.Contract], error) {
	e, err := statement.Sign(*c, d.Signer)
	if errors.Is(err, statement.ErrCertificate) {
		return nil, uncovered(err)
	}
	if err != nil {
		return nil, fault.New(fault.Usage, "the contract is not complete", "give --data, --purpose, --build, --operator, --evidence, --perimeter and an --until in the future", err)
	}
	if _, err := d.Catalog.Tables(ctx, c); err != nil {
		return nil, err
	}
	if _, err := d.Exchange.PostStatement(ctx, e); err != nil {
		return nil, err
	}
	return statement.Verify[statement.Contract](e, d.self())
}

func (d *Desk) resolve(ctx context.Context, texts []string, pins map[string]statement.Fingerprint) ([]statement.Fingerprint, error) {
	var out []statement.Fingerprint
	for _, t := range texts {
		f, err := d.Catalog.Resolve(ctx, t, pins)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

// Grant signs a grant of the contract for all of this party's offers in it, by
// hand or by rule. A contract that is granted already gives the same grant again.
func (d *Desk) Grant(ctx context.Context, contract statement.Digest, authority string) (*statement.Verified[statement.Grant], error) {
	return d.grant(ctx, contract, authority, "")
}

// grant is Grant, with the settlement that was believed where the authority is a purchase.
func (d *Desk) grant(ctx context.Context, contract statement.Digest, authority string, settlement statement.Digest) (*statement.Verified[statement.Grant], error) {
	c, err := d.Catalog.Contract(ctx, contract)
	if err != nil {
		return nil, err
	}
	// By hand and by rule at once: the second waits until the first one's grant is recorded and posted.
	d.granting.Lock()
	defer d.granting.Unlock()
	var have statement.Digest
	var rejected bool
	d.Ledger.View(func(a *ledger.Accounts) {
		have, _ = a.Grant(contract)
		rejected = a.Rejected(contract)
	})
	if have != "" {
		return d.Catalog.Grant(ctx, have)
	}
	if rejected {
		return nil, refuse("contract-rejected", "this party rejected the contract: the requester may propose another")
	}
	if l := c.Body().Log; l != nil && l.Key != d.logKey(ctx) {
		return nil, refuse("another-log", "the contract names a log that this party's witness does not watch: see 'cordon log show'")
	}
	own, err := d.ownOffers(c.Body())
	if err != nil {
		return nil, err
	}
	if _, err := d.Catalog.Tables(ctx, c.Body()); err != nil {
		return nil, err
	}
	if err := d.poolsApart(ctx, c.Body()); err != nil {
		return nil, err
	}
	g := statement.Grant{
		Owner: d.self(), Contract: contract, Authority: authority, Settlement: settlement,
		UntilMS: c.Body().UntilMS, CreatedMS: d.Now().UnixMilli(),
	}
	var b brought
	if authority == statement.ByRule {
		if b, err = d.bring(ctx, c.Body()); err != nil {
			return nil, err
		}
	}
	limit := ruleLimit{}
	if b.template != nil {
		limit.template = b.template.Digest()
	}
	for _, p := range own {
		if err := d.admits(c.Body(), &p, authority); err != nil {
			return nil, err
		}
		g.Offers, g.UntilMS = append(g.Offers, p.Offer.Digest()), min(g.UntilMS, p.Policy.ValidUntil().UnixMilli())
		if authority != statement.ByRule {
			continue
		}
		rule, err := d.ruled(c.Body(), &p, b)
		if err != nil {
			return nil, err
		}
		if err := rule.add(&g, &limit.contracts); err != nil {
			return nil, err
		}
	}
	return d.sign(ctx, c, g, limit)
}

// ruleLimit bounds grants by rule: of a template, or of standing rules.
type ruleLimit struct {
	contracts int64
	template  statement.Digest
}

// reached reports whether the rule has granted as many contracts as it may.
func (l ruleLimit) reached(a *ledger.Accounts) bool {
	if l.template != "" {
		return a.GrantedByTemplate(l.template) >= l.contracts
	}
	return a.GrantedByRule() >= l.contracts
}

// poolsApart looks once more at the epochs of the contract's pools: others may have formed since, or at the same time.
func (d *Desk) poolsApart(ctx context.Context, c *statement.Contract) error {
	for _, t := range c.Tables {
		if t.Pool == "" || !slices.ContainsFunc(t.Members, func(m statement.Member) bool { return m.Owner == d.self() }) {
			continue
		}
		p, err := d.Catalog.Pool(ctx, t.Pool)
		if err != nil {
			return err
		}
		others, err := d.policiesOf(ctx, p.Body())
		if err != nil {
			return err
		}
		d.pools.Lock()
		err = d.apart(ctx, p.Body(), others)
		d.pools.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// sign records the grant before it leaves. limit bounds grants by rule, and says nothing of grants by hand.
func (d *Desk) sign(ctx context.Context, c *statement.Verified[statement.Contract], g statement.Grant, limit ruleLimit) (*statement.Verified[statement.Grant], error) {
	if g.Authority == statement.ByHand {
		if err := d.dualGrant(ctx, &g); err != nil {
			return nil, err
		}
	}
	e, err := statement.Sign(g, d.Signer)
	if errors.Is(err, statement.ErrCertificate) {
		return nil, uncovered(err)
	}
	if err != nil {
		return nil, refuse("contract-expired", "the contract or the policy ends before it could be granted")
	}
	if d.done(e.Digest()) { // the caller holds d.granting
		return nil, refuse("replayed", "this very grant was given before, and taken back: grant the contract anew")
	}
	if err := d.rememberGrant(c.Digest(), e); err != nil {
		return nil, err
	}
	entry := ledger.Entry{
		Kind: ledger.KindGrant, Contract: c.Digest(), Grant: e.Digest(), Requester: c.Body().Requester, Authority: g.Authority,
		About: limit.template, Name: string(g.AccreditedBy),
	}
	_, err = d.Ledger.Append(ctx, entry, func(a *ledger.Accounts) error {
		if g.Authority == statement.ByRule && limit.reached(a) {
			return refuse("rule-contracts", "the standing rule, or the template, has granted as many contracts as it may")
		}
		if _, revoked := a.Grant(c.Digest()); revoked && g.Authority == statement.ByPurchase {
			return refuse("contract-revoked", "this party took its grant of the contract back")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if _, err := d.Exchange.PostStatement(ctx, e); err != nil {
		return nil, err
	}
	return statement.Verify[statement.Grant](e, d.self())
}

// done reports whether the ledger says that a statement was signed before, whatever became of it.
func (d *Desk) done(digest statement.Digest) (done bool) {
	d.Ledger.View(func(a *ledger.Accounts) { done = a.Done(digest) })
	return done
}

// ownOffers are this party's own in the contract: all of them must be in force.
func (d *Desk) ownOffers(c *statement.Contract) ([]dataset.Published, error) {
	var out []dataset.Published
	seen := map[statement.Digest]bool{}
	for _, t := range c.Tables {
		for _, m := range t.Members {
			if m.Owner != d.self() || seen[m.Offer] {
				continue
			}
			seen[m.Offer] = true
			p, ok := d.Store.Get(m.Offer)
			if !ok {
				return nil, refuse("offer-unknown", "the contract names an offer that this party did not make")
			}
			if p.Retired {
				return nil, refuse("offer-retired", "the contract names a version that is retired")
			}
			out = append(out, p)
		}
	}
	if len(out) == 0 {
		return nil, refuse("not-concerned", "the contract names no data of this party")
	}
	return out, nil
}

// admits checks a contract against the policy of one offer. By hand, it must
// leave something that both accept; by rule, the policy must accept all of it.
func (d *Desk) admits(c *statement.Contract, v *dataset.Published, authority string) error {
	now, own, p := d.Now(), c.Requester == d.self(), v.Policy
	switch {
	case c.Expired(now.UnixMilli()):
		return refuse("contract-expired", "the contract has expired, or was to be answered by now")
	case !policy.Speaks(c.PlanEncoding):
		return refuse("plan-encoding", "the contract names an encoding of plans that this party does not read")
	case !p.Valid(now):
		return refuse("policy:valid", "the policy is not in force")
	case own: // an owner may always ask for its own data
	case !p.AllowsAnalyst(string(c.Requester)):
		return refuse("policy:analysts", "the policy does not name the requester as analyst")
	case !p.AllowsPurpose(c.Purpose):
		return refuse("policy:purposes", fmt.Sprintf("the policy does not allow the purpose %q", c.Purpose))
	case !v.Offer.Body().AllowsPurpose(c.Purpose):
		return refuse("terms-purpose", fmt.Sprintf("the terms of the offer do not allow the purpose %q", c.Purpose))
	case authority == statement.ByRule && v.Offer.Body().Access() == statement.AccessPurchase:
		return refuse("terms-purchase", "the offer is sold: a settled order grants it, or its owner by hand")
	}
	if authority == statement.ByPurchase {
		if err := sold(c, v); err != nil {
			return err
		}
	}
	for _, l := range perimeterLists(c, p) {
		if err := l.check(authority != statement.ByHand); err != nil {
			return err
		}
	}
	return nil
}

// Notes are what this party should know before it grants a contract over its data.
func (d *Desk) Notes(c *statement.Contract) []string {
	var out []string
	for _, t := range c.Tables {
		for _, m := range t.Members {
			v, ok := d.Store.Get(m.Offer)
			if m.Owner != d.self() || !ok || v.Retired {
				continue
			}
			if newest, replaced := d.Store.ReplacedBy(m.Offer); replaced {
				out = append(out, fmt.Sprintf("%s: version %s is replaced by version %s", t.Name, v.Offer.Body().Version, newest.Offer.Body().Version))
			}
			if others := d.otherVersions(&v); t.Pool == "" && len(others) > 0 {
				out = append(out, fmt.Sprintf("%s: who may ask version %s and another (%s) sees their difference; retire those that nobody should ask", t.Name, v.Offer.Body().Version, strings.Join(others, ", ")))
			}
		}
	}
	return out
}

// otherVersions are those of the same data set that can be asked too, and differ.
func (d *Desk) otherVersions(v *dataset.Published) []string {
	first := func(p *dataset.Published) statement.Digest { return cmp.Or(p.Same, p.Offer.Digest()) }
	var out []string
	for _, p := range d.Store.List() {
		if o := p.Offer.Body(); o.Dataset == v.Offer.Body().Dataset && !p.Retired && first(&p) != first(v) {
			out = append(out, o.Version)
		}
	}
	return out
}

type acceptance struct {
	code, what string
	contract   []string
	policy     []string
}

func perimeterLists(c *statement.Contract, p *policy.Policy) []acceptance {
	ev := p.Evidence()
	return []acceptance{
		{"evidence-kind", "kind of evidence", c.Evidence, ev.Accept},
		{"evidence-build", "enclave build", texts(c.Builds), ev.Builds},
		{"operator", "operator", texts(c.Operators), p.Operators()},
		{"perimeter", "perimeter", c.Perimeters, ev.Perimeters},
	}
}

func texts[T ~string](list []T) []string {
	var out []string
	for _, x := range list {
		out = append(out, string(x))
	}
	return out
}

func (l *acceptance) check(all bool) error {
	some := false
	for _, x := range l.contract {
		ok := slices.Contains(l.policy, x)
		some = some || ok
		if all && !ok {
			return refuse(l.code, "the contract accepts a "+l.what+" that the policy does not")
		}
	}
	if !some {
		return refuse(l.code, "the contract and the policy have no "+l.what+" in common")
	}
	return nil
}

// State is a contract as this party sees it.
type State struct {
	Contract *statement.Verified[statement.Contract]
	Granted  []statement.Fingerprint
	Missing  []statement.Fingerprint // owners without a grant in force
	Rejected []Rejected              // by owners, as far as this party may read it
	Counters []*statement.Verified[statement.Counter]
	Expired  bool // not granted by all, and nobody can grant it any more
}

// Contracts lists the contracts that name this party.
func (d *Desk) Contracts(ctx context.Context) ([]State, error) {
	items, err := d.Exchange.AllStatements(ctx, client.Query{Kind: client.Contracts})
	if err != nil {
		return nil, err
	}
	var out []State
	for i := range items {
		v, err := statement.VerifyAuthor[statement.Contract](&items[i].Envelope)
		if err != nil {
			continue
		}
		s, err := d.state(ctx, v)
		if err != nil {
			return nil, err
		}
		out = append(out, *s)
	}
	return out, nil
}

// Contract shows one.
func (d *Desk) Contract(ctx context.Context, digest statement.Digest) (*State, error) {
	v, err := d.Catalog.Contract(ctx, digest)
	if err != nil {
		return nil, err
	}
	return d.state(ctx, v)
}

func (d *Desk) state(ctx context.Context, v *statement.Verified[statement.Contract]) (*State, error) {
	grants, err := d.Catalog.Grants(ctx, v.Digest())
	if err != nil {
		return nil, err
	}
	s := &State{Contract: v}
	for _, o := range v.Body().Owners() {
		if g := grants[o]; g != nil && g.Body().UntilMS > d.Now().UnixMilli() {
			s.Granted = append(s.Granted, o)
		} else {
			s.Missing = append(s.Missing, o)
		}
	}
	s.Expired = len(s.Missing) > 0 && v.Body().Expired(d.Now().UnixMilli())
	if len(s.Missing) == 0 {
		return s, nil
	}
	return s, d.answers(ctx, s)
}

// WaitGrants waits until all owners have granted the contract, at most for the given time.
func (d *Desk) WaitGrants(ctx context.Context, digest statement.Digest, atMost time.Duration) (*State, error) {
	deadline := time.Now().Add(atMost)
	for {
		s, err := d.Contract(ctx, digest)
		if err != nil || len(s.Missing) == 0 || len(s.Rejected) > 0 || s.Expired || time.Now().After(deadline) {
			return s, err
		}
		select {
		case <-ctx.Done():
			return s, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}
