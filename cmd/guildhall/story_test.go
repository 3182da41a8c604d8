package main

import "testing"

func TestRegistrationGivesAnOrganizationAndASession(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		me := ada.get("/auth/me").is(200)
		if me.str("organization.name") != "Ada's Organization" || me.str("organization.role") != "owner" {
			t.Errorf("me: %s", me.body)
		}
		s.do("POST", "/api/v1/auth/register", "", map[string]any{
			"email": "  " + ada.email[:1] + ada.email[1:] + " ", "password": password, "name": "Other",
		}).is(409, "email_taken")
	})
}
