package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

const (
	goodSecret  = "Zk3vQ9xT7mWc1LrB8nYp4HsD6fGj2KaE5uViOoXq"
	otherSecret = "e8RtY1uIo5PaSdF7gHjK3lZxC9vBnM2qWsEdCfVt"
)

// files writes files, by path, to a new working directory, and returns it.
func files(t testing.TB, contents map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for path, content := range contents {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func flags(t testing.TB, args ...string) *pflag.FlagSet {
	t.Helper()
	set := pflag.NewFlagSet("guildhall", pflag.ContinueOnError)
	Flags(set)
	if err := set.Parse(args); err != nil {
		t.Fatal(err)
	}
	return set
}

func mustLoad(t testing.TB, o Options) *Config {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	cfg, err := Load(o)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// problemsOf loads a configuration that must be refused, and returns the error.
func problemsOf(t testing.TB, o Options) string {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	cfg, err := Load(o)
	var problems Problems
	if !errors.As(err, &problems) || cfg != nil {
		t.Fatalf("got %v and %v, want Problems alone", cfg, err)
	}
	return err.Error()
}

// inProduction returns a valid production environment, with more settings.
func inProduction(more ...string) []string {
	return append([]string{
		"ENVIRONMENT=production",
		"DATABASE_URL=postgres://app:hunter2@db.internal/guildhall?sslmode=verify-full",
		"JWT_SECRET_KEY=" + goodSecret,
		"JWT_REFRESH_SECRET_KEY=" + otherSecret,
	}, more...)
}

func contains(t testing.TB, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
}

func containsNone(t testing.TB, text string, unwanted ...string) {
	t.Helper()
	for _, s := range unwanted {
		if strings.Contains(text, s) {
			t.Errorf("%q is in:\n%s", s, text)
		}
	}
}

func TestNothingSetIsDevelopment(t *testing.T) {
	cfg := mustLoad(t, Options{})
	if !cfg.Development() || !cfg.Debug || !cfg.MigrateOnStart || !cfg.EnableRegistration {
		t.Errorf("not development: %+v", cfg)
	}
	if cfg.Host != "127.0.0.1" || cfg.Port != 8000 || cfg.LogFormat != "text" || cfg.DrainDelay != 0 {
		t.Errorf("wrong defaults: %+v", cfg)
	}
	if got := cfg.DatabaseURL.Reveal(); got != "sqlite://data/guildhall.db" {
		t.Errorf("DATABASE_URL is %s", got)
	}
	if cfg.AccessTokenTTL != 30*time.Minute || cfg.RefreshTokenTTL != 7*24*time.Hour || cfg.RefreshGrace != 10*time.Second {
		t.Errorf("wrong times: %+v", cfg)
	}
	if len(cfg.CORSOrigins) != 0 || len(cfg.Warnings) != 0 {
		t.Errorf("origins %v, warnings %v", cfg.CORSOrigins, cfg.Warnings)
	}
}

func TestProductionHasItsOwnDefaults(t *testing.T) {
	cfg := mustLoad(t, Options{Environ: inProduction()})
	if cfg.Debug || cfg.MigrateOnStart || cfg.EnableRegistration {
		t.Errorf("development's defaults: %+v", cfg)
	}
	if cfg.Host != "0.0.0.0" || cfg.LogFormat != "json" || cfg.DrainDelay != 5*time.Second {
		t.Errorf("development's defaults: %+v", cfg)
	}
}

func TestDatabaseFollowsDataDir(t *testing.T) {
	for dir, want := range map[string]string{
		"/srv/guildhall":    "sqlite:///srv/guildhall/guildhall.db",
		"/srv/a b?c#d%20@e": "sqlite:///srv/a b%3Fc%23d%2520@e/guildhall.db",
	} {
		cfg := mustLoad(t, Options{Environ: []string{"DATA_DIR=" + dir}})
		if got := cfg.DatabaseURL.Reveal(); got != want {
			t.Errorf("of %s DATABASE_URL is %s", dir, got)
		}
		for _, s := range cfg.Masked() {
			if s.Name == "DATABASE_URL" && s.Value != want {
				t.Errorf("of %s DATABASE_URL is printed as %s", dir, s.Value)
			}
		}
	}
}

func TestPrecedence(t *testing.T) {
	dir := files(t, map[string]string{
		"configs/guildhall.yaml": "PORT: 1\nHOST: yaml\nJWT_ISSUER: yaml\nJWT_AUDIENCE: yaml\n",
		".env":                   "PORT=2\nHOST=dotenv\nJWT_ISSUER=dotenv\n",
	})
	cfg := mustLoad(t, Options{
		Dir:     dir,
		Environ: []string{"PORT=3", "HOST=environment"},
		Flags:   flags(t, "--port", "4"),
	})
	if cfg.Port != 4 || cfg.Host != "environment" || cfg.JWTIssuer != "dotenv" || cfg.JWTAudience != "yaml" {
		t.Errorf("wrong precedence: %+v", cfg)
	}
	want := []string{"PORT=4 (flag)", "HOST=environment (environment)", "JWT_ISSUER=dotenv (.env)",
		"JWT_AUDIENCE=yaml (configs/guildhall.yaml)", "LOG_LEVEL=info (default)"}
	for _, line := range want {
		if !slices.ContainsFunc(cfg.Masked(), func(s Setting) bool { return s.String() == line }) {
			t.Errorf("no %q in %v", line, cfg.Masked())
		}
	}
}

func TestEmptyCountsAsUnset(t *testing.T) {
	dir := files(t, map[string]string{
		".env":                   "PORT=\n",
		"configs/guildhall.yaml": "PORT: 9000\nHOST:\n",
	})
	cfg := mustLoad(t, Options{Dir: dir, Environ: []string{"PORT=", "HOST="}})
	if cfg.Port != 9000 || cfg.Host != "127.0.0.1" {
		t.Errorf("got %s:%d", cfg.Host, cfg.Port)
	}
}

func TestFlagsOfBooleansNeedNoValue(t *testing.T) {
	cfg := mustLoad(t, Options{Flags: flags(t, "--migrate-on-start=false", "--enable-registration")})
	if cfg.MigrateOnStart || !cfg.EnableRegistration {
		t.Errorf("got %+v", cfg)
	}
}

func TestChosenYAMLFile(t *testing.T) {
	dir := files(t, map[string]string{
		"configs/guildhall.yaml": "PORT: 1\n",
		"a.yaml":                 "PORT: 2\n",
		"b.yaml":                 "PORT: 3\n",
	})
	byEnvironment := Options{Dir: dir, Environ: []string{"GUILDHALL_CONFIG=a.yaml"}}
	if cfg := mustLoad(t, byEnvironment); cfg.Port != 2 {
		t.Errorf("GUILDHALL_CONFIG: port %d", cfg.Port)
	}
	byEnvironment.Flags = flags(t, "--config", filepath.Join(dir, "b.yaml"))
	if cfg := mustLoad(t, byEnvironment); cfg.Port != 3 {
		t.Errorf("--config: port %d", cfg.Port)
	}
	got := problemsOf(t, Options{Dir: dir, Flags: flags(t, "--config", "none.yaml")})
	contains(t, got, "none.yaml: can't be read: no such file")
}

func TestListSyntaxes(t *testing.T) {
	want := []string{"https://a.example", "http://localhost:3000"}
	for name, o := range map[string]Options{
		"JSON":        {Environ: []string{`CORS_ORIGINS=["https://a.example", "http://localhost:3000"]`}},
		"commas":      {Environ: []string{`CORS_ORIGINS=https://a.example, http://localhost:3000,`}},
		"YAML list":   {Dir: files(t, map[string]string{defaultYAML: "CORS_ORIGINS:\n  - https://a.example\n  - http://localhost:3000\n"})},
		"YAML string": {Dir: files(t, map[string]string{defaultYAML: "CORS_ORIGINS: https://a.example,http://localhost:3000\n"})},
		"JSON .env":   {Dir: files(t, map[string]string{".env": `CORS_ORIGINS=["https://a.example","http://localhost:3000"]`})},
		"flag":        {Flags: flags(t, "--cors-origins", `["https://a.example","http://localhost:3000"]`)},
	} {
		t.Run(name, func(t *testing.T) {
			if got := mustLoad(t, o).CORSOrigins; !slices.Equal(got, want) {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestAnEmptyListOverridesOne(t *testing.T) {
	dir := files(t, map[string]string{defaultYAML: "CORS_ORIGINS: [https://a.example]\n"})
	if got := mustLoad(t, Options{Dir: dir, Environ: []string{"CORS_ORIGINS=[]"}}).CORSOrigins; len(got) != 0 {
		t.Errorf("got %q", got)
	}
}
