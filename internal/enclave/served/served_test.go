package served

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2"
	"golang.org/x/sys/unix"
)

// parquet is a file of the engine's own making.
func parquet(t testing.TB, db *sql.DB, rows int) []byte {
	t.Helper()
	path := t.TempDir() + "/rows.parquet"
	if _, err := db.ExecContext(t.Context(), fmt.Sprintf("COPY (SELECT i AS n, 'text ' || i %% 100 AS s FROM range(%d) t(i)) TO '%s' (FORMAT parquet, ROW_GROUP_SIZE 20000)", rows, path)); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func engine(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open("duckdb", ":memory:?threads=4")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func serve(t testing.TB, r io.ReaderAt, size int64) *File {
	t.Helper()
	f, err := Create("columns")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.Serve(r, size); err != nil {
		t.Fatal(err)
	}
	return f
}

const asked = "SELECT count(*), sum(n), count(DISTINCT s) FROM read_parquet('%s')"

func ask(ctx context.Context, db *sql.DB, path string) (string, error) {
	var n, sum, texts int64
	err := db.QueryRowContext(ctx, fmt.Sprintf(asked, path)).Scan(&n, &sum, &texts)
	return fmt.Sprint(n, sum, texts), err
}

// counted says how often it was read, and fails from the n-th time on if n is not 0.
type counted struct {
	r     io.ReaderAt
	reads atomic.Int64
	from  int64
}

var errSecret = errors.New("patient 4711")

func (c *counted) ReadAt(b []byte, off int64) (int, error) {
	n, err := c.r.ReadAt(b, off)
	if at := c.reads.Add(1); c.from > 0 && at >= c.from {
		return n, errSecret // the error counts, whatever was read
	}
	return n, err
}

// DuckDB reads a served file as any other, and its bytes come from the reader.
func TestDuckDBReads(t *testing.T) {
	db := engine(t)
	b := parquet(t, db, 100_000)
	r := &counted{r: bytes.NewReader(b)}
	f := serve(t, r, int64(len(b)))
	got, err := ask(t.Context(), db, f.Path())
	if err != nil || got != "100000 4999950000 100" {
		t.Errorf("%s: %v", got, err)
	}
	if r.reads.Load() == 0 {
		t.Error("the reader was not asked")
	}
	if again, err := os.ReadFile(f.Path()); err != nil || !bytes.Equal(again, make([]byte, len(b))) {
		t.Errorf("somebody else finds something in the file: %v", err)
	}
}

// Many files at once, each with its own contents; files beside them are read as ever.
func TestManyFilesAtOnce(t *testing.T) {
	db := engine(t)
	var all sync.WaitGroup
	for i := range 8 {
		b := parquet(t, db, 20_000+i)
		f := serve(t, bytes.NewReader(b), int64(len(b)))
		path := t.TempDir() + "/plain.parquet"
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			for range 5 {
				got, err := ask(t.Context(), db, f.Path())
				want, err2 := ask(t.Context(), db, path)
				if err != nil || err2 != nil || got != want || !strings.HasPrefix(got, fmt.Sprint(20_000+i, " ")) {
					t.Errorf("%d: %s, a plain file %s: %v, %v", i, got, want, err, err2)
				}
			}
		})
	}
	all.Wait()
}

// A read that fails fails the query, whichever it is, and says nothing of why.
func TestAReadThatFails(t *testing.T) {
	db := engine(t)
	b := parquet(t, db, 60_000)
	whole := &counted{r: bytes.NewReader(b)}
	if _, err := ask(t.Context(), db, serve(t, whole, int64(len(b))).Path()); err != nil {
		t.Fatal(err)
	}
	for from := int64(1); from <= whole.reads.Load(); from += 3 {
		r := &counted{r: bytes.NewReader(b), from: from}
		f := serve(t, r, int64(len(b)))
		if got, err := ask(t.Context(), db, f.Path()); r.reads.Load() >= from && (err == nil || strings.Contains(err.Error(), "4711")) {
			t.Errorf("read %d failed: %s, %v", from, got, err)
		}
		f.Close()
	}
}

// After Close nothing of the file is there, and its reader is not asked any more, while queries are under way too.
func TestClose(t *testing.T) {
	db := engine(t)
	b := parquet(t, db, 200_000)
	r := &counted{r: bytes.NewReader(b)}
	f := serve(t, r, int64(len(b)))
	kept, err := os.Open(f.Path()) // the inode stays, for a query that has it open
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	path := fmt.Sprintf("/proc/self/fd/%d", kept.Fd())
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for {
				if _, err := ask(t.Context(), db, path); err != nil {
					return
				}
			}
		})
	}
	for r.reads.Load() == 0 {
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	after := r.reads.Load()
	all.Wait()
	if r.reads.Load() != after {
		t.Error("the reader was asked after Close returned")
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if f.Serve(r, 1) == nil {
		t.Error("a closed file was served")
	}
}

// Files can't be written, resized or served twice.
func TestFixed(t *testing.T) {
	f := serve(t, strings.NewReader("abc"), 3)
	if f.Serve(strings.NewReader("abc"), 3) == nil {
		t.Error("served twice")
	}
	if w, err := os.OpenFile(f.Path(), os.O_RDWR, 0); err == nil {
		if _, err := w.WriteAt([]byte("x"), 0); err == nil {
			t.Error("written")
		}
		if w.Truncate(0) == nil || w.Truncate(10) == nil {
			t.Error("resized")
		}
		w.Close()
	}
	for _, size := range []int64{0, -1} {
		g, err := Create("empty")
		if err != nil {
			t.Fatal(err)
		}
		if g.Serve(strings.NewReader(""), size) == nil {
			t.Errorf("%d bytes were served", size)
		}
		g.Close()
	}
}

// There is an end to how many can be served, and room again when some are closed.
func TestTooMany(t *testing.T) {
	var files []*File
	for {
		f, err := Create("one of many")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		if err := f.Serve(strings.NewReader("x"), 1); err != nil {
			if !errors.Is(err, ErrServe) {
				t.Fatal(err)
			}
			break
		}
		files = append(files, f)
	}
	if len(files) < 900 {
		t.Errorf("%d files", len(files))
	}
	files[len(files)/2].Close()
	serve(t, strings.NewReader("x"), 1)
}

// vanishing is memory that goes away under its readers, if they read too late.
type vanishing struct {
	b    []byte
	gone atomic.Bool
	late atomic.Int64
}

func (v *vanishing) ReadAt(b []byte, off int64) (int, error) {
	if v.gone.Load() {
		v.late.Add(1)
		return 0, errSecret
	}
	if rand.IntN(4) == 0 {
		time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond)
	}
	return copy(b, v.b[off:]), nil
}

// Out of time, engine closed, file closed, memory unmapped: nobody reads after that, nor where the engine's closing comes last.
func TestMemoryGoesAfterTheFile(t *testing.T) {
	src := parquet(t, engine(t), 200_000)
	for i := range 10 {
		mem, err := unix.Mmap(-1, 0, len(src), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
		if err != nil {
			t.Fatal(err)
		}
		copy(mem, src)
		v := &vanishing{b: mem}
		f := serve(t, v, int64(len(mem)))
		db, err := sql.Open("duckdb", ":memory:?threads=4")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(40_000))*time.Microsecond)
		_, _ = ask(ctx, db, f.Path()) // in time or not
		cancel()
		if i%2 == 0 {
			db.Close()
		}
		f.Close()
		v.gone.Store(true)
		if err := unix.Munmap(mem); err != nil {
			t.Fatal(err)
		}
		db.Close()
		if n := v.late.Load(); n > 0 {
			t.Errorf("%d reads after the file was closed", n)
		}
	}
}
