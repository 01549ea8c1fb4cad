package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
)

func open(t testing.TB) *Engine {
	t.Helper()
	e, err := New(context.Background(), Options{MemoryBytes: 1 << 30, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func bind(t testing.TB, paths ...string) *Engine {
	t.Helper()
	e := open(t)
	sources := make([]Source, len(paths))
	for i, p := range paths {
		sources[i] = Source{Index: i, Path: p}
	}
	if err := e.Bind(context.Background(), sources); err != nil {
		t.Fatal(err)
	}
	return e
}

func small(t testing.TB) string {
	return memFile(t, parquetBytes(t, column{"n", arrow.PrimitiveTypes.Int64, []string{"1", "2"}}))
}

func wantCode(t *testing.T, err error, code Code) {
	t.Helper()
	var own Error
	if !errors.As(err, &own) || own.Code != code {
		t.Errorf("got %v, want code %s", err, code)
	}
}

func TestBoundEngineReadsItsMemoryFilesOnly(t *testing.T) {
	ctx := context.Background()
	mine, other := small(t), small(t)
	disk := filepath.Join(t.TempDir(), "x.parquet")
	if err := os.WriteFile(disk, parquetBytes(t, column{"n", arrow.PrimitiveTypes.Int64, []string{"1"}}), 0o600); err != nil {
		t.Fatal(err)
	}
	e := bind(t, mine)
	if n, err := e.count(ctx, "SELECT count(*) FROM read_parquet('"+mine+"')"); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	for _, sql := range []string{
		"SELECT count(*) FROM read_parquet('" + other + "')",
		"SELECT count(*) FROM read_parquet('" + mine + "0')",
		"SELECT count(*) FROM read_parquet('" + mine + "/../" + filepath.Base(other) + "')",
		"SELECT count(*) FROM read_parquet('/proc/self/fd/*')",
		"SELECT count(*) FROM read_parquet('" + disk + "')",
		"SELECT count(*) FROM read_csv('/etc/passwd')",
		"SELECT count(*) FROM read_text('/proc/self/environ')",
		"SELECT count(*) FROM glob('/proc/self/*')",
		"COPY (SELECT 1) TO '" + disk + ".out'",
		"COPY (SELECT 1) TO '" + mine + "'",
		"EXPORT DATABASE '" + filepath.Dir(disk) + "'",
		"ATTACH '" + disk + ".db'",
		"INSTALL httpfs",
		"LOAD httpfs",
		"LOAD '" + disk + "'",
	} {
		if err := e.exec(ctx, sql); err == nil {
			t.Errorf("ran %s", sql)
		}
	}
	left, err := os.ReadDir(filepath.Dir(disk))
	if err != nil || len(left) != 1 {
		t.Errorf("something was written: %v %v", left, err)
	}
}

func TestConfigurationIsLocked(t *testing.T) {
	ctx := context.Background()
	e := bind(t, small(t))
	for _, sql := range []string{
		"SET enable_external_access=true", "SET allowed_paths=['/etc/passwd']", "SET allowed_directories=['/']", "SET temp_directory='/tmp'", "SET threads=8",
		"SET memory_limit='100GB'", "SET lock_configuration=false", "RESET lock_configuration", "SET allow_community_extensions=true", "SET autoload_known_extensions=true",
		"SET autoinstall_known_extensions=true", "PRAGMA temp_directory='/tmp'",
	} {
		if err := e.exec(ctx, sql); err == nil {
			t.Errorf("ran %s", sql)
		}
	}
	for name, want := range map[string]string{
		"temp_directory": "", "enable_external_access": "false", "lock_configuration": "true", "autoload_known_extensions": "false",
		"autoinstall_known_extensions": "false", "allow_community_extensions": "false", "threads": "2", "disabled_optimizers": "statistics_propagation",
	} {
		got, err := e.text(ctx, "SELECT CAST(current_setting('"+name+"') AS VARCHAR)")
		if err != nil || got != want {
			t.Errorf("%s = %q, want %q (%v)", name, got, want, err)
		}
	}
}

// What could stand in for a function, a table or a file must be found before the lock.
func TestBindRefusesADatabaseThatIsNotEmpty(t *testing.T) {
	ctx := context.Background()
	for name, sql := range map[string]string{
		"macro":             "CREATE MACRO sum(x) AS max(x)",
		"operator":          `CREATE MACRO "+"(a, b) AS a - b`,
		"temporary macro":   "CREATE TEMP MACRO abs(x) AS 0",
		"table macro":       "CREATE MACRO read_parquet2(x) AS TABLE SELECT 1",
		"type":              "CREATE TYPE money AS ENUM ('a')",
		"attached database": "ATTACH ':memory:' AS other",
	} {
		e := open(t)
		if err := e.exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		wantCode(t, e.Bind(ctx, []Source{{Path: small(t)}}), CodeSetup)
		if e.state != closed {
			t.Errorf("%s: the engine can be used", name)
		}
	}
}

func TestOptionsRefused(t *testing.T) {
	for _, o := range []Options{{}, {MemoryBytes: 1 << 30}, {Threads: 1}, {MemoryBytes: -1, Threads: 1}, {MemoryBytes: 1 << 30, Threads: -1}} {
		e, err := New(context.Background(), o)
		wantCode(t, err, CodeSetup)
		if e != nil {
			t.Error("an engine came with the error")
		}
	}
}

func TestSourcesRefused(t *testing.T) {
	path := small(t)
	for name, sources := range map[string][]Source{
		"none":            nil,
		"index beyond":    {{Index: 1, Path: path}},
		"negative index":  {{Index: -1, Path: path}},
		"index twice":     {{Index: 0, Path: path}, {Index: 0, Path: "/proc/self/fd/9"}},
		"path twice":      {{Index: 0, Path: path}, {Index: 1, Path: path}},
		"a file":          {{Index: 0, Path: "/etc/passwd"}},
		"another process": {{Index: 0, Path: "/proc/1/fd/1"}},
		"a longer path":   {{Index: 0, Path: "/proc/self/fd/1/x"}},
		"not a number":    {{Index: 0, Path: "/proc/self/fd/1'"}},
		"leading zero":    {{Index: 0, Path: "/proc/self/fd/01"}},
		"plus":            {{Index: 0, Path: "/proc/self/fd/+1"}},
		"no path":         {{Index: 0, Path: ""}},
	} {
		t.Run(name, func(t *testing.T) { wantCode(t, open(t).Bind(context.Background(), sources), CodePlan) })
	}
}

func TestStepsInOrderAndOnce(t *testing.T) {
	ctx := context.Background()
	e := open(t)
	if _, err := e.Run(ctx, nil); err == nil {
		t.Error("ran before Bind")
	}
	source := []Source{{Path: small(t)}}
	if err := e.Bind(ctx, source); err != nil {
		t.Fatal(err)
	}
	wantCode(t, e.Bind(ctx, source), CodeSetup)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Error("second close:", err)
	}
	_, err := e.Run(ctx, nil)
	wantCode(t, err, CodeSetup)
}

// What is known late can be set late, but not once a memory file can be read.
func TestLimit(t *testing.T) {
	ctx := context.Background()
	e, err := New(ctx, Options{MemoryBytes: 64 << 20, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := errors.Join(e.Limit(ctx, Options{MemoryBytes: 1 << 29, Threads: 1}), e.Inspect(ctx), e.Limit(ctx, Options{MemoryBytes: 1 << 30, Threads: 2})); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"threads": "2", "memory_limit": "1.0 GiB"} {
		if got, err := e.text(ctx, "SELECT value FROM duckdb_settings() WHERE name = '"+name+"'"); err != nil || got != want {
			t.Errorf("%s is %q (%v)", name, got, err)
		}
	}
	if err := e.Bind(ctx, []Source{{Path: small(t)}}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, e.Limit(ctx, Options{MemoryBytes: 1 << 30, Threads: 2}), CodeSetup)
	wantCode(t, open(t).Limit(ctx, Options{MemoryBytes: 1 << 30}), CodeSetup)
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	e := open(t)
	cancel()
	wantCode(t, e.Bind(ctx, []Source{{Path: small(t)}}), CodeSetup)
}

func BenchmarkStart(b *testing.B) {
	ctx := context.Background()
	source := []Source{{Path: small(b)}}
	b.Run("New", func(b *testing.B) {
		for b.Loop() {
			e, err := New(ctx, Options{MemoryBytes: 1 << 30, Threads: 2})
			if err != nil {
				b.Fatal(err)
			}
			e.Close()
		}
	})
	b.Run("Bind", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			e, err := New(ctx, Options{MemoryBytes: 1 << 30, Threads: 2})
			if err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			if err := e.Bind(ctx, source); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			e.Close()
			b.StartTimer()
		}
	})
}
