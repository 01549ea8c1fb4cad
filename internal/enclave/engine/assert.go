package engine

import (
	"context"
	"strings"
)

// assertEmpty refuses a database in which something can take the place of what the generated SQL names: a macro that of sum
// or of an operator, a type that of a cast, an attached database that of the system's own. Tables and views can't: the scan
// reads by read_parquet only, and the released table is created under its full name or not at all. To list them would
// take another 15 ms, as DuckDB then writes out all views of its own.
func (e *Engine) assertEmpty(ctx context.Context) error {
	n, err := e.count(ctx, "SELECT count(*) FROM ("+strings.Join([]string{
		"SELECT 1 FROM system.main.duckdb_functions() WHERE NOT internal OR database_name <> 'system'",
		"SELECT 1 FROM system.main.duckdb_types() WHERE NOT internal",
		"SELECT 1 FROM system.main.duckdb_databases() WHERE database_name NOT IN ('memory', 'system', 'temp')",
	}, " UNION ALL ")+")")
	if err == nil && n != 0 {
		err = Error{CodeSetup}
	}
	return err
}
