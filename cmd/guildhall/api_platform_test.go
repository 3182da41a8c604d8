package main

import (
	"context"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"guildhall/platform/config"
	"guildhall/platform/databaseurl"
	"guildhall/platform/platformtest"
)

// TestPlatformStatus checks what platform administrators see of the installation.
func TestPlatformStatus(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, grace := s.operator("Root"), s.person("Grace")
		began := s.kernel.Inspector.StartedAt
		s.later(time.Minute)
		status := root.get("/platform/status").is(200)
		newest := s.app.Migrations()[len(s.app.Migrations())-1].ID
		for name, want := range map[string]any{
			"version": version, "started_at": began.Format(time.RFC3339Nano),
			"schema.version": newest, "schema.pending": 0.0, "schema.newer": 0.0,
			"database.driver": string(s.kernel.DB.Driver()), "database.standbys": 0.0, "database.standbys_in_use": 0.0,
			"backups.keep": 3.0, "backups.interval_seconds": 86400.0, "backups.last_at": nil, "backups.failures": 0.0, "backups.failed_at": nil, "backups.failure": nil,
			"mail.transport": "smtp", "mail.pending": 0.0, "mail.oldest_pending_at": nil, "mail.failed": 0.0, "mail.suppressed": 0.0,
		} {
			if got := status.value(name); got != want {
				t.Errorf("%s is %v, want %v", name, got, want)
			}
		}
		if size, _ := status.value("database.size_bytes").(float64); size < 10_000 {
			t.Errorf("the size is %v", size)
		}
		if v := status.str("database.version"); !regexp.MustCompile(`^\d+\.\d+`).MatchString(v) {
			t.Errorf("the database's version is %s", v)
		}

		moment := func(name string) time.Time {
			t.Helper()
			at, err := time.Parse(time.RFC3339Nano, status.str(name))
			if err != nil {
				t.Error(err)
			}
			return at
		}
		asked := s.kernel.Now()
		grace.ask("verify_email").is(201)
		s.exec("INSERT INTO mail_suppressions (address, code, created_at) VALUES ('x@example.com', '550', ?)", s.kernel.Now())
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.kernel.Inspector.Backups.Run(ctx) }()
		for range 600 {
			if status = root.get("/platform/status").is(200); status.value("backups.last_at") != nil {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		last := moment("backups.last_at")
		if next := moment("backups.next_at"); last.Before(asked.Truncate(time.Second)) || !next.Equal(last.Add(24*time.Hour)) {
			t.Errorf("the last backup is from %s, the next at %s", last, next)
		}
		if oldest := moment("mail.oldest_pending_at"); oldest.Before(asked) || status.value("mail.pending") != 1.0 || status.value("mail.suppressed") != 1.0 {
			t.Errorf("mail: %v", status.value("mail"))
		}

		s.exec("DELETE FROM schema_migrations WHERE id = '" + newest + "'")
		s.exec("INSERT INTO schema_migrations (id) VALUES ('209912312359_auth_from_the_future')")
		if got := root.get("/platform/status").is(200); got.value("schema.pending") != 1.0 || got.value("schema.newer") != 1.0 || got.str("schema.version") == newest {
			t.Errorf("schema: %v", got.value("schema"))
		}
	}, func(c *config.Config) {
		c.Mail = config.Mail{Transport: "smtp", Host: "192.0.2.1", Port: 587, TLS: "starttls", From: "id@example.com"}
		c.PublicURL = "https://id.example.com"
		c.BackupDir, c.BackupInterval, c.BackupKeep = t.TempDir(), 24*time.Hour, 3
	})
}

// TestPlatformChecks checks that the answer has what `guildhall check` and the settings say.
func TestPlatformChecks(t *testing.T) {
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, databaseURL string) {
		s := asInProduction(t, databaseURL, slog.New(slog.DiscardHandler), false, "LOG_LEVEL=warn")
		checks := s.operator("Root").get("/platform/checks").is(200).object()
		// Settings of the test's own only: the process has others.
		cmd := document[list](t, inProduction(databaseURL, "ENABLE_REGISTRATION=true", "MIGRATE_ON_START=true", "LOG_LEVEL=warn"), 0, "check")
		findings := checks["findings"].([]any)
		if len(findings) != len(cmd) {
			t.Fatalf("%d findings, want %d:\n%v\n%v", len(findings), len(cmd), findings, cmd)
		}
		for i, f := range findings {
			for name, want := range cmd[i] {
				if got := f.(object)[name]; got != want {
					t.Errorf("%v: %s is %v, want %v", f, name, got, want)
				}
			}
		}
		settings := map[string]object{}
		for _, v := range checks["settings"].([]any) {
			settings[v.(object)["name"].(string)] = v.(object)
		}
		if len(settings) != len(config.Describe()) {
			t.Errorf("%d settings, want %d", len(settings), len(config.Describe()))
		}
		for name, want := range map[string][2]string{
			"LOG_LEVEL": {"warn", "environment"}, "LOG_FORMAT": {"json", "default"}, "JWT_SECRET_KEY": {"********", "environment"},
		} {
			if got := settings[name]; got["value"] != want[0] || got["source"] != want[1] {
				t.Errorf("%v, want %v", got, want)
			}
		}
	})
}

// TestNoSecretInThePlatform sets every secret, and looks for them in what platform
// administrators see.
func TestNoSecretInThePlatform(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		cfg, root := s.kernel.Config, s.operator("Root")
		const clear = "postgres://app:hunter2-clear@db.example.com/guildhall"
		cfg.DatabaseURL, cfg.DatabaseReplicaURLs = databaseurl.Must(clear), []databaseurl.URL{databaseurl.Must(clear)} // as printed only
		cfg.CORSOrigins = []string{"https://app:hunter2-origin@example.com"}
		cfg.RetiredSecretKeys, cfg.RetiredRefreshKeys = []config.Secret{"hunter2-retired-access-key-of-32-bytes"}, []config.Secret{"hunter2-retired-refresh-key-of-32-bytes"}
		masked := regexp.MustCompile(`SECRET|PASSWORD$|TOKEN$|_KEY$|_URLS?$|^CORS_ORIGINS$`)
		for _, path := range []string{"/platform/checks", "/platform/status", "/platform/administrators", "/platform/signing-keys"} {
			a := root.get(path).is(200)
			for _, secret := range []string{"hunter2", cfg.JWTSecretKey.Reveal(), cfg.JWTRefreshSecretKey.Reveal()} {
				if strings.Contains(string(a.body), secret) {
					t.Errorf("%s shows %s:\n%s", path, secret, a.body)
				}
			}
			if path != "/platform/checks" {
				continue
			}
			for _, v := range a.object()["settings"].([]any) {
				name, value := v.(object)["name"].(string), v.(object)["value"].(string)
				if public := slices.Contains([]string{"PUBLIC_URL", "APP_URL"}, name); masked.MatchString(name) && !public && !strings.Contains(value, "********") {
					t.Errorf("%s was not set, or is not masked: %s", name, value)
				}
			}
		}
	}, func(c *config.Config) {
		c.Mail = config.Mail{
			Transport: "smtp", Host: "192.0.2.1", Port: 587, TLS: "starttls", From: "id@example.com",
			Username: "hunter2-token", Password: "hunter2-token",
		}
		c.PublicURL = "https://id.example.com"
		c.JWTSecretKey, c.JWTRefreshSecretKey = "hunter2-access-key-for-tests-of-32-bytes", "hunter2-refresh-key-for-tests-of-32-bytes"
	})
}

// TestPlatformAdministrators checks the list, and that only they see it and the rest.
func TestPlatformAdministrators(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, root, oz := s.person("Ada"), s.operator("Root"), s.operator("Oz")
		both := root.get("/platform/administrators?count=true").is(200)
		if ids := both.ids(); !slices.Equal(ids, []string{root.id, oz.id}) || both.header.Get("X-Total-Count") != "2" {
			t.Fatalf("%s", both.body)
		}
		if first := both.list()[0]; first["email"] != root.email || first["name"] != "Root" || first["granted_at"] == nil {
			t.Errorf("%v", first)
		}
		if pages := followLinks(oz, "/platform/administrators?limit=1", nil); len(pages) != 2 || pages[1][0] != oz.id {
			t.Errorf("%v", pages)
		}
		s.atServer().ok("admin", "revoke", oz.email)
		for _, path := range []string{"/platform/administrators", "/platform/status", "/platform/checks", "/platform/signing-keys"} {
			root.get(path).is(200)
			for _, a := range []*actor{ada, oz} {
				a.get(path).is(403, "platform_administrator_required")
			}
			s.do("GET", "/api/v1"+path, "", nil).is(401)
		}
	})
}
