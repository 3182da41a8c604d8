package telemetry

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"guildhall/platform/database"
)

var _ database.Observer = (*Telemetry)(nil)

// kinds of statements; the last is every other.
var kinds = [...]string{"SELECT", "INSERT", "UPDATE", "DELETE", "other"}

// kindOf is the index of a statement's kind. All of ours are in capitals.
func kindOf(text string) int {
	text = strings.TrimLeft(text, " \t\n")
	for i, kind := range kinds[:len(kinds)-1] {
		if strings.HasPrefix(text, kind) {
			return i
		}
	}
	return len(kinds) - 1
}

// Statement implements database.Observer. Its span has the text as it was sent:
// with placeholders, without the values. What the database said of an error may
// quote them, so that only its type is told.
func (t *Telemetry) Statement(ctx context.Context, driver database.Driver, text string, began time.Time, err error) {
	kind := kindOf(text)
	if t.metrics != nil {
		t.metrics.statements[kind].Observe(time.Since(began).Seconds())
	}
	if t.tracer == nil || !trace.SpanFromContext(ctx).IsRecording() {
		return
	}
	system := semconv.DBSystemNamePostgreSQL
	if driver == database.SQLite {
		system = semconv.DBSystemNameSQLite
	}
	_, span := t.tracer.Start(ctx, kinds[kind], trace.WithTimestamp(began), trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(system, semconv.DBOperationName(kinds[kind]), semconv.DBQueryText(text)))
	if err != nil {
		span.SetAttributes(semconv.ErrorTypeKey.String(fmt.Sprintf("%T", err)))
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

// Transaction implements database.Observer.
func (t *Telemetry) Transaction(ctx context.Context) (context.Context, func(database.Outcome)) {
	began := time.Now()
	var span trace.Span
	if t.tracer != nil && trace.SpanFromContext(ctx).IsRecording() {
		ctx, span = t.tracer.Start(ctx, "transaction")
	}
	return ctx, func(outcome database.Outcome) {
		if t.metrics != nil {
			t.metrics.transactions[outcome].Observe(time.Since(began).Seconds())
		}
		if span != nil {
			span.SetAttributes(outcomeKey.String(string(outcome)))
			span.End()
		}
	}
}
