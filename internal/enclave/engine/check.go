package engine

import (
	"context"
	"strings"
)

// The generated SQL is checked twice before it runs, by two accounts that DuckDB gives of it: how it reads the text, asked
// while the database is still empty, and what it binds the text to, asked when the files are open, or the released table is made. Package policy compares
// each with the plan; any disagreement is CodeCheck.

// checkText asks how the texts are read. Nothing but parsing happens.
func (j *job) checkText(ctx context.Context) error {
	scan, err := j.engine.serialised(ctx, "json_serialize_sql", j.scanSQL)
	if err != nil {
		return err
	}
	if err := j.plan.RecheckScan(j.engine.paths, scan); err != nil {
		return err
	}
	post, err := j.engine.serialised(ctx, "json_serialize_sql", j.postSQL)
	if err != nil {
		return err
	}
	return j.plan.RecheckPost(releasedTable, post)
}

// checkScan asks what the scan reads: every source's file, its columns and no others.
func (j *job) checkScan(ctx context.Context) error {
	bound, err := j.engine.serialised(ctx, "json_serialize_plan", j.scanSQL)
	if err != nil {
		return err
	}
	return j.plan.RecheckScanPlan(j.engine.paths, bound)
}

// checkPost asks what the text above the release reads: the released table alone.
func (j *job) checkPost(ctx context.Context) error {
	bound, err := j.engine.serialised(ctx, "json_serialize_plan", j.postSQL)
	if err != nil {
		return err
	}
	return j.plan.RecheckPostPlan(releasedTable, bound)
}

func (e *Engine) serialised(ctx context.Context, function, sql string) ([]byte, error) {
	quoted := "'" + strings.ReplaceAll(sql, "'", "''") + "'"
	text, err := e.text(ctx, "SELECT CAST(system.main."+function+"("+quoted+") AS VARCHAR)")
	if err == nil && len(text) > maxCheckText {
		err = errTooMany
	}
	return []byte(text), err
}
