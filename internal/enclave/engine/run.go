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
	for _, step := range []struct {
		code Code
		do   func(context.Context) error
	}{
		{CodeCheck, j.checkText},
		{CodeInput, j.checkSchemas},
		{CodeCheck, j.checkScan},
		{CodeRun, j.scan},
		{CodeRun, j.protect},
		{CodeRun, j.makeReleased},
		{CodeCheck, j.checkPost},
		{CodeRun, j.post},
	} {
		if err := step.do(ctx); err != nil {
			return nil, stage(step.code, err)
		}
	}
	return j.result, nil
}

// stage keeps the code of an Error that knows better, and drops everything else.
func stage(code Code, err error) error {
	if own, ok := err.(Error); ok {
		return own
	}
	return Error{code}
}
