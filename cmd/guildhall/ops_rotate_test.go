package main

import (
	"testing"

	"guildhall/platform/config"
	"guildhall/platform/token"
)

// TestSecretsAreRotatedAndNobodyIsLoggedOut checks that tokens and stored answers of
// previous secrets are accepted exactly while these secrets are in the list. Access tokens
// are those of HS256: TestPrivateKeysAreSealed has the others.
func TestSecretsAreRotatedAndNobodyIsLoggedOut(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		again := []string{"Idempotency-Key", "k"}
		ada := s.person("Ada")
		first := ada.post("/organizations", body("name", "x"), again...).is(201)

		on := func(change func(c *config.Config)) *service {
			return start(t, s.kernel.Config.DatabaseURL.Reveal(), change)
		}
		fresh := func(c *config.Config) {
			c.JWTSecretKey, c.JWTRefreshSecretKey = "a-new-access-key-for-tests-of-32-bytes-or-more", "a-new-refresh-key-for-tests-of-32-bytes-or-more"
		}
		old := s.kernel.Config
		both, without := on(func(c *config.Config) {
			fresh(c)
			c.RetiredSecretKeys, c.RetiredRefreshKeys = []config.Secret{"an-older-access-key-for-tests-of-32-bytes", old.JWTSecretKey}, []config.Secret{old.JWTRefreshSecretKey}
		}), on(fresh)

		held := *ada
		held.s = without
		held.get("/auth/me").is(401, "invalid_token")
		without.refresh(ada.refresh).is(401, "invalid_refresh_token")

		held.s = both
		held.get("/auth/me").is(200)
		if a := held.post("/organizations", body("name", "x"), again...).is(201); string(a.body) != string(first.body) || a.header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("not the stored answer: %s", a.body)
		}
		now := both.actorOf(both.refresh(ada.refresh).is(200))
		now.post("/organizations", body("name", "y"), "Idempotency-Key", "l").is(201)

		// Tokens that it issued since do not need the old secrets.
		now.s = without
		now.get("/auth/me").is(200)
		now.post("/organizations", body("name", "y"), "Idempotency-Key", "l").is(201)
		without.refresh(now.refresh).is(200)
		now.s = s
		now.get("/auth/me").is(401, "invalid_token")
	}, algorithm(token.HS256))
}
