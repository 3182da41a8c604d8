package telemetry_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"guildhall/platform/access"
	"guildhall/platform/database"
	"guildhall/platform/request"
	"guildhall/platform/telemetry"
)

// measuring makes all measurements of a request that uses the gate and reads the
// database.
func measuring(t *testing.T, metrics bool) (allocations float64) {
	t.Helper()
	measure, err := telemetry.Start(t.Context(), telemetry.Options{Metrics: metrics, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = measure.Close() })
	route, gate := measure.Route("GET", "/api/v1/auth/me"), measure.Gate("signed in")
	asked, answer := httptest.NewRequest(http.MethodGet, "/api/v1/auth/me", nil), http.Header{}
	asked.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	outside := request.With(t.Context(), request.Info{ID: "an id"}, answer)
	began, outcomes := time.Now(), access.KeyOutcomes()
	statement := func(ctx context.Context) {
		if measure != nil { // as the database calls it
			measure.Statement(ctx, database.SQLite, "\nSELECT 1", began, nil)
		}
	}
	once := func() {
		ctx := route.Begin(outside, asked, answer)
		looking := gate.Begin(ctx)
		statement(looking)
		gate.End(looking, "")
		statement(ctx)
		route.End(ctx, http.StatusNotFound, "user_not_found", time.Millisecond)
		measure.LoggedIn("ok")
		measure.KeyPresented(outcomes[0])
		measure.Introspected(true)
		measure.Hashed(ctx, began, time.Millisecond)
	}
	once()
	return testing.AllocsPerRun(1000, once)
}

func TestDisabledTelemetryCostsNothing(t *testing.T) {
	if n := measuring(t, false); n != 0 {
		t.Errorf("nothing is measured, and takes %v allocations", n)
	}
	if n := measuring(t, true); n != 0 {
		t.Errorf("metrics without traces take %v allocations", n)
	}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	if n := measuring(t, true); n == 0 {
		t.Error("not even traces take any: this test sees nothing")
	}
}
