package agent

import (
	"context"
	"net/http"
	"slices"

	"github.com/cordon-exchange/cordon/internal/party/approval"
	"github.com/cordon-exchange/cordon/statement"

	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
)

// ruleRoutes are the calls about templates and accreditations.
func (a *Agent) ruleRoutes(mux *http.ServeMux) {
	mux.Handle("POST "+api.PathTemplatePropose, handler(a.proposeTemplate))
	mux.Handle("POST "+api.PathTemplates, handler(a.templates))
	mux.Handle("POST "+api.PathTemplateApprove, handler(a.approveTemplate))
	mux.Handle("POST "+api.PathTemplateWithdraw, handler(a.withdrawTemplate))
	mux.Handle("POST "+api.PathAccredit, handler(a.accredit))
	mux.Handle("POST "+api.PathAccreditations, handler(a.accreditations))
	mux.Handle("POST "+api.PathAccreditRevoke, handler(a.revoke))
}

func (a *Agent) proposeTemplate(ctx context.Context, in *api.TemplatePropose) (*api.Template, error) {
	p := approval.TemplateProposal{
		Template: statement.Template{
			Name: in.Name, Purpose: in.Purpose, Recipients: in.Recipients, Builds: in.Builds, Evidence: in.Evidence, Perimeters: in.Perimeters,
			PlanEncoding: in.PlanEncoding, LongestMS: in.LongestMS, Contracts: in.Contracts, OfMonth: in.OfMonth, MaxPerQuery: in.MaxPerQuery,
			MaxPerDay: in.MaxPerDay, MaxFlat: in.MaxFlat, Replaces: in.Replaces, UntilMS: in.UntilMS,
		},
		Requesters: in.Requesters, AccreditedBy: in.AccreditedBy, Operators: in.Operators, Pins: pinsOf(in.Pins),
	}
	for _, t := range in.Tables {
		p.Tables = append(p.Tables, approval.TemplateTable{Name: t.Name, Owners: t.Owners})
	}
	t, err := a.desk.ProposeTemplate(ctx, p)
	if err != nil {
		return nil, err
	}
	return a.templateNow(ctx, t.Digest())
}

func (a *Agent) templateNow(ctx context.Context, d statement.Digest) (*api.Template, error) {
	list, err := a.desk.Templates(ctx, d)
	if err != nil {
		return nil, err
	}
	t := a.templateOf(ctx, &list[0])
	return &t, nil
}

func (a *Agent) templateOf(ctx context.Context, s *approval.TemplateState) api.Template {
	b := s.Template.Body()
	return api.Template{
		Digest: s.Template.Digest(), Author: a.party(ctx, b.Author), Terms: b, Owner: slices.Contains(b.Owners(), a.self),
		Approved: s.Approved, Ended: s.Ended,
	}
}

// templates lists those that this party may read, or shows one.
func (a *Agent) templates(ctx context.Context, in *api.About) (*api.Templates, error) {
	list, err := a.desk.Templates(ctx, in.Digest)
	if err != nil {
		return nil, err
	}
	out := &api.Templates{Templates: []api.Template{}}
	for i := range list {
		out.Templates = append(out.Templates, a.templateOf(ctx, &list[i]))
	}
	return out, nil
}

func (a *Agent) approveTemplate(ctx context.Context, in *api.About) (*api.Template, error) {
	if _, err := a.desk.ApproveTemplate(ctx, in.Digest); err != nil {
		return nil, err
	}
	a.opt.Log.Info("template approved", "digest", in.Digest.Short())
	return a.templateNow(ctx, in.Digest)
}

func (a *Agent) withdrawTemplate(ctx context.Context, in *api.About) (*api.Revoked, error) {
	r, err := a.desk.WithdrawTemplate(ctx, in.Digest, in.Reason)
	if err != nil {
		return nil, err
	}
	a.opt.Log.Info("template withdrawn", "digest", in.Digest.Short())
	return &api.Revoked{Digests: []statement.Digest{in.Digest}, Unposted: r != nil && r.Unposted != nil}, nil
}

func (a *Agent) accredit(ctx context.Context, in *api.AccreditationIssue) (*api.Accreditation, error) {
	member, err := a.catalog.Resolve(ctx, in.Member, pinsOf(in.Pins))
	if err != nil {
		return nil, err
	}
	v, err := a.desk.Accredit(ctx, statement.Accreditation{Member: member, Scheme: in.Scheme, UntilMS: in.UntilMS})
	if err != nil {
		return nil, err
	}
	out := a.accreditationOf(ctx, v)
	return &out, nil
}

func (a *Agent) accreditationOf(ctx context.Context, v *statement.Verified[statement.Accreditation]) api.Accreditation {
	b := v.Body()
	return api.Accreditation{Digest: v.Digest(), Accreditor: a.party(ctx, b.Accreditor), Member: a.party(ctx, b.Member), Scheme: b.Scheme, UntilMS: b.UntilMS}
}

func (a *Agent) accreditations(ctx context.Context, in *api.AccreditationList) (*api.Accreditations, error) {
	var by statement.Fingerprint
	var err error
	if in.By != "" {
		if by, err = a.catalog.Resolve(ctx, in.By, pinsOf(in.Pins)); err != nil {
			return nil, err
		}
	}
	list, err := a.catalog.Accreditations(ctx, by)
	if err != nil {
		return nil, err
	}
	out := &api.Accreditations{Accreditations: []api.Accreditation{}}
	for _, v := range list {
		out.Accreditations = append(out.Accreditations, a.accreditationOf(ctx, v))
	}
	return out, nil
}

// waitingTemplates are those over this party's data that it neither approved nor withdrew.
func (a *Agent) waitingTemplates(ctx context.Context) (out []api.WaitingItem, err error) {
	list, err := a.desk.Templates(ctx, "")
	if err != nil {
		return nil, err
	}
	for i := range list {
		s := &list[i]
		if s.Known || s.Ended != "" || !slices.Contains(s.Template.Body().Owners(), a.self) {
			continue
		}
		d, from := s.Template.Digest(), a.party(ctx, s.Template.Body().Author)
		out = append(out, api.WaitingItem{
			Kind: "template", Digest: d, From: &from, Why: "its contracts would read data of this party, for " + s.Template.Body().Purpose,
			Command: "cordon template approve " + string(d), UntilMS: s.Template.Body().UntilMS,
		})
	}
	return out, nil
}
