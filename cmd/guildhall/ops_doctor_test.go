package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"guildhall/platform/config"
	"guildhall/platform/doctor"
	"guildhall/platform/migrate"
	"guildhall/platform/platformtest"
	"guildhall/platform/token"
)

// examined returns doctor's findings, each as "level name: message".
func examined(s *service, change ...func(*config.Config)) string {
	cfg := *s.kernel.Config
	for _, c := range change {
		c(&cfg)
	}
	var lines []string
	for _, f := range doctor.Examine(everything, doctor.Options{Config: &cfg, DB: s.kernel.DB, Migrations: s.app.Migrations(), Tables: s.app.Tables(), Mail: s.kernel.Mail, Keys: s.kernel.Keyset, Invariants: s.app.Invariants(), Now: s.kernel.Now}) {
		lines = append(lines, f.String())
		if (f.Level == doctor.Warn) && f.Remedy == "" {
			lines = append(lines, "without a fix: "+f.Name)
		}
	}
	return strings.Join(lines, "\n")
}

func TestTheDoctorFindsWhatIsWrong(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		s.asOwner()
		ada, _ := fillService(t, s)
		finds := func(want string, change ...func(*config.Config)) {
			t.Helper()
			if found := examined(s, change...); !strings.Contains(found, want) {
				t.Errorf("want %q in\n%s", want, found)
			}
		}
		// Except warnings about the throwaway server, which is configured to be fast and not safe.
		if found := examined(s); strings.Contains(strings.ReplaceAll(found, "fail  PostgreSQL", ""), "fail ") || strings.Contains(found, "can't be checked") {
			t.Errorf("nothing is wrong, but\n%s", found)
		}
		finds("ok    data: every invariant holds")
		finds("none changed, removed or inserted")
		finds("note  backups: none are scheduled")

		dir := t.TempDir()
		scheduled := func(c *config.Config) { c.BackupDir, c.BackupInterval = dir, time.Hour }
		finds("warn  backups: none exists yet", scheduled)
		made := func(age time.Duration) string {
			return filepath.Join(dir, "guildhall-"+time.Now().UTC().Add(-age).Format("20060102T150405Z")+".db")
		}
		for _, name := range []string{made(5 * time.Hour), made(6*time.Hour) + ".unsound"} {
			if err := os.WriteFile(name, []byte("SQLite format 3\x00"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		finds("fail  backups: the last one is 5h0m0s old, one is due every 1h0m0s", scheduled)
		finds("warn  backups: 1 were not sound", scheduled)
		if err := os.WriteFile(made(time.Minute), []byte("SQLite format 3\x00"), 0o600); err != nil {
			t.Fatal(err)
		}
		finds("ok    backups: the last one is 1m0s old", scheduled)

		s.exec("DELETE FROM user_profile WHERE user_id = '" + ada.id + "'")
		finds("fail  data: I5 an account has a profile: " + ada.id)
		s.later(-time.Hour)
		finds("fail  clock: ")
		s.later(time.Hour)
		s.exec("INSERT INTO schema_migrations (id) VALUES ('209912312359_auth_from_the_future')")
		finds("fail  schema: is newer than this version: it has 209912312359_auth_from_the_future")
		s.exec("DELETE FROM schema_migrations WHERE id LIKE '2099%'")
		if _, err := migrate.Down(everything, s.kernel.DB, s.app.Migrations(), 2); err != nil {
			t.Fatal(err)
		}
		finds("fail  schema: 2 migration(s) are pending\n      -> look at `guildhall migrate plan`")
	})
}

// TestTheDoctorKnowsKeys: what signs, who can verify it, and which API keys stay for long.
func TestTheDoctorKnowsKeys(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		finds := func(want string, change ...func(*config.Config)) {
			t.Helper()
			if found := examined(s, change...); !strings.Contains(found, want) {
				t.Errorf("want %q in\n%s", want, found)
			}
		}
		root := s.operator("Root")
		finds("ok    signing keys: ES256 signs")
		finds("ok    API keys: 0 work")
		key := root.makesKey("expires_at", nil)
		finds("note  API keys: 1 work; 1 never expire, and 0 were not used")
		finds("warn  API keys: 1 of 1 never expire", func(c *config.Config) { c.APIKeyLongest = 365 * 24 * time.Hour })
		root.delete(root.org("/api-keys/" + key.str("id"))).is(204)
		root.makesKey("expires_at", s.kernel.Now().Add(365*24*time.Hour).Format(time.RFC3339))
		finds("ok    API keys: 1 work")

		orders := root.registersAPI("orders")
		finds("ok    signing keys: ES256 signs")
		finds("fail  registered APIs: https://orders.example.com is the name of this service", func(c *config.Config) { c.JWTAudience = orders.str("identifier") })
		finds("fail  registered APIs: https://orders.example.com is the name of this service", func(c *config.Config) { c.PublicURL = orders.str("identifier") })
		s.later(91 * 24 * time.Hour)
		finds("warn  signing keys: the next one is due since ")
		finds("note  API keys: 1 work; 0 never expire, and 1 were not used for 90 days")

		if _, err := s.kernel.Keyset.Rotate(everything, token.HS256, false); err != nil {
			t.Fatal(err)
		}
		s.later(time.Hour)
		finds("warn  signing keys: 1 registered API(s) can't verify their tokens")
		s.exec("DELETE FROM signing_keys WHERE algorithm = 'HS256'")
		s.exec("UPDATE signing_keys SET ended_at = NULL, private_key = 'x'")
		finds("warn  signing keys: none can be used")
		s.exec("DELETE FROM signing_keys")
		finds("note  signing keys: there is none yet")
	}, func(c *config.Config) { c.APIKeyLongest, c.SigningKeyRotation = 0, 90*24*time.Hour })
}

// TestTheChecklistKnowsKeys: what the doctor finds about keys is known before the service
// starts with other settings.
func TestTheChecklistKnowsKeys(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		finds := func(want string, change ...func(*config.Config)) {
			t.Helper()
			cfg, inspector := *s.kernel.Config, *s.kernel.Inspector
			for _, c := range change {
				c(&cfg)
			}
			inspector.Config = &cfg
			var lines []string
			for _, f := range inspector.CheckStorage(everything) {
				lines = append(lines, f.String())
			}
			if found := strings.Join(lines, "\n"); !strings.Contains(found, want) {
				t.Errorf("want %q in\n%s", want, found)
			}
		}
		root := s.operator("Root")
		finds("ok   signing keys: ES256 signs")
		finds("ok   API keys: 0 work")
		root.makesKey("expires_at", nil)
		finds("ok   API keys: 1 work; 1 never expire")
		finds("warn API keys: 1 of 1 never expire, although API_KEY_MAX_DAYS now says otherwise: rotate them", func(c *config.Config) { c.APIKeyLongest = 365 * 24 * time.Hour })
		orders := root.registersAPI("orders")
		finds("FAIL registered APIs: https://orders.example.com is the name of this service", func(c *config.Config) { c.JWTAudience = orders.str("identifier") })
		s.later(91 * 24 * time.Hour)
		finds("warn signing keys: the next one is due since ")
		s.exec("UPDATE signing_keys SET private_key = 'x'")
		finds("warn signing keys: none can be used: another JWT_SECRET_KEY has encrypted them: add that secret")
	}, func(c *config.Config) { c.APIKeyLongest, c.SigningKeyRotation = 0, 90*24*time.Hour })
}

func TestTheDoctorSeesALongLog(t *testing.T) {
	t.Parallel()
	s := start(t, platformtest.SQLiteURL(t))
	s.person("Ada")
	// Simulate the large log that a reader without an end causes.
	if err := os.Truncate(s.kernel.DB.Path()+"-wal", 300<<20); err != nil {
		t.Fatal(err)
	}
	if found := examined(s); !strings.Contains(found, "warn  write-ahead log: has grown to 300.0 MiB") {
		t.Errorf("the log:\n%s", found)
	}
}

func TestTheDoctorByCommand(t *testing.T) {
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, databaseURL string) {
		s := start(t, databaseURL)
		s.asOwner()
		ada := s.person("Ada")
		dir := t.TempDir()
		if out, status := run(t, dir, inProduction(databaseURL), "doctor"); status > 1 || !strings.Contains(out, "ok    data: every invariant holds") {
			t.Errorf("%d\n%s", status, out)
		}
		s.exec("DELETE FROM user_profile WHERE user_id = '" + ada.id + "'")
		out, _, status := separately(t, "", dir, inProduction(databaseURL), "doctor", "--json")
		var findings []doctor.Finding
		if err := json.NewDecoder(strings.NewReader(out)).Decode(&findings); err != nil || status != 1 {
			t.Fatalf("%d %v\n%s", status, err, out)
		}
		if !slices.ContainsFunc(findings, func(f doctor.Finding) bool { return f.Level == doctor.Fail && f.Remedy != "" }) {
			t.Errorf("found %v", findings)
		}
		missing := inProduction("sqlite://" + filepath.Join(dir, "nothing.db"))
		for _, args := range [][]string{{"doctor"}, {"backup", filepath.Join(dir, "b")}, {"audit", "verify"}} {
			if out, status := run(t, dir, missing, args...); status != 1 || !strings.Contains(out, "a file that does not exist") {
				t.Errorf("%v without a database: %d\n%s", args, status, out)
			}
		}
		for why, environ := range map[string][]string{"a file that does not exist": missing, "PORT: ": inProduction(databaseURL, "PORT=x")} {
			out, errs, status := separately(t, "", dir, environ, "doctor", "--json")
			if err := json.Unmarshal([]byte(out), &findings); err != nil || status != 1 || !strings.Contains(errs, why) {
				t.Errorf("%d %v\n%s%s", status, err, out, errs)
			}
			if len(findings) != 1 || findings[0].Level != doctor.Fail || !strings.Contains(findings[0].Message, why) {
				t.Errorf("%s: found %v", why, findings)
			}
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 0 {
			t.Errorf("they left %v", entries)
		}
	})
}

// TestASQLiteFileIsCopiedAsideBeforeItsSchemaChanges checks that the copy has the old
// content, and that processes that migrate at the same time make only one.
func TestASQLiteFileIsCopiedAsideBeforeItsSchemaChanges(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "guildhall.db")
	environ := inProduction("sqlite://" + path)
	copies := func() []string {
		t.Helper()
		found, err := filepath.Glob(path + ".before-*")
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	migrates := func(args ...string) {
		t.Helper()
		if out, status := run(t, dir, environ, append([]string{"migrate"}, args...)...); status != 0 {
			t.Fatalf("%v: %d\n%s", args, status, out)
		}
	}
	migrates("up")
	if found := copies(); len(found) > 0 {
		t.Errorf("of an empty file: %v", found)
	}
	s := start(t, "sqlite://"+path)
	ada := s.person("Ada")
	migrates("down")
	migrates("up")
	migrates("up") // changes nothing
	found := copies()
	if len(found) != 2 {
		t.Fatalf("%v", found)
	}
	if info, err := os.Stat(found[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	before := start(t, "sqlite://"+found[0]) // before the step down: it is current
	before.logIn(ada.email, password).is(200)
	if status, err := migrate.StatusOf(everything, before.kernel.DB, s.app.Migrations()); err != nil || len(status.Pending) > 0 {
		t.Errorf("%+v %v", status, err)
	}
	migrates("down")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { migrates("up") })
	}
	all.Wait()
	if n := len(copies()); n != 3 {
		t.Errorf("%d are kept: %v", n, copies())
	}
	environ = append(environ, "DATABASE_COPY_BEFORE_MIGRATING=false")
	last := fmt.Sprint(copies())
	migrates("down")
	if now := fmt.Sprint(copies()); now != last {
		t.Errorf("%s became %s", last, now)
	}
}
