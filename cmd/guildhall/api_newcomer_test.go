package main

import (
	"fmt"
	"strings"
	"testing"

	"guildhall/platform"
)

func newEmail() string { return fmt.Sprintf("new.%d@example.com", people.Add(1)) }

// eventsOf returns the actions in an audit log, newest first.
func (a *actor) eventsOf(path string) (actions []string) {
	a.s.t.Helper()
	for _, e := range a.get(path + "/audit-events").is(200).list() {
		actions = append(actions, fmt.Sprint(e["action"], " by ", e["actor_role"]))
	}
	return actions
}

// TestLettingPeopleIn checks that a platform administrator can create accounts while
// registration is off.
func TestLettingPeopleIn(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, ada := s.operator("Root"), s.person("Ada")
		s.kernel.Config.EnableRegistration = false
		_, modules := wire(s.kernel)
		var err error
		if s.app, err = platform.New(s.kernel, version, modules...); err != nil {
			t.Fatal(err)
		}
		s.do("POST", "/api/v1/auth/register", "", body("email", newEmail(), "password", password, "name", "X")).is(403, "registration_disabled")
		create := func(who *actor, b map[string]any, headers ...string) answer { return who.post("/users", b, headers...) }

		// An admin of an organization, from the start.
		email := newEmail()
		a := create(root, body("email", strings.ToUpper(email), "name", "  Grace ", "password", password, "organization_id", ada.organization, "role", "admin")).is(201)
		id := a.str("id")
		if a.str("email") != strings.ToUpper(email) || a.str("name") != "Grace" || a.str("is_active") != "true" || a.header.Get("Location") != "/api/v1/users/"+id {
			t.Errorf("created: %s %s", a.header.Get("Location"), a.body)
		}
		grace := s.actorOf(s.logIn(email, password).is(200))
		if me := grace.get("/auth/me").is(200); me.str("organization.id") != ada.organization || me.str("organization.role") != "admin" {
			t.Errorf("Grace is %s", me.body)
		}
		if n := len(grace.get("/organizations").is(200).list()); n != 1 {
			t.Errorf("she is in %d organizations", n)
		}
		first := root.get("/users/" + id + "/audit-events").is(200).list()
		first = first[len(first)-1:]
		if first[0]["action"] != "user.created" || first[0]["actor_user_id"] != root.id || first[0]["actor_role"] != "platform_administrator" || first[0]["sequence"] != 1.0 {
			t.Errorf("her audit log begins with %v", first)
		}
		if got := ada.eventsOf(ada.org("")); fmt.Sprint(got[:2]) != "[admin.granted by platform_administrator member.added by platform_administrator]" {
			t.Errorf("in the organization: %v", got)
		}

		// Three accounts: a member, one in no organization, one without a password.
		email = newEmail()
		create(root, body("email", email, "name", "M", "password", password, "organization_id", ada.organization)).is(201)
		if me := s.actorOf(s.logIn(email, password).is(200)).get("/auth/me"); me.str("organization.role") != "member" {
			t.Errorf("a member: %s", me.body)
		}
		email = newEmail()
		create(root, body("email", email, "name", "N", "password", password)).is(201)
		alone := s.actorOf(s.logIn(email, password).is(200))
		if alone.organization != "" {
			t.Errorf("in %s", alone.organization)
		}
		alone.post("/organizations", body("name", "Mine")).is(201)
		email = newEmail()
		create(root, body("email", email, "name", "O")).is(201)
		for _, guess := range []string{password, "", "x"} {
			if a := s.logIn(email, guess); guess != "" {
				a.is(401, "invalid_credentials")
			} else {
				a.is(422)
			}
		}
		if out, status := s.command("five boxing wizards\n", "admin", "set-password", email); status != 0 {
			t.Errorf("set-password: %s", out)
		}
		s.logIn(email, "five boxing wizards").is(200)

		// Refused creations leave no rows.
		before := s.rows()
		for _, c := range []struct {
			who    *actor
			status int
			code   string
			body   map[string]any
		}{
			{ada, 403, "platform_administrator_required", body("email", newEmail(), "name", "X")},
			{&actor{s: s}, 401, "authentication_required", body("email", newEmail(), "name", "X")},
			{root, 409, "email_taken", body("email", strings.ToUpper(ada.email), "name", "X")},
			{root, 404, "organization_not_found", body("email", newEmail(), "name", "X", "organization_id", nowhere)},
			{root, 422, "validation_failed", body("email", newEmail(), "name", "X", "role", "admin")},
			{root, 422, "validation_failed", body("email", newEmail(), "name", "X", "organization_id", ada.organization, "role", "owner")},
			{root, 422, "validation_failed", body("email", newEmail(), "name", "X", "password", "password")},
			{root, 422, "validation_failed", body("email", newEmail(), "name", "X", "password", nil)},
			{root, 422, "validation_failed", body("email", newEmail())},
			{root, 422, "validation_failed", body("email", newEmail(), "name", "X", "organization_name", "Y")},
		} {
			create(c.who, c.body).is(c.status, c.code)
		}
		if after := s.rows(); after != before {
			t.Errorf("a refused creation left rows\n%s\n%s", before, after)
		}

		// The same request again, with its idempotency key.
		b := body("email", newEmail(), "name", "P", "password", password)
		again := []string{"Idempotency-Key", "again"}
		if one, two := create(root, b, again...).is(201), create(root, b, again...).is(201); string(one.body) != string(two.body) || two.header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("first %s, then %s", one.body, two.body)
		}
		create(root, b).is(409, "email_taken")
		ada.post(ada.org("/archive"), because()).is(200)
		create(root, body("email", newEmail(), "name", "X", "organization_id", ada.organization)).is(404, "organization_not_found")
	})
}

func TestLettingPeopleInByCommand(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, ada := s.operator("Root"), s.person("Ada")
		c, email := s.atServer(), newEmail()
		out, status := s.command(password+"\n", "user", "create", email, "--name", "Grace", "--organization", ada.organization, "--role", "admin", "--json")
		if status != 0 || !strings.Contains(out, `"email": "`+email+`"`) {
			t.Fatalf("%d: %s", status, out)
		}
		grace := s.actorOf(s.logIn(email, password).is(200))
		if me := grace.get("/auth/me").is(200); me.str("organization.role") != "admin" {
			t.Errorf("Grace is %s", me.body)
		}
		lastEvent(root, grace.path(), "user.created")
		lastEvent(root, ada.org(""), "member.added")

		email = newEmail()
		if out := c.ok("user", "create", email, "--name", "N", "--no-password"); !strings.Contains(out, "guildhall admin set-password "+email) {
			t.Errorf("printed: %s", out)
		}
		s.logIn(email, password).is(401, "invalid_credentials")
		c.fails(1, "This email address already has an account.", "user", "create", email, "--name", "N", "--no-password")
		c.fails(2, "--role needs --organization", "user", "create", newEmail(), "--name", "N", "--no-password", "--role", "admin")
		c.fails(2, "must be member or admin", "user", "create", newEmail(), "--name", "N", "--no-password", "--organization", ada.organization, "--role", "owner")
		c.fails(2, "name", "user", "create", newEmail(), "--no-password")
		c.fails(1, "no password on standard input", "user", "create", newEmail(), "--name", "N") // there is none on standard input
	})
}
