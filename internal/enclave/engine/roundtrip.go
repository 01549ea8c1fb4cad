package engine

import (
	"context"
	"encoding/json"
)

// checkRoundTrip is the first of the two checks: DuckDB, empty and locked, reads each generated statement back as exactly
// one statement.
func (j *job) checkRoundTrip(ctx context.Context) error {
	for _, sql := range []string{j.plan.ScanSQL(j.engine.paths), j.plan.PostSQL(releasedTable)} {
		text, err := j.engine.serialised(ctx, "json_serialize_sql", sql)
		if err != nil {
			return err
		}
		var doc struct {
			Error      bool              `json:"error"`
			Statements []json.RawMessage `json:"statements"`
		}
		if err := json.Unmarshal([]byte(text), &doc); err != nil || doc.Error || len(doc.Statements) != 1 {
			return Error{CodeCheck}
		}
	}
	return nil
}
