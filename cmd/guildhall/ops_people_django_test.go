package main

import (
	"cmp"
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"guildhall/platform/database"
	"guildhall/platform/platformtest"
)

// formerDatabase makes the database of another system, of the kind of the service's own, and
// returns its URL.
func (s *service) formerDatabase(statements ...string) string {
	s.t.Helper()
	url := platformtest.SQLiteURL(s.t)
	driver, name := "sqlite3", strings.TrimPrefix(url, "sqlite://")
	if s.kernel.DB.Driver() == database.Postgres {
		url = platformtest.PostgresURL(s.t)
		driver, name = "pgx", url
	}
	db, err := sql.Open(driver, name)
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range statements {
		if _, err := db.ExecContext(everything, statement); err != nil {
			s.t.Fatalf("%s: %v", statement, err)
		}
	}
	return url
}

// cameAlong returns a line for each person and each organization that an import made, as an
// export has them.
func (s *service) cameAlong() string {
	s.t.Helper()
	var lines []string
	out, errs, status := separately(s.t, "", s.t.TempDir(), s.environ(), "export", "people", "-o", "-")
	if status != 0 {
		s.t.Fatal(errs)
	}
	for line := range strings.Lines(out) {
		var r struct {
			Type, Email, Name, Owner, Standing string
			ExternalID                         string `json:"external_id"`
			CreatedAt                          string `json:"created_at"`
			Verified                           bool   `json:"email_verified"`
			Memberships                        []struct{ Organization, Role string }
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			s.t.Fatal(err)
		}
		text := fmt.Sprintf("%s %s (%s) %.10s %s", r.ExternalID, r.Email+r.Owner, r.Name, r.CreatedAt, cmp.Or(r.Standing, "active"))
		if r.Verified {
			text += " verified"
		}
		for _, m := range r.Memberships {
			var organization string
			if err := s.kernel.DB.Row(everything, "SELECT name FROM organizations WHERE id = ?", m.Organization).Scan(&organization); err != nil {
				s.t.Fatal(err)
			}
			text += ", " + m.Role + " of " + organization
		}
		lines = append(lines, text)
	}
	return strings.Join(lines, "\n")
}

// pbkdf2OfDjango returns the hash that Django would have of a password.
func pbkdf2OfDjango(t testing.TB, chosen string) string {
	t.Helper()
	key, err := pbkdf2.Key(sha256.New, chosen, []byte("NaCl"), 1000, 32)
	if err != nil {
		t.Fatal(err)
	}
	return "pbkdf2_sha256$1000$NaCl$" + base64.StdEncoding.EncodeToString(key)
}

// TestPeopleMoveInFromDjango reads what dumpdata writes, of Django's users and of another
// model of users, and the table.
func TestPeopleMoveInFromDjango(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		c := s.atServer()
		hash := pbkdf2OfDjango(t, password)
		sum := md5.Sum([]byte("salt" + password))
		dump := c.file("users.json", `[`,
			`{"model": "auth.user", "pk": 1, "fields": {"password": "`+hash+`", "last_login": null, "is_superuser": true, "username": "ada", "first_name": "Ada", "last_name": "Lovelace", "email": "Ada@old.example", "is_staff": true, "is_active": true, "date_joined": "2020-01-02T03:04:05.123Z", "groups": [1], "user_permissions": []}},`,
			`{"model": "auth.user", "pk": 2, "fields": {"password": "md5$salt$`+hex.EncodeToString(sum[:])+`", "username": "grace", "first_name": "", "last_name": "", "email": "grace@old.example", "is_active": true, "date_joined": "2021-01-02T03:04:05Z"}},`,
			`{"model": "auth.user", "pk": 3, "fields": {"password": "`+hash+`", "username": "eve@old.example", "first_name": "", "last_name": "", "email": "eve@old.example", "is_active": false, "date_joined": "2022-01-02T03:04:05Z"}},`,
			`{"model": "auth.user", "pk": 4, "fields": {"password": "!OkD3fZunusable", "username": "zoe", "first_name": "Zoe", "last_name": "", "email": "zoe@old.example", "is_active": true, "date_joined": "2023-01-02T03:04:05Z"}},`,
			`{"model": "auth.user", "pk": 5, "fields": {"password": "`+hash+`", "username": "boss@old.example", "first_name": "", "last_name": "", "email": "", "is_active": true, "date_joined": "2023-01-02T03:04:05Z"}},`,
			`{"model": "auth.user", "pk": 6, "fields": {"password": "`+hash+`", "username": "ada2", "first_name": "", "last_name": "", "email": "ada@old.example", "is_active": true, "date_joined": "2023-01-02T03:04:05Z"}},`,
			`{"model": "auth.user", "pk": 7, "fields": {"password": "crypt$$ab1234567890", "username": "old", "first_name": "", "last_name": "", "email": "old@old.example", "is_active": true, "date_joined": "2023-01-02T03:04:05Z"}},`,
			`{"model": "auth.group", "pk": 1, "fields": {"name": "Editors", "permissions": []}},`,
			`{"model": "account.emailaddress", "pk": 1, "fields": {"user": 1, "email": "ada@old.example", "verified": true, "primary": true}},`,
			`{"model": "account.emailaddress", "pk": 2, "fields": {"user": 2, "email": "other@old.example", "verified": true, "primary": false}}`,
			`]`)
		m, _ := c.imports("--from", "django", "--trust-verified", dump)
		if want := (moved{People: 7, Made: 4, Refused: 3, WithoutPassword: 1, Listed: m.Listed}); m != want {
			t.Errorf("%+v", m)
		}
		if got := strings.Join(c.refusals(dump), "\n"); got != "5 email required\n6 email repeated\n7 password_hash unreadable_hash" {
			t.Errorf("refused:\n%s", got)
		}
		want := "1 Ada@old.example (Ada Lovelace) 2020-01-02 active verified\n" +
			"2 grace@old.example (grace) 2021-01-02 active\n" +
			"3 eve@old.example (eve) 2022-01-02 deactivated\n" +
			"4 zoe@old.example (Zoe) 2023-01-02 active"
		if got := s.cameAlong(); got != want {
			t.Errorf("came:\n%s\nwant:\n%s", got, want)
		}
		if ada := s.logIn("ada@old.example", password).is(200); ada.value("is_platform_admin") == true {
			t.Error("a superuser became a platform administrator")
		}
		s.logIn("ada@old.example", "another password").is(401, "invalid_credentials")
		s.logIn("grace@old.example", password).is(200)
		s.logIn("eve@old.example", password).is(403, "account_inactive")
		s.logIn("zoe@old.example", password).is(401)

		// Another model of users, in JSON lines, with UUIDs, beside one that is no user.
		lines := c.file("members.jsonl",
			`{"model": "sites.site", "pk": 1, "fields": {"domain": "old.example", "name": "Old"}}`,
			`{"model": "people.member", "pk": "7f3b9f0e-32a4-4b7e-9d52-0f6b5a1c9e11", "fields": {"password": "`+hash+`", "last_login": null, "email": "dora@old.example", "full_name": "Dora Maar", "created_at": "2024-01-02T03:04:05Z"}}`)
		if m, _ := c.imports("--from", "django", lines); m.Made != 1 || m.Refused != 0 || m.People != 1 {
			t.Errorf("another model: %+v", m)
		}
		dora := s.actorOf(s.logIn("dora@old.example", password).is(200))
		if me := dora.get("/auth/me").is(200); me.str("id") != "7f3b9f0e-32a4-4b7e-9d52-0f6b5a1c9e11" || me.str("name") != "Dora Maar" || me.str("created_at") != "2024-01-02T03:04:05Z" {
			t.Errorf("me: %s", me.body)
		}

		// The database.
		table := `CREATE TABLE auth_user (id integer PRIMARY KEY, password varchar(128) NOT NULL, last_login timestamp, is_superuser bool NOT NULL, username varchar(150) NOT NULL UNIQUE,
			last_name varchar(150) NOT NULL, email varchar(254) NOT NULL, is_staff bool NOT NULL, is_active bool NOT NULL, date_joined timestamp with time zone NOT NULL, first_name varchar(150) NOT NULL)`
		users := `INSERT INTO auth_user VALUES (11, '` + hash + `', NULL, true, 'yan', 'Yan', 'yan@old.example', true, true, '2020-01-02 03:04:05.123456', 'Yana'),
			(12, '` + hash + `', NULL, false, 'wes', '', 'wes@old.example', false, false, '2020-01-02 03:04:05', '')`
		allauth := []string{
			`CREATE TABLE account_emailaddress (id integer PRIMARY KEY, email varchar(254) NOT NULL, verified bool NOT NULL, "primary" bool NOT NULL, user_id integer NOT NULL)`,
			`INSERT INTO account_emailaddress VALUES (1, 'YAN@old.example', true, true, 11), (2, 'wes@old.example', false, true, 12)`,
		}
		source := s.formerDatabase(append([]string{table, users}, allauth...)...)
		if m, _ := c.imports("--from", "django", "--trust-verified", "--source", source); m.Made != 2 || m.Refused != 0 {
			t.Errorf("the database: %+v", m)
		}
		if got := s.cameAlong(); !strings.Contains(got, "11 yan@old.example (Yana Yan) 2020-01-02 active verified\n") || !strings.Contains(got, "12 wes@old.example (wes) 2020-01-02 deactivated") {
			t.Errorf("of the database came:\n%s", got)
		}
		s.logIn("yan@old.example", password).is(200)
		s.logIn("wes@old.example", password).is(403, "account_inactive")
		if m, _ := c.imports("--from", "django", "--source", s.formerDatabase(table)); m.People != 0 {
			t.Errorf("an empty table: %+v", m)
		}
		c.fails(1, "it has no table auth_user", "import", "people", "--from", "django", "--source", s.formerDatabase("CREATE TABLE people_member (id integer)"))
		c.fails(1, "its table auth_user has no column password", "import", "people", "--from", "django", "--source", s.formerDatabase("CREATE TABLE auth_user (id integer, email text)"))
		s.isSound()
	})
}
