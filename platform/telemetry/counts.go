package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"guildhall/platform/access"
	"guildhall/platform/audit"
)

// outcomeKey is the outcome of the operation that a span describes.
const outcomeKey = attribute.Key("guildhall.outcome")

// LoggedIn counts an attempt to log in, by its result.
func (t *Telemetry) LoggedIn(result string) {
	if t != nil && t.metrics != nil {
		t.metrics.logIns.WithLabelValues(result).Inc()
	}
}

// Mailed counts an attempt to send a mail, by its result: sent, retried, refused or
// expired.
func (t *Telemetry) Mailed(result string) {
	if t != nil && t.metrics != nil {
		t.metrics.mails.WithLabelValues(result).Inc()
	}
}

// LookedUpPassword counts a search for a new password in the list of breached ones, by its
// result: clear, breached or failed.
func (t *Telemetry) LookedUpPassword(result string) {
	if t != nil && t.metrics != nil {
		t.metrics.breached.WithLabelValues(result).Inc()
	}
}

// Refreshed counts a refresh token that was presented, by its result.
func (t *Telemetry) Refreshed(result string) {
	if t != nil && t.metrics != nil {
		t.metrics.refreshes.WithLabelValues(result).Inc()
	}
}

// KeyPresented counts an API key that was presented, by what became of it.
func (t *Telemetry) KeyPresented(outcome access.KeyOutcome) {
	if t != nil && t.metrics != nil {
		t.metrics.keys[outcome].Inc()
	}
}

// Introspected counts an introspection, by whether the token was active.
func (t *Telemetry) Introspected(active bool) {
	switch {
	case t == nil || t.metrics == nil:
	case active:
		t.metrics.active.Inc()
	default:
		t.metrics.inactive.Inc()
	}
}

// Recorded counts an event of the audit log.
func (t *Telemetry) Recorded(action audit.Action) {
	if t != nil && t.metrics != nil {
		t.metrics.events.WithLabelValues(string(action)).Inc()
	}
}

// Limited counts a request that a rate limit refused.
func (t *Telemetry) Limited(policy string) {
	if t != nil && t.metrics != nil {
		t.metrics.limited.WithLabelValues(policy).Inc()
	}
}

// Hashed measures the computation of a password hash: asked is when it was requested,
// and waited is how long it waited for its turn.
func (t *Telemetry) Hashed(ctx context.Context, asked time.Time, waited time.Duration) {
	if t == nil {
		return
	}
	if t.metrics != nil {
		t.metrics.hashWait.Observe(waited.Seconds())
		t.metrics.hashTime.Observe((time.Since(asked) - waited).Seconds())
	}
	if t.tracer == nil || !trace.SpanFromContext(ctx).IsRecording() {
		return
	}
	_, span := t.tracer.Start(ctx, "password hash", trace.WithTimestamp(asked),
		trace.WithAttributes(attribute.Float64("guildhall.waited_ms", float64(waited.Microseconds())/1000)))
	span.End()
}
