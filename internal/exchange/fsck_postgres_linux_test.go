package exchange_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/cordon-exchange/cordon/internal/exchange"
	"github.com/cordon-exchange/cordon/internal/exchange/fsck"
	"github.com/cordon-exchange/cordon/internal/testpg"
	"github.com/cordon-exchange/cordon/statement"
)

// viewFaults checks what is served over a database.
func viewFaults(t *testing.T, p exchange.Place) (out []string, sum fsck.Summary) {
	t.Helper()
	h, err := exchange.View(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	sum, err = fsck.Check(t.Context(), fsck.Options{Store: h.Store, Lake: h.Lake,
		Report: func(f fsck.Fault) error { out = append(out, f.String()); return nil }})
	if err != nil {
		t.Fatal(err)
	}
	return out, sum
}

// TestFsckOverPostgres checks a store again and again while three processes write to it: it shows no fault, and what is broken is named.
func TestFsckOverPostgres(t *testing.T) {
	e := &env{T: t, home: t.TempDir(), link: testpg.Database(t)}
	e.start("127.0.0.1:0")
	t.Cleanup(e.stop)
	w := busyIn(e)
	place := exchange.Place{Home: e.home, Store: e.link}
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for range 3 {
		var jobs []*statement.Envelope
		for range 200 {
			jobs = append(jobs, sign(w.env, w.jobOf(), w.asker))
		}
		asker, host := w.asker.at(e.url), w.host.at(e.url)
		writers.Go(func() {
			for _, j := range jobs {
				select {
				case <-stop:
					return
				default:
				}
				_, _ = asker.SubmitJob(t.Context(), j)
				_, _ = host.Claim(t.Context(), []string{"small"}, 0, nil)
			}
		})
	}
	jobs := int64(0)
	for range 5 {
		got, sum := viewFaults(t, place)
		if len(got) != 0 {
			t.Errorf("faults while it is served:\n%s", strings.Join(got, "\n"))
		}
		if sum.Statements == 0 || sum.Parties == 0 || sum.Jobs < jobs || sum.Items == 0 || sum.Objects == 0 {
			t.Errorf("looked at %+v after %d jobs", sum, jobs)
		}
		jobs = sum.Jobs
	}
	close(stop)
	writers.Wait()
	if _, sum := viewFaults(t, exchange.Place{Store: e.link}); sum.Objects != 0 {
		t.Errorf("%d objects without a lake", sum.Objects)
	}
	c, err := pgx.Connect(t.Context(), e.link)
	w.ok(err)
	defer c.Close(t.Context())
	for _, broken := range [][2]string{ // in this order: of a job only its first fault is told
		{"UPDATE jobs SET code = 'x' WHERE state = 'done'", "has a code and did not fail"},
		{"DELETE FROM job_parties WHERE job = (SELECT min(digest) FROM jobs)", "it has no parties"},
		{"INSERT INTO stages (job, attempt, name, at_ms) VALUES ('sha256:none', 1, 'x', 1)", "stages of a job that is not there"},
		{"UPDATE statements SET envelope = '{' WHERE kind = 'rejection'", "its envelope is malformed"},
		{"UPDATE parties SET name = 'omega' WHERE name = 'alpha'", "key, name or time is not that of its introduction"},
		{"DELETE FROM statements WHERE kind = 'contract'", "the contract that it names is not there"},
	} {
		sql, want := broken[0], broken[1]
		_, err = c.Exec(t.Context(), sql)
		w.ok(err)
		if got, _ := viewFaults(t, place); !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, want) }) {
			t.Errorf("after %s, no fault with %q in:\n%s", sql, want, strings.Join(got, "\n"))
		}
	}
}
