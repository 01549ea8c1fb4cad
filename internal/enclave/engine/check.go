package engine

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
)

// serialised asks DuckDB how it reads a statement: fn is json_serialize_sql or json_serialize_plan.
func (e *Engine) serialised(ctx context.Context, fn, sql string) (string, error) {
	quoted := "'" + strings.ReplaceAll(sql, "'", "''") + "'"
	text, err := e.text(ctx, "SELECT CAST(system.main."+fn+"("+quoted+") AS VARCHAR)")
	if err == nil && len(text) > maxCheckText {
		err = errTooMany
	}
	return text, err
}

// checkBoundPlan is the second of the two checks: as DuckDB binds the scan, it reads every source's memory file once, only
// columns of the plan, by nothing but read_parquet, and calls nothing that a scan does not need.
func (j *job) checkBoundPlan(ctx context.Context) error {
	text, err := j.engine.serialised(ctx, "json_serialize_plan", j.plan.ScanSQL(j.engine.paths))
	if err != nil {
		return err
	}
	var doc struct {
		Error bool              `json:"error"`
		Plans []json.RawMessage `json:"plans"`
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil || doc.Error || len(doc.Plans) != 1 {
		return Error{CodeCheck}
	}
	var tree any
	if err := json.Unmarshal(doc.Plans[0], &tree); err != nil {
		return Error{CodeCheck}
	}
	w := boundPlan{job: j}
	if !w.allowed(tree) || !slices.Equal(sorted(w.files), sorted(j.engine.paths)) {
		return Error{CodeCheck}
	}
	return nil
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }

// boundPlan walks the tree of a bound plan.
type boundPlan struct {
	job   *job
	files []string
}

// allowed judges every object of the tree: operators, calls and reads must each be known.
func (w *boundPlan) allowed(node any) bool {
	switch n := node.(type) {
	case []any:
		for _, child := range n {
			if !w.allowed(child) {
				return false
			}
		}
	case map[string]any:
		if !w.nodeAllowed(n) {
			return false
		}
		for _, child := range n {
			if !w.allowed(child) {
				return false
			}
		}
	}
	return true
}

func (w *boundPlan) nodeAllowed(n map[string]any) bool {
	kind, _ := n["type"].(string)
	class, _ := n["expression_class"].(string)
	if kind == "LOGICAL_GET" {
		return w.readAllowed(n)
	}
	if strings.HasPrefix(kind, "LOGICAL_") {
		return slices.Contains(operators(), kind)
	}
	switch class {
	case "BOUND_AGGREGATE", "BOUND_FUNCTION":
		return slices.Contains(functions(), n["name"].(string)) && n["catalog_name"] == "system" && n["schema_name"] == "main"
	case "BOUND_SUBQUERY", "BOUND_WINDOW", "BOUND_UNNEST", "BOUND_PARAMETER", "BOUND_LAMBDA":
		return false
	}
	return true
}
