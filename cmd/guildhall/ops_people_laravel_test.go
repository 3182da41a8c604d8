package main

import (
	"strings"
	"testing"

	hashing "guildhall/platform/password"
)

// hashBy returns a hash that a program made of a password.
func hashBy(t *testing.T, by, chosen string) string {
	t.Helper()
	for _, f := range foreignHashes(t) {
		if f.By == by && f.Password == chosen && f.Source == (hashing.Source{}) {
			return f.Hash
		}
	}
	t.Fatalf("there is no hash by %s", by)
	return ""
}

// whatLaravelHad is what the tests below expect of one set of people and teams. A personal
// team comes along only if somebody joined it, a deleted team or person does not.
const whatLaravelHad = "1 ada@old.example (Engines) 2019-01-02 active\n" +
	"2 grace@old.example (Grace's Team) 2019-01-02 active\n" +
	"5 ada@old.example (Orphans) 2019-01-02 active\n" +
	"1 ada@old.example (Ada) 2020-01-02 active verified, owner of Engines, owner of Orphans\n" +
	"2 grace@old.example (Grace) 2020-01-02 active, admin of Engines, owner of Grace's Team\n" +
	"3 eve@old.example (Eve) 2020-01-02 active, member of Engines, admin of Grace's Team, member of Orphans\n" +
	"4 zoe@old.example (Zoe) 2020-01-02 active"

// cameFromLaravel checks that the people are here, with their passwords.
func (s *service) cameFromLaravel() {
	s.t.Helper()
	if got := s.cameAlong(); got != whatLaravelHad {
		s.t.Errorf("came:\n%s\nwant:\n%s", got, whatLaravelHad)
	}
	s.logIn("ada@old.example", password).is(200)
	s.logIn("ada@old.example", "another password").is(401, "invalid_credentials")
	s.logIn("grace@old.example", "correct horse battery").is(200)
	s.logIn("eve@old.example", password).is(200)
	s.logIn("zoe@old.example", password).is(401)
	s.logIn("gone@old.example", password).is(401)
	s.isSound()
}

// TestPeopleMoveInFromLaravel reads files: users, and Jetstream's teams with their members.
func TestPeopleMoveInFromLaravel(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		c := s.atServer()
		bcrypt := strings.Replace(bcrypted(t, password), "$2a$", "$2y$", 1)
		argon := hashBy(t, "PHP argon2id", "correct horse battery")
		users := c.file("users.jsonl",
			`{"id":1,"name":"Ada","email":"ada@old.example","email_verified_at":"2020-02-03 04:05:06","password":"`+bcrypt+`","remember_token":"x","current_team_id":1,"created_at":"2020-01-02 03:04:05"}`,
			`{"id":2,"name":"Grace","email":"grace@old.example","email_verified_at":null,"password":"`+argon+`","created_at":"2020-01-02T03:04:05.000000Z"}`,
			`{"id":3,"name":"Eve","email":"eve@old.example","email_verified_at":null,"password":"`+bcrypt+`","created_at":"2020-01-02 03:04:05"}`,
			`{"id":4,"name":"Zoe","email":"zoe@old.example","email_verified_at":null,"password":null,"created_at":"2020-01-02 03:04:05"}`,
			`{"id":5,"name":"Gone","email":"gone@old.example","email_verified_at":null,"password":"`+bcrypt+`","created_at":"2020-01-02 03:04:05","deleted_at":"2021-01-02 03:04:05"}`)
		member := func(id, team, role string) string {
			return `{"id":` + id + `,"name":"N","email":"n@old.example","membership":{"user_id":` + id + `,"team_id":` + team + `,"role":` + role + `,"created_at":"2020-03-04T05:06:07.000000Z"}}`
		}
		teams := c.file("teams.json", `[`,
			`{"id":1,"user_id":1,"name":"Engines","personal_team":false,"created_at":"2019-01-02T03:04:05.000000Z","users":[`+member("2", "1", `"admin"`)+`,`+member("3", "1", `"editor"`)+`,`+member("5", "1", `"editor"`)+`]},`,
			`{"id":2,"user_id":2,"name":"Grace's Team","personal_team":true,"created_at":"2019-01-02T03:04:05.000000Z","users":[`+strings.Replace(member("3", "2", `"owner"`), "membership", "pivot", 1)+`]},`,
			`{"id":3,"user_id":3,"name":"Eve's Team","personal_team":true,"created_at":"2019-01-02T03:04:05.000000Z","users":[`+member("3", "3", `"admin"`)+`,`+member("5", "3", "null")+`]},`,
			`{"id":4,"user_id":1,"name":"Deleted","personal_team":false,"created_at":"2019-01-02T03:04:05.000000Z","deleted_at":"2021-01-02T03:04:05.000000Z","users":[`+member("2", "4", "null")+`]},`,
			`{"id":5,"user_id":5,"name":"Orphans","personal_team":false,"created_at":"2019-01-02T03:04:05.000000Z","users":[`+member("3", "5", "null")+`]}`,
			`]`)
		if m, _ := c.imports("--dry-run", "--from", "laravel", users, teams); m.Refused != 2 || m.Made != 3 {
			t.Errorf("without an owner: %+v", m)
		}
		args := []string{"--from", "laravel", "--trust-verified", "--owner", "ada@old.example", teams, users}
		m, _ := c.imports(args...)
		if want := (moved{People: 4, Made: 4, WithoutPassword: 1, Organizations: 3, Memberships: 7, Listed: m.Listed}); m != want {
			t.Errorf("%+v", m)
		}
		s.cameFromLaravel()
		if n := s.count("SELECT COUNT(*) FROM organization_members m JOIN users u ON u.id = m.user_id WHERE u.external_id = '3' AND CAST(m.joined_at AS text) LIKE '2020-03-04%'"); n != 3 {
			t.Errorf("%d memberships began when they did", n)
		}
		if again, _ := c.imports(args...); again.Made+again.Organizations+again.Memberships+again.Refused != 0 || again.Members != 6 {
			t.Errorf("again: %+v", again)
		}
	})
}

// TestPeopleMoveInFromTablesOfLaravel reads the same from CSV files of the three tables.
func TestPeopleMoveInFromTablesOfLaravel(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		c := s.atServer()
		bcrypt := strings.Replace(bcrypted(t, password), "$2a$", "$2y$", 1)
		users := c.file("users.csv", `"id","name","email","email_verified_at","password","created_at","deleted_at"`,
			`1,Ada,ada@old.example,"2020-02-03 04:05:06",`+bcrypt+`,"2020-01-02 03:04:05",NULL`,
			`2,Grace,grace@old.example,NULL,"`+hashBy(t, "PHP argon2id", "correct horse battery")+`","2020-01-02 03:04:05",NULL`,
			`3,Eve,eve@old.example,\N,`+bcrypt+`,"2020-01-02 03:04:05",\N`,
			`4,Zoe,zoe@old.example,,NULL,"2020-01-02 03:04:05",`,
			`5,Gone,gone@old.example,NULL,`+bcrypt+`,"2020-01-02 03:04:05","2021-01-02 03:04:05"`)
		members := c.file("team_user.csv", "id,team_id,user_id,role,created_at", "1,1,2,admin,", "2,1,3,editor,", "3,1,5,editor,", "4,2,3,owner,", "5,3,3,admin,", "6,3,5,NULL,", "7,4,2,,", "8,5,3,,", "9,6,3,,")
		teams := c.file("teams.csv", "id,user_id,name,personal_team,created_at,deleted_at",
			"1,1,Engines,0,2019-01-02 03:04:05,NULL", "2,2,Grace's Team,1,2019-01-02 03:04:05,NULL", "3,3,Eve's Team,1,2019-01-02 03:04:05,NULL",
			"4,1,Deleted,0,2019-01-02 03:04:05,2021-01-02 03:04:05", "5,5,Orphans,0,2019-01-02 03:04:05,NULL")
		if m, _ := c.imports("--from", "laravel", "--trust-verified", "--owner", "ada@old.example", members, users, teams); m.Made != 4 || m.Refused != 0 || m.Memberships != 7 {
			t.Errorf("%+v", m)
		}
		s.cameFromLaravel()
	})
}

// TestPeopleMoveInFromTheDatabaseOfLaravel reads the same from the database.
func TestPeopleMoveInFromTheDatabaseOfLaravel(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		c := s.atServer()
		bcrypt := strings.Replace(bcrypted(t, password), "$2a$", "$2y$", 1)
		source := s.formerDatabase(
			`CREATE TABLE users (id bigint PRIMARY KEY, name varchar(255) NOT NULL, email varchar(255) NOT NULL UNIQUE, email_verified_at timestamp, password varchar(255),
				remember_token varchar(100), current_team_id bigint, created_at timestamp, updated_at timestamp, deleted_at timestamp)`,
			`INSERT INTO users (id, name, email, email_verified_at, password, created_at, deleted_at) VALUES
				(1, 'Ada', 'ada@old.example', '2020-02-03 04:05:06', '`+bcrypt+`', '2020-01-02 03:04:05', NULL),
				(2, 'Grace', 'grace@old.example', NULL, '`+hashBy(t, "PHP argon2id", "correct horse battery")+`', '2020-01-02 03:04:05', NULL),
				(3, 'Eve', 'eve@old.example', NULL, '`+bcrypt+`', '2020-01-02 03:04:05', NULL),
				(4, 'Zoe', 'zoe@old.example', NULL, NULL, '2020-01-02 03:04:05', NULL),
				(5, 'Gone', 'gone@old.example', NULL, '`+bcrypt+`', '2020-01-02 03:04:05', '2021-01-02 03:04:05')`,
			`CREATE TABLE teams (id bigint PRIMARY KEY, user_id bigint NOT NULL, name varchar(255) NOT NULL, personal_team boolean NOT NULL, created_at timestamp, updated_at timestamp, deleted_at timestamp)`,
			`INSERT INTO teams VALUES (1, 1, 'Engines', false, '2019-01-02 03:04:05', NULL, NULL), (2, 2, 'Grace''s Team', true, '2019-01-02 03:04:05', NULL, NULL),
				(3, 3, 'Eve''s Team', true, '2019-01-02 03:04:05', NULL, NULL), (4, 1, 'Deleted', false, '2019-01-02 03:04:05', NULL, '2021-01-02 03:04:05'),
				(5, 5, 'Orphans', false, '2019-01-02 03:04:05', NULL, NULL)`,
			`CREATE TABLE team_user (id bigint PRIMARY KEY, team_id bigint NOT NULL, user_id bigint NOT NULL, role varchar(255), created_at timestamp, updated_at timestamp)`,
			`INSERT INTO team_user VALUES (1, 1, 2, 'admin', '2020-03-04 05:06:07', NULL), (2, 1, 3, 'editor', '2020-03-04 05:06:07', NULL), (3, 1, 5, 'editor', NULL, NULL), (4, 2, 3, 'owner', '2020-03-04 05:06:07', NULL),
				(5, 3, 3, 'admin', NULL, NULL), (6, 3, 5, NULL, NULL, NULL), (7, 4, 2, NULL, NULL, NULL), (8, 5, 3, NULL, '2020-03-04 05:06:07', NULL), (9, 6, 3, NULL, NULL, NULL)`,
		)
		args := []string{"--from", "laravel", "--trust-verified", "--owner", "ada@old.example", "--source", source}
		if m, _ := c.imports(args...); m.Made != 4 || m.Refused != 0 || m.Memberships != 7 {
			t.Errorf("%+v", m)
		}
		s.cameFromLaravel()
		if n := s.count("SELECT COUNT(*) FROM organization_members m JOIN users u ON u.id = m.user_id WHERE u.external_id = '3' AND CAST(m.joined_at AS text) LIKE '2020-03-04%'"); n != 3 {
			t.Errorf("%d memberships began when they did", n)
		}
		if again, _ := c.imports(args...); again.Made+again.Organizations+again.Memberships+again.Refused != 0 || again.Members != 6 {
			t.Errorf("again: %+v", again)
		}

		// Without Jetstream there are only people.
		plain := s.formerDatabase(
			`CREATE TABLE users (id bigint PRIMARY KEY, email varchar(255) NOT NULL, password varchar(255))`,
			`INSERT INTO users VALUES (71, 'dora@old.example', '`+bcrypt+`')`)
		if m, _ := c.imports("--from", "laravel", "--source", plain); m.Made != 1 || m.Organizations != 0 {
			t.Errorf("without teams: %+v", m)
		}
		s.logIn("dora@old.example", password).is(200)
	})
}
