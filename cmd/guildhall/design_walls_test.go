package main

import (
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// TestWalls checks the design's rules on which package may import which.
func TestWalls(t *testing.T) {
	t.Parallel()
	output, err := exec.Command("go", "list", "-f", `{{.ImportPath}}:{{join .Imports " "}}`, "guildhall/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	only := map[string][]string{ // a pattern of imported package paths, and the only packages that may import them
		"github.com/spf13/viper":                 {"guildhall/platform/config"},
		"github.com/golang-jwt/jwt/v5":           {"guildhall/platform/token"},
		"gorm.io/driver/postgres":                {"guildhall/platform/database"},
		"gorm.io/driver/sqlite":                  {"guildhall/platform/database"},
		"github.com/mattn/go-sqlite3":            {"guildhall/platform/database"},
		"github.com/go-gormigrate/gormigrate/v2": {"guildhall/platform/migrate"},
		"github.com/jackc/pgx/v5":                {"guildhall/platform/database"},
		"github.com/jackc/pgx/v5/stdlib":         {"guildhall/platform/database", "guildhall/platform/platformtest"},
		"github.com/gin-gonic/gin":               {"guildhall/platform/httpapi"},
		"guildhall/modules/*":                    {"guildhall/cmd/guildhall"},
		"guildhall/platform/transfer":            {"guildhall/cmd/guildhall"},

		"github.com/prometheus/client_golang/prometheus":          {"guildhall/platform/telemetry"},
		"github.com/prometheus/client_golang/prometheus/promhttp": {"guildhall/platform/telemetry"},
		"go.opentelemetry.io/otel":                                {"guildhall/platform/telemetry"},
		"go.opentelemetry.io/otel/trace":                          {"guildhall/platform/telemetry"},
		"go.opentelemetry.io/otel/sdk/trace":                      {"guildhall/platform/telemetry"},
		"net/http/pprof":                                          {"guildhall/platform/telemetry"},
	}
	found := map[string]bool{}
	for line := range strings.Lines(string(output)) {
		importer, imports, _ := strings.Cut(strings.TrimSpace(line), ":")
		for _, imported := range strings.Fields(imports) {
			for pattern, allowed := range only {
				matches, err := path.Match(pattern, imported)
				if err != nil {
					t.Fatal(err)
				}
				if !matches {
					continue
				}
				found[pattern] = true
				if !slices.Contains(allowed, importer) {
					t.Errorf("%s imports %s, which only %s may", importer, imported, strings.Join(allowed, " and "))
				}
			}
			if strings.HasPrefix(importer, "guildhall/platform/") && strings.HasPrefix(imported, "guildhall/modules") {
				t.Errorf("%s imports %s: the platform must not import modules", importer, imported)
			}
		}
	}
	for library := range only {
		if !found[library] {
			t.Errorf("no package imports %s: the rule checks nothing", library)
		}
	}
}
