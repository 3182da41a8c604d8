package main

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// holding makes a database with what another system has in it.
func holding(t testing.TB, databaseURL string, statements ...string) {
	t.Helper()
	driver, name := "pgx", databaseURL
	if file, is := strings.CutPrefix(databaseURL, "sqlite://"); is {
		driver, name = "sqlite3", "file:"+file
	}
	db, err := sql.Open(driver, name)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// TestPeopleMoveInFromPocketBase reads the file of PocketBase 0.36, which has several auth
// collections, and one of 0.22, whose hashes are in another column.
func TestPeopleMoveInFromPocketBase(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		hash := bcrypted(t, password)
		file := "sqlite://" + filepath.Join(t.TempDir(), "data.db")
		record := func(table, id, email, name string, verified int, hash string) string {
			return fmt.Sprintf("INSERT INTO %s (id, email, name, verified, password, avatar, created) VALUES ('%s', '%s', '%s', %d, '%s', 'ada_x1.png', '2024-05-06 07:08:09.123Z')",
				table, id, email, name, verified, hash)
		}
		columns := "(`avatar` TEXT DEFAULT '' NOT NULL, `created` TEXT DEFAULT '' NOT NULL, `email` TEXT DEFAULT '' NOT NULL, `emailVisibility` BOOLEAN DEFAULT FALSE NOT NULL, " +
			"`id` TEXT PRIMARY KEY NOT NULL, `name` TEXT DEFAULT '' NOT NULL, `password` TEXT DEFAULT '' NOT NULL, `tokenKey` TEXT DEFAULT '' NOT NULL, " +
			"`updated` TEXT DEFAULT '' NOT NULL, `verified` BOOLEAN DEFAULT FALSE NOT NULL)"
		holding(t, file,
			"PRAGMA journal_mode = wal",
			"CREATE TABLE `_collections` (`id` TEXT PRIMARY KEY NOT NULL, `system` BOOLEAN DEFAULT FALSE NOT NULL, `type` TEXT DEFAULT 'base' NOT NULL, `name` TEXT UNIQUE NOT NULL)",
			"INSERT INTO _collections VALUES ('pbc_3142635823', 1, 'auth', '_superusers'), ('_pb_users_auth_', 0, 'auth', 'users'), ('pbc_1', 0, 'base', 'posts'), ('pbc_2', 0, 'auth', 'partners'), ('pbc_3', 0, 'view', 'everybody')",
			"CREATE TABLE `users` "+columns, "CREATE TABLE `_superusers` "+columns, "CREATE TABLE `posts` "+columns,
			// No name, and no time: their fields can be deleted.
			"CREATE TABLE `partners` (`email` TEXT DEFAULT '' NOT NULL, `id` TEXT PRIMARY KEY NOT NULL, `password` TEXT DEFAULT '' NOT NULL, `verified` BOOLEAN DEFAULT FALSE NOT NULL)",
			record("users", "ada000000000001", "ada@old.example", "Ada", 1, hash),
			record("users", "grace0000000002", "Grace@old.example", "", 0, hash),
			record("users", "anonym000000003", "", "No address", 0, hash),
			record("users", "broken000000004", "broken@old.example", "Broken", 0, "$2a$10$short"),
			record("_superusers", "root00000000001", "root@old.example", "Root", 1, hash),
			record("posts", "post00000000001", "post@old.example", "Post", 1, hash),
			"INSERT INTO partners VALUES ('pat@old.example', 'partner00000001', '"+hash+"', 1), ('ada@old.example', 'partner00000002', '"+hash+"', 1)",
		)
		c := s.atServer()
		from := []string{"--from", "pocketbase", "--trust-verified", "--source"}
		m, _ := c.imports(append(from, file)...)
		if want := (moved{People: 6, Made: 3, Refused: 3}); m != want {
			t.Errorf("made %+v", m)
		}
		want := []string{"2 email required", "3 password_hash unreadable_hash", "6 email repeated"}
		if got := c.refusals(filepath.Join(c.dir, "pocketbase")); !slices.Equal(got, want) {
			t.Errorf("refused: %q", got)
		}
		s.isSound()
		operator := s.operator("Oz")
		for email, is := range map[string]string{
			"ada@old.example":   "Ada ada000000000001 true 2024-05-06T07:08:09.123Z <nil>",
			"grace@old.example": "Grace grace0000000002 false 2024-05-06T07:08:09.123Z <nil>",
			"pat@old.example":   "pat partner00000001 true  <nil>",
		} {
			u := operator.get("/users/" + s.actorOf(s.logIn(email, password).is(200)).id).is(200)
			got := fmt.Sprint(u.str("name"), " ", u.str("external_id"), " ", u.str("email_verified"), " ", u.str("created_at"), " ", u.value("avatar_url"))
			if email == "pat@old.example" {
				got = strings.Replace(got, u.str("created_at"), "", 1)
			}
			if got != is {
				t.Errorf("%s: %s", email, got)
			}
			s.logIn(email, "wrong "+password).is(401)
		}
		s.logIn("root@old.example", password).is(401)
		s.logIn("post@old.example", password).is(401)

		// Before 0.23.
		older := "sqlite://" + filepath.Join(t.TempDir(), "data.db")
		holding(t, older,
			"CREATE TABLE `_collections` (`id` TEXT PRIMARY KEY NOT NULL, `system` BOOLEAN DEFAULT FALSE NOT NULL, `type` TEXT DEFAULT 'base' NOT NULL, `name` TEXT UNIQUE NOT NULL)",
			"INSERT INTO _collections VALUES ('_pb_users_auth_', 0, 'auth', 'users')",
			"CREATE TABLE `users` (`avatar` TEXT DEFAULT '' NOT NULL, `created` TEXT DEFAULT '' NOT NULL, `email` TEXT DEFAULT '' NOT NULL, `emailVisibility` BOOLEAN DEFAULT FALSE NOT NULL, "+
				"`id` TEXT PRIMARY KEY NOT NULL, `lastResetSentAt` TEXT DEFAULT '' NOT NULL, `lastVerificationSentAt` TEXT DEFAULT '' NOT NULL, `name` TEXT DEFAULT '' NOT NULL, "+
				"`passwordHash` TEXT NOT NULL, `tokenKey` TEXT NOT NULL, `updated` TEXT DEFAULT '' NOT NULL, `username` TEXT NOT NULL, `verified` BOOLEAN DEFAULT FALSE NOT NULL)",
			"INSERT INTO users (id, email, username, passwordHash, tokenKey, created, verified) VALUES ('eve000000000001', 'eve@old.example', 'eve_83', '"+hash+"', 'x', '2023-01-02 03:04:05.678Z', 1)",
		)
		if m, _ := c.imports(append(from, older)...); m != (moved{People: 1, Made: 1}) {
			t.Errorf("of 0.22: %+v", m)
		}
		if me := s.actorOf(s.logIn("eve@old.example", password).is(200)).get("/auth/me").is(200); me.str("name") != "eve_83" || me.str("created_at") != "2023-01-02T03:04:05.678Z" {
			t.Errorf("of 0.22: %s", me.body)
		}

		other := "sqlite://" + filepath.Join(t.TempDir(), "other.db")
		holding(t, other, "CREATE TABLE users (id TEXT)")
		c.fails(1, "it has no table _collections", "import", "people", "--from", "pocketbase", "--source", other)
		c.fails(1, "people of pocketbase come from its database", "import", "people", "--from", "pocketbase", c.file("users.json", "[]"))
	})
}
