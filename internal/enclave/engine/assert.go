package engine

import "context"

// assertEmpty refuses a database in which something can take the place of what the generated SQL names: a macro that of sum
// or of an operator, a type that of a cast, an attached database that of the system's own. Tables and views can't: the scan
// reads by read_parquet only, and the released table is created under its full name or not at all. To list them would
// take another 15 ms, as DuckDB then writes out all views of its own.
func (e *Engine) assertEmpty(ctx context.Context) error {
	for _, q := range []string{
		"SELECT count(*) FROM system.main.duckdb_functions() WHERE NOT internal OR database_name <> 'system'",
		"SELECT count(*) FROM system.main.duckdb_types() WHERE NOT internal",
		"SELECT count(*) FROM system.main.duckdb_databases() WHERE database_name NOT IN ('memory', 'system', 'temp')",
	} {
		n, err := e.count(ctx, q)
		if err != nil {
			return err
		}
		if n != 0 {
			return Error{CodeSetup}
		}
	}
	return nil
}
