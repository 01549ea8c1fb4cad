package engine

import (
	"context"
	"testing"
)

// TestDisconnectKeepsNoRows: once the engine has disconnected, its database holds nothing of what was read, whether the query came to an
// end or not, nor of what belonged to the connection; and nothing can be executed. The tables of released cells are all that is left.
func TestDisconnectKeepsNoRows(t *testing.T) {
	const tables = 2 << 20 // of released cells: a block or two each
	m := newMarket(5, 3)
	plan := m.compile(t, "SELECT size, count(*) AS n, sum(cost) AS cost FROM pool.strikes GROUP BY size")
	for name, use := range map[string]func(*Engine) error{
		"after an answer": func(e *Engine) error {
			_, err := e.Run(t.Context(), plan)
			return err
		},
		"out of time": func(e *Engine) error {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := e.Run(ctx, plan); err == nil {
				t.Error("answered")
			}
			return nil
		},
		"with rows of the connection's own": func(e *Engine) error {
			return e.exec(t.Context(), "CREATE TEMP TABLE rows AS SELECT hash(range) AS n FROM range(2000000)")
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := bind(t, m.files(t, plan)...)
			if err := use(e); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := e.Disconnect(); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := e.Run(t.Context(), plan); err == nil {
				t.Error("it ran once more")
			}
			conn, err := e.connector.Connect(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if n, err := (&Engine{conn: conn}).count(t.Context(), "SELECT CAST(sum(memory_usage_bytes) AS BIGINT) FROM duckdb_memory()"); err != nil || n > tables {
				t.Errorf("%d bytes are still held (%v)", n, err)
			}
		})
	}
}
