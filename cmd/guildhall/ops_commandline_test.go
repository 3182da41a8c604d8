package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/config"
	"guildhall/platform/database"
	"guildhall/platform/migrate"
	"guildhall/platform/platformtest"
)

// atServer runs commands as separate processes on the database of a running service.
type atServer struct {
	t       testing.TB
	dir     string
	environ []string
}

func (s *service) atServer(more ...string) atServer {
	return atServer{s.t, s.t.TempDir(), s.environ(more...)}
}

// ok runs a command that must succeed and print nothing to standard error. It returns
// standard output.
func (c atServer) ok(args ...string) string {
	c.t.Helper()
	out, errs, status := separately(c.t, "", c.dir, c.environ, args...)
	if status != 0 || errs != "" {
		c.t.Fatalf("%q: %d\n%s%s", args, status, out, errs)
	}
	return out
}

// fails runs a command that must fail with a status and a reason on standard error.
func (c atServer) fails(status int, says string, args ...string) {
	c.t.Helper()
	out, errs, got := separately(c.t, "", c.dir, c.environ, args...)
	if got != status || out != "" || !strings.Contains(errs, says) {
		c.t.Fatalf("%q: %d, want %d and %q\n%s%s", args, got, status, says, out, errs)
	}
}

func (c atServer) json(into any, args ...string) {
	c.t.Helper()
	if out := c.ok(append(args, "--json")...); json.Unmarshal([]byte(out), into) != nil {
		c.t.Fatalf("%q: no such JSON:\n%s", args, out)
	}
}

func (c atServer) object(args ...string) (m map[string]any) {
	c.t.Helper()
	c.json(&m, args...)
	return m
}

func (c atServer) list(args ...string) (l []map[string]any) {
	c.t.Helper()
	c.json(&l, args...)
	return l
}

// hasAll asserts that an object has every member of the API's answer, with the same value.
func hasAll(t testing.TB, object map[string]any, api answer) {
	t.Helper()
	hasMembersOf(t, object, api.object())
}

func hasMembersOf(t testing.TB, object, api map[string]any) {
	t.Helper()
	for name, want := range api {
		if got := object[name]; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s is %v, the API has %v", name, got, want)
		}
	}
}

// lastEvent asserts that the last event of a kind in an audit log was just recorded for
// the command line, without an account as its actor.
func lastEvent(root *actor, path, action string) {
	root.s.t.Helper()
	events := root.get(path + "/audit-events?limit=1&action=" + action).is(200).list()
	if len(events) != 1 || events[0]["actor_role"] != "command_line" || events[0]["actor_user_id"] != nil {
		root.s.t.Errorf("%s: the last %s is %v", path, action, events)
	}
}

func (a *actor) path() string { return "/users/" + a.id }

// TestPeopleByCommand checks that a running service sees the effect of a command on its
// next request.
func TestPeopleByCommand(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		c, root := s.atServer(), s.operator("Root")
		ada, bob := s.person("Ada"), s.person("Bob")
		bob = bob.joins(ada, false)
		logIn := func(a *actor) answer {
			return s.do("POST", "/api/v1/auth/token", "", body("username", a.email, "password", password))
		}

		// Suspended, as an account.
		ada.get("/auth/me").is(200)
		shout := strings.ToUpper(ada.email)
		if out := c.ok("user", "suspend", shout, "--reason", "Under investigation.", "--until", "7d"); !strings.Contains(out, ada.email+" is suspended until 2") {
			t.Errorf("printed: %s", out)
		}
		ada.get("/auth/me").is(401, "invalid_token")
		logIn(ada).is(403, "account_suspended")
		lastEvent(root, ada.path(), "user.suspended")
		c.fails(1, "This person is already suspended.", "user", "suspend", ada.id, "--reason", "Again.")
		shown := c.object("user", "show", ada.id)
		hasAll(t, shown, root.get(ada.path()).is(200))
		why := shown["suspension"].(map[string]any)
		if why["reason"] != "Under investigation." || why["suspended_by"] != nil || why["suspended_until"] == nil || len(shown["sessions"].([]any)) != 0 {
			t.Errorf("shown: %v", shown)
		}
		if out := c.ok("user", "show", ada.email); !strings.Contains(out, "suspended since") || !strings.Contains(out, ": Under investigation.") {
			t.Errorf("shown:\n%s", out)
		}
		// Each prints the same view as the API.
		hasAll(t, c.object("user", "activate", ada.email), root.get(ada.path()))
		lastEvent(root, ada.path(), "user.activated")
		logIn(ada).is(200)
		ada = s.actorOf(logIn(ada))

		// Only the membership in an organization.
		bob.get(ada.org("")).is(200)
		c.ok("user", "suspend", bob.email, "--reason", "Loud.", "--organization", ada.organization)
		bob.get(ada.org("")).is(403, "membership_suspended")
		bob.get("/organizations/" + bob.own(t)).is(200)
		lastEvent(root, ada.org(""), "user.suspended")
		for _, o := range c.object("user", "show", bob.email)["organizations"].([]any) {
			o := o.(map[string]any)
			there := o["membership"].(map[string]any)
			if want := o["id"] == ada.organization; there["is_suspended"] != want || o["is_suspended"] != false {
				t.Errorf("shown: %v", o)
			}
		}
		ada.post(bob.path()+"/activate", body()).is(200) // an owner may: it is their organization
		bob.get(ada.org("")).is(200)
		c.ok("user", "deactivate", bob.email, "--organization", ada.organization)
		bob.get(ada.org("")).is(403, "membership_inactive")
		c.ok("user", "activate", bob.email, "--organization", ada.organization)
		bob.get(ada.org("")).is(200)
		c.fails(1, "transfer its ownership first", "user", "suspend", ada.email, "--reason", "x", "--organization", ada.organization)
		c.fails(1, "There is no such user.", "user", "suspend", root.email, "--reason", "x", "--organization", ada.organization)
		c.fails(1, "There is no such organization.", "user", "suspend", bob.email, "--reason", "x", "--organization", uuid.NewString())
		c.ok("user", "deactivate", bob.email)
		logIn(bob).is(403, "account_inactive")
		lastEvent(root, bob.path(), "user.deactivated")
		c.ok("user", "activate", bob.email)
		bob = s.actorOf(logIn(bob).is(200))

		// Sessions.
		second := s.actorOf(logIn(bob).is(200))
		sessions := c.list("user", "sessions", bob.email)
		if len(sessions) != 2 || len(c.list("user", "sessions", bob.email, "--limit", "1")) != 1 || sessions[0]["address"] == "" {
			t.Errorf("sessions: %v", sessions)
		}
		theirs := bob.get("/auth/sessions").is(200).list()
		if fmt.Sprint(slices.Sorted(maps.Keys(sessions[0]))) != fmt.Sprint(slices.Sorted(maps.Keys(theirs[0]))) || sessions[1]["id"] != theirs[1]["id"] {
			t.Errorf("sessions: %v, the API has %v", sessions, theirs)
		}
		if ended := c.object("user", "end-sessions", bob.email); ended["sessions"] != 2.0 || ended["user_id"] != bob.id {
			t.Errorf("ended: %v", ended)
		}
		bob.get("/auth/me").is(401, "invalid_token")
		second.post("/auth/refresh", body("refresh_token", second.refresh)).is(401)
		lastEvent(root, bob.path(), "session.ended")
		if out := c.ok("user", "end-sessions", bob.email); !strings.HasPrefix(out, "0 ") {
			t.Errorf("ended again: %s", out)
		}

		// Archive the account and the organizations without other members; then restore it.
		c.fails(1, "transfer its ownership first", "user", "archive", ada.email, "--reason", "Left.")
		c.ok("user", "archive", bob.email, "--reason", "Left.")
		logIn(bob).is(403, "account_archived")
		lastEvent(root, bob.path(), "user.archived")
		lastEvent(root, "/organizations/"+bob.own(t), "organization.archived")
		if archive := c.object("user", "show", bob.email)["archive"].(map[string]any); archive["reason"] != "Left." {
			t.Errorf("archive: %v", archive)
		}
		c.fails(1, "already archived", "user", "archive", bob.email, "--reason", "Left.")
		c.fails(1, "restore it first", "user", "activate", bob.email)
		c.ok("user", "unarchive", bob.email, "--reason", "Came back.")
		lastEvent(root, bob.path(), "user.unarchived")
		logIn(bob).is(200)
		c.fails(1, "not archived", "user", "unarchive", bob.email)

		if out := c.ok("audit", "verify"); !strings.Contains(out, " events in ") {
			t.Errorf("the trail: %s", out)
		}
	})
}

// own returns the organization that a person created by registering.
func (a *actor) own(t testing.TB) string {
	t.Helper()
	var id string
	err := a.s.kernel.DB.Row(everything, "SELECT organization_id FROM organization_owners WHERE user_id = ? ORDER BY organization_id LIMIT 1", a.id).Scan(&id)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestOrganizationsByCommand(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		c, root := s.atServer(), s.operator("Root")
		ada := s.person("Ada")
		bob := s.person("Bob").joins(ada, false)
		ada.patch(ada.org(""), body("name", "Analytical Engines")).is(200)

		c.ok("organization", "suspend", "Analytical Engines", "--reason", "Unpaid.", "--until", "2999-01-31T12:00:00+01:00")
		bob.get(ada.org("/members")).is(403, "organization_suspended")
		ada.post(ada.org("/activate"), nil).is(403, "suspended_by_platform")
		lastEvent(root, ada.org(""), "organization.suspended")
		shown := c.object("organization", "show", ada.organization)
		hasAll(t, shown, root.get(ada.org("")).is(200))
		why := shown["suspension"].(map[string]any)
		if why["reason"] != "Unpaid." || why["suspended_until"] != "2999-01-31T11:00:00Z" || why["by_platform"] != true || shown["member_count"] != 2.0 {
			t.Errorf("shown: %v", shown)
		}
		if owner := shown["owner"].(map[string]any); owner["email"] != ada.email || owner["role"] != "owner" {
			t.Errorf("owner: %v", owner)
		}
		if out := c.ok("organization", "show", ada.organization); !strings.Contains(out, "suspended by the platform since") || !strings.Contains(out, ada.email) {
			t.Errorf("shown:\n%s", out)
		}
		c.fails(1, "already suspended", "organization", "suspend", ada.organization, "--reason", "Again.")
		hasAll(t, c.object("organization", "activate", ada.organization), root.get(ada.org("")))
		bob.get(ada.org("/members")).is(200)
		lastEvent(root, ada.org(""), "organization.activated")

		// `activate` also ends a suspension by the owner.
		ada.post(ada.org("/suspend"), because()).is(200)
		c.ok("organization", "activate", ada.organization)
		bob.get(ada.org("/members")).is(200)

		transferred := c.object("organization", "transfer", ada.organization, bob.email)
		if transferred["owner_user_id"] != bob.id || transferred["organization_id"] != ada.organization {
			t.Errorf("transferred: %v", transferred)
		}
		lastEvent(root, ada.org(""), "ownership.transferred")
		ada.patch(ada.org(""), body("name", "Difference Engines")).is(200) // the former owner stays as an admin
		ada.post(ada.org("/suspend"), because()).is(403, "insufficient_role")
		c.fails(1, "already owns", "organization", "transfer", ada.organization, bob.id)
		c.fails(1, "not a member", "organization", "transfer", ada.organization, root.id)
		c.fails(1, "no user has the email address", "organization", "transfer", ada.organization, "nobody@example.com")

		c.ok("organization", "archive", ada.organization, "--reason", "The project has ended.")
		ada.get(ada.org("")).is(404, "organization_not_found")
		lastEvent(root, ada.org(""), "organization.archived")
		c.fails(1, "already archived", "organization", "archive", ada.organization, "--reason", "x")
		c.fails(1, "There is no such organization.", "organization", "suspend", ada.organization, "--reason", "x") // as the API
		if archive := c.object("organization", "show", ada.organization)["archive"].(map[string]any); archive["reason"] != "The project has ended." {
			t.Errorf("archive: %v", archive)
		}
		c.ok("organization", "unarchive", ada.organization)
		ada.get(ada.org("")).is(200)
		lastEvent(root, ada.org(""), "organization.unarchived")
		c.fails(1, "not archived", "organization", "unarchive", ada.organization)

		// By a unique name.
		other := ada.post("/organizations", body("name", "Difference Engines")).is(201).str("id")
		for _, id := range []string{ada.organization, other} {
			c.fails(1, id, "organization", "show", "Difference Engines")
		}
		c.fails(1, "There is no such organization.", "organization", "show", uuid.NewString())
		c.fails(1, "no such organization", "organization", "show", "Nothing")
		if list := c.list("organization", "list", "--match", "DIFFERENCE"); len(list) != 2 || list[1]["id"] != other || list[0]["role"] != nil {
			t.Errorf("list: %v", list)
		}
		c.ok("organization", "suspend", other, "--reason", "x")
		if list := c.list("organization", "list", "--standing", "suspended"); len(list) != 1 || list[0]["id"] != other {
			t.Errorf("suspended: %v", list)
		}
	})
}

// TestListsByCommand checks that lists are read a page at a time, and their --limit and
// filters.
func TestListsByCommand(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		c, ada := s.atServer(), s.person("Ada")
		s.addCrowd(ada, 1100, 3)
		everybody := c.list("user", "list")
		if len(everybody) != s.count("SELECT COUNT(*) FROM users") {
			t.Errorf("%d are listed", len(everybody))
		}
		whole := ada.get(ada.path()).is(200).object()
		delete(whole, "role") // of the active organization: a list of all accounts has none
		delete(whole, "standing")
		hasMembersOf(t, everybody[0], whole)
		ids := map[any]bool{}
		for _, u := range everybody {
			ids[u["id"]] = true
		}
		if len(ids) != len(everybody) {
			t.Errorf("%d of %d are different people", len(ids), len(everybody))
		}
		members := s.count("SELECT COUNT(*) FROM organization_members WHERE organization_id = '" + ada.organization + "'")
		if out := c.ok("user", "list", "--organization", ada.organization); strings.Count(out, "\n") != members+1 || !strings.HasPrefix(out, "ID ") {
			t.Errorf("%d lines for %d members", strings.Count(out, "\n"), members)
		}
		if out := c.ok("user", "list", "--limit", "7"); strings.Count(out, "\n") != 8 {
			t.Errorf("limited:\n%s", out)
		}
		if list := c.list("user", "list", "--match", strings.ToUpper(ada.email)); len(list) != 1 || list[0]["id"] != ada.id {
			t.Errorf("matched: %v", list)
		}
		if out := c.ok("user", "list", "--standing", "archived", "--json"); out != "[]\n" {
			t.Errorf("none: %q", out)
		}
		last := everybody[len(everybody)-1]["id"].(string)
		c.ok("user", "suspend", last, "--reason", "x")
		if list := c.list("user", "list", "--standing", "suspended"); len(list) != 1 || list[0]["id"] != last {
			t.Errorf("suspended: %v", list)
		}
	})
}

// TestAnEmptyOrganizationIsWrongUsage checks that an empty --organization, as from an
// unset shell variable, does not apply the command to the whole account.
func TestAnEmptyOrganizationIsWrongUsage(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, at := s.person("Ada"), s.atServer()
		for _, args := range [][]string{
			{"user", "suspend", ada.email, "--reason", "x", "--organization", ""}, {"user", "activate", ada.email, "--organization", " "},
			{"user", "deactivate", ada.email, "--organization="}, {"user", "list", "--organization", ""}, {"organization", "show", ""}, {"organization", "transfer", " ", ada.email},
		} {
			at.fails(2, "names no organization", args...)
		}
		ada.get("/auth/me").is(200)
		ada.patch(ada.org(""), body("name", "Café")).is(200)
		if o := at.object("organization", "show", " Cafe\u0301 "); o["id"] != ada.organization {
			t.Errorf("in another form of Unicode: %v", o)
		}
	})
}

// TestAReasonStaysOnItsLine checks that an owner's text can't forge lines of the output
// that an operator reads.
func TestAReasonStaysOnItsLine(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, at := s.person("Ada"), s.atServer()
		ada.post(ada.org("/suspend"), body("reason", "x\nstanding  active\r\nid  0")).is(200)
		if out := at.ok("organization", "show", ada.organization); strings.Count(out, "\nstanding") != 1 || strings.Count(out, "\n") != 6 || !strings.Contains(out, "x standing  active id  0") {
			t.Errorf("%s", out)
		}
	})
}

// TestCommandsThatReadLeaveTheSchemaAlone checks that reading commands report another
// version's schema instead of migrating it, regardless of MIGRATE_ON_START.
func TestCommandsThatReadLeaveTheSchemaAlone(t *testing.T) {
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, databaseURL string) {
		dir, environ := t.TempDir(), inProduction(databaseURL, "MIGRATE_ON_START=true")
		if path, isFile := sqlitePath(databaseURL); isFile {
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, args := range [][]string{{"audit", "verify"}, {"user", "list"}, {"organization", "list"}} {
			if out, status := run(t, dir, environ, args...); status != 1 || !strings.Contains(out, "migrations are pending") || strings.Contains(out, "SQLSTATE") {
				t.Errorf("%v: %d\n%s", args, status, out)
			}
		}
		run(t, dir, environ, "migrate", "up")
		s := start(t, databaseURL)
		s.exec("INSERT INTO schema_migrations (id) VALUES ('209912312359_auth_from_the_future')")
		if out, status := run(t, dir, environ, "audit", "verify"); status != 1 || !strings.Contains(out, "newer than this version") {
			t.Errorf("on a newer schema: %d\n%s", status, out)
		}
	})
}

// TestNamesDoNotActOnTheTerminal shows a name with an escape sequence or a line break, as
// an earlier version accepted it: it must have no effect on the terminal.
func TestNamesDoNotActOnTheTerminal(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		s.asOwner()
		ada := s.person("Ada")
		s.exec("UPDATE user_profile SET name = 'Ad" + "\x1b[2J" + "a" + "\n" + "root' WHERE user_id = '" + ada.id + "'")
		at := s.atServer()
		for _, args := range [][]string{{"user", "list"}, {"user", "show", ada.id}, {"organization", "show", ada.organization}} {
			if out := at.ok(args...); strings.Contains(out, "\x1b") || !strings.Contains(out, "Ad\ufffd[2Ja") || args[1] == "list" && strings.Count(out, "\n") != 2 {
				t.Errorf("%q: %q", args, out)
			}
		}
		if got := at.list("user", "list")[0]["name"]; got != "Ad\x1b[2Ja\nroot" {
			t.Errorf("JSON has the name as it is: %q", got)
		}
	})
}

// TestUnlockByCommand checks that `user unlock` resets the rate limits on one user's
// email address, and nobody else's.
func TestUnlockByCommand(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		c, root := s.atServer(), s.operator("Root")
		ada, eve := s.person("Ada"), s.person("Eve")
		for _, from := range []string{"192.0.2.1", "2001:db8::1"} {
			for range 5 {
				s.guess6(ada.email, from).is(401)
				s.guess6(eve.email, from).is(401)
			}
			s.guess6(ada.email, from).is(429)
		}
		var held []string
		for _, l := range c.object("user", "show", ada.email)["limits"].([]any) {
			l := l.(map[string]any)
			if l["retry_after"].(float64) < 1 || l["retry_after"].(float64) > 30 {
				t.Errorf("limit: %v", l)
			}
			held = append(held, fmt.Sprint(l["limit"], " ", l["address"]))
		}
		if fmt.Sprint(held) != "[log-in 192.0.2.1 log-in 2001:db8::/64]" {
			t.Errorf("limits: %q", held)
		}
		if out := c.ok("user", "show", ada.email); !strings.Contains(out, "active rate limits: 2") || !strings.Contains(out, "192.0.2.1") {
			t.Errorf("shown:\n%s", out)
		}
		if left := c.object("user", "unlock", ada.email)["limits"].([]any); len(left) != 0 {
			t.Errorf("left: %v", left)
		}
		lastEvent(root, ada.path(), "user.unlocked")
		for _, from := range []string{"192.0.2.1", "2001:db8::1"} {
			s.guess6(ada.email, from).is(401)
			s.guess6(eve.email, from).is(429) // Eve's limits stay
		}

		// The limit over all addresses is reset as well: set it as if after a hundred guesses.
		s.exec("UPDATE rate_limits SET tat = tat + 90000000000")
		if shown := fmt.Sprint(c.object("user", "show", eve.id)["limits"]); !strings.Contains(shown, "limit:account") {
			t.Errorf("shown: %s", shown)
		}
		s.guess6(eve.email, "203.0.113.1").is(429)
		c.ok("user", "unlock", eve.id)
		s.guess6(eve.email, "203.0.113.1").is(401)
		s.guess6(eve.email, "192.0.2.1").is(429) // no log-in from there is accepted
		if left := fmt.Sprint(c.object("user", "unlock", eve.id)["limits"]); !strings.Contains(left, "limit:address") || strings.Contains(left, "limit:account") {
			t.Errorf("left: %s", left)
		}
	}, limited)
}

// guess6 is guess with a wrong password, from an IPv4 or IPv6 address.
func (s *service) guess6(email, address string) answer {
	s.t.Helper()
	if strings.Contains(address, ":") {
		address = "[" + address + "]"
	}
	return s.guess(email, "a wrong guess", address)
}

// TestCommandsForOperatorsRefuse checks that commands refuse unknown users and
// organizations, and invalid arguments.
func TestCommandsForOperatorsRefuse(t *testing.T) {
	t.Parallel()
	s := start(t, platformtest.SQLiteURL(t))
	c, ada := s.atServer(), s.person("Ada")
	unknown := uuid.NewString()
	for _, sub := range []string{"show", "sessions", "end-sessions", "unlock", "activate", "deactivate", "unarchive"} {
		c.fails(1, "There is no such user.", "user", sub, unknown)
		c.fails(1, "no user has the email address nobody@example.com", "user", sub, "nobody@example.com")
		c.fails(2, "neither an email address nor a user id", "user", sub, "ada")
		c.fails(2, "1 arg", "user", sub)
	}
	for _, args := range [][]string{
		{"user", "suspend", ada.id},
		{"user", "suspend", ada.id, "--reason", ""},
		{"user", "suspend", ada.id, "--reason", strings.Repeat("x", 1001)},
		{"user", "suspend", ada.id, "--reason", "x", "--until", "soon"},
		{"user", "suspend", ada.id, "--reason", "x", "--until", "2020-01-01T00:00:00Z"},
		{"user", "suspend", ada.id, "--reason", "x", "--until", "-72h"},
		{"user", "archive", ada.id},
		{"user", "list", "--limit", "0"},
		{"user", "list", "--standing", "tall"},
		{"organization", "suspend", ada.organization},
		{"organization", "archive", ada.organization},
		{"organization", "transfer", ada.organization},
		{"organization", "transfer", ada.organization, "ada"},
	} {
		c.fails(2, "--help`", args...)
	}
	if n := s.count("SELECT COUNT(*) FROM user_suspensions"); n != 0 {
		t.Errorf("%d suspensions", n)
	}
	// They create no empty database, and refuse one that is not migrated.
	nowhere := atServer{t, t.TempDir(), inProduction("sqlite://nothing.db", "MIGRATE_ON_START=true")}
	nowhere.fails(1, "a file that does not exist", "user", "list")
	if err := os.WriteFile(filepath.Join(nowhere.dir, "nothing.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	atServer{t, nowhere.dir, inProduction("sqlite://nothing.db")}.fails(1, "migrations are pending", "user", "list")
}

// TestCommandsUnderRowSecurity checks that commands see and change all organizations, as
// the role that row-level security binds.
func TestCommandsUnderRowSecurity(t *testing.T) {
	t.Parallel()
	if rowSecurityEverywhere() {
		t.Skip("all of these tests run under it then")
	}
	s := start(t, platformtest.PostgresURL(t), limited, func(cfg *config.Config) { underRowSecurity(t, cfg) })
	c, root := s.atServer(), s.operator("Root")
	ada := s.person("Ada")
	bob := s.person("Bob").joins(ada, false)
	if n := len(c.list("user", "list")); n != 3 {
		t.Errorf("%d people", n)
	}
	if n := len(c.list("user", "list", "--organization", ada.organization)); n != 2 {
		t.Errorf("%d members", n)
	}
	if n := len(c.list("organization", "list")); n != 3 {
		t.Errorf("%d organizations", n)
	}
	c.ok("user", "suspend", bob.id, "--reason", "x", "--organization", ada.organization)
	bob.get(ada.org("")).is(403, "membership_suspended")
	if n := len(c.object("user", "show", bob.id)["organizations"].([]any)); n != 2 {
		t.Errorf("bob is in %d organizations", n)
	}
	c.ok("user", "activate", bob.id, "--organization", ada.organization)
	c.ok("organization", "suspend", ada.organization, "--reason", "x")
	bob.get(ada.org("/members")).is(403, "organization_suspended")
	c.ok("organization", "activate", ada.organization)
	c.ok("organization", "transfer", ada.organization, bob.id)
	c.ok("organization", "archive", ada.organization, "--reason", "x")
	c.ok("organization", "unarchive", ada.organization)
	c.ok("user", "archive", ada.id, "--reason", "x")
	c.ok("user", "unarchive", ada.id)
	c.ok("user", "end-sessions", bob.id)
	c.ok("user", "unlock", bob.id)
	lastEvent(root, bob.path(), "user.unlocked")
	bob.get("/auth/me").is(401)
}

// TestNobodyIsFilledInOnTheWayBack rolls back the migration that allows rows without an
// actor. The previous version can't store what the command line did without one, so the
// rollback fills one in. The schema must be identical to the previous version's.
func TestNobodyIsFilledInOnTheWayBack(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		s.asOwner()
		c, root := s.atServer(), s.operator("Root")
		ada := s.person("Ada")
		bob := s.person("Bob").joins(ada, false)
		eve := s.person("Eve")
		c.ok("organization", "transfer", ada.organization, bob.id)
		c.ok("organization", "archive", ada.organization, "--reason", "x")
		c.ok("organization", "unarchive", ada.organization)
		c.ok("organization", "suspend", ada.organization, "--reason", "x")
		c.ok("user", "suspend", eve.id, "--reason", "x")
		c.ok("user", "archive", eve.id, "--reason", "x")
		nobodys := map[string]string{
			"user_suspensions": "suspended_by", "user_archives": "archived_by", "organization_suspensions": "suspended_by",
			"organization_archives": "archived_by", "organization_active_status": "activated_by", "organization_admins": "granted_by",
		}
		for table, column := range nobodys {
			if s.count("SELECT COUNT(*) FROM "+table+" WHERE "+column+" IS NULL") == 0 {
				t.Errorf("%s has no row without an actor", table)
			}
		}
		db, all := s.kernel.DB, s.app.Migrations()
		with, err := db.DumpSchema(everything)
		if err != nil {
			t.Fatal(err)
		}
		first := slices.IndexFunc(all, func(m migrate.Migration) bool { return strings.HasPrefix(m.ID, "202611252201_") })
		if _, err := migrate.Down(everything, db, all, len(all)-first); err != nil {
			t.Fatal(err)
		}
		before := start(t, emptyLike(t, db.Driver()))
		before.asOwner()
		if _, err := migrate.Down(everything, before.kernel.DB, all, len(all)); err != nil {
			t.Fatal(err)
		}
		if _, err := migrate.Up(everything, before.kernel.DB, all[:first]); err != nil {
			t.Fatal(err)
		}
		want, _ := before.kernel.DB.DumpSchema(everything)
		if is, err := db.DumpSchema(everything); err != nil || is != want || is == with {
			t.Errorf("rolled back (%v):\n%s", err, is)
		}
		for table, column := range nobodys {
			if n := s.count("SELECT COUNT(*) FROM " + table + " WHERE " + column + " IS NULL"); n != 0 {
				t.Errorf("%s has %d rows without an actor", table, n)
			}
		}
		if _, err := migrate.Up(everything, db, all); err != nil {
			t.Fatal(err)
		}
		if again, err := db.DumpSchema(everything); err != nil || again != with {
			t.Errorf("up again (%v):\n%s", err, again)
		}
		root.get(eve.path()).is(200)
	})
}

// TestWhatTheCommandLineDidTravels exports and imports rows that the command line wrote,
// which refer to no account as their actor.
func TestWhatTheCommandLineDidTravels(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		c := s.atServer()
		ada := s.person("Ada")
		bob := s.person("Bob").joins(ada, false)
		c.ok("organization", "transfer", ada.organization, bob.id)
		c.ok("organization", "archive", ada.organization, "--reason", "x")
		c.ok("organization", "unarchive", ada.organization)
		c.ok("user", "suspend", ada.id, "--reason", "Loud.", "--organization", ada.organization)
		c.ok("organization", "suspend", ada.organization, "--reason", "x")
		if out, status := run(t, c.dir, c.environ, "export", ada.organization, "--output", "it.gz"); status != 0 {
			t.Fatalf("export: %d\n%s", status, out)
		}
		there := start(t, emptyLike(t, s.kernel.DB.Driver()))
		if out, status := run(t, c.dir, there.atServer().environ, "import", "it.gz"); status != 0 {
			t.Fatalf("import: %d\n%s", status, out)
		}
		var shown, travelled map[string]any
		c.json(&shown, "organization", "show", ada.organization)
		there.atServer().json(&travelled, "organization", "show", ada.organization)
		if fmt.Sprint(shown) != fmt.Sprint(travelled) {
			t.Errorf("%v\nbecame %v", shown, travelled)
		}
		there.atServer().ok("audit", "verify")
	})
}

// The owner of the tables is bound as well, and the rollback works with the setting or
// without.
func TestNobodyIsFilledInUnderRowSecurity(t *testing.T) {
	t.Parallel()
	for _, setting := range []string{"true", "false"} {
		databaseURL := platformtest.PostgresURL(t)
		s := start(t, databaseURL, func(cfg *config.Config) { underRowSecurity(t, cfg) })
		ada := s.person("Ada")
		s.atServer().ok("organization", "suspend", ada.organization, "--reason", "x")
		owner := inProduction(ownedBy(t, databaseURL), "DATABASE_ROW_SECURITY="+setting)
		all := s.app.Migrations()
		first := slices.IndexFunc(all, func(m migrate.Migration) bool { return strings.HasPrefix(m.ID, "202611252201_") })
		if out, status := run(t, t.TempDir(), owner, "migrate", "down", strconv.Itoa(len(all)-first)); status != 0 || !strings.Contains(out, "202611252201_") {
			t.Errorf("with %s: %d\n%s", setting, status, out)
		}
		if n := s.count("SELECT COUNT(*) FROM organization_suspensions WHERE suspended_by = '" + ada.id + "'"); n != 1 {
			t.Errorf("with %s: %d are by the owner", setting, n)
		}
	}
}

func emptyLike(t testing.TB, driver database.Driver) string {
	if driver == database.Postgres {
		return platformtest.PostgresURL(t)
	}
	return platformtest.SQLiteURL(t)
}

// TestTheCommandLineIsNobodyWithAnAccount checks that a rule about the caller's own
// account never matches the command line, and that a context that passed no gate is not
// the command line.
func TestTheCommandLineIsNobodyWithAnAccount(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		id := uuid.MustParse(ada.id)
		for rule, want := range map[string]error{
			"self": access.ErrUserNotFound, "org": nil, "operator": nil,
		} {
			r := map[string]access.Rule{"self": access.Self(), "org": access.Org(access.Owner), "operator": access.PlatformAdminOnly()}[rule]
			for _, request := range []access.Request{
				{User: id, Organization: uuid.NullUUID{UUID: uuid.MustParse(ada.organization), Valid: true}},
				{Organization: uuid.NullUUID{UUID: uuid.MustParse(ada.organization), Valid: true}},
			} {
				if _, err := s.kernel.Gate.AdmitCommandLine(context.Background(), r, request); !errors.Is(err, want) {
					t.Errorf("%s: %v", rule, err)
				}
			}
		}
		_, err := s.kernel.Gate.Lock(everything, uuid.MustParse(ada.organization), uuid.Nil)
		if err == nil {
			t.Error("a context without a caller may lock an organization")
		}
	})
}
