package main

import (
	"strings"
	"testing"
)

// TestUnprovedAddressesAreNotAdded checks that an address that a stranger registered does
// not let them into an organization.
func TestUnprovedAddressesAreNotAdded(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, stranger := s.person("Ada"), s.person("Mallory")
		add := func(b map[string]any) answer { return ada.post(ada.org("/members"), b) }
		add(body("email", stranger.email)).is(409, "email_unverified")
		a := ada.post(ada.org("/members/batch"), body("emails", []string{stranger.email})).is(422, "validation_failed")
		if !strings.Contains(string(a.body), `"email_unverified"`) {
			t.Errorf("%s", a.body)
		}
		add(body("user_id", stranger.id)).is(201) // by whoever was given the id by that very person
		add(body("email", stranger.email)).is(409, "already_member")
		ada.post(ada.org("/members/batch"), body("emails", []string{stranger.email}, "skip_existing", true)).is(201)
		grace := s.verifiedPerson("Grace")
		add(body("email", grace.email)).is(201)
	}, withMailbox)
}

// TestNoticesOfMemberships checks that people are told what others do with their membership,
// in their language, and nothing of what they do themselves.
func TestNoticesOfMemberships(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.person("Grace")
		grace.patch("/users/"+grace.id+"/profile", body("locale", "de", "name", "Grace <b>evil.example</b>")).is(200)
		told := func(who *actor, kind string, says ...string) {
			t.Helper()
			m := s.mail(who.email, kind)
			for _, text := range says {
				if !strings.Contains(strings.ReplaceAll(m.Text, "\n", " "), text) {
					t.Errorf("%s to %s: want %q in\n%s", kind, who.email, text, m.Text)
				}
			}
		}
		ada.post(ada.org("/members"), body("user_id", grace.id)).is(201)
		told(grace, "member_added", "Ada hat Sie als Mitglied aufgenommen", "Ada's Organization")
		ada.post(ada.org("/admins"), body("user_id", grace.id)).is(201)
		told(grace, "role_changed", "Administrator")
		ada.delete(ada.org("/admins/" + grace.id)).is(204)
		told(grace, "role_changed", "Mitglied")
		ada.post(ada.org("/transfer-ownership"), body("new_owner_user_id", grace.id)).is(200)
		told(grace, "ownership_transferred", "Inhaber")
		told(ada, "ownership_transferred", "You are now: admin", "This wasn’t me")
		grace.delete("/organizations/" + ada.organization + "/members/" + ada.id).is(204)
		told(ada, "member_removed", "evil.\u2060example") // no link

		before := len(s.mails(ada.email))
		alan := s.person("Alan")
		alan.post(alan.org("/members"), body("user_id", ada.id)).is(201)
		ada.delete("/organizations/" + alan.organization + "/members/" + ada.id).is(204) // leaves
		if n := len(s.mails(ada.email)); n != before+1 {
			t.Errorf("%d mails, want %d", n, before+1)
		}
	}, withMailbox)
}

// TestARemovedPasswordIsTold checks that a person who loses the password of an address that
// nobody had proved is told.
func TestARemovedPasswordIsTold(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.person("Grace")
		ada.post(ada.org("/invitations"), body("email", grace.email)).is(201)
		grace.post("/invitations/accept", body("token", s.mail(grace.email, "invitation").link())).is(200)
		s.logIn(grace.email, password).is(401)
		if m := s.mail(grace.email, "password_removed"); !strings.HasSuffix(m.Links[0], "/account/forgot") {
			t.Errorf("%+v", m)
		}
	}, withMailbox)
}

// TestAnUnprovedAddressIsNotReserved checks that whoever registers an address that is not
// theirs, and changes it, does not keep its owner from it.
func TestAnUnprovedAddressIsNotReserved(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		stranger := s.person("Mallory")
		squatted := stranger.email
		stranger.changeEmail("mallory@elsewhere.example").is(200)
		s.do("POST", "/api/v1/auth/register", "", body("email", squatted, "password", password, "name", "Owner")).is(201)
	}, withMailbox)
}

// TestNewDevices checks that a log-in with another client is told, and another version of
// the same is not.
func TestNewDevices(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		logIn := func(client string) {
			t.Helper()
			s.do("POST", "/api/v1/auth/token", "", body("username", ada.email, "password", password), "User-Agent", client).is(200)
		}
		count := func(want int) {
			t.Helper()
			n := 0
			for _, m := range s.mails(ada.email) {
				if m.Kind == "new_device" {
					n++
				}
			}
			if n != want {
				t.Errorf("%d notices, want %d", n, want)
			}
		}
		logIn("Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0.1.2")
		count(1)
		logIn("Mozilla/5.0 (X11; Linux x86_64) Chrome/141.0.7_3")
		count(1)
		logIn("Mozilla/5.0 (Macintosh) Safari/19")
		count(2)
		logIn("%")
		count(3)
		logIn("%%")
		count(4)
	}, withMailbox)
}
