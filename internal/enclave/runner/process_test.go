//go:build linux

package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/channel"
	"github.com/cordon-exchange/cordon/internal/enclavebuild"
	hostchannel "github.com/cordon-exchange/cordon/internal/host/channel"
	"github.com/cordon-exchange/cordon/internal/host/perimeter"
	"github.com/cordon-exchange/cordon/internal/need"
	"github.com/cordon-exchange/cordon/statement"
)

// TestMain lets this test program be the first stage of a perimeter, as the cordon program is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == perimeter.StageCommand {
		os.Exit(perimeter.StageMain(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// The real program, statically linked, behind the strongest perimeter of this machine and its own system call filter.
func TestJobInAProcess(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the enclave")
	}
	form, err := perimeter.Strongest(context.Background())
	need.That(t, err == nil, fmt.Sprintf("no perimeter here: %v", err))
	image := enclaveImage(t)
	for range 3 {
		w := newWorldOf(t, statement.Digest("sha256:"+image.Measurement()), form.Request().String())
		h := newFakeHost(w)
		started := time.Now()
		s := h.runProcess(image, form.Request())
		whole := time.Since(started)
		if !s.Clean() || h.finish == nil || h.finish.State != channel.Done {
			t.Fatalf("enclave ended with %s, finish %+v", s, h.finish)
		}
		table, report := h.open(w.institute)
		if len(table.Rows) != 2 {
			t.Errorf("%d rows", len(table.Rows))
		}
		if report.Receipt.Perimeter.Seccomp == "" {
			t.Error("receipt names no filter")
		}
		t.Logf("whole job %s, cpu %s, %d MiB", whole.Round(time.Millisecond), s.CPU.Round(time.Millisecond), s.MaxRSS>>20)
		for _, st := range report.Receipt.Stages {
			t.Logf("  %-8s %6d us", st.Name, st.Micros)
		}
	}
}

// Every shape of plan, by the real program behind the strongest perimeter of this machine: neither the filter nor the empty root
// may end a job that policies allow. What the engine asks of the kernel for more plans is tested in package engine.
func TestEveryShapeInAProcess(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the enclave")
	}
	form, err := perimeter.Strongest(context.Background())
	need.That(t, err == nil, fmt.Sprintf("no perimeter here: %v", err))
	image := enclaveImage(t)
	free := func(w *world) { w.free = true }
	noisy := func(w *world) { w.noisy = true }
	for _, c := range []struct {
		name, sql string
		world     func(*world)
		memory    int64  // of the class, if not the usual
		failed    string // the code of a job that must fail in good order
	}{
		{name: "set", sql: testSQL},
		{name: "condition", sql: "SELECT count(*) AS n FROM pool.strikes WHERE size = 'Large'", world: func(w *world) { w.lattice = "[[], [size]]" }},
		{name: "large file", sql: testSQL, world: func(w *world) { w.rows, w.scatter = 200_000, true }},
		{name: "large file, fetched before keys", sql: testSQL, world: func(w *world) { w.rows, w.scatter, w.layout = 200_000, true, true }},
		{name: "noise", sql: testSQL, world: noisy},
		{name: "noise at ticks", sql: testSQL, world: func(w *world) { w.noisy, w.timing = true, "tick 1s" }},
		{name: "rollup", sql: "SELECT size, count(*) AS n, sum(cost) FILTER (WHERE size <> 'Large') AS c FROM pool.strikes GROUP BY ROLLUP (size)", world: free},
		{name: "window", sql: "WITH t AS (SELECT size, count(*) AS n FROM pool.strikes GROUP BY size) SELECT size, n, rank() OVER (ORDER BY n DESC) AS r, lag(n) OVER (ORDER BY n) AS b FROM t ORDER BY r", world: free},
		{name: "quantile", sql: "SELECT size, median(cost) AS m, quantile_cont(cost, 0.9) AS q, stddev(cost) AS s FROM pool.strikes GROUP BY size", world: free},
		{name: "join of releases", sql: "WITH a AS (SELECT size, count(*) AS n FROM pool.strikes GROUP BY size), g AS (SELECT sum(n) AS total FROM a) SELECT a.size, a.n / g.total AS share FROM a CROSS JOIN g ORDER BY share", world: free},
		{name: "union of releases", sql: "SELECT 'a' AS x, count(*) AS n FROM pool.strikes WHERE size = 'Small' UNION ALL SELECT 'b', count(*) FROM pool.strikes WHERE size = 'Large' ORDER BY x", world: free},
		{name: "in waves", sql: testSQL, world: func(w *world) { w.rows, w.scatter, w.groupRows = 400_000, true, 20_000 }, memory: 16 << 20},
		{name: "quantile, in waves", sql: "SELECT size, median(cost) AS m, stddev(cost) AS s FROM pool.strikes GROUP BY size", world: func(w *world) {
			w.free, w.rows, w.scatter, w.layout, w.groupRows = true, 400_000, true, true, 20_000
		}, memory: 16 << 20},
		{name: "no room", sql: testSQL, world: func(w *world) { w.rows, w.scatter, w.groupRows = 200_000, true, 200_000 }, memory: 4 << 20, failed: "too-large:need_4_mib:room_1_mib"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &world{
				t: t, lake: map[string][]byte{}, now: time.Now().UnixMilli(), build: statement.Digest("sha256:" + image.Measurement()),
				form: form.Request().String(), lattice: "[[size]]", rows: 40,
			}
			if c.world != nil {
				c.world(w)
			}
			w.populate()
			w.ask(w.institute, c.sql)
			h := newFakeHost(w)
			h.limits.MemoryBytes = cmp.Or(c.memory, h.limits.MemoryBytes)
			s := h.runProcess(image, form.Request())
			if h.finish == nil || s.Signal != 0 {
				t.Fatalf("enclave ended with %s, finish %+v", s, h.finish)
			}
			if c.failed != "" {
				if h.finish.State != channel.Failed || h.finish.Code != c.failed {
					t.Errorf("finish %+v, want %s", h.finish, c.failed)
				}
				return
			}
			if !s.Clean() || h.finish.State != channel.Done {
				t.Fatalf("enclave ended with %s, finish %+v", s, h.finish)
			}
			if table, _ := h.open(w.institute); len(table.Rows) == 0 {
				t.Error("no rows")
			}
		})
	}
}

// enclaveImage is the program of CORDON_ENCLAVE, or one built here.
func enclaveImage(t *testing.T) *perimeter.Image {
	t.Helper()
	path := os.Getenv("CORDON_ENCLAVE")
	if path == "" {
		path = filepath.Join(t.TempDir(), "cordon-enclave")
		const root = "../../.."
		build := exec.Command("sh", "-c", must[enclavebuild.Recipe](t)(enclavebuild.ReadRecipe(root)).Overlaid(os.Getenv("GOFLAGS")).Line("go", path))
		build.Dir = root
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	image := must[*perimeter.Image](t)(perimeter.LoadImage(path))
	t.Cleanup(func() { image.Close() })
	return image
}

// serve serves both streams of an enclave until it hangs up.
func (h *fakeHost) serve(ctx context.Context, e *perimeter.Enclave) {
	bulk := make(chan error, 1)
	go func() { bulk <- hostchannel.ServeBulk(ctx, e.Bulk(), h) }()
	if err := errors.Join(hostchannel.Serve(ctx, e.Conn(), h), <-bulk); err != nil {
		h.w.t.Error(err)
	}
}

func (h *fakeHost) runProcess(image *perimeter.Image, request perimeter.Request) perimeter.ExitState {
	t := h.w.t
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	e := must[*perimeter.Enclave](t)(perimeter.Start(ctx, perimeter.Options{
		Image: image, Request: request, Limits: perimeter.Limits{MemoryBytes: max(uint64(h.limits.MemoryBytes), perimeter.MinMemoryBytes)},
	}))
	h.serve(ctx, e)
	s := e.Wait()
	h.answering.Wait()
	return s
}
