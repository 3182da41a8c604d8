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

// tracing makes spans as the standard variables say, or returns nil where they
// ask for none. The SDK reads the others itself: OTEL_TRACES_SAMPLER, OTEL_BSP_*,
// OTEL_SPAN_*, and OTEL_EXPORTER_OTLP_*.
func tracing(ctx context.Context, o Options) (*sdk.TracerProvider, error) {
	exporter, err := exporterOf(ctx)
	if err != nil || exporter == nil {
		return nil, err
	}
	about, err := resource.New(ctx,
		resource.WithAttributes(semconv.ServiceName("guildhall"), semconv.ServiceVersion(o.Version)),
		resource.WithTelemetrySDK(), resource.WithHost(),
		resource.WithFromEnv(), // last: OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win
	)
	if err != nil {
		return nil, fmt.Errorf("read OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	// The library knows no other place for what goes wrong in the background.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		o.Log.LogAttrs(context.Background(), slog.LevelWarn, "traces were not exported", slog.Any("cause", err))
	}))
	return sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(about)), nil
}

// exporterOf reads OTEL_TRACES_EXPORTER. Its default is otlp only where an
// endpoint is named too: nobody wants a service that looks for a collector on
// its own machine because of nothing.
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

// checkProtocol refuses what would be sent another way than was asked.
func checkProtocol() error {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		protocol := os.Getenv(name)
		if protocol == "" {
			continue
		}
		if protocol != "http/protobuf" {
			return fmt.Errorf("%s is %q; here it may be http/protobuf, on port 4318 of most collectors", name, protocol)
		}
		return nil // the first decides
	}
	return nil
}
