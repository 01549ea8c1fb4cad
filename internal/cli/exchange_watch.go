package cli

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/cordon-exchange/cordon/internal/exchange"
	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/watch"
	"github.com/cordon-exchange/cordon/internal/fault"
)

// exchangeWatch is where figures and traces of an exchange go.
type exchangeWatch struct{ metrics, otlp string }

// watching is a watch at work. The zero value watches nothing.
type watching struct {
	*watch.Watch
	listener net.Listener
	server   *http.Server
	work     sync.WaitGroup
	traces   func(context.Context) error
}

// stopTime for the last traces, and for a figure that is being asked for.
const stopTime = 3 * time.Second

// begin sets what watches the server that opts will make.
func (o *exchangeWatch) begin(ctx context.Context, log *slog.Logger, opts *exchange.Options) (*watching, error) {
	w := &watching{}
	endpoint, err := o.endpoint()
	if err != nil || endpoint == "" && o.metrics == "" {
		return w, err
	}
	if o.metrics != "" {
		if w.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", o.metrics); err != nil {
			return nil, fault.New(fault.Unavailable, "address for figures can't be listened on", "give a free one with --metrics", err)
		}
	}
	var tracer trace.Tracer
	if endpoint != "" {
		if tracer, w.traces, err = watch.Tracer(ctx, endpoint, log); err != nil {
			return nil, errors.Join(fault.New(fault.Usage, "traces can't be set up", "check --otlp and the OTEL_ variables", nil), w.end())
		}
	}
	w.Watch = watch.New(tracer)
	opts.Watch, opts.Store, opts.Lake = w.Watch, w.Store(opts.Store), w.Lake(opts.Lake)
	return w, nil
}

// endpoint for traces, "" for none.
func (o *exchangeWatch) endpoint() (string, error) {
	text := o.otlp
	if text == "" {
		text = os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT")
	}
	if text == "" {
		return "", nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return "", fault.New(fault.Usage, "endpoint for traces is not of the form http://HOST:PORT", "credentials go into OTEL_EXPORTER_OTLP_HEADERS", nil)
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/v1/traces"
	}
	return u.String(), nil
}

// serving answers for figures, at an address that is not the exchange's own.
func (w *watching) serving(s *exchange.Server, st store.Store) {
	if w.Watch == nil {
		return
	}
	w.Serving(s, st)
	if w.listener == nil {
		return
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", w.Handler())
	w.server = &http.Server{Handler: mux, ReadHeaderTimeout: stopTime, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10}
	w.work.Go(func() { _ = w.server.Serve(w.listener) }) // ends with its listener
}

func (w *watching) addr() string {
	if w.listener == nil {
		return ""
	}
	return "http://" + w.listener.Addr().String() + "/metrics"
}

// end stops what begin and serving began. Traces that can't be sent are not worth an error.
func (w *watching) end() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	if w.traces != nil {
		_ = w.traces(ctx)
	}
	switch {
	case w.server != nil:
		if err := w.server.Shutdown(ctx); err != nil {
			return w.server.Close()
		}
		w.work.Wait()
	case w.listener != nil:
		return w.listener.Close()
	}
	return nil
}
