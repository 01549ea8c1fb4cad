package approval

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/catalog"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/statement"
)

// TemplateProposal is a template with parties that are not resolved yet: names or fingerprints.
type TemplateProposal struct {
	statement.Template // but tables, requesters, accredited_by and operators
	Tables             []TemplateTable
	Requesters         []string
	AccreditedBy       string
	Operators          []string
	Pins               map[string]statement.Fingerprint
}

// TemplateTable is one of its tables.
type TemplateTable struct {
	Name   string
	Owners []string
}

// ProposeTemplate signs and posts a template of this party's. It approves nothing, its author's own data neither.
func (d *Desk) ProposeTemplate(ctx context.Context, p TemplateProposal) (*statement.Verified[statement.Template], error) {
	t := p.Template
	t.Author, t.CreatedMS = d.self(), d.Now().UnixMilli()
	if err := d.resolveTemplate(ctx, &t, &p); err != nil {
		return nil, err
	}
	e, err := statement.Sign(t, d.Signer)
	if errors.Is(err, statement.ErrCertificate) {
		return nil, uncovered(err)
	}
	if err != nil {
		return nil, fault.New(fault.Usage, "the template is not complete", "'cordon template new' prints one to begin with", err)
	}
	if _, err := d.Exchange.PostStatement(ctx, e); err != nil {
		return nil, err
	}
	return statement.Verify[statement.Template](e, d.self())
}

func (d *Desk) resolveTemplate(ctx context.Context, t *statement.Template, p *TemplateProposal) (err error) {
	for _, s := range p.Tables {
		owners, err := d.resolve(ctx, s.Owners, p.Pins)
		if err != nil {
			return err
		}
		t.Tables = append(t.Tables, statement.Slot{Name: s.Name, Owners: owners})
	}
	if t.Requesters, err = d.resolve(ctx, p.Requesters, p.Pins); err != nil {
		return err
	}
	if p.AccreditedBy != "" {
		if t.AccreditedBy, err = d.Catalog.Resolve(ctx, p.AccreditedBy, p.Pins); err != nil {
			return err
		}
	}
	if t.Operators, err = d.resolve(ctx, p.Operators, p.Pins); err != nil || t.PlanEncoding != "" {
		return err
	}
	// What the data on offer needs now. A later version that needs another is for another template.
	tables, err := d.tablesOf(ctx, t, &OfTemplate{Pins: p.Pins})
	if err != nil {
		return err
	}
	t.PlanEncoding, err = d.Catalog.PlanEncoding(ctx, &statement.Contract{Tables: tables})
	return err
}

// ApproveTemplate lets this party's agent grant contracts of a template by itself, from now on, those that wait already too. The
// approval stands in the party's own ledger; where grants by hand need officers, it needs them as well.
func (d *Desk) ApproveTemplate(ctx context.Context, digest statement.Digest) (*statement.Verified[statement.Template], error) {
	t, err := d.Catalog.Template(ctx, digest)
	if err != nil {
		return nil, err
	}
	ended, err := d.Catalog.TemplateEnded(ctx, t)
	if err != nil {
		return nil, err
	}
	switch {
	case !slices.Contains(t.Body().Owners(), d.self()):
		return nil, refuse("not-concerned", "the template names no data of this party")
	case ended != "":
		return nil, refuse("template-ended", ended)
	case d.Now().UnixMilli() >= t.Body().UntilMS:
		return nil, refuse("template-ended", "the template's time is over")
	}
	if err := d.approve(ctx, t); err != nil {
		return nil, err
	}
	return t, d.grantWaiting(ctx, digest)
}

func (d *Desk) approve(ctx context.Context, t *statement.Verified[statement.Template]) error {
	d.granting.Lock()
	defer d.granting.Unlock()
	if approved, _ := d.templateApproved(t.Digest()); approved {
		return nil
	}
	if err := d.Officers.Require(ctx, statement.ActionGrant, t.Envelope().Payload); err != nil {
		return err
	}
	_, err := d.Ledger.Append(ctx, ledger.Entry{Kind: ledger.KindTemplate, About: t.Digest(), Name: t.Body().Name}, nil)
	return err
}

// grantWaiting grants the contracts of a template that came before it was approved, as far as they keep to it.
func (d *Desk) grantWaiting(ctx context.Context, template statement.Digest) error {
	states, err := d.Contracts(ctx)
	if err != nil {
		return err
	}
	for i := range states {
		s := &states[i]
		if s.Contract.Body().Template != template || !slices.Contains(s.Missing, d.self()) || d.takenBack(s.Contract.Digest()) {
			continue
		}
		_, err := d.Grant(ctx, s.Contract.Digest(), statement.ByRule)
		if r := new(Refusal); err != nil && !errors.As(err, &r) {
			return err
		}
	}
	return nil
}

// takenBack reports whether this party revoked its grant of a contract: no rule gives it again.
func (d *Desk) takenBack(contract statement.Digest) (revoked bool) {
	d.Ledger.View(func(a *ledger.Accounts) { _, revoked = a.Grant(contract) })
	return revoked
}

func (d *Desk) templateApproved(digest statement.Digest) (approved, known bool) {
	d.Ledger.View(func(a *ledger.Accounts) { approved, known = a.Template(digest) })
	return approved, known
}

// TemplateState is a template as this party sees it.
type TemplateState struct {
	Template *statement.Verified[statement.Template]
	Approved bool   // by this party, and not withdrawn
	Known    bool   // approved once
	Ended    string // why it makes no new contracts; empty: it does
}

// Templates lists those that this party may read, or shows one.
func (d *Desk) Templates(ctx context.Context, digest statement.Digest) ([]TemplateState, error) {
	var list []*statement.Verified[statement.Template]
	var err error
	if digest == "" {
		list, err = d.Catalog.Templates(ctx)
	} else {
		var one *statement.Verified[statement.Template]
		one, err = d.Catalog.Template(ctx, digest)
		list = append(list, one)
	}
	if err != nil {
		return nil, err
	}
	var out []TemplateState
	for _, t := range list {
		s := TemplateState{Template: t}
		if s.Ended, err = d.Catalog.TemplateEnded(ctx, t); err != nil {
			return nil, err
		}
		if s.Ended == "" && d.Now().UnixMilli() >= t.Body().UntilMS {
			s.Ended = "its time is over"
		}
		s.Approved, s.Known = d.templateApproved(t.Digest())
		out = append(out, s)
	}
	return out, nil
}

// WithdrawTemplate takes back this party's approval, and the template itself where it is its own. No contract is granted by it from
// then on; what was granted stays, and is revoked by itself.
func (d *Desk) WithdrawTemplate(ctx context.Context, digest statement.Digest, reason string) (*Revoked, error) {
	approved, known := d.templateApproved(digest)
	if approved { // without the exchange: it must not keep an owner from taking it back
		if err := d.withdraw(ctx, digest, reason); err != nil {
			return nil, err
		}
	}
	t, err := d.Catalog.Template(ctx, digest)
	if err == nil && t.Body().Author == d.self() {
		return d.Revoke(ctx, digest, reason)
	}
	if err != nil && (!known || !errors.Is(err, catalog.ErrNotFound)) {
		return nil, err // an approval is taken back already; whether the template is this party's, too, could not be asked
	}
	if known {
		return nil, nil
	}
	return nil, fault.New(fault.Input, "the template is neither this party's nor approved here", "see 'cordon template show'", nil)
}

func (d *Desk) withdraw(ctx context.Context, digest statement.Digest, reason string) error {
	d.granting.Lock()
	defer d.granting.Unlock()
	_, err := d.Ledger.Append(ctx, ledger.Entry{Kind: ledger.KindWithdraw, About: digest, Reason: reason}, nil)
	return err
}

// approved is the template of a contract, if this party approved it and it makes contracts still; nil if it never approved it. What the
// exchange once showed to have ended it stands in the ledger from then on. The caller holds d.granting.
func (d *Desk) approved(ctx context.Context, c *statement.Contract) (*statement.Verified[statement.Template], error) {
	if c.Template == "" {
		return nil, nil
	}
	approved, known := d.templateApproved(c.Template)
	if !known {
		return nil, nil
	}
	if !approved {
		return nil, refuse("template-ended", "the template that the contract names was withdrawn: grant it by hand if you mean to")
	}
	t, err := d.Catalog.Template(ctx, c.Template)
	if err != nil {
		return nil, err
	}
	ended, err := d.Catalog.TemplateEnded(ctx, t)
	if err != nil {
		return nil, err
	}
	if ended != "" {
		if _, err := d.Ledger.Append(ctx, ledger.Entry{Kind: ledger.KindWithdraw, About: c.Template, Reason: ended}, nil); err != nil {
			return nil, err
		}
		return nil, refuse("template-ended", ended+": grant the contract by hand if you mean to")
	}
	if d.Now().UnixMilli() >= t.Body().UntilMS {
		return nil, refuse("template-ended", "the template's time is over: grant the contract by hand if you mean to")
	}
	return t, nil
}

// ends takes up what ends a template that this party approved, or an accreditation that its grants rest on: by the signature of who
// said it before, and for good, whatever the exchange shows later.
func (d *Desk) ends(ctx context.Context, e *statement.Envelope) error {
	if v, err := statement.VerifyAuthor[statement.Template](e); err == nil && v.Body().Replaces != "" {
		return d.endTemplate(ctx, v.Body().Replaces, v.Body().Author, "its author replaced the template")
	}
	v, err := statement.VerifyAuthor[statement.Revocation](e)
	if err != nil || v.Body().Key != "" {
		return nil // of no account
	}
	if err := d.endTemplate(ctx, v.Body().Revokes, v.Body().Author, "its author withdrew the template"); err != nil {
		return err
	}
	return d.endMembership(ctx, v.Body())
}

func (d *Desk) endTemplate(ctx context.Context, digest statement.Digest, by statement.Fingerprint, why string) error {
	if approved, _ := d.templateApproved(digest); !approved {
		return nil
	}
	t, err := d.Catalog.Template(ctx, digest)
	if err != nil || t.Body().Author != by {
		return err
	}
	return d.withdraw(ctx, digest, why)
}

// endMembership revokes the grants that rest on an accreditation which its accreditor took back.
func (d *Desk) endMembership(ctx context.Context, r *statement.Revocation) error {
	kept, err := d.keptGrants()
	if err != nil {
		return err
	}
	for _, g := range kept {
		var inForce statement.Digest
		d.Ledger.View(func(a *ledger.Accounts) { inForce, _ = a.Grant(g.Body().Contract) })
		if inForce != g.Digest() || !slices.Contains(g.Body().Accreditations, r.Revokes) {
			continue
		}
		a, err := d.Catalog.SignedAccreditation(ctx, r.Revokes)
		if err != nil || a.Body().Accreditor != r.Author {
			return err
		}
		if _, err := d.Revoke(ctx, g.Digest(), "an accreditation that the grant rests on was revoked"); err != nil {
			return err
		}
	}
	return nil
}

// Accredit signs and posts that a party is a member of what this party stands for.
func (d *Desk) Accredit(ctx context.Context, a statement.Accreditation) (*statement.Verified[statement.Accreditation], error) {
	a.Accreditor, a.CreatedMS = d.self(), d.Now().UnixMilli()
	e, err := statement.Sign(a, d.Signer)
	if errors.Is(err, statement.ErrCertificate) {
		return nil, uncovered(err)
	}
	if err != nil {
		return nil, fault.New(fault.Usage, "this is no accreditation", "give another party, a --scheme, and an --until in the future", err)
	}
	if _, err := d.Exchange.PostStatement(ctx, e); err != nil {
		return nil, err
	}
	return statement.Verify[statement.Accreditation](e, d.self())
}

// accreditations are the newest by each accreditor of the parties given that hold now: a member shows all that it has by those whom it
// names.
func (d *Desk) accreditations(ctx context.Context, by []statement.Fingerprint, members []statement.Fingerprint) ([]statement.Digest, error) {
	var out []statement.Digest
	for _, k := range by {
		all, err := d.Catalog.Accreditations(ctx, k)
		if err != nil {
			return nil, err
		}
		for _, m := range members {
			var longest *statement.Verified[statement.Accreditation]
			for _, a := range all {
				if a.Body().Member == m && (longest == nil || a.Body().UntilMS > longest.Body().UntilMS) {
					longest = a
				}
			}
			if longest != nil && !slices.Contains(out, longest.Digest()) {
				out = append(out, longest.Digest())
			}
		}
	}
	return out, nil
}

// OfTemplate is a contract that a template makes.
type OfTemplate struct {
	Template   statement.Digest
	Data       []string // tables with a version: NAME@DIGEST; the others in their newest
	Recipients []string // names or fingerprints; default: the proposer alone
	UntilMS    int64    // 0: as long as the template lets it
	Pins       map[string]statement.Fingerprint
}

// ProposeOf proposes a contract made from a template. What could not be granted by it is refused here at once.
func (d *Desk) ProposeOf(ctx context.Context, in OfTemplate) (*statement.Verified[statement.Contract], error) {
	states, err := d.Templates(ctx, in.Template)
	if err != nil {
		return nil, err
	}
	if states[0].Ended != "" {
		return nil, refuse("template-ended", states[0].Ended)
	}
	t, now := states[0].Template.Body(), d.Now().UnixMilli()
	c := statement.Contract{
		Nonce: make([]byte, statement.NonceSize), Requester: d.self(), Purpose: t.Purpose, Builds: t.Builds, Operators: t.Operators, Evidence: t.Evidence,
		Perimeters: t.Perimeters, PlanEncoding: t.PlanEncoding, FromMS: now, UntilMS: in.UntilMS, CreatedMS: now, Template: in.Template,
	}
	if in.UntilMS == 0 {
		c.UntilMS = now + t.LongestMS
	}
	if _, err := rand.Read(c.Nonce); err != nil {
		return nil, err
	}
	if c.Tables, err = d.tablesOf(ctx, t, &in); err != nil {
		return nil, err
	}
	if c.Recipients, err = d.resolve(ctx, in.Recipients, in.Pins); err != nil {
		return nil, err
	}
	if len(c.Recipients) == 0 {
		c.Recipients = []statement.Fingerprint{d.self()}
	}
	if !slices.Contains(t.Requesters, d.self()) && t.AccreditedBy != "" {
		if c.Accreditations, err = d.accreditations(ctx, []statement.Fingerprint{t.AccreditedBy}, []statement.Fingerprint{d.self()}); err != nil {
			return nil, err
		}
		if len(c.Accreditations) == 0 {
			return nil, refuse("template-"+statement.ClauseRequester, "the template is for those whom "+d.Catalog.Name(ctx, t.AccreditedBy)+" accredits, and this party is none of them")
		}
	}
	if err := d.keeps(ctx, t, &c); err != nil {
		return nil, err
	}
	return d.postContract(ctx, &c)
}

// tablesOf resolves a template's tables, each from owners of its slot.
func (d *Desk) tablesOf(ctx context.Context, t *statement.Template, in *OfTemplate) ([]statement.Table, error) {
	var out []statement.Table
	for _, s := range t.Tables {
		text := s.Name
		for _, with := range in.Data {
			if len(with) > len(s.Name) && with[:len(s.Name)] == s.Name && with[len(s.Name)] == '@' {
				text = with
			}
		}
		pins := map[string]statement.Fingerprint{}
		for name, f := range in.Pins {
			pins[name] = f
		}
		if len(s.Owners) == 1 { // the template says who it is: not for the exchange to say
			pins[partyOf(s.Name)] = s.Owners[0]
		}
		tab, err := d.Catalog.Table(ctx, text, pins)
		if err != nil {
			return nil, err
		}
		out = append(out, tab)
	}
	return out, nil
}

// partyOf is the first part of party.dataset.
func partyOf(name string) string {
	for i := range name {
		if name[i] == '.' {
			return name[:i]
		}
	}
	return name
}

// keeps refuses what the owners' agents would.
func (d *Desk) keeps(ctx context.Context, t *statement.Template, c *statement.Contract) error {
	clause := t.Differs(c)
	for _, tab := range c.Tables {
		for _, m := range tab.Members {
			o, err := d.Catalog.Offer(ctx, m.Owner, m.Offer)
			if err != nil {
				return err
			}
			if clause == "" && !t.Costs(o.Body()) {
				clause = statement.ClausePrice
			}
		}
	}
	if clause != "" {
		return refuse("template-"+clause, "no contract of the template can say this: its clause \""+clause+"\" says otherwise")
	}
	return nil
}
