package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"guildhall/platform/platformtest"
)

// asker returns a function that makes one request to a service on SQLite, with or without
// metrics.
func asker(t testing.TB, metrics bool) (ask func()) {
	t.Helper()
	s := asInProduction(t, platformtest.SQLiteURL(t), slog.New(slog.DiscardHandler), metrics)
	token := s.person("Ada").access
	return func() {
		r := httptest.NewRequest(http.MethodGet, "/api/v1/auth/me", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		if s.app.API().ServeHTTP(w, r); w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
}

// tracing turns traces on, without a receiver: spans are created and then discarded.
func tracing(t testing.TB, sampler string) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	t.Setenv("OTEL_TRACES_SAMPLER", sampler)
}

// BenchmarkTelemetry measures one request with each kind of telemetry, in one run.
func BenchmarkTelemetry(b *testing.B) {
	for _, c := range []struct {
		name, sampler string
		metrics       bool
	}{
		{"nothing", "", false}, {"metrics", "", true}, {"traces, none sampled", "always_off", true}, {"traces", "always_on", true},
	} {
		b.Run(c.name, func(b *testing.B) {
			if c.sampler != "" {
				tracing(b, c.sampler)
			}
			ask := asker(b, c.metrics)
			b.ReportAllocs()
			for b.Loop() {
				ask()
			}
		})
	}
}
