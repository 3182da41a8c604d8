package config

import (
	"strings"
	"testing"
)

func TestReplicaURLs(t *testing.T) {
	const primary = "DATABASE_URL=postgres://u:hunter2@a:1,b:2/d?target_session_attrs=read-write"
	for text, want := range map[string]string{
		`["postgres://u:hunter2@h/d"]`:                            `["postgres://u:********@h/d"]`,
		"postgres://u:hunter2@h/d, postgresql://i/d?password=x":   `["postgres://u:********@h/d","postgresql://i/d?password=********"]`,
		"postgresql+asyncpg://u:hunter2@h:5432/d?sslmode=require": `["postgres://u:********@h:5432/d?sslmode=require"]`,
		"": "[]",
	} {
		cfg := mustLoad(t, Options{Environ: []string{primary, "DATABASE_REPLICA_URLS=" + text}})
		for _, s := range cfg.Masked() {
			if s.Name == "DATABASE_REPLICA_URLS" && s.Value != want {
				t.Errorf("%s is printed as %s", text, s.Value)
			}
			if strings.Contains(s.Value, "hunter2") {
				t.Errorf("%s is printed as %s", s.Name, s.Value)
			}
		}
	}
	for text, want := range map[string]string{
		`["postgres://h/d","hunter2"]`:                                "number 2 begins with none of",
		`["postgres://u:hunter2@h/d"`:                                 "begins with [ but is not a JSON array",
		`["postgres://u:hunter2@a:1,b:2/d"]`:                          "number 1 names several servers",
		`["postgres:///d?host=a,b"]`:                                  "number 1 names several servers",
		"sqlite://x.db":                                               "number 1 is SQLite",
		"postgres://u:hunter2@h:port/d":                               "number 1 is not a valid URL",
		"postgres://u:hunter2@h/d?ssl=require":                        "number 1 has asyncpg's ssl",
		"postgres://u:hunter2@h/d,mysql://u:hunter2@h/d,postgres://h": "number 2 begins with none of",
	} {
		got := problemsOf(t, Options{Environ: []string{primary, "DATABASE_REPLICA_URLS=" + text}})
		contains(t, got, "DATABASE_REPLICA_URLS: "+want)
		containsNone(t, got, "hunter2")
	}
	contains(t, problemsOf(t, Options{Environ: []string{"DATABASE_URL=sqlite://x.db", "DATABASE_REPLICA_URLS=postgres://h/d"}}),
		"DATABASE_REPLICA_URLS: is for PostgreSQL, and DATABASE_URL is SQLite")
	for _, attributes := range []string{"standby", "prefer-standby", "read-only"} {
		contains(t, problemsOf(t, Options{Environ: []string{"DATABASE_URL=postgres://h/d?target_session_attrs=" + attributes}}),
			"DATABASE_URL: asks by target_session_attrs for a server that takes no writes")
	}
	cfg := mustLoad(t, Options{Environ: inProduction("DATABASE_URL=postgres://localhost/d", "DATABASE_REPLICA_URLS=postgres://localhost/d,postgres://far/d")})
	if failed := failures(cfg); len(failed) != 1 || !strings.HasPrefix(failed["DATABASE_REPLICA_URLS"], "number 2 is on another machine") {
		t.Errorf("fails: %v", failed)
	}
}
