package engine

import (
	"context"

	"github.com/cordon-exchange/cordon/internal/enclave/sums"
	"github.com/cordon-exchange/cordon/internal/enclave/units"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/result"
)

// Prepare checks the generated SQL's text for the plan that Run will answer, makes the empty released table, and checks what
// is computed from it: the part of Run that needs no data, so it can be done while keys are awaited. Run does it itself where nobody has.
func (e *Engine) Prepare(ctx context.Context, plan *policy.Plan) error {
	if e.state != bound {
		return Error{CodeSetup}
	}
	e.state = closed // until all of it is done
	j, err := newWork(e, plan)
	if err != nil {
		return err
	}
	for _, most := range plan.UnitCaps() {
		if err := units.Register(e.conn, policy.CappedUnits(most), most); err != nil {
			return Error{CodeSetup}
		}
	}
	for _, s := range plan.Sums() {
		if err := sums.Register(e.conn, s); err != nil {
			return Error{CodeSetup}
		}
	}
	if err := do(ctx, j.early()); err != nil {
		return err
	}
	e.job, e.prepared, e.state = j, plan, prepared
	return nil
}

// Run answers the plan: both checks of the generated SQL, the types of every source, the scan, the release rules, and what
// the plan computes over released cells. The context bounds it in time; DuckDB is interrupted when it ends.
func (e *Engine) Run(ctx context.Context, plan *policy.Plan) (*result.Table, error) {
	if e.state == bound {
		if err := e.Prepare(ctx, plan); err != nil {
			return nil, err
		}
	}
	if e.state != prepared {
		return nil, Error{CodeSetup}
	}
	e.state = used
	defer e.forgetNoise()
	if e.prepared != plan {
		return nil, Error{CodePlan}
	}
	if err := do(ctx, e.job.late()); err != nil {
		return nil, err
	}
	return e.job.table(), nil
}

// work is one plan under way: what needs no data, what does, and what comes of it.
type work interface {
	early() []step
	late() []step
	table() *result.Table
}

func newWork(e *Engine, plan *policy.Plan) (work, error) {
	if plan == nil {
		return nil, Error{CodePlan}
	}
	plan = plan.OverFiles(e.required)
	if plan.Program != nil {
		return newProgram(e, plan)
	}
	return newJob(e, plan)
}

func (j *job) table() *result.Table { return j.result }

func do(ctx context.Context, steps []step) error {
	for _, s := range steps {
		if err := s.do(ctx); err != nil {
			return stage(s.code, err)
		}
	}
	return nil
}

// step is a part of a job, and the stage that its failure belongs to.
type step struct {
	name string
	code Code
	do   func(context.Context) error
}

// early steps need the plan alone.
func (j *job) early() []step {
	return []step{
		{"check text", CodeCheck, j.checkText},
		{"make tables", CodeRun, j.makeTables},
		{"check post", CodeCheck, j.checkPost},
		{"prepare post", CodeRun, j.preparePost},
	}
}

// late steps follow them: no row is read before both checks of the scan and that of the schemas. The released table, from
// which the post computes, was checked while it was empty.
func (j *job) late() []step {
	return []step{
		{"check schemas", CodeInput, j.checkSchemas},
		{"check scan", CodeCheck, j.checkScan},
		{"scan", CodeRun, j.scan},
		{"protect", CodeRun, j.protect},
		{"fill released", CodeRun, j.fillReleased},
		{"post", CodeRun, j.post},
	}
}

// stage keeps the code of an Error that knows better, and drops everything else.
func stage(code Code, err error) error {
	if own, ok := err.(Error); ok {
		return own
	}
	return Error{code}
}
