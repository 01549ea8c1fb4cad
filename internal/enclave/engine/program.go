package engine

import (
	"context"
	"database/sql/driver"
	"slices"

	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/privacy"
	"github.com/cordon-exchange/cordon/privacy/dp"
	"github.com/cordon-exchange/cordon/result"
)

// program is the state of one Run of a plan that holds a program: its releases one after the other, each from rows to a table of
// released cells, and then the result over those.
type program struct {
	engine   *Engine
	plan     *policy.Plan
	columns  []result.Column
	inputs   []policy.Text
	scans    []policy.Text
	quantile []*policy.Text // by release; nil where there is none
	atoms    []*policy.Text // by release; nil where it has not several conditions
	divided  []int          // by release: how many conditions it has then
	noise    []*dp.Checked  // by release; nil where it has none
	notes    []string       // of the result
	final    policy.Text
	posting  driver.StmtQueryContext
	hidden   int64 // suppressed values of all releases
	result   *result.Table
}

func newProgram(e *Engine, plan *policy.Plan) (*program, error) {
	if len(plan.Sources) != len(e.paths) || slices.ContainsFunc(plan.Sources, func(s policy.PlanSource) bool { return len(s.Columns) == 0 }) {
		return nil, Error{CodePlan}
	}
	p := &program{engine: e, plan: plan}
	t := &result.Table{}
	for _, it := range plan.Program.Result.Select {
		t.Columns = append(t.Columns, result.Column{Name: it.Name, Type: result.Type(it.Expr.Type)})
	}
	if _, err := t.Encode(); err != nil {
		return nil, Error{CodePlan}
	}
	p.columns = t.Columns
	p.notes, p.noise = plan.ResultNotes(), make([]*dp.Checked, len(plan.Program.Releases))
	p.inputs = plan.InputTexts(e.paths)
	for i, n := range plan.Program.Releases {
		if n.Mode != policy.ModeOwn && n.Mode != policy.ModeLattice && n.Mode != policy.ModeGuard && n.Mode != policy.ModeDP {
			return nil, Error{CodePlan}
		}
		if n.Mode == policy.ModeDP {
			checked, err := plan.Noise(i)
			if err != nil {
				return nil, Error{CodePlan}
			}
			p.noise[i] = checked
		}
		p.scans = append(p.scans, plan.ReleaseText(i, e.paths))
		p.quantile, p.atoms, p.divided = append(p.quantile, nil), append(p.atoms, nil), append(p.divided, 0)
		if a, n, ok := plan.AtomText(i, e.paths); ok {
			p.atoms[i], p.divided[i] = &a, n
		}
		if q, ok := plan.QuantileText(i, e.paths); ok {
			p.quantile[i] = &q
		}
	}
	p.final = plan.ResultText()
	return p, nil
}

// texts are all statements over data, for the check that needs none.
func (p *program) texts() []policy.Text {
	out := append(slices.Clone(p.inputs), p.scans...)
	for _, q := range append(slices.Clone(p.quantile), p.atoms...) {
		if q != nil {
			out = append(out, *q)
		}
	}
	return append(out, p.final)
}

func (p *program) early() []step {
	return []step{
		{"check text", CodeCheck, p.checkText},
		{"make tables", CodeRun, p.makeTables},
		{"check post", CodeCheck, func(ctx context.Context) error { return p.engine.bindsAs(ctx, p.final) }},
		{"prepare post", CodeRun, p.preparePost},
	}
}

func (p *program) checkText(ctx context.Context) error {
	for _, t := range p.texts() {
		got, err := p.engine.serialised(ctx, "json_serialize_sql", t.SQL())
		if err != nil {
			return err
		}
		if err := t.Recheck(got); err != nil {
			return err
		}
	}
	return nil
}

// makeTables makes the tables that releases fill, empty. None of them may be there.
func (p *program) makeTables(ctx context.Context) error {
	for i := range p.plan.Program.Releases {
		r := &releasing{program: p, index: i, node: p.plan.Program.Releases[i]}
		if err := r.makeTables(ctx); err != nil {
			return err
		}
	}
	return nil
}

// preparePost binds and plans the result's text once it was checked: nobody has to wait for that while keys are awaited.
func (p *program) preparePost(ctx context.Context) (err error) {
	p.posting, err = p.engine.prepare(ctx, p.final.SQL())
	return err
}

// late steps follow them. The released tables, from which the result is computed, were made and checked while they were empty.
func (p *program) late() []step {
	steps := []step{
		{"noise keys", CodePlan, p.checkNoise},
		{"check schemas", CodeInput, p.checkSchemas},
		{"check input", CodeInput, p.checkInput},
	}
	for i, n := range p.plan.Program.Releases {
		r := &releasing{program: p, index: i, node: n}
		if n.Mode == policy.ModeDP {
			steps = append(steps, r.noisySteps()...)
			continue
		}
		steps = append(steps,
			step{"check scan", CodeCheck, r.check},
			step{"scan", CodeRun, r.scan},
			step{"protect", CodeRun, r.protect},
			step{"fill released", CodeRun, r.store},
		)
	}
	return append(steps, step{"post", CodeRun, p.post})
}

func (p *program) table() *result.Table { return p.result }

// bindsAs asks what a statement is bound to, before it runs.
func (e *Engine) bindsAs(ctx context.Context, t policy.Text) error {
	bound, err := e.serialised(ctx, "json_serialize_plan", t.SQL())
	if err != nil {
		return err
	}
	return t.RecheckPlan(bound)
}

// checkSchemas compares what every file holds with what the plan reads of it.
func (p *program) checkSchemas(ctx context.Context) error {
	found, err := p.engine.leaves(ctx)
	if err != nil {
		return err
	}
	for i, s := range p.plan.Sources {
		if !p.engine.holds(i, found[i], s.Columns) {
			return Error{CodeInput}
		}
		for _, r := range p.plan.Reads(i) {
			if !found[i][r.Column].is(r.Type) {
				return Error{CodeInput}
			}
		}
	}
	return nil
}

// checkInput refuses sources with rows that no honest one has.
func (p *program) checkInput(ctx context.Context) error {
	for _, t := range p.inputs {
		if err := p.engine.bindsAs(ctx, t); err != nil {
			return Error{CodeCheck}
		}
		n, err := p.engine.count(ctx, t.SQL())
		if err != nil {
			return err
		}
		if n != 0 {
			return Error{CodeInput}
		}
	}
	return nil
}

// post computes the result over the released tables.
func (p *program) post(ctx context.Context) error {
	items := p.plan.Program.Result.Select
	t := &result.Table{Columns: p.columns, Suppressed: p.hidden, Notes: p.notes}
	err := queryPrepared(ctx, p.posting, maxResultRows, func(row []driver.Value) error {
		out, err := resultRow(row, items)
		t.Rows = append(t.Rows, out)
		return err
	})
	if err != nil {
		return err
	}
	if _, err := t.Encode(); err != nil {
		return err
	}
	p.result = t
	return nil
}

// parties of a release. A row that is made of several owners' counts as one's who is not the asker, if there is one: what the
// asker gives protects nobody.
func (r *releasing) owners() (names []string, bySource map[int]int) {
	sources, joined := r.plan.ReleaseSources(r.index)
	bySource = map[int]int{}
	if joined {
		who := r.plan.Sources[sources[0]].Owner
		for _, s := range sources {
			if !slices.Contains(r.plan.Asker, r.plan.Sources[s].Owner) {
				who = r.plan.Sources[s].Owner
				break
			}
		}
		for _, s := range sources {
			bySource[s] = 0
		}
		return []string{who}, bySource
	}
	for _, s := range sources {
		owner := r.plan.Sources[s].Owner
		i := slices.Index(names, owner)
		if i < 0 {
			i = len(names)
			names = append(names, owner)
		}
		bySource[s] = i
	}
	return names, bySource
}

func rulesOf(g policy.Guard) privacy.Rules {
	r := privacy.Rules{
		MinUnits: g.MinUnits, MinContributors: g.MinContributors, MaxSharePct: g.MaxSharePct, PPercent: g.PPercent,
		Coalition: g.Coalition, RoundCount: g.RoundCount, ValueDigits: g.ValueDigits,
	}
	if g.Coalition == 0 && g.MinContributors == 1 && g.MaxSharePct == 100 && g.PPercent == 0 {
		r.MinContributors, r.MaxSharePct = 0, 0
	}
	return r
}

func (r *releasing) parties() (*privacy.Parties, map[int]int, error) {
	names, bySource := r.owners()
	g := r.node.Guard
	p, err := privacy.NewParties(privacy.Lists{
		Owners: len(names), Asker: indices(names, r.plan.Asker), Recognised: indices(names, g.Recognised), Affiliates: groupIndices(names, g.Affiliates),
	})
	return p, bySource, err
}
