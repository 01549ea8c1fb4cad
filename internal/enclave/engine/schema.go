package engine

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"

	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/result"
)

// leaf is a column as the Parquet file itself declares it.
type leaf struct {
	physical, logical string
	required          bool // it can't hold NULL
}

// checkSchemas compares what every file holds with what the plan reads: the same columns, no more, and for
// dimensions and measures the physical type that goes with the offered one. DuckDB would otherwise cast, and a double in
// place of a scaled integer brings NaN and infinity.
func (j *job) checkSchemas(ctx context.Context) error {
	found, err := j.engine.leaves(ctx)
	if err != nil {
		return err
	}
	for i, s := range j.plan.Sources {
		if !j.engine.holds(i, found[i], s.Columns) || !j.typesMatch(found[i]) {
			return Error{CodeInput}
		}
	}
	return nil
}

// leaves reads the schemas of all files, by source.
func (e *Engine) leaves(ctx context.Context) ([]map[string]leaf, error) {
	sql := "SELECT file_name, name, type, coalesce(CAST(num_children AS BIGINT), -1), coalesce(repetition_type, ''), coalesce(converted_type, ''), " +
		"coalesce(CAST(logical_type AS VARCHAR), ''), coalesce(CAST(\"precision\" AS BIGINT), 0), coalesce(CAST(scale AS BIGINT), 0) " +
		"FROM system.main.parquet_schema(['" + strings.Join(e.paths, "','") + "'])"
	found := make([]map[string]leaf, len(e.paths))
	err := e.query(ctx, sql, maxSchemaRows, func(row []driver.Value) error {
		texts := make([]string, len(row))
		for i, v := range row {
			texts[i] = fmt.Sprint(v)
		}
		source := slices.Index(e.paths, texts[0])
		if source < 0 {
			return errUnexpected
		}
		if found[source] == nil { // the first row of a file is the root of its schema
			found[source] = map[string]leaf{}
			return nil
		}
		return addLeaf(found[source], texts[1], texts[2:])
	})
	return found, err
}

// addLeaf takes name and type, children, repetition, converted type, logical type, precision, scale. What has children or
// repeats is nested, and no plan reads that.
func addLeaf(found map[string]leaf, name string, texts []string) error {
	if _, twice := found[name]; twice || texts[1] != "-1" || texts[2] == "REPEATED" {
		return Error{CodeInput}
	}
	logical := texts[3]
	switch logical {
	case "":
		logical = texts[4]
	case "DECIMAL":
		logical = "DECIMAL(" + texts[5] + "," + texts[6] + ")"
	}
	found[name] = leaf{texts[0], logical, texts[2] == "REQUIRED"}
	return nil
}

// holds compares the columns of a file with those that the plan opens, and with what its offer says of NULL: the statements rely
// on that.
func (e *Engine) holds(source int, found map[string]leaf, want []string) bool {
	for _, name := range e.required[source] {
		if c, there := found[name]; there && !c.required {
			return false
		}
	}
	return sameColumns(found, want)
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

// is compares with the ways in which Parquet writers spell an offered type.
func (l leaf) is(t policy.Type) bool {
	if p, s, ok := result.Type(t).Decimal(); ok {
		return slices.Contains([]string{"INT32", "INT64", "FIXED_LEN_BYTE_ARRAY"}, l.physical) && l.logical == fmt.Sprintf("DECIMAL(%d,%d)", p, s)
	}
	want, ok := map[policy.Type][][2]string{
		"boolean":   {{"BOOLEAN", ""}},
		"int32":     {{"INT32", ""}, {"INT32", "INT_32"}},
		"int64":     {{"INT64", ""}, {"INT64", "INT_64"}},
		"varchar":   {{"BYTE_ARRAY", "UTF8"}},
		"date":      {{"INT32", "DATE"}},
		"timestamp": {{"INT64", "TIMESTAMP_MICROS"}},
		"double":    {{"DOUBLE", ""}},
	}[t]
	return ok && slices.Contains(want, [2]string{l.physical, l.logical})
}
