package config

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The sample files are written by hand. This test compares them with the table: each
// has every setting once and no unknown one, under its description, with its default in
// development. All settings are commented out, because the YAML file is read from where
// it is and defaults differ between environments.
func TestSamplesAgreeWithTheTable(t *testing.T) {
	for _, sample := range []struct{ path, target, separator string }{
		{"../../configs/guildhall.yaml", defaultYAML, ": "},
		{"../../configs/.env.sample", ".env", "="},
	} {
		t.Run(sample.path, func(t *testing.T) {
			content, err := os.ReadFile(sample.path)
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(string(content), "\n")
			described := map[string]string{}
			for i, line := range lines {
				if line != "" && !strings.HasPrefix(line, "#") {
					t.Errorf("line %d is active", i+1)
				}
				name, ok := settingOf(line, sample.separator)
				if !ok {
					continue
				}
				if _, twice := described[name]; twice {
					t.Errorf("%s is there twice", name)
				}
				described[name] = strings.TrimPrefix(lines[i-1], "# ")
				lines[i] = strings.TrimPrefix(line, "# ")
			}
			for _, k := range keys() {
				if described[k.name] != k.describe() {
					t.Errorf("%s: described as %q, want %q", k.name, described[k.name], k.describe())
				}
				delete(described, k.name)
			}
			for name := range described {
				t.Errorf("%s is not a setting", name)
			}

			uncommented := strings.Join(lines, "\n")
			compareWithDefaults(t, mustLoad(t, Options{Dir: files(t, map[string]string{sample.target: uncommented})}), sample.target)
			compareWithDefaults(t, mustLoad(t, Options{Dir: files(t, map[string]string{sample.target: string(content)})}), sourceDefault)
		})
	}
}

func settingOf(line, separator string) (string, bool) {
	match := regexp.MustCompile(`^# ([A-Z][A-Z0-9_]*)` + separator).FindStringSubmatch(line)
	if match == nil {
		return "", false
	}
	return match[1], true
}

// compareWithDefaults also refuses a sample secret that could be used in production:
// people would use it.
func compareWithDefaults(t *testing.T, cfg *Config, source string) {
	t.Helper()
	defaults := mustLoad(t, Options{}).Masked()
	for i, got := range cfg.Masked() {
		if got.Source != source {
			t.Errorf("%s comes from %s, want %s", got.Name, got.Source, source)
		}
		if !strings.HasSuffix(got.Name, "SECRET_KEY") && got.Value != defaults[i].Value {
			t.Errorf("%s is %s, want %s", got.Name, got.Value, defaults[i].Value)
		}
	}
	if source == sourceDefault {
		return
	}
	for _, s := range []Secret{cfg.JWTSecretKey, cfg.JWTRefreshSecretKey} {
		if secretWeakness(s) != "is a placeholder" {
			t.Error("a sample secret would be accepted")
		}
	}
}

// A setting in the table that is not bound to a field, or is bound to another setting's
// field, would silently be zero.
func TestEverySettingHasAFieldOfItsOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range keys() {
		if seen[k.name] || seen[strings.TrimSuffix(k.name, "_FILE")] || seen[k.file()] {
			t.Errorf("%s can't be a name", k.name)
		}
		seen[k.name] = true
	}
	environ := []string{
		"ENVIRONMENT=development", "DATA_DIR=d", "DEBUG=false", "HOST=h", "PORT=1", "PRIVATE_ADDRESS=p:2", "DATABASE_URL=postgres://h/d",
		"DATABASE_MAX_CONNECTIONS=2", "DATABASE_POOL_MODE=transaction", `DATABASE_REPLICA_URLS=["postgres://r/d"]`, "DATABASE_ROW_SECURITY=true", "MIGRATE_ON_START=false", "DATABASE_COPY_BEFORE_MIGRATING=false", "JWT_SECRET_KEY=" + goodSecret, "JWT_REFRESH_SECRET_KEY=" + otherSecret,
		"JWT_ALGORITHM=RS256", "SIGNING_KEY_ROTATION_DAYS=13", "JWT_ISSUER=i", "JWT_AUDIENCE=a", "JWT_ACCESS_TOKEN_EXPIRE_MINUTES=3", "JWT_REFRESH_TOKEN_EXPIRE_DAYS=4",
		"JWT_REFRESH_ROTATION=false", "JWT_REFRESH_GRACE_SECONDS=5", "ENABLE_REGISTRATION=false",
		"REGISTRATION_CONFIRM_EMAIL=true", "LOG_IN_BY_EMAIL=true", "ACCOUNT_PAGES=false", "CONSOLE=false", "PRODUCT_NAME=n", "THEME_DIR=th", `PAGE_LINKS=["Terms=https://a.example/t"]`, "STEP_UP_MAX_AGE_SECONDS=61", "MFA_RECOVERY_DELAY_HOURS=25", "ERASE_AFTER_DAYS=15", "API_KEY_PREFIX=ab", "API_KEY_MAX_DAYS=13", "REVOCATION_POLL_MS=51", `CORS_ORIGINS=["https://a.example"]`,
		`TRUSTED_PROXIES=["10.0.0.0/8"]`, "RATE_LIMIT_ENABLED=false", "PASSWORD_BREACHED_FILE=bp", "PASSWORD_HASH_PARAMETERS=m=19456,t=2,p=1", "PASSWORD_HASH_CONCURRENCY=6", "PASSWORD_HASH_QUEUE=7", `PASSWORD_IMPORT_KEYS={"k":"********"}`,
		"SESSION_RETENTION_DAYS=10", "IDEMPOTENCY_KEY_RETENTION_HOURS=11", "AUDIT_RETENTION_DAYS=12",
		"PUBLIC_URL=https://p.example", "APP_URL=https://a.example/app", "WEBAUTHN_RP_ID=example.com", `WEBAUTHN_ORIGINS=["https://b.example"]`,
		`AUTH_REDIRECT_URIS=["https://a.example/back"]`, `PROVIDERS=[{"id":"corp","kind":"oidc","name":"Corp","issuer":"https://i.example","client_id":"c","client_secret":"********"}]`, "MAIL_TRANSPORT=smtp", "MAIL_FROM=f@a.example", "MAIL_RETURN_PATH=r@a.example",
		"MAIL_TEMPLATES_DIR=t", "MAIL_DEFAULT_LOCALE=de", "SMTP_HOST=s.example", "SMTP_PORT=26", "SMTP_TLS=implicit", "SMTP_USERNAME=u", "SMTP_PASSWORD=x",
		"BACKUP_DIR=b", "BACKUP_INTERVAL_HOURS=10", "BACKUP_KEEP=11",
		"LOG_LEVEL=warn", "LOG_FORMAT=json", "LOG_CLIENT_ADDRESS=false", "DRAIN_DELAY_SECONDS=8", "DRAIN_TIMEOUT_SECONDS=9",
	}
	cfg := mustLoad(t, Options{Environ: environ})
	settings := cfg.Masked()
	if len(settings) != len(environ) {
		t.Fatalf("%d settings, %d in this test", len(settings), len(environ))
	}
	given := environValues(environ)
	for _, s := range settings {
		if s.Value != given[s.Name] && s.Value != mask {
			t.Errorf("%s is %s, want %s", s.Name, s.Value, given[s.Name])
		}
	}
}
