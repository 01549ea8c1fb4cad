package engine

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"

	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/result"
)

// leaf is a column as the Parquet file itself declares it.
type leaf struct{ physical, logical string }

// checkSchemas compares what every memory file holds with what the plan reads: the same columns, no more, and for
// dimensions and measures the physical type that goes with the offered one. DuckDB would otherwise cast, and a double in
// place of a scaled integer brings NaN and infinity.
func (j *job) checkSchemas(ctx context.Context) error {
	for i, s := range j.plan.Sources {
		found, err := j.engine.leaves(ctx, j.engine.paths[i])
		if err != nil {
			return err
		}
		if !sameColumns(found, s.Columns) || !j.typesMatch(found) {
			return Error{CodeInput}
		}
	}
	return nil
}

// leaves reads the schema of a file. A nested column has children, so it is refused here.
func (e *Engine) leaves(ctx context.Context, path string) (map[string]leaf, error) {
	sql := fmt.Sprintf(`SELECT name, type, coalesce(CAST(num_children AS BIGINT), 0), coalesce(converted_type, ''), `+
		`coalesce(CAST(logical_type AS VARCHAR), ''), coalesce(repetition_type, ''), coalesce(CAST("precision" AS BIGINT), 0), coalesce(CAST(scale AS BIGINT), 0) `+
		`FROM system.main.parquet_schema('%s')`, path)
	found, root := map[string]leaf{}, true
	err := e.query(ctx, sql, 1<<12, func(row []driver.Value) error {
		name, isText := row[0].(string)
		children, isCount := row[2].(int64)
		if !isText || !isCount {
			return errUnexpected
		}
		if root {
			root = false
			return nil
		}
		if _, twice := found[name]; twice || children != 0 || row[5] == "REPEATED" {
			return Error{CodeInput}
		}
		found[name] = leaf{fmt.Sprint(row[1]), annotation(row)}
		return nil
	})
	return found, err
}

func sameColumns(found map[string]leaf, want []string) bool {
	if len(found) != len(want) {
		return false
	}
	for _, name := range want {
		if _, ok := found[name]; !ok {
			return false
		}
	}
	return true
}

func (j *job) typesMatch(found map[string]leaf) bool {
	for _, d := range j.plan.Dims {
		if !found[d.Column].is(d.Type) {
			return false
		}
	}
	for _, m := range j.plan.Measures {
		if !found[m.Column].is(m.Type) {
			return false
		}
	}
	return true
}

// annotation says what the file declares a physical type to mean: its converted type, with precision and scale.
func annotation(row []driver.Value) string {
	if converted := fmt.Sprint(row[3]); converted == "DECIMAL" {
		return fmt.Sprintf("DECIMAL(%v,%v)", row[6], row[7])
	} else if converted != "" {
		return converted
	}
	return fmt.Sprint(row[4])
}

// is compares with the ways in which Parquet writers spell an offered type.
func (l leaf) is(t policy.Type) bool {
	if p, s, ok := result.Type(t).Decimal(); ok {
		return slices.Contains([]string{"INT32", "INT64", "FIXED_LEN_BYTE_ARRAY"}, l.physical) && l.logical == fmt.Sprintf("DECIMAL(%d,%d)", p, s)
	}
	want, ok := map[policy.Type][]leaf{
		"boolean":   {{"BOOLEAN", ""}},
		"int32":     {{"INT32", ""}, {"INT32", "INT_32"}},
		"int64":     {{"INT64", ""}, {"INT64", "INT_64"}},
		"varchar":   {{"BYTE_ARRAY", "UTF8"}},
		"date":      {{"INT32", "DATE"}},
		"timestamp": {{"INT64", "TIMESTAMP_MICROS"}},
		"double":    {{"DOUBLE", ""}},
	}[t]
	return ok && slices.Contains(want, l)
}
