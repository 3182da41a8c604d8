package main

import (
	"strconv"
	"testing"
	"time"

	"guildhall/platform/config"
)

func limited(c *config.Config) { c.RateLimitEnabled = true }

func TestGuessingIsSlowedDownForTheGuesserAlone(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		guess := func(email, password, address string) answer {
			return s.from(address, "POST", "/api/v1/auth/token", map[string]any{"username": email, "password": password})
		}
		for range 10 {
			guess(ada.email, "a wrong guess", "192.0.2.1:1").is(401, "invalid_credentials")
			guess("unknown@example.com", "a wrong guess", "192.0.2.1:1").is(401, "invalid_credentials")
		}
		for _, email := range []string{ada.email, "unknown@example.com"} {
			refused := guess(email, "a wrong guess", "192.0.2.1:2").is(429, "too_many_requests")
			if seconds, err := strconv.Atoi(refused.header.Get("Retry-After")); err != nil || seconds < 1 || seconds > 30 {
				t.Errorf("Retry-After: %q", refused.header.Get("Retry-After"))
			}
		}
		guess(ada.email, password, "192.0.2.1:3").is(429, "too_many_requests")
		guess(ada.email, password, "192.0.2.2:1").is(200) // the victim, from elsewhere
		for range 12 {                                    // as often as they like
			guess(ada.email, password, "192.0.2.2:1").is(200)
		}
		ada.get("/auth/me").is(200)
		s.later(31 * time.Second)
		guess(ada.email, password, "192.0.2.1:4").is(200)
	}, limited)
}

func TestAForwardedAddressIsBelievedOfTrustedProxiesOnly(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		for i := range 12 {
			want := 401
			if i >= 10 {
				want = 429
			}
			s.from("192.0.2.1:1", "POST", "/api/v1/auth/token", map[string]any{"username": "a@example.com", "password": "x"},
				"X-Forwarded-For", "198.51.100."+strconv.Itoa(i)).is(want)
			s.from("10.0.0.1:1", "POST", "/api/v1/auth/token", map[string]any{"username": "a@example.com", "password": "x"},
				"X-Forwarded-For", "203.0.113."+strconv.Itoa(i)).is(401)
		}
	}, limited, func(c *config.Config) { c.TrustedProxies = []string{"10.0.0.0/8"} })
}
