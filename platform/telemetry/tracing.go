package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// tracing returns a tracer provider that is configured by the standard variables, or
// nil if they ask for no traces. The SDK itself reads the others: OTEL_TRACES_SAMPLER,
// OTEL_BSP_*, OTEL_SPAN_*, and OTEL_EXPORTER_OTLP_*.
func tracing(ctx context.Context, o Options) (*sdk.TracerProvider, error) {
	exporter, err := exporterOf(ctx)
	if err != nil || exporter == nil {
		return nil, err
	}
	about, err := resource.New(ctx,
		resource.WithAttributes(semconv.ServiceName("guildhall"), semconv.ServiceVersion(o.Version)),
		resource.WithTelemetrySDK(), resource.WithHost(),
		resource.WithFromEnv(), // last, so that OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES have precedence
	)
	if err != nil {
		return nil, fmt.Errorf("read OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	// The library reports errors in the background only here.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		o.Log.LogAttrs(context.Background(), slog.LevelWarn, "traces were not exported", slog.Any("cause", err))
	}))
	return sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(about)), nil
}

// exporterOf reads OTEL_TRACES_EXPORTER. Its default is otlp only if an endpoint is set
// as well: a service should not look for a collector on its own machine without being
// asked to.
func exporterOf(ctx context.Context) (sdk.SpanExporter, error) {
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") {
		return nil, nil
	}
	const name = "OTEL_TRACES_EXPORTER"
	kind := os.Getenv(name)
	if kind == "" && (os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != "") {
		kind = "otlp"
	}
	switch kind {
	case "", "none":
		return nil, nil
	case "console":
		return stdouttrace.New()
	case "otlp":
		if err := checkProtocol(); err != nil {
			return nil, err
		}
		exporter, err := otlptracehttp.New(ctx)
		if err != nil {
			return nil, fmt.Errorf("export traces by OTLP: %w", err)
		}
		return exporter, nil
	default:
		return nil, fmt.Errorf("%s is %q; here it may be otlp, console or none", name, kind)
	}
}

// checkProtocol refuses a protocol that would not be used.
func checkProtocol() error {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		protocol := os.Getenv(name)
		if protocol == "" {
			continue
		}
		if protocol != "http/protobuf" {
			return fmt.Errorf("%s is %q; here it may be http/protobuf, on port 4318 of most collectors", name, protocol)
		}
		return nil // the first one that is set decides
	}
	return nil
}
