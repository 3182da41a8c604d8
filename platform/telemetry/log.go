package telemetry

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/trace"

	"guildhall/platform/request"
)

// LogHandler adds to a line the request and the trace in its context, or that it is about
// background work.
func LogHandler(to slog.Handler) slog.Handler { return logHandler{to} }

type inBackground struct{}

// Background returns a context of work that no request asked for.
func Background(ctx context.Context) context.Context {
	return context.WithValue(ctx, inBackground{}, true)
}

type logHandler struct{ slog.Handler }

func (h logHandler) Handle(ctx context.Context, line slog.Record) error {
	if id := request.From(ctx).ID; id != "" {
		line.AddAttrs(slog.String("request_id", id))
	}
	if ctx.Value(inBackground{}) != nil {
		line.AddAttrs(slog.Bool("background", true))
	}
	if s := trace.SpanContextFromContext(ctx); s.IsValid() {
		line.AddAttrs(slog.String("trace_id", s.TraceID().String()), slog.String("span_id", s.SpanID().String()))
	}
	return h.Handler.Handle(ctx, line)
}

func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logHandler{h.Handler.WithAttrs(attrs)}
}

func (h logHandler) WithGroup(name string) slog.Handler {
	return logHandler{h.Handler.WithGroup(name)}
}
