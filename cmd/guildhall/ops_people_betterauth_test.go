package main

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"guildhall/platform/platformtest"
)

// hashOfBetterAuth returns a hash that better-auth made, and its password.
func hashOfBetterAuth(t *testing.T) (hash, password string) {
	t.Helper()
	for _, f := range foreignHashes(t) {
		if f.By == "better-auth" {
			return f.Hash, f.Password
		}
	}
	t.Fatal("there is no hash of better-auth")
	return "", ""
}

const (
	uuidOfLea   = "0198f0aa-1111-7000-8000-0000000000aa"
	uuidOfGuild = "0198f0aa-2222-7000-8000-0000000000bb"
)

// betterAuthTables are the tables as better-auth makes them, and people in organizations.
// date is the type of times, and flag that of true and false. Each name of a table and of a
// column is written by name.
func betterAuthTables(hash, date, flag string, name func(string) string) []string {
	yes, no := "1", "0"
	if flag == "boolean" {
		yes, no = "true", "false"
	}
	statement := func(text string) string {
		parts := strings.Split(text, "`") // every second one is a name
		for i := 1; i < len(parts); i += 2 {
			parts[i] = `"` + name(parts[i]) + `"`
		}
		return strings.NewReplacer("DATE", date, "FLAG", flag, "YES", yes, "NO ", no+" ", "HASH", "'"+hash+"'", "TIME", "'2024-05-06T07:08:09.123Z'").Replace(strings.Join(parts, ""))
	}
	var all []string
	for _, s := range []string{
		"CREATE TABLE `user` (`id` text PRIMARY KEY, `name` text, `email` text, `emailVerified` FLAG, `image` text, `createdAt` DATE, `updatedAt` DATE, `role` text, `banned` FLAG, `banReason` text, `banExpires` DATE)",
		"CREATE TABLE `account` (`id` text PRIMARY KEY, `accountId` text, `providerId` text, `userId` text, `password` text, `createdAt` DATE, `updatedAt` DATE)",
		"CREATE TABLE `organization` (`id` text PRIMARY KEY, `name` text, `slug` text, `logo` text, `createdAt` DATE, `metadata` text)",
		"CREATE TABLE `member` (`id` text PRIMARY KEY, `organizationId` text, `userId` text, `role` text, `createdAt` DATE)",
		"INSERT INTO `user` VALUES ('ada1', 'Ada', 'ada@old.example', YES, 'https://example.com/a.png', TIME, TIME, 'admin', NO , NULL, NULL)",
		"INSERT INTO `user` VALUES ('grace2', 'Grace', 'grace@old.example', NO , 'data:image/png;base64,AAAA', TIME, TIME, 'user', NULL, NULL, NULL)",
		"INSERT INTO `user` VALUES ('eve3', 'Eve', 'eve@old.example', NO , NULL, TIME, TIME, 'user', YES, 'spam', '2999-01-01T00:00:00.000Z')",
		"INSERT INTO `user` VALUES ('mal4', 'Mal', 'mal@old.example', NO , NULL, TIME, TIME, 'user', YES, NULL, NULL)",
		"INSERT INTO `user` VALUES ('past5', 'Past', 'past@old.example', NO , NULL, TIME, TIME, 'user', YES, 'rude', '2024-06-01T00:00:00.000Z')",
		"INSERT INTO `user` VALUES ('social6', 'Social', 'social@old.example', YES, NULL, TIME, TIME, 'user', NO , NULL, NULL)",
		"INSERT INTO `user` VALUES ('" + uuidOfLea + "', 'Lea', 'lea@old.example', YES, NULL, TIME, TIME, 'user', NO , NULL, NULL)",
		"INSERT INTO `account` VALUES ('a1', 'ada1', 'credential', 'ada1', HASH, TIME, TIME), ('a2', 'grace2', 'credential', 'grace2', HASH, TIME, TIME), " +
			"('a3', 'eve3', 'credential', 'eve3', HASH, TIME, TIME), ('a4', 'mal4', 'credential', 'mal4', HASH, TIME, TIME), ('a5', 'past5', 'credential', 'past5', HASH, TIME, TIME), " +
			"('a6', '9876', 'github', 'social6', NULL, TIME, TIME), ('a7', 'l', 'credential', '" + uuidOfLea + "', HASH, TIME, TIME), ('a8', '1234', 'github', 'ada1', NULL, TIME, TIME)",
		"INSERT INTO `organization` VALUES ('engines', 'Engines', 'engines', NULL, TIME, NULL), ('" + uuidOfGuild + "', 'Guild', 'guild', NULL, TIME, NULL), ('orphaned', 'Orphaned', 'orphaned', NULL, TIME, NULL)",
		// Engines has two owners, and the first is Grace. The first owner of Orphaned is gone.
		"INSERT INTO `member` VALUES ('m1', 'engines', 'ada1', 'owner', '2024-07-02T00:00:00.000Z'), ('m2', 'engines', 'grace2', 'member, owner', '2024-07-01T00:00:00.000Z'), " +
			"('m3', 'engines', 'past5', 'billing', '2024-07-01T00:00:00.000Z'), ('m4', 'engines', 'eve3', 'billing,admin', '2024-07-01T00:00:00.000Z'), " +
			"('m5', '" + uuidOfGuild + "', '" + uuidOfLea + "', 'owner', '2024-07-01T00:00:00.000Z'), ('m6', '" + uuidOfGuild + "', 'grace2', 'member', '2024-07-01T00:00:00.000Z'), " +
			"('m9', '" + uuidOfGuild + "', 'grace2', 'viewer', '2024-06-30T00:00:00.000Z'), ('n1', '" + uuidOfGuild + "', '" + uuidOfLea + "', 'admin', '2024-06-30T00:00:00.000Z'), " +
			"('n2', 'engines', 'eve3', 'billing', '2024-06-30T00:00:00.000Z'), " + // some are members twice
			"('m7', 'orphaned', 'nobody', 'owner', '2024-07-01T00:00:00.000Z'), ('m8', 'orphaned', 'past5', 'co-owner', '2024-07-01T00:00:00.000Z')",
	} {
		all = append(all, statement(s))
	}
	return all
}

// movedFromBetterAuth imports those people, and checks what they are here.
func movedFromBetterAuth(t *testing.T, s *service, source, password string) {
	t.Helper()
	c := s.atServer()
	m, _ := c.imports("--from", "better-auth", "--source", source, "--owner", "lea@old.example", "--trust-verified")
	if want := (moved{People: 7, Made: 7, WithoutPassword: 1, Organizations: 3, Memberships: 8, Listed: "better-auth.without-password.txt"}); m != want {
		t.Errorf("made %+v", m)
	}
	s.isSound()
	s.logIn("ada@old.example", "wrong "+password).is(401)
	s.logIn("social@old.example", password).is(401)
	s.logIn("eve@old.example", password).is(403, "account_suspended")
	s.logIn("mal@old.example", password).is(403, "account_suspended")
	operator := s.operator("Oz")
	for email, want := range map[string]struct {
		is    string
		roles map[string]string
	}{
		"ada@old.example":   {"Ada ada1 true https://example.com/a.png", map[string]string{"Engines": "admin"}},
		"grace@old.example": {"Grace grace2 false ", map[string]string{"Engines": "owner", "Guild": "member"}},
		"past@old.example":  {"Past past5 false ", map[string]string{"Engines": "member", "Orphaned": "member"}},
		"lea@old.example":   {"Lea " + uuidOfLea + " true ", map[string]string{"Guild": "owner", "Orphaned": "owner"}},
	} {
		person := s.actorOf(s.logIn(email, password).is(200))
		u := operator.get("/users/" + person.id).is(200)
		if got := fmt.Sprint(u.str("name"), " ", u.str("external_id"), " ", u.str("email_verified"), " ", u.str("avatar_url")); got != want.is || u.str("created_at") != "2024-05-06T07:08:09.123Z" {
			t.Errorf("%s: %s", email, u.body)
		}
		if email == "lea@old.example" && person.id != uuidOfLea {
			t.Errorf("the id of Lea is %s", person.id)
		}
		roles := map[string]string{}
		for _, o := range person.get("/organizations").is(200).list() {
			roles[fmt.Sprint(o["name"])] = fmt.Sprint(o["role"])
			if (o["id"] == uuidOfGuild) != (o["name"] == "Guild") {
				t.Errorf("%s: %v", email, o)
			}
		}
		if !maps.Equal(roles, want.roles) {
			t.Errorf("%s: %v", email, roles)
		}
	}
	var ids []string
	for _, o := range operator.get("/organizations?scope=all").is(200).list() {
		if o["name"] != "Oz's Organization" {
			ids = append(ids, fmt.Sprint(o["external_id"]))
		}
	}
	if slices.Sort(ids); !slices.Equal(ids, []string{uuidOfGuild, "engines", "orphaned"}) {
		t.Errorf("organizations: %v", ids)
	}
	if admins := s.count("SELECT COUNT(*) FROM organization_admins"); admins != 2 { // Ada and Eve
		t.Errorf("%d admins", admins)
	}
	if joined := s.count("SELECT COUNT(*) FROM organization_members WHERE joined_at >= '2024-07-01' AND joined_at < '2024-07-03'"); joined != 6 {
		t.Errorf("%d have the time at which they joined", joined)
	}
}

// TestPeopleMoveInFromBetterAuth reads the tables that better-auth makes in SQLite.
func TestPeopleMoveInFromBetterAuth(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		hash, password := hashOfBetterAuth(t)
		source := "sqlite://" + filepath.Join(t.TempDir(), "auth.db")
		holding(t, source, betterAuthTables(hash, "date", "integer", func(n string) string { return n })...)
		movedFromBetterAuth(t, s, source, password)

		c := s.atServer()
		other := "sqlite://" + filepath.Join(t.TempDir(), "other.db")
		holding(t, other, `CREATE TABLE "user" (id text)`)
		c.fails(1, "it is no database of better-auth", "import", "people", "--from", "better-auth", "--source", other)

		// Without the admin plugin there are no bans. An anonymous account owns nothing.
		alone := "sqlite://" + filepath.Join(t.TempDir(), "alone.db")
		holding(t, alone,
			`CREATE TABLE "user" ("id" text, "name" text, "email" text, "emailVerified" integer, "image" text, "createdAt" date, "isAnonymous" integer)`,
			`CREATE TABLE "account" ("id" text, "providerId" text, "userId" text, "password" text)`,
			`INSERT INTO "user" VALUES ('1', 'Solo', 'solo@old.example', 1, NULL, '2024-05-06T07:08:09.123Z', NULL), ('2', 'Anonymous', 'temp-2@old.example', 0, NULL, NULL, 1)`,
			`CREATE TABLE "organization" ("id" text, "name" text)`,
			`CREATE TABLE "member" ("id" text, "organizationId" text, "userId" text, "role" text, "createdAt" date)`,
			`INSERT INTO "organization" VALUES ('1', 'Solos')`,
			`INSERT INTO "member" VALUES ('1', '1', '2', 'owner', '2024-05-06T07:08:09.123Z'), ('2', '1', '1', 'owner', '2024-05-07T07:08:09.123Z')`,
			`INSERT INTO "account" VALUES ('1', 'credential', '1', '`+hash+`')`)
		if m, _ := c.imports("--from", "better-auth", "--source", alone); m != (moved{People: 1, Made: 1, Organizations: 1, Memberships: 1}) {
			t.Errorf("alone: %+v", m)
		}
		s.logIn("solo@old.example", password).is(200)

		// Without the organization plugin there are no organizations.
		without := "sqlite://" + filepath.Join(t.TempDir(), "without.db")
		holding(t, without,
			`CREATE TABLE "user" ("id" text, "name" text, "email" text, "emailVerified" integer)`,
			`CREATE TABLE "account" ("id" text, "providerId" text, "userId" text, "password" text)`,
			`INSERT INTO "user" VALUES ('3', 'Duo', 'duo@old.example', 1)`)
		if m, _ := c.imports("--from", "better-auth", "--source", without); m != (moved{People: 1, Made: 1, WithoutPassword: 1, Listed: m.Listed}) {
			t.Errorf("without organizations: %+v", m)
		}
	})
}

// TestPeopleMoveInFromBetterAuthOnPostgres reads the tables in PostgreSQL, with the names
// that better-auth gives them, as a user of the database who may read them and no more.
func TestPeopleMoveInFromBetterAuthOnPostgres(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		hash, password := hashOfBetterAuth(t)
		source := platformtest.PostgresURL(t)
		holding(t, source, betterAuthTables(hash, "timestamptz", "boolean", func(n string) string { return n })...)
		reader := asReader(t, source, "public", `"user"`, "account", "organization", "member")
		movedFromBetterAuth(t, s, reader, password)
		holding(t, source, "ALTER TABLE member ENABLE ROW LEVEL SECURITY")
		s.atServer().fails(1, "row-level security may hide rows", "import", "people", "--from", "better-auth", "--source", reader)
	})
}

// TestPeopleMoveInFromBetterAuthInSnakeCase reads tables in the plural, with columns in snake
// case, in a schema of their own, as users of an ORM have them.
func TestPeopleMoveInFromBetterAuthInSnakeCase(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		hash, password := hashOfBetterAuth(t)
		source := platformtest.PostgresURL(t) + "&search_path=identity"
		holding(t, source, append([]string{"CREATE SCHEMA identity"}, betterAuthTables(hash, "timestamp", "boolean", func(n string) string {
			switch n {
			case "user", "account", "organization", "member":
				return n + "s"
			}
			for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZ" {
				n = strings.ReplaceAll(n, string(c), "_"+strings.ToLower(string(c)))
			}
			return n
		})...)...)
		movedFromBetterAuth(t, s, source, password)
	})
}
