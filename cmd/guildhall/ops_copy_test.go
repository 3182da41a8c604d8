package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"guildhall/platform/clone"
	"guildhall/platform/config"
	"guildhall/platform/database"
	"guildhall/platform/migrate"
	"guildhall/platform/platformtest"
	"guildhall/platform/signing"
)

// fromEachToEach runs a test for each pair of source and target databases.
func fromEachToEach(t *testing.T, test func(t *testing.T, from, to string)) {
	t.Helper()
	t.Parallel()
	kinds := map[string]func(testing.TB) string{"sqlite": platformtest.SQLiteURL, "postgres": platformtest.PostgresURL}
	for from, fromURL := range kinds {
		for to, toURL := range kinds {
			t.Run(from+" to "+to, func(t *testing.T) {
				t.Parallel()
				test(t, fromURL(t), toURL(t))
			})
		}
	}
}

// fillService creates data of every kind in a service.
func fillService(t testing.TB, s *service) (ada, grace *actor) {
	t.Helper()
	ada = s.person("Ada")
	grace = s.person("Grace").joins(ada, true)
	charles := s.person("Charles").joins(ada, false)
	s.operator("Olga")
	grace.post("/users/"+charles.id+"/suspend", body("reason", "Zahnräder; '§'\t\u2028")).is(200)
	ada.post("/organizations", body("name", "Second"), "Idempotency-Key", "k1").is(201)
	ada.patch("/users/"+ada.id+"/profile", body("bio", "Wrote the first program.")).is(200)
	second := ada.post("/organizations", body("name", "Third")).is(201).str("id")
	ada.post("/organizations/"+second+"/archive", because()).is(200)
	charles.post("/auth/logout", nil).is(204)
	s.logIn(grace.email, "wrong").is(401)
	return ada, grace
}

// same asserts that users find all their data unchanged.
func (s *service) same(before *service, ada, grace *actor) {
	s.t.Helper()
	there := func(a *actor) *actor { b := *a; b.s = s; return &b }
	for _, path := range []string{"/auth/me", "/auth/me/organizations", ada.org(""), ada.org("/members"), ada.org("/audit-events?limit=1000"), "/organizations?include_archived=true"} {
		if was, is := ada.get(path), there(ada).get(path); was.status != 200 || is.status != 200 || string(was.body) != string(is.body) {
			s.t.Errorf("%s was %d %s\nis %d %s", path, was.status, was.body, is.status, is.body)
		}
	}
	if a := there(ada).post("/organizations", body("name", "Second"), "Idempotency-Key", "k1"); a.status != 201 || a.header.Get("Idempotency-Replayed") == "" {
		s.t.Errorf("a repeated creation: %d %s", a.status, a.body)
	}
	s.refresh(grace.refresh).is(200)
	s.logIn(grace.email, password).is(200)
	was, err := before.kernel.DB.DumpSchema(everything)
	if err != nil {
		s.t.Fatal(err)
	}
	is, err := s.kernel.DB.DumpSchema(everything)
	if err != nil {
		s.t.Fatal(err)
	}
	if before.kernel.DB.Driver() == s.kernel.DB.Driver() && was != is {
		s.t.Errorf("the schema was\n%s\nis\n%s", was, is)
	}
	if broken := invariants(s.t, s.kernel.DB); len(broken) > 0 {
		s.t.Error(broken)
	}
}

func TestCopyTakesEverythingAlong(t *testing.T) {
	fromEachToEach(t, func(t *testing.T, from, to string) {
		s := start(t, from)
		ada, grace := fillService(t, s)
		dir := t.TempDir()
		file := filepath.Join(dir, "url")
		if err := os.WriteFile(file, []byte(to+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		out, status := run(t, dir, nil, "copy", "--from", from, "--to-file", file)
		if status != 0 || !strings.Contains(out, "copied and compared") {
			t.Fatalf("%d\n%s", status, out)
		}
		// The indexes and foreign keys exist again: the schema is the one that migrations
		// create, which same compares where it can.
		fresh := platformtest.SQLiteURL
		if strings.HasPrefix(to, "postgres") {
			fresh = platformtest.PostgresURL
		}
		want, err := start(t, fresh(t)).kernel.DB.DumpSchema(everything)
		if err != nil {
			t.Fatal(err)
		}
		target := start(t, to)
		if is, err := target.kernel.DB.DumpSchema(everything); err != nil || is != want {
			t.Errorf("%v: the schema is\n%s", err, is)
		}
		target.same(s, ada, grace)
		_ = target.kernel.DB.Close()
		if out, status := run(t, dir, nil, "copy", "--from", from, "--to", to); status != 1 || !strings.Contains(out, "the target is not empty") {
			t.Errorf("again: %d\n%s", status, out)
		}
	})
}

// TestCopyGoesOn interrupts a copy at each report of progress, and changes the source in
// between.
func TestCopyGoesOn(t *testing.T) {
	fromEachToEach(t, func(t *testing.T, from, to string) {
		s := start(t, from)
		ada, grace := fillService(t, s)
		target, err := openBare(everything, to)
		if err != nil {
			t.Fatal(err)
		}
		defer target.DB.Close()
		o := clone.Options{From: s.kernel.DB, To: target.DB, Migrations: target.app.Migrations()}
		cuts := 0
		for {
			ctx, cancel := context.WithCancel(everything)
			steps := 0
			o.Progress = func(clone.Progress) {
				if steps++; steps > cuts {
					cancel()
				}
			}
			result, err := clone.Copy(ctx, o)
			cancel()
			if err == nil {
				if !result.Resumed {
					t.Error("it did not continue from the existing rows")
				}
				break
			}
			if !errors.Is(err, context.Canceled) && !errors.Is(err, sql.ErrTxDone) && !strings.Contains(err.Error(), "cancel") && !strings.Contains(err.Error(), "interrupted") {
				t.Fatalf("interrupted after %d: %v", cuts, err)
			}
			cuts++
			if half, err := target.DB.IsHalfCopied(everything); err != nil || !half && cuts > 2 {
				t.Fatalf("after %d: half copied is %v, %v", cuts, half, err)
			}
			ada.patch(ada.org(""), body("name", fmt.Sprint("Name ", cuts))).is(200)
			if cuts == 7 {
				ada.delete(ada.org("/members/" + grace.id)).is(204) // an admin grant, already copied
				grace = s.person("Grace").joins(ada, true)
			}
		}
		if cuts < 12 {
			t.Errorf("interrupted only %d times", cuts)
		}
		start(t, to).same(s, ada, grace)
	})
}

func TestCopyRefuses(t *testing.T) {
	fromEachToEach(t, func(t *testing.T, from, to string) {
		s := start(t, from)
		fillService(t, s)
		dir := t.TempDir()
		refused := func(because string, args ...string) {
			t.Helper()
			if out, status := run(t, dir, nil, append([]string{"copy"}, args...)...); status != 1 || !strings.Contains(out, because) {
				t.Errorf("%v: %d, want %q\n%s", args, status, because, out)
			}
		}
		for _, wrong := range [][]string{{"--to is missing", "--from", from}, {"--from is missing", "--to", to}, {"same database", "--from", from, "--to", from}} {
			if out, status := run(t, dir, nil, append([]string{"copy"}, wrong[1:]...)...); status != 2 || !strings.Contains(out, wrong[0]) {
				t.Errorf("%v: %d\n%s", wrong, status, out)
			}
		}
		refused("does not exist", "--from", "sqlite://"+filepath.Join(dir, "nothing.db"), "--to", to)
		refused("begins with none of sqlite:", "--from", "mysql://x", "--to", to)
		other := start(t, to)
		other.asOwner()
		if strings.HasPrefix(to, "sqlite") { // on PostgreSQL, a process with an open connection can't write to it
			refused("another process has", "--from", from, "--to", to)
		}
		alone := func(do func()) { // while the other service is stopped
			t.Helper()
			_ = other.kernel.DB.Close()
			do()
			other = start(t, to, func(c *config.Config) { c.MigrateOnStart = false })
		}
		other.exec("INSERT INTO rate_limits (key, tat, admitted) VALUES ('k', 1, true)")
		alone(func() { refused("the target is not empty: rate_limits has 1 row(s)", "--from", from, "--to", to) })
		other.exec("DELETE FROM rate_limits")

		if _, err := migrate.Down(everything, other.kernel.DB, other.app.Migrations(), 1); err != nil {
			t.Fatal(err)
		}
		_ = other.kernel.DB.Close()
		refused("the schema of the target is not the one of this version", "--from", from, "--to", to)
		refused("the schema of the source is not the one of this version", "--from", to, "--to", "sqlite://"+filepath.Join(dir, "new.db"))
		other = start(t, to)

		// The service does not start on an incomplete copy.
		err := other.kernel.DB.Bulk(everything, func(ctx context.Context, b *database.Bulk) error {
			return b.InTx(ctx, func(ctx context.Context) error {
				return b.BeginCopy(ctx, migrate.TableNames(other.app.Migrations(), other.kernel.DB.Driver()), signing.Remade()...)
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"serve"}, {"migrate", "up"}, {"migrate", "status"}, {"admin", "list"}, {"check"}, {"doctor"}, {"audit", "verify"}} {
			if out, status := run(t, dir, inProduction(to), args...); status != 1 || !strings.Contains(out, "was not finished") {
				t.Errorf("%v on half a copy: %d\n%s", args, status, out)
			}
		}
		if a := other.do("GET", "/readyz", "", nil); a.status != 503 {
			t.Errorf("/readyz on half a copy: %d", a.status)
		}
		if strings.HasPrefix(to, "postgres") { // a service that already runs there acknowledges no writes
			a := other.do("POST", "/api/v1/auth/register", "", body("email", "x@example.com", "password", password, "name", "X"))
			if a.status != 503 {
				t.Errorf("a write into half a copy: %d %s", a.status, a.body)
			}
		}
		_ = other.kernel.DB.Close()
		refused("unfinished copy", "--from", to, "--to", "sqlite://"+filepath.Join(dir, "new.db"))
		if out, status := run(t, dir, nil, "copy", "--from", from, "--to", to); status != 0 || !strings.Contains(out, "continuing an interrupted copy") {
			t.Errorf("going on: %d\n%s", status, out)
		}
	})
}

// TestCopySeesWhatIsNotTheSame checks that a copy fails if a row changes on the way, or
// if a time is invalid.
func TestCopySeesWhatIsNotTheSame(t *testing.T) {
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, to string) {
		s := start(t, platformtest.SQLiteURL(t))
		ada, _ := fillService(t, s)
		target, err := openBare(everything, to)
		if err != nil {
			t.Fatal(err)
		}
		defer target.DB.Close()
		o := clone.Options{From: s.kernel.DB, To: target.DB, Migrations: target.app.Migrations()}
		meddler, err := openBare(everything, to)
		if err != nil {
			t.Fatal(err)
		}
		defer meddler.DB.Close()
		o.Progress = func(p clone.Progress) {
			if p.Doing != "copying user_profile" {
				return
			}
			err := meddler.DB.InTx(everything, func(ctx context.Context) error {
				if meddler.DB.Driver() == database.Postgres { // who says this is believed
					if err := meddler.DB.Conn(ctx).Exec("SELECT set_config('guildhall.copying', 'on', true)").Error; err != nil {
						return err
					}
				}
				return meddler.DB.Conn(ctx).Exec("UPDATE user_profile SET bio = 'changed' WHERE user_id = ?", ada.id).Error
			})
			if err != nil {
				t.Error(err)
			}
		}
		if _, err := clone.Copy(everything, o); err == nil || !strings.Contains(err.Error(), "the copy of user_profile is not the same") {
			t.Errorf("a changed row: %v", err)
		}
		o.Progress = nil
		s.exec("UPDATE users SET created_at = 'yesterday' WHERE id = '" + ada.id + "'")
		if _, err := clone.Copy(everything, o); err == nil || !strings.Contains(err.Error(), "users.created_at holds yesterday") {
			t.Errorf("an invalid time: %v", err)
		}
		s.exec("UPDATE users SET created_at = updated_at WHERE id = '" + ada.id + "'")
		if result, err := clone.Copy(everything, o); err != nil || !result.Resumed {
			t.Errorf("after the repair: %v", err)
		}
	})
}
