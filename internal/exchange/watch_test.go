package exchange_test

import (
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/cordon-exchange/cordon/internal/exchange"
	"github.com/cordon-exchange/cordon/internal/exchange/watch"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
)

// watched starts the world's exchange again, with a watch.
func (w *world) watched(tracer trace.Tracer) *watch.Watch {
	w.Helper()
	addr := strings.TrimPrefix(w.url, "http://")
	w.stop()
	x := watch.New(tracer)
	var o exchange.Options
	w.opts = func(opts *exchange.Options) {
		opts.Watch, opts.Store, opts.Lake = x, x.Store(opts.Store), x.Lake(opts.Lake)
		o = *opts
	}
	w.start(addr)
	x.Serving(w.srv, o.Store)
	return x
}

func figures(t *testing.T, x *watch.Watch) string {
	t.Helper()
	rec := httptest.NewRecorder()
	x.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if rec.Code != http.StatusOK {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	return rec.Body.String()
}

// lives walks calls of all kinds, with values that no figure and no trace may show. It returns those.
func (w *world) lives() (secret []string) {
	w.Helper()
	ctx := w.Context()
	path, _ := w.a.object("unseen.parquet", "unseen ciphertext")
	r, err := w.b.OpenObject(ctx, path, 0, -1)
	w.ok(err)
	_, err = io.ReadAll(r)
	w.ok(err)
	w.ok(r.Close())
	job := w.submit()
	c := w.claim()
	w.round(job, c.Lease)
	w.ok(w.host.Finish(ctx, job, wire.Finish{Lease: c.Lease, State: wire.StateDone}))
	_, err = w.other.Job(ctx, job)
	w.code(err, wire.CodeNotFound)
	for _, m := range []string{"GET", "UNSEENMETHOD"} {
		req, err := http.NewRequestWithContext(ctx, m, w.url+"/v1/unseen-path", nil)
		w.ok(err)
		resp, err := http.DefaultClient.Do(req)
		w.ok(err)
		resp.Body.Close()
	}
	for _, p := range []*party{w.a, w.b, w.asker, w.host, w.other} {
		secret = append(secret, string(p.fp), strings.TrimPrefix(string(p.fp), "cordon1"))
	}
	return append(secret, string(job), strings.TrimPrefix(string(job), "sha256:"), string(w.contract), "strikes", "institute", "hoster", "unseen", "UNSEENMETHOD", c.Lease)
}

func TestFigures(t *testing.T) {
	w := newWorld(t)
	x := w.watched(nil)
	secret := w.lives()
	w.submit()
	w.submit()
	w.claim()
	wanted := []string{
		`cordon_requests_total{route="POST /v1/jobs",status="200"} 3`,
		`cordon_requests_total{route="GET /v1/jobs/{digest}",status="404"} 1`,
		`cordon_requests_total{route="none",status="404"} 2`,
		`cordon_requests_total{route="POST /v1/claim",status="200"} 2`, `cordon_request_seconds_count{route="POST /v1/claim"} 3`,
		`cordon_backend_seconds_count{backend="store",operation="add job",outcome="ok"} 3`,
		`cordon_backend_seconds_count{backend="lake",operation="put",outcome="ok"} 1`,
		`cordon_backend_seconds_count{backend="lake",operation="read",outcome="ok"} 1`,
		`cordon_jobs{state="queued"} 1`, `cordon_jobs{state="leased"} 1`, `cordon_polls_open 0`, `cordon_leases_lost_total 0`, "go_goroutines ",
	}
	got := figures(t, x)
	lacks := func(want string) bool { return !strings.Contains(got, "\n"+want) }
	for end := time.Now().Add(5 * time.Second); slices.ContainsFunc(wanted, lacks) && time.Now().Before(end); got = figures(t, x) {
		time.Sleep(5 * time.Millisecond) // a call counts when its handler has ended; a long answer is there before
	}
	for _, want := range wanted {
		if !strings.Contains(got, "\n"+want) {
			t.Errorf("no %s in:\n%s", want, regexp.MustCompile(`(?m)^(go_|#|.*_bucket).*\n`).ReplaceAllString(got, ""))
		}
	}
	for _, s := range secret {
		if strings.Contains(got, s) {
			t.Errorf("figures hold %q", s)
		}
	}
	w.skew.Add(11_000) // longer than a lease
	w.ok(w.srv.Sweep(t.Context()))
	if got := figures(t, x); !strings.Contains(got, "\ncordon_leases_lost_total 1\n") || !strings.Contains(got, "\n"+`cordon_jobs{state="queued"} 2`) {
		t.Error("a lost lease is not counted")
	}
}

// TestTraces sends to a collector over OTLP, and looks what it got.
func TestTraces(t *testing.T) {
	var mu sync.Mutex
	var got strings.Builder
	sent := make(chan struct{}, 100)
	collector := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var body io.Reader = r.Body
		if r.Header.Get("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(r.Body)
			if err != nil {
				t.Error(err)
				return
			}
			body = z
		}
		b, err := io.ReadAll(body)
		if err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		mu.Lock()
		got.Write(b)
		mu.Unlock()
		sent <- struct{}{}
	}))
	defer collector.Close()
	w := newWorld(t)
	tracer, stop, err := watch.Tracer(t.Context(), collector.URL+"/v1/traces", slog.New(slog.DiscardHandler))
	w.ok(err)
	w.watched(tracer)
	secret := w.lives()
	w.stop()
	w.ok(stop(context.Background()))
	<-sent
	mu.Lock()
	defer mu.Unlock()
	for _, want := range []string{"cordon-exchange", "POST /v1/jobs", "store add job", "lake put", "lake read", "/v1/objects/{path...}", "http.route"} {
		if !strings.Contains(got.String(), want) {
			t.Errorf("traces hold no %q", want)
		}
	}
	for _, s := range secret {
		if strings.Contains(got.String(), s) {
			t.Errorf("traces hold %q", s)
		}
	}
}

// TestTracesLost: a collector that is not there costs nothing but its traces.
func TestTracesLost(t *testing.T) {
	w := newWorld(t)
	var log strings.Builder
	tracer, stop, err := watch.Tracer(t.Context(), "http://127.0.0.1:1/v1/traces", slog.New(slog.NewTextHandler(&log, nil)))
	w.ok(err)
	w.watched(tracer)
	w.lives()
	w.stop()
	w.ok(stop(context.Background()))
	if !strings.Contains(log.String(), "traces could not be sent") || strings.Contains(log.String(), "127.0.0.1") {
		t.Errorf("the log names the collector: %s", log.String())
	}
}
