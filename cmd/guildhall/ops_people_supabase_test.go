package main

import (
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"guildhall/platform/platformtest"
)

// usersOfSupabase is the table as the migrations of supabase/auth make it, but for its
// columns of tokens.
const usersOfSupabase = `CREATE TABLE auth.users (
	instance_id uuid, id uuid NOT NULL PRIMARY KEY, aud varchar(255), "role" varchar(255), email varchar(255), encrypted_password varchar(255),
	email_confirmed_at timestamptz, invited_at timestamptz, last_sign_in_at timestamptz, raw_app_meta_data jsonb, raw_user_meta_data jsonb,
	is_super_admin bool, created_at timestamptz, updated_at timestamptz, phone text UNIQUE DEFAULT NULL, phone_confirmed_at timestamptz,
	confirmed_at timestamptz GENERATED ALWAYS AS (LEAST(email_confirmed_at, phone_confirmed_at)) STORED,
	banned_until timestamptz, is_sso_user boolean NOT NULL DEFAULT false, deleted_at timestamptz, is_anonymous boolean NOT NULL DEFAULT false)`

// TestPeopleMoveInFromSupabase reads auth.users: ids stay, bans are suspensions, and those who
// are deleted or anonymous stay out.
func TestPeopleMoveInFromSupabase(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		hash := bcrypted(t, password)
		source := platformtest.PostgresURL(t)
		id := func(n int) string { return fmt.Sprintf("7f0c9b1e-0000-4000-8000-%012d", n) }
		user := func(n int, columns, values string) string {
			return fmt.Sprintf("INSERT INTO auth.users (id, created_at, %s) VALUES ('%s', '2024-05-06 07:08:09.123456+00', %s)", columns, id(n), values)
		}
		holding(t, source, "CREATE SCHEMA auth", usersOfSupabase,
			user(1, "email, encrypted_password, email_confirmed_at, raw_user_meta_data", "'ada@old.example', '"+hash+"', now(), '{\"full_name\": \"Ada Lovelace\", \"name\": \"ada\", \"avatar_url\": \"https://example.com/a.png\"}'"),
			user(2, "email, encrypted_password, phone_confirmed_at, raw_user_meta_data", "'grace@old.example', '"+hash+"', now(), '{\"name\": \"Grace\", \"picture\": \"http://example.com/g.png\"}'"),
			user(3, "email, encrypted_password, banned_until", "'eve@old.example', '"+hash+"', '2999-01-01'"),
			user(4, "email, encrypted_password, banned_until", "'mal@old.example', '"+hash+"', 'infinity'"),
			user(5, "email, encrypted_password, banned_until", "'past@old.example', '"+hash+"', '2024-06-01'"),
			user(6, "email, encrypted_password, deleted_at", "'gone@old.example', '"+hash+"', now()"),
			user(7, "is_anonymous, encrypted_password", "true, ''"),
			user(8, "phone, encrypted_password, phone_confirmed_at", "'491234567', '"+hash+"', now()"),
			user(9, "email, encrypted_password, email_confirmed_at, raw_user_meta_data", "'social@old.example', '', now(), '{\"user_name\": \"octocat\"}'"),
			user(0, "email, is_sso_user, email_confirmed_at", "'ada@old.example', true, now()"), // the account with the password wins
			user(10, "email, encrypted_password", `'sealed@old.example', '{"key_id":"k1","alg":"aes-gcm-hkdf","data":"AAAA","nonce":"AAAA"}'`),
		)
		c := s.atServer()
		m, _ := c.imports("--from", "supabase", "--source", source, "--trust-verified")
		if want := (moved{People: 9, Made: 6, Refused: 3, WithoutPassword: 1, Listed: "supabase.without-password.txt"}); m != want {
			t.Errorf("made %+v", m)
		}
		if got := c.refusals(filepath.Join(c.dir, "supabase")); !slices.Equal(got, []string{"6 email required", "8 password_hash unreadable_hash", "9 email repeated"}) {
			t.Errorf("refused: %q", got)
		}
		s.isSound()
		s.logIn("eve@old.example", password).is(403, "account_suspended")
		s.logIn("mal@old.example", password).is(403, "account_suspended")
		s.logIn("gone@old.example", password).is(401)
		s.logIn("social@old.example", password).is(401)
		operator := s.operator("Oz")
		for email, want := range map[string]struct{ id, is string }{
			"ada@old.example":   {id(1), "Ada Lovelace true https://example.com/a.png"},
			"grace@old.example": {id(2), "Grace false "}, // her phone is confirmed, her address is not
			"past@old.example":  {id(5), "past false "},
		} {
			s.logIn(email, "wrong "+password).is(401)
			person := s.actorOf(s.logIn(email, password).is(200))
			u := operator.get("/users/" + person.id).is(200)
			got := fmt.Sprint(u.str("name"), " ", u.str("email_verified"), " ", u.str("avatar_url"))
			if person.id != want.id || u.str("external_id") != want.id || got != want.is || u.str("created_at") != "2024-05-06T07:08:09.123456Z" {
				t.Errorf("%s: %s", email, u.body)
			}
		}

		// A policy would hide rows from another user of the database.
		holding(t, source, "ALTER TABLE auth.users ENABLE ROW LEVEL SECURITY")
		reader := asReader(t, source, "auth", "auth.users")
		c.fails(1, "row-level security may hide rows of auth.users", "import", "people", "--from", "supabase", "--source", reader)

		c.fails(1, "there is no table auth.users", "import", "people", "--from", "supabase", "--source", platformtest.PostgresURL(t))
		file := "sqlite://" + filepath.Join(t.TempDir(), "other.db")
		holding(t, file, "CREATE TABLE users (id text)")
		c.fails(1, "the database of Supabase is PostgreSQL", "import", "people", "--from", "supabase", "--source", file)
	})
}

// asReader returns the URL of a database for a new user, who may read some tables of a schema.
func asReader(t testing.TB, databaseURL, schema string, tables ...string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	role := "reader" + strings.TrimPrefix(u.Path, "/guildhall")
	statements := []string{"CREATE ROLE " + role + " LOGIN PASSWORD 'reads'", "GRANT USAGE ON SCHEMA " + schema + " TO " + role}
	for _, table := range tables {
		statements = append(statements, "GRANT SELECT ON "+table+" TO "+role)
	}
	holding(t, databaseURL, statements...)
	t.Cleanup(func() { holding(t, databaseURL, "DROP OWNED BY "+role, "DROP ROLE "+role) })
	u.User = url.UserPassword(role, "reads")
	return u.String()
}
