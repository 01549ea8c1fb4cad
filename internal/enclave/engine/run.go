package engine

import (
	"context"

	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/result"
)

// Run answers the plan: both checks of the generated SQL, the types of every source, the scan, the release rules, and what
// the plan computes over released cells. The context bounds it in time; DuckDB is interrupted when it ends.
func (e *Engine) Run(ctx context.Context, plan *policy.Plan) (*result.Table, error) {
	if e.state != bound {
		return nil, Error{CodeSetup}
	}
	e.state = used
	j, err := newJob(e, plan)
	if err != nil {
		return nil, err
	}
	for _, s := range j.steps() {
		if err := s.do(ctx); err != nil {
			return nil, stage(s.code, err)
		}
	}
	return j.result, nil
}

// step is a part of a job, and the stage that its failure belongs to.
type step struct {
	name string
	code Code
	do   func(context.Context) error
}

// steps: no row is read before the first three, nothing is computed from the released table before checkPost.
func (j *job) steps() []step {
	return []step{
		{"check text", CodeCheck, j.checkText},
		{"check schemas", CodeInput, j.checkSchemas},
		{"check scan", CodeCheck, j.checkScan},
		{"scan", CodeRun, j.scan},
		{"protect", CodeRun, j.protect},
		{"make released", CodeRun, j.makeReleased},
		{"check post", CodeCheck, j.checkPost},
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
