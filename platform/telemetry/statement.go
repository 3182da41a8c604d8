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

// kinds are the kinds of statements. The last one is for all others.
var kinds = [...]string{"SELECT", "INSERT", "UPDATE", "DELETE", "other"}

// kindOf returns the index of a statement's kind. All our statements are in capitals.
func kindOf(text string) int {
	text = strings.TrimLeft(text, " \t\n")
	for i, kind := range kinds[:len(kinds)-1] {
		if strings.HasPrefix(text, kind) {
			return i
		}
	}
	return len(kinds) - 1
}

// Statement implements database.Observer. The span has the text as it was sent: with
// placeholders, without the values. An error of the database may quote values, so the
// span has only the error's type.
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
