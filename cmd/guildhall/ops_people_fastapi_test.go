package main

import (
	"database/sql"
	"fmt"
	"maps"
	"testing"

	"guildhall/platform/platformtest"
)

// formerService are the tables of the service that Guildhall began as, with what its
// migrations of c3706f5fffe8 make of them. The tables that Guildhall does not read are left
// out.
const formerService = `
CREATE TABLE organizations (id uuid PRIMARY KEY, name text NOT NULL, created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE users (id uuid PRIMARY KEY, created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE organization_active_status (organization_id uuid PRIMARY KEY REFERENCES organizations, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE organization_suspensions (id bigserial PRIMARY KEY, organization_id uuid NOT NULL REFERENCES organizations, reason text NOT NULL, suspended_by uuid NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE organization_archives (organization_id uuid PRIMARY KEY REFERENCES organizations, reason text NOT NULL, archived_by uuid NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE organization_members (id bigserial PRIMARY KEY, organization_id uuid NOT NULL REFERENCES organizations, user_id uuid NOT NULL REFERENCES users, created_at timestamptz NOT NULL DEFAULT now(), UNIQUE (organization_id, user_id));
CREATE TABLE organization_admins (id bigserial PRIMARY KEY, organization_id uuid NOT NULL REFERENCES organizations, user_id uuid NOT NULL REFERENCES users, granted_by uuid NOT NULL, UNIQUE (organization_id, user_id));
CREATE TABLE organization_owners (organization_id uuid PRIMARY KEY REFERENCES organizations, user_id uuid NOT NULL REFERENCES users, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE user_profile (user_id uuid PRIMARY KEY REFERENCES users, name text NOT NULL, bio text, avatar_url text, timezone text, language text NOT NULL);
CREATE TABLE user_login_password (id bigserial PRIMARY KEY, user_id uuid NOT NULL REFERENCES users, email text NOT NULL UNIQUE, hashed_password text NOT NULL, password_algorithm text NOT NULL);
CREATE TABLE user_active_status (user_id uuid PRIMARY KEY REFERENCES users, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE user_suspensions (id bigserial PRIMARY KEY, user_id uuid NOT NULL REFERENCES users, suspended_until timestamptz, reason text NOT NULL, suspended_by uuid NOT NULL, lifted_at timestamptz, lifted_by uuid, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE user_archives (user_id uuid PRIMARY KEY REFERENCES users, reason text NOT NULL, archived_by uuid NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
`

// foreignPostgres returns a PostgreSQL database of another program.
func foreignPostgres(t *testing.T, statements string) (url string, do func(statement string)) {
	t.Helper()
	url = platformtest.PostgresURL(t)
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	do = func(statement string) {
		t.Helper()
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	do(statements)
	return url, do
}

// TestPeopleMoveInFromTheFormerService: with their ids, roles and standings, and again when
// something has changed there. The second time there is no table of suspensions, which a
// later revision has dropped.
func TestPeopleMoveInFromTheFormerService(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		id := func(n int) string { return fmt.Sprintf("7b0f5c1e-0000-4000-8000-%012d", n) }
		url, do := foreignPostgres(t, formerService)
		people := []string{1: "ada", 2: "grace", 3: "eve", 4: "dora", 5: "zoe", 6: "mia"}
		for n := 1; n < len(people); n++ {
			do(fmt.Sprintf(`INSERT INTO users (id, created_at) VALUES ('%[1]s', '2024-05-06 07:08:09+02');
				INSERT INTO user_profile VALUES ('%[1]s', '%[2]s', 'of %[2]s', CASE WHEN '%[2]s' = 'ada' THEN 'https://example.com/a.png' ELSE '/a.png' END, 'UTC', 'de');
				INSERT INTO user_login_password (user_id, email, hashed_password, password_algorithm) VALUES ('%[1]s', '%[2]s@old.example', '%[3]s', 'bcrypt');`,
				id(n), people[n], bcrypted(t, password)))
			if people[n] != "dora" && people[n] != "zoe" {
				do("INSERT INTO user_active_status (user_id) VALUES ('" + id(n) + "')")
			}
		}
		for n, name := range []string{11: "Engines", 12: "Unpaid", 13: "Closed", 14: "Idle", 15: "Ownerless"} {
			if name == "" {
				continue
			}
			do(fmt.Sprintf(`INSERT INTO organizations (id, name) VALUES ('%s', '%s')`, id(n), name))
			if name != "Idle" && name != "Closed" {
				do("INSERT INTO organization_active_status (organization_id) VALUES ('" + id(n) + "')")
			}
			if name != "Ownerless" {
				do(fmt.Sprintf(`INSERT INTO organization_owners (organization_id, user_id) VALUES ('%[1]s', '%[2]s');
					INSERT INTO organization_members (organization_id, user_id) VALUES ('%[1]s', '%[2]s')`, id(n), id(1)))
			}
		}
		do(fmt.Sprintf(`INSERT INTO organization_members (organization_id, user_id) VALUES ('%[1]s', '%[2]s'), ('%[1]s', '%[3]s'), ('%[1]s', '%[4]s');
			INSERT INTO organization_admins (organization_id, user_id, granted_by) VALUES ('%[1]s', '%[2]s', '%[5]s');
			INSERT INTO organization_suspensions (organization_id, reason, suspended_by) VALUES ('%[6]s', 'unpaid', '%[5]s');
			INSERT INTO organization_archives (organization_id, reason, archived_by) VALUES ('%[7]s', 'gone', '%[5]s');
			INSERT INTO user_archives (user_id, reason, archived_by) VALUES ('%[8]s', 'left', '%[5]s')`,
			id(11), id(2), id(3), id(6), id(1), id(12), id(13), id(5)))
		do("INSERT INTO user_suspensions (user_id, reason, suspended_by, lifted_at) VALUES ('" + id(2) + "', 'over', '" + id(1) + "', now())")
		do("INSERT INTO user_suspensions (user_id, reason, suspended_by) VALUES ('" + id(3) + "', 'spam', '" + id(1) + "')")

		c := s.atServer()
		from := []string{"--from", "fastapi", "--source", url, "--name", "former"}
		m, _ := c.imports(from...)
		if want := (moved{People: 6, Made: 6, Organizations: 4, Memberships: 7, Refused: 1}); m != want {
			t.Errorf("made %+v", m)
		}
		if got := c.refusals(c.dir + "/fastapi"); len(got) != 1 || got[0] != "5 owner owner_missing" {
			t.Errorf("refused %q", got)
		}
		s.isSound()
		ada := s.actorOf(s.logIn("ada@old.example", password).is(200))
		if ada.id != id(1) {
			t.Errorf("Ada has another id: %s", ada.id)
		}
		if me := ada.get("/auth/me").is(200); me.str("name") != "ada" || me.str("bio") != "of ada" || me.str("locale") != "de" || me.str("avatar_url") != "https://example.com/a.png" ||
			me.str("created_at") != "2024-05-06T05:08:09Z" {
			t.Errorf("me: %s", me.body)
		}
		organizations := map[string]string{}
		for _, o := range ada.get("/organizations?include_archived=true").is(200).list() {
			organizations[fmt.Sprint(o["name"], " ", o["id"])] = fmt.Sprint(o["role"], " ", o["is_archived"], o["is_suspended"])
		}
		if want := map[string]string{
			"Engines " + id(11): "owner false false", "Unpaid " + id(12): "owner false true", "Closed " + id(13): "owner true false", "Idle " + id(14): "owner false true",
		}; !maps.Equal(organizations, want) {
			t.Errorf("organizations: %v", organizations)
		}
		s.logIn("eve@old.example", password).is(403, "account_suspended")
		s.logIn("dora@old.example", password).is(403, "account_inactive")
		s.logIn("zoe@old.example", password).is(403, "account_archived")
		roles := func() map[string]string {
			roles := map[string]string{}
			for _, m := range ada.get("/organizations/" + id(11) + "/members").is(200).list() {
				roles[fmt.Sprint(m["name"])] = fmt.Sprint(m["role"])
			}
			return roles
		}
		if got, want := roles(), map[string]string{"ada": "owner", "grace": "admin", "eve": "member", "mia": "member"}; !maps.Equal(got, want) {
			t.Errorf("members: %v", got)
		}

		// A later revision has no suspensions of people.
		do("DROP TABLE user_suspensions")
		do(fmt.Sprintf("DELETE FROM organization_admins; INSERT INTO organization_admins (organization_id, user_id, granted_by) VALUES ('%[1]s', '%[2]s', '%[2]s')", id(11), id(6)))
		m, _ = c.imports(from...)
		if want := (moved{People: 6, Found: 6, Changed: 3, Existing: 4, Members: 7, Refused: 1}); m != want {
			t.Errorf("the second time %+v", m)
		}
		s.isSound()
		s.logIn("eve@old.example", password).is(200)
		if got, want := roles(), map[string]string{"ada": "owner", "grace": "member", "eve": "member", "mia": "admin"}; !maps.Equal(got, want) {
			t.Errorf("members: %v", got)
		}
	})
}
