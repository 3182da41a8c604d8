package telemetry

import (
	"context"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"guildhall/platform/request"
)

// Route measures the requests of one route. What they have in common is created once,
// so that a request costs two look-ups and no allocation.
type Route struct {
	t        *Telemetry
	requests *prometheus.CounterVec // of this route, by status
	byStatus [600]atomic.Pointer[prometheus.Counter]
	time     prometheus.Observer
	name     string
	begin    trace.SpanStartOption
}

// Route returns the measurements of a route. They are labelled with its pattern, never
// with the path of a request, which may contain anything.
func (t *Telemetry) Route(method, pattern string) *Route {
	if t == nil {
		return nil
	}
	r := &Route{t: t, name: method + " " + pattern}
	r.begin = trace.WithAttributes(semconv.HTTPRequestMethodKey.String(method), semconv.HTTPRoute(pattern))
	if t.metrics != nil {
		r.requests = t.metrics.requests.MustCurryWith(prometheus.Labels{"method": method, "route": pattern})
		r.time = t.metrics.requestTime.WithLabelValues(method, pattern)
	}
	return r
}

// Begin returns the context in which a request is served. With tracing, the context has
// the request's span, and the response gets the span's id in a traceresponse header
// (W3C Trace Context, level 2 draft, §4).
func (r *Route) Begin(ctx context.Context, asked *http.Request, answer http.Header) context.Context {
	if r == nil || r.t.tracer == nil {
		return ctx
	}
	ctx, link := r.t.parent(ctx, asked)
	ctx, span := r.t.tracer.Start(ctx, r.name, r.begin, link, trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(attribute.String("guildhall.request_id", request.From(ctx).ID)))
	s := span.SpanContext()
	answer.Set("Traceresponse", "00-"+s.TraceID().String()+"-"+s.SpanID().String()+"-"+s.TraceFlags().String())
	return ctx
}

// parent decides how the span of a request relates to the caller's traceparent. If the
// caller is a trusted proxy, the trace is continued, including the decision whether to
// sample. Any other client could otherwise have all of its requests sampled, or hide in
// another trace. Its request begins a trace of its own, with a link to the one that it
// named.
func (t *Telemetry) parent(ctx context.Context, asked *http.Request) (context.Context, trace.SpanStartOption) {
	remote := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(asked.Header)))
	if !remote.IsValid() {
		return ctx, trace.WithLinks()
	}
	if t.trusted.Include(asked.RemoteAddr) {
		return trace.ContextWithRemoteSpanContext(ctx, remote), trace.WithLinks()
	}
	return ctx, trace.WithLinks(trace.Link{SpanContext: remote.WithTraceState(trace.TraceState{})})
}

// End counts a response, with the code of its problem if it is one, and ends the span
// of the context that Begin returned.
func (r *Route) End(ctx context.Context, status int, code string, took time.Duration) {
	if r == nil {
		return
	}
	if m := r.t.metrics; m != nil {
		r.of(status).Inc()
		r.time.Observe(took.Seconds())
		if code != "" {
			m.problems.WithLabelValues(code).Inc()
		}
	}
	if r.t.tracer == nil {
		return
	}
	span := trace.SpanFromContext(ctx)
	span.SetAttributes(semconv.HTTPResponseStatusCode(status))
	if code != "" {
		span.SetAttributes(attribute.String("guildhall.problem", code))
	}
	if status >= http.StatusInternalServerError {
		span.SetAttributes(semconv.ErrorTypeKey.String(strconv.Itoa(status)))
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

func (r *Route) of(status int) prometheus.Counter {
	if status < 0 || status >= len(r.byStatus) {
		status = 0
	}
	if c := r.byStatus[status].Load(); c != nil {
		return *c
	}
	c := r.requests.WithLabelValues(strconv.Itoa(status))
	r.byStatus[status].Store(&c)
	return c
}
