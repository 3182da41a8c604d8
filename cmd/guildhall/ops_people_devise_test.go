package main

import (
	"strings"
	"testing"

	"guildhall/platform/config"
)

// TestPeopleMoveInFromDevise reads the table users of a Rails application, from the database
// and from files, with a pepper and without.
func TestPeopleMoveInFromDevise(t *testing.T) {
	pepper := strings.Repeat("5bd30a5a", 16)
	each(t, func(t *testing.T, s *service) {
		c := s.atServer(`PASSWORD_IMPORT_KEYS={"devise":"` + pepper + `"}`)
		hash := bcrypted(t, password)
		source := s.formerDatabase(
			`CREATE TABLE users (id bigint PRIMARY KEY, email varchar NOT NULL DEFAULT '', encrypted_password varchar NOT NULL DEFAULT '', reset_password_token varchar, confirmation_token varchar,
				confirmed_at timestamp(6), unconfirmed_email varchar, failed_attempts integer NOT NULL DEFAULT 0, locked_at timestamp(6), created_at timestamp(6) NOT NULL, first_name varchar, last_name varchar, discarded_at timestamp(6))`,
			`INSERT INTO users (id, email, encrypted_password, confirmed_at, locked_at, created_at, first_name, last_name, discarded_at) VALUES
				(1, 'ada@old.example', '`+hash+`', '2020-02-03 04:05:06.123456', NULL, '2020-01-02 03:04:05.123456', 'Ada', 'Lovelace', NULL),
				(2, 'grace@old.example', '`+hash+`', NULL, NULL, '2020-01-02 03:04:05', NULL, NULL, NULL),
				(3, 'eve@old.example', '`+hash+`', NULL, '2022-02-03 04:05:06', '2020-01-02 03:04:05', '', 'Eve', NULL),
				(4, 'zoe@old.example', '', NULL, NULL, '2020-01-02 03:04:05', 'Zoe', NULL, NULL),
				(5, 'gone@old.example', '`+hash+`', NULL, NULL, '2020-01-02 03:04:05', 'Gone', NULL, '2021-01-02 03:04:05')`)
		args := []string{"--from", "rails-devise", "--trust-verified", "--source", source}
		m, _ := c.imports(args...)
		if want := (moved{People: 4, Made: 4, WithoutPassword: 1, Listed: m.Listed}); m != want {
			t.Errorf("%+v", m)
		}
		want := "1 ada@old.example (Ada Lovelace) 2020-01-02 active verified\n" +
			"2 grace@old.example (grace) 2020-01-02 active\n" +
			"3 eve@old.example (Eve) 2020-01-02 suspended\n" +
			"4 zoe@old.example (Zoe) 2020-01-02 active"
		if got := s.cameAlong(); got != want {
			t.Errorf("came:\n%s\nwant:\n%s", got, want)
		}
		s.logIn("ada@old.example", password).is(200)
		s.logIn("ada@old.example", "another password").is(401, "invalid_credentials")
		s.logIn("eve@old.example", password).is(403, "account_suspended")
		s.logIn("zoe@old.example", password).is(401)

		lines := c.file("users.jsonl",
			`{"id":21,"email":"yan@old.example","encrypted_password":"`+bcrypted(t, (password + pepper)[:72])+`","name":"Yan","confirmed_at":"2020-02-03T04:05:06.123Z","locked_at":null,"created_at":"2020-01-02T03:04:05.123Z"}`,
			`{"id":22,"email":"gone@old.example","encrypted_password":"`+hash+`","name":"Gone","created_at":"2020-01-02T03:04:05.123Z","deleted_at":"2021-01-02T03:04:05.123Z"}`)
		c.fails(1, "yan@old.example has another password", "import", "people", "--from", "rails-devise", "--verify", c.file("known.csv", "email,password", "yan@old.example,"+password), lines)
		m, _ = c.imports("--from", "rails-devise", "--hash-key", "devise", "--verify", c.file("known.csv", "email,password", "yan@old.example,"+password), lines)
		if m.Made != 1 || m.Verified != 1 || m.People != 1 {
			t.Errorf("with a pepper: %+v", m)
		}
		s.logIn("yan@old.example", "another password").is(401, "invalid_credentials")
		s.logIn("yan@old.example", password).is(200)

		table := c.file("users.csv", "id,email,encrypted_password,confirmed_at,locked_at,created_at,username",
			`31,wes@old.example,`+hash+`,NULL,NULL,2020-01-02 03:04:05.123456,wes`,
			`32,vic@old.example,`+hash+`,2020-01-02 03:04:05 UTC,2020-01-02 03:04:05 UTC,2020-01-02 03:04:05 UTC,vic@old.example`,
			`33,nobody,`+hash+`,,,,`)
		if m, _ := c.imports("--from", "rails-devise", "--trust-verified", table); m.Made != 2 || m.Refused != 1 {
			t.Errorf("CSV: %+v", m)
		}
		if got := strings.Join(c.refusals(table), "\n"); got != "4 email not_an_email_address" {
			t.Errorf("refused: %s", got)
		}
		s.logIn("wes@old.example", password).is(200)
		s.logIn("vic@old.example", password).is(403, "account_suspended")
		if got := s.cameAlong(); !strings.HasSuffix(got, "\n31 wes@old.example (wes) 2020-01-02 active\n32 vic@old.example (vic) 2020-01-02 suspended verified") || !strings.Contains(got, "21 yan@old.example (Yan) 2020-01-02 active\n") {
			t.Errorf("of files came:\n%s", got)
		}
		s.isSound()
	}, func(c *config.Config) {
		c.PasswordImportKeys = map[string]config.Secret{"devise": config.Secret(pepper)}
	})
}
