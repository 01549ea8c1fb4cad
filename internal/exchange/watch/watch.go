package watch

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/cordon-exchange/cordon/internal/exchange"
	"github.com/cordon-exchange/cordon/internal/exchange/lake"
	"github.com/cordon-exchange/cordon/internal/exchange/store"
)

// Watch is an exchange.Watch. Its methods may be called concurrently.
type Watch struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	backend  *prometheus.HistogramVec
	lost     prometheus.Counter
	limited  *prometheus.CounterVec
	tracer   trace.Tracer // nil: no traces
}

var _ exchange.Watch = (*Watch)(nil)

// New makes a watch; tracer may be nil.
func New(tracer trace.Tracer) *Watch {
	buckets := []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 120}
	w := &Watch{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "cordon_requests_total", Help: "Calls that have ended, by route and status; status 0 is one that was cut short."}, []string{"route", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "cordon_request_seconds", Help: "Time of a call, waiting of long polls included.", Buckets: buckets}, []string{"route"}),
		backend: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "cordon_backend_seconds", Help: "Time of store and lake; of a read from the lake, to its first byte.",
			Buckets: buckets}, []string{"backend", "operation", "outcome"}),
		lost:    prometheus.NewCounter(prometheus.CounterOpts{Name: "cordon_leases_lost_total", Help: "Jobs whose host fell silent."}),
		limited: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "cordon_limited_total", Help: "Calls that a limit of their party refused, by limit."}, []string{"limit"}),
		tracer:  tracer,
	}
	w.registry.MustRegister(w.requests, w.duration, w.backend, w.lost, w.limited,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return w
}

// Serving adds what only the server and its store know: they are asked when the figures are.
func (w *Watch) Serving(s *exchange.Server, st store.Store) {
	w.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "cordon_polls_open", Help: "Long polls that wait."}, func() float64 { return float64(s.Polls()) }),
		&queue{st: st, jobs: prometheus.NewDesc("cordon_jobs", "Jobs that wait, and that hosts have.", []string{"state"}, nil)})
}

// queue asks the store how many jobs there are.
type queue struct {
	st   store.Store
	jobs *prometheus.Desc
}

func (q *queue) Describe(ch chan<- *prometheus.Desc) { ch <- q.jobs }

const queueTime = 2 * time.Second

// Collect leaves the figure away where the store does not answer: 0 would be a lie.
func (q *queue) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), queueTime)
	defer cancel()
	n, err := q.st.Queue(ctx)
	if err != nil {
		return
	}
	for state, v := range map[string]int64{store.StateQueued: n.Queued, store.StateLeased: n.Leased} {
		ch <- prometheus.MustNewConstMetric(q.jobs, prometheus.GaugeValue, float64(v), state)
	}
}

// Handler serves the figures.
func (w *Watch) Handler() http.Handler {
	return promhttp.HandlerFor(w.registry, promhttp.HandlerOpts{})
}

// routeOf is the pattern without its method, which is not told twice: the patterns are the server's own, so there are only so many.
func routeOf(pattern string) string {
	if pattern == "" || pattern == "/" {
		return "none"
	}
	return pattern
}

// Call begins a call.
func (w *Watch) Call(ctx context.Context, method string) (context.Context, func(string, int)) {
	begin := time.Now()
	var span trace.Span
	if w.tracer != nil {
		// A root of its own: what a caller says of its trace is not believed.
		ctx, span = w.tracer.Start(ctx, "call", trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindServer))
	}
	return ctx, func(pattern string, status int) {
		route := routeOf(pattern)
		w.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
		w.duration.WithLabelValues(route).Observe(time.Since(begin).Seconds())
		if span == nil {
			return
		}
		span.SetName(route)
		span.SetAttributes(attribute.String("http.route", strings.TrimPrefix(route, method+" ")), attribute.String("http.request.method", methodOf(method)),
			attribute.Int("http.response.status_code", status))
		if status >= http.StatusInternalServerError || status == 0 {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

// methodOf names only methods that the interface has: a caller can make up others.
func methodOf(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete:
		return m
	}
	return "_OTHER"
}

// LeasesLost counts them.
func (w *Watch) LeasesLost(n int) { w.lost.Add(float64(n)) }

// Limited counts a call that a limit refused.
func (w *Watch) Limited(limit string) { w.limited.WithLabelValues(limit).Inc() }

// observe begins an operation of a backend; its end is told how it went.
func (w *Watch) observe(ctx context.Context, backend, operation string) (context.Context, func(error)) {
	begin := time.Now()
	var span trace.Span
	if w.tracer != nil && trace.SpanContextFromContext(ctx).IsValid() {
		ctx, span = w.tracer.Start(ctx, backend+" "+operation)
	}
	return ctx, func(err error) {
		out := outcome(err)
		w.backend.WithLabelValues(backend, operation, out).Observe(time.Since(begin).Seconds())
		if span != nil {
			span.SetAttributes(attribute.String("outcome", out))
			if out == failed {
				span.SetStatus(codes.Error, "")
			}
			span.End()
		}
	}
}

const failed = "failed"

// outcome of an operation: ok, a refusal that is an answer, or a failure.
func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	for _, answer := range []error{store.ErrNotFound, store.ErrExists, store.ErrChanged, store.ErrNameTaken, store.ErrNameFixed, store.ErrOutdated,
		store.ErrLeaseLost, store.ErrStale, store.ErrTooMany, lake.ErrNotFound, lake.ErrExists, lake.ErrRange, context.Canceled} {
		if errors.Is(err, answer) {
			return "refused"
		}
	}
	return failed
}
