package telemetry

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// Gate measures the decisions of one access rule.
type Gate struct {
	t        *Telemetry
	admitted prometheus.Counter
	refused  *prometheus.CounterVec // by code
	begin    trace.SpanStartOption
}

// admitted is the outcome of a decision that is not a refusal.
const admitted = "admitted"

// Gate returns the measurements of a rule, which has its name from the route table.
func (t *Telemetry) Gate(rule string) *Gate {
	if t == nil {
		return nil
	}
	g := &Gate{t: t, begin: trace.WithAttributes(attribute.String("guildhall.rule", rule))}
	if t.metrics != nil {
		g.refused = t.metrics.gate.MustCurryWith(prometheus.Labels{"rule": rule})
		g.admitted = g.refused.WithLabelValues(admitted)
	}
	return g
}

// Begin returns the context in which the gate decides.
func (g *Gate) Begin(ctx context.Context) context.Context {
	if g == nil || g.t.tracer == nil {
		return ctx
	}
	ctx, _ = g.t.tracer.Start(ctx, "gate", g.begin)
	return ctx
}

// End counts the decision. refusal is the code of the refusal, or empty.
func (g *Gate) End(ctx context.Context, refusal string) {
	if g == nil {
		return
	}
	if g.refused != nil {
		if refusal == "" {
			g.admitted.Inc()
		} else {
			g.refused.WithLabelValues(refusal).Inc()
		}
	}
	if g.t.tracer == nil {
		return
	}
	if refusal == "" {
		refusal = admitted
	}
	span := trace.SpanFromContext(ctx)
	span.SetAttributes(outcomeKey.String(refusal))
	span.End()
}
