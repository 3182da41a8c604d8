package config

import (
	"slices"
	"strings"
	"testing"
)

func TestTypes(t *testing.T) {
	for setting, want := range map[string]string{
		"DEBUG=yes":                                            `DEBUG: "yes" is neither true nor false (environment)`,
		"RATE_LIMIT_ENABLED=off":                               `"off" is neither true nor false`,
		"PORT=abc":                                             `PORT: "abc" is not a whole number from 0 to 65535`,
		"PORT=65536":                                           "PORT: 65536 is not from 0 to 65535",
		"PORT=-1":                                              "PORT: -1 is not from",
		"JWT_REFRESH_GRACE_SECONDS=61":                         "61 is not from 0 to 60",
		"JWT_ACCESS_TOKEN_EXPIRE_MINUTES=0":                    "0 is not from 1 to",
		"JWT_ACCESS_TOKEN_EXPIRE_MINUTES=30m":                  `"30m" is not a whole number`,
		"JWT_REFRESH_TOKEN_EXPIRE_DAYS=99999999999":            "is not from 1 to 365",
		"DATABASE_MAX_CONNECTIONS=0":                           "0 is not from 1 to 1000",
		"LOG_LEVEL=loud":                                       `LOG_LEVEL: "loud" is not one of debug, info, warn, error`,
		"LOG_FORMAT=xml":                                       "is not one of text, json",
		"HOST=127.0.0.1:80":                                    "HOST: \"127.0.0.1:80\" is neither an IP address nor a host name",
		"DATA_DIR=a\nb":                                        "DATA_DIR: has a control character in it",
		"ENVIRONMENT=pre production":                           `ENVIRONMENT: "pre production" is not a word`,
		`CORS_ORIGINS=["a`:                                     "CORS_ORIGINS: begins with [ but is not a JSON array",
		`CORS_ORIGINS=[1]`:                                     "is not a JSON array of strings",
		"TRUSTED_PROXIES=10.0.0.0/33,::1,proxy":                `"10.0.0.0/33" is neither an IP address nor a CIDR range, "proxy" is`,
		"DATABASE_URL=mysql://u:hunter2@h/d":                   "DATABASE_URL: begins with none of",
		"DATABASE_URL=host=h password=hunter2":                 "DATABASE_URL: begins with none of",
		"DATABASE_URL=postgres://u:hunter2%@h/d":               "DATABASE_URL: is not a valid URL",
		"DATABASE_URL=postgres://u:hunter2@h?ssl=1":            "has asyncpg's ssl",
		"DATABASE_URL=sqlite://":                               "DATABASE_URL: names no file",
		"DATABASE_URL=postgres://u:hunter2@hunter2@h/d":        "DATABASE_URL: has more than one @ before the host: in a user or a password, @ is written %40",
		"DATABASE_URL=postgres://u:1/hunter2@h/d":              "DATABASE_URL: has an @ after a /",
		`DATABASE_URL="postgres://u:hunter2@h/d"`:              "DATABASE_URL: is wrapped in quotes, which are a part of the value: remove them (Docker's env_file keeps them) (environment)",
		"DATABASE_URL='sqlite://x.db'":                         "DATABASE_URL: is wrapped in quotes",
		"DATABASE_URL= postgres://u:hunter2@h/d":               "DATABASE_URL: begins or ends with white space",
		"DATABASE_URL=postgres://u:hunter2@h/d\t":              "DATABASE_URL: begins or ends with white space",
		`DATABASE_REPLICA_URLS="postgres://u:hunter2@h/d"`:     "DATABASE_REPLICA_URLS: is wrapped in quotes",
		`DATABASE_REPLICA_URLS=["'postgres://u:hunter2@h/d'"]`: "DATABASE_REPLICA_URLS: number 1 is wrapped in quotes",
		`PORT="8000"`:                                          "PORT: is wrapped in quotes",
		`DEBUG='true'`:                                         "DEBUG: is wrapped in quotes",
		`TRUSTED_PROXIES="10.0.0.1"`:                           "TRUSTED_PROXIES: is wrapped in quotes",
		`PORT= 8000`:                                           "PORT: begins or ends with white space",
		"DATABASE_URL=sqlite://?x=y":                           "DATABASE_URL: names no file",
		"DATABASE_URL=sqlite://:memory:":                       "DATABASE_URL: names a database in memory",
		"DATABASE_URL=sqlite://file::memory:":                  "DATABASE_URL: names a database in memory",
		"DATABASE_URL=sqlite://x?mode=memory":                  "DATABASE_URL: names a database in memory",
	} {
		t.Run(setting, func(t *testing.T) {
			got := problemsOf(t, Options{Environ: []string{setting}})
			contains(t, got, want)
			containsNone(t, got, "hunter2")
		})
	}
}

// TestValuesThatAreWrapped and are accepted with the quotes or white space: without
// them, the signing key would change.
func TestValuesThatAreWrapped(t *testing.T) {
	for setting, want := range map[string]bool{
		`JWT_SECRET_KEY="` + goodSecret + `"`: true, "JWT_SECRET_KEY='" + goodSecret + "'": true, "JWT_SECRET_KEY= " + goodSecret: true, "JWT_REFRESH_SECRET_KEY=" + otherSecret + " ": true,
		`JWT_ISSUER="guildhall"`: true, `DATA_DIR='data'`: true, "BACKUP_DIR=/srv/x ": true,
		`JWT_SECRET_KEY="` + goodSecret: false, "JWT_SECRET_KEY=" + goodSecret: false, "ENVIRONMENT= development ": false, "CORS_ORIGINS= https://a.example ": false, `CORS_ORIGINS=["https://a.example"]`: false,
	} {
		cfg := mustLoad(t, Options{Environ: []string{setting}})
		name, value, _ := strings.Cut(setting, "=")
		warned := slices.ContainsFunc(cfg.Warnings, func(w string) bool {
			return strings.HasPrefix(w, name+": ") && strings.Contains(w, "a part of the value")
		})
		if warned != want {
			t.Errorf("%s: %q", setting, cfg.Warnings)
		}
		if name == "JWT_SECRET_KEY" && cfg.JWTSecretKey.Reveal() != value {
			t.Errorf("%s is not what is written", setting)
		}
		containsNone(t, strings.Join(cfg.Warnings, "\n"), goodSecret, otherSecret)
	}
}

func TestBooleans(t *testing.T) {
	for text, want := range map[string]bool{"true": true, "True": true, "1": true, "false": false, "False": false, "0": false} {
		if got := mustLoad(t, Options{Environ: []string{"DEBUG=" + text}}).Debug; got != want {
			t.Errorf("%s is %v", text, got)
		}
	}
}

func TestDatabaseSchemes(t *testing.T) {
	for given, want := range map[string]string{
		"postgresql+asyncpg://u:p@h/d":   "postgres://u:p@h/d",
		"postgresql://u:p@h/d":           "postgresql://u:p@h/d",
		"postgres://u:p@a:1,b:2/d":       "postgres://u:p@a:1,b:2/d",
		"sqlite:///var/lib/guildhall.db": "sqlite:///var/lib/guildhall.db",
	} {
		if got := mustLoad(t, Options{Environ: []string{"DATABASE_URL=" + given}}).DatabaseURL.Reveal(); got != want {
			t.Errorf("%s became %s", given, got)
		}
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	got := problemsOf(t, Options{
		Dir: files(t, map[string]string{defaultYAML: "PROT: 1\n"}),
		Environ: []string{
			"ENVIRONMENT=production", "PORT=abc", "DEBUG=true", "JWT_SECRET_KEY=hunter2",
			`CORS_ORIGINS=["*","https://a.example/"]`,
		},
	})
	want := strings.Join([]string{
		`the configuration has 8 problem(s)`,
		`configs/guildhall.yaml: "PROT" is not a setting`,
		`PORT: "abc" is not a whole number from 0 to 65535 (environment)`,
		`DATABASE_URL: has to be set outside development: sqlite:///var/lib/guildhall/guildhall.db for a file, postgres://user@host/name for a server`,
		"JWT_REFRESH_SECRET_KEY: has to be set outside development: `openssl rand -base64 32` makes one",
		`JWT_SECRET_KEY: is shorter than 32 bytes`,
		`DEBUG: is on outside development`,
		`CORS_ORIGINS: "*" is a wildcard; list the origins`,
		`CORS_ORIGINS: "https://a.example/" is not scheme://host[:port] in lower case, with no path, trailing slash or default port`,
	}, "\n")
	if got != want {
		t.Errorf("got:\n%s", got)
	}
}

func TestWeakSecrets(t *testing.T) {
	for weak, want := range map[string]string{
		"hunter2":                      "is shorter than 32 bytes",
		"your-secret-key-here":         "is a published example",
		"your-refresh-secret-key-here": "is a published example",
		"09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7": "is a published example",
		"CHANGE_ME-kq8hXz2vRt5wPm9sLc4nBd7fJg1yTu":                         "is a placeholder",
		"My-Your-Secret-Key-Here-1234567890-abcdefgh":                      "is a placeholder",
		"<strong-random-secret>-<strong-random-secret>":                    "is a placeholder",
		strings.Repeat("x", 64):                                            "is a pattern",
		strings.Repeat("0123456789abcdef", 2):                              "is a pattern",
		strings.Repeat("a", 40) + "b":                                      "is a pattern",
	} {
		t.Run(weak, func(t *testing.T) {
			environ := inProduction("JWT_SECRET_KEY=" + weak)
			got := problemsOf(t, Options{Environ: environ})
			contains(t, got, "JWT_SECRET_KEY: "+want)
			containsNone(t, got, weak)

			environ[0] = "ENVIRONMENT=development"
			warnings := strings.Join(mustLoad(t, Options{Environ: environ}).Warnings, "\n")
			contains(t, warnings, "JWT_SECRET_KEY: "+want)
			containsNone(t, warnings, weak)
		})
	}
}

func TestEqualSecretsAreRefusedEverywhere(t *testing.T) {
	for _, environment := range []string{"development", "staging", "production"} {
		got := problemsOf(t, Options{Environ: inProduction("ENVIRONMENT="+environment, "JWT_REFRESH_SECRET_KEY="+goodSecret)})
		contains(t, got, "JWT_REFRESH_SECRET_KEY: is the same as JWT_SECRET_KEY", "1 problem(s)")
	}
}

func TestOtherEnvironmentsHaveProductionRules(t *testing.T) {
	got := problemsOf(t, Options{Environ: []string{"ENVIRONMENT=dev"}})
	contains(t, got, "JWT_SECRET_KEY: has to be set", "JWT_REFRESH_SECRET_KEY: has to be set", "DATABASE_URL: has to be set")
}

func TestOrigins(t *testing.T) {
	for _, origin := range []string{"https://a.example", "http://localhost:3000", "http://127.0.0.1:8080", "https://[::1]:8443", "chrome-extension://abcdef"} {
		if fault := originFault(origin); fault != "" {
			t.Errorf("%s %s", origin, fault)
		}
	}
	for _, origin := range []string{"*", "https://*.a.example", "null", "", "a.example", "https://", "https://a.example/",
		"https://a.example/x", "https://a.example?x", "https://a.example#x", "https://u@a.example", "https://A.example",
		"HTTPS://a.example", "https://a.example:443", "http://a.example:80", "https://a.example:", "https://a.example:0",
		"https://a.example:99999", "https://a.example:08443", "https://ä.example", "https://a.example,b", " https://a.example"} {
		if originFault(origin) == "" {
			t.Errorf("%q passes", origin)
		}
	}
}

func TestWarnsOfTrustingEveryProxy(t *testing.T) {
	for _, proxy := range []string{"0.0.0.0/0", "::/0"} {
		cfg := mustLoad(t, Options{Environ: inProduction("TRUSTED_PROXIES=10.0.0.1," + proxy)})
		contains(t, strings.Join(cfg.Warnings, "\n"), "TRUSTED_PROXIES: "+proxy+" lets anyone choose")
	}
}

// TestWordsInAnyCase: Development has the rules of development, and Production those of
// production.
func TestWordsInAnyCase(t *testing.T) {
	for _, given := range []string{"Development", "DEVELOPMENT", " development "} {
		cfg := mustLoad(t, Options{Environ: []string{"ENVIRONMENT=" + given, "LOG_LEVEL=DEBUG", "LOG_FORMAT=Json", "DATABASE_POOL_MODE=Session"}})
		if !cfg.Development() || !cfg.Debug || !cfg.EnableRegistration || cfg.LogLevel != "debug" || cfg.LogFormat != "json" || cfg.DatabasePoolMode != "session" {
			t.Errorf("%q: %+v", given, cfg)
		}
	}
	contains(t, problemsOf(t, Options{Environ: []string{"ENVIRONMENT=Production"}}), "JWT_SECRET_KEY: has to be set outside development")
	if cfg := mustLoad(t, Options{Environ: append(inProduction(), "ENVIRONMENT=PRODUCTION")}); cfg.Environment != production || cfg.Debug {
		t.Errorf("%+v", cfg)
	}
}
