package engine

import "context"

// assertEmpty refuses a database that is not as it was made: a macro can take the place of sum or of an operator, a view or
// table that of a file, an attached database anything.
func (e *Engine) assertEmpty(ctx context.Context) error {
	for _, q := range []string{
		"SELECT count(*) FROM system.main.duckdb_functions() WHERE NOT internal OR database_name <> 'system'",
		"SELECT count(*) FROM system.main.duckdb_tables()",
		"SELECT count(*) FROM system.main.duckdb_views() WHERE NOT internal",
		"SELECT count(*) FROM system.main.duckdb_types() WHERE NOT internal",
		"SELECT count(*) FROM system.main.duckdb_databases() WHERE database_name NOT IN ('memory', 'system', 'temp')",
		"SELECT count(*) FROM system.main.duckdb_secrets()",
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
