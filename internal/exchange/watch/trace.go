package watch

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Tracer sends spans to the OTLP endpoint at url, over HTTP, in the background; what can't be sent is dropped. Headers and sampling
// are as OTEL_EXPORTER_OTLP_HEADERS and OTEL_TRACES_SAMPLER say. Stop sends what is left.
func Tracer(ctx context.Context, url string, log *slog.Logger) (t trace.Tracer, stop func(context.Context) error, err error) {
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(url),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{})) // the next batch comes soon
	if err != nil {
		return nil, nil, err
	}
	p := sdktrace.NewTracerProvider(sdktrace.WithBatcher(quiet{exporter, log}),
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", "cordon-exchange"))))
	return p.Tracer("github.com/cordon-exchange/cordon/internal/exchange"), p.Shutdown, nil
}

// quiet tells the exchange's log of spans that could not be sent; the library would print the error with the endpoint in it.
type quiet struct {
	sdktrace.SpanExporter
	log *slog.Logger
}

// ExportSpans sends spans, or says how many were lost.
func (q quiet) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if err := q.SpanExporter.ExportSpans(ctx, spans); err != nil {
		q.log.Warn("traces could not be sent", "spans", len(spans))
	}
	return nil
}
