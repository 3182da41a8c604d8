package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"guildhall/platform/clone"
	"guildhall/platform/config"
	"guildhall/platform/database"
	"guildhall/platform/platformtest"
	"guildhall/platform/seed"
	"guildhall/platform/seeding"
)

// seeded fills a database with `guildhall seed`.
func seeded(t testing.TB, databaseURL string, size seed.Size, environ ...string) {
	t.Helper()
	out, status := run(t, t.TempDir(), append(environ, "DATABASE_URL="+databaseURL),
		"seed", "--users", fmt.Sprint(size.Users), "--organizations", fmt.Sprint(size.Organizations), "--members", fmt.Sprint(size.Members))
	if status != 0 || !strings.Contains(out, "password "+seed.Password+"\n") {
		t.Fatalf("%d\n%s", status, out)
	}
}

// allRows returns all rows of a database, in a form that both kinds of database share.
func allRows(t testing.TB, db *database.DB) map[string]string {
	t.Helper()
	tables, err := db.Tables(everything)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for name, table := range tables {
		columns := slices.Sorted(slices.Values(table.ColumnNames()))
		if table, err = table.Only(columns...); err != nil {
			t.Fatal(err)
		}
		var rows []string
		err := db.EachRow(everything, table, false, func(row []any) error { rows = append(rows, fmt.Sprint(row)); return nil })
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(rows)
		all[name] = strings.Join(rows, "\n")
	}
	return all
}

func TestSeedMakesTheSameOnBothDatabases(t *testing.T) {
	t.Parallel()
	size := seed.Size{Users: 30, Organizations: 7, Members: 100}
	var first map[string]string
	for _, databaseURL := range []string{platformtest.SQLiteURL(t), platformtest.SQLiteURL(t), platformtest.PostgresURL(t)} {
		seeded(t, databaseURL, size)
		k, err := openBare(everything, databaseURL)
		if err != nil {
			t.Fatal(err)
		}
		defer k.DB.Close()
		rows := allRows(t, k.DB)
		if first == nil {
			first = rows
		}
		if !maps.Equal(rows, first) {
			for name := range first {
				if rows[name] != first[name] {
					t.Errorf("%s: %s is\n%s\nnot\n%s", k.DB.Driver(), name, rows[name], first[name])
				}
			}
		}
	}
	if strings.Count(first["sessions"], "\n")+1 != 30+7 {
		t.Errorf("sessions:\n%s", first["sessions"])
	}
}

func TestSeededDataIsInOrder(t *testing.T) {
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, databaseURL string) {
		size := seed.Size{Users: 30, Organizations: 7, Members: 100}
		seeded(t, databaseURL, size)
		for want, args := range map[string][]string{"ok    data: every invariant holds": {"doctor"}, "0 events in 0 chains": {"audit", "verify"}} {
			if out, _ := run(t, t.TempDir(), []string{"DATABASE_URL=" + databaseURL}, args...); !strings.Contains(out, want) {
				t.Errorf("%v: want %q\n%s", args, want, out)
			}
		}
		s := start(t, databaseURL)
		owner := s.actorOf(s.logIn(seed.Email(0), seed.Password).is(200))
		if owner.id != seed.UserID(0).String() || owner.organization != seed.OrganizationID(0).String() {
			t.Errorf("user 0 is %+v", owner)
		}
		for o := range size.Organizations {
			first, n := size.MembersOf(o)
			owner := s.actorOf(s.logIn(seed.Email(first%size.Users), seed.Password, "organization_id", seed.OrganizationID(o).String()).is(200))
			members, admins := owner.get(owner.org("/members")).is(200).list(), owner.get(owner.org("/admins")).is(200).list()
			if keys := owner.get(owner.org("/api-keys")).is(200).list(); len(keys) != 1 || keys[0]["holder"].(object)["id"] != owner.id {
				t.Errorf("organization %d has the keys %v", o, keys)
			}
			if int64(len(members)) != n || len(admins) != 2 || owner.get(owner.org("/owner")).is(200).str("id") != owner.id {
				t.Errorf("organization %d has %d members and %d admins, not %d", o, len(members), len(admins), n)
			}
		}
		// The data is usable: users and organizations can be added.
		s.person("Ada").joins(owner, true)
		if broken := invariants(t, s.kernel.DB); len(broken) > 0 {
			t.Error(broken)
		}
	})
}

func TestSeedUnderRowSecurity(t *testing.T) {
	t.Parallel()
	databaseURL := platformtest.PostgresURL(t)
	s := start(t, databaseURL, func(c *config.Config) { underRowSecurity(t, c) })
	bare, err := openBare(everything, databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer bare.DB.Close()
	err = bare.DB.InTx(everything, func(ctx context.Context) error {
		return bare.DB.Conn(ctx).Exec("GRANT CREATE ON SCHEMA public TO PUBLIC").Error
	})
	if err != nil {
		t.Fatal(err)
	}
	const on = "SELECT COUNT(*) FROM pg_class WHERE relrowsecurity AND relforcerowsecurity"
	walls := s.count(on)
	seeded(t, ownedBy(t, databaseURL), seed.Size{Users: 3, Organizations: 1, Members: 3}, "DATABASE_ROW_SECURITY=true")
	owner := s.actorOf(s.logIn(seed.Email(0), seed.Password).is(200))
	if n := len(owner.get(owner.org("/members")).is(200).list()); n != 3 || s.count(on) != walls || walls == 0 {
		t.Errorf("%d members, %d of %d walls", n, s.count(on), walls)
	}
}

func TestSeedRefuses(t *testing.T) {
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, databaseURL string) {
		dir, here := t.TempDir(), []string{"DATABASE_URL=" + databaseURL}
		refused := func(environ []string, because string, args ...string) {
			t.Helper()
			if out, status := run(t, dir, environ, append([]string{"seed"}, args...)...); status != 1 || !strings.Contains(out, because) {
				t.Errorf("%v: %d, want %q\n%s", args, status, because, out)
			}
		}
		if out, status := run(t, dir, here, "seed", "--users", "4", "--organizations", "4", "--members", "17"); status != 2 || !strings.Contains(out, "17 members are too many") {
			t.Errorf("17 members: %d\n%s", status, out)
		}
		production := inProduction(databaseURL, "MIGRATE_ON_START=true")
		refused(production, "add --yes-in production")
		refused(production, "add --yes-in production", "--yes-in", "development")
		if !strings.HasPrefix(databaseURL, "postgres") && !isMissingFile(databaseURL) {
			t.Error("a refused seed created a file")
		}
		if out, status := run(t, dir, production, "seed", "--yes-in", "production", "--users", "1", "--organizations", "1", "--members", "1"); status != 0 {
			t.Errorf("%d\n%s", status, out)
		}
		refused(here, "an empty database only", "--users", "1", "--organizations", "1", "--members", "1")
	})
}

// TestASeedThatIsCutOff checks that the service does not start on a database in which a
// seed was interrupted.
func TestASeedThatIsCutOff(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		s.asOwner()
		ctx, cancel := context.WithCancel(everything)
		err := seeding.Fill(ctx, seeding.Options{
			DB: s.kernel.DB, Tables: s.app.Tables(), Size: seed.Size{Users: 10, Organizations: 2, Members: 10},
			Progress: func(p clone.Progress) {
				if strings.HasSuffix(p.Doing, "organizations") {
					cancel()
				}
			},
		})
		if err == nil {
			t.Fatal("it was not interrupted")
		}
		if err := s.app.Usable(everything); !errors.Is(err, database.ErrHalfCopied) {
			t.Errorf("%v", err)
		}
		databaseURL := s.kernel.Config.DatabaseURL.Reveal()
		_ = s.kernel.DB.Close()
		for _, command := range []string{"serve", "seed"} {
			if out, status := run(t, t.TempDir(), []string{"DATABASE_URL=" + databaseURL}, command); status != 1 || !strings.Contains(out, "was not finished") {
				t.Errorf("%s: %d\n%s", command, status, out)
			}
		}
	})
}
