package main

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// form posts a form as an OAuth client does.
func (s *service) form(path string, pairs ...string) answer {
	s.t.Helper()
	values := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	return s.do("POST", "/api/v1"+path, "", values.Encode(), "Content-Type", form)
}

// TestGoOAuthClient logs in with golang.org/x/oauth2, whose TokenSource refreshes
// whenever the access token has expired.
func TestGoOAuthClient(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		server := httptest.NewServer(s.app.API())
		defer server.Close()
		ada := s.person("Ada")
		ctx := context.Background()
		for name, config := range map[string]oauth2.Config{
			"which finds out how to send its name":   {ClientID: "app", ClientSecret: "a secret", Scopes: []string{"openid", "offline_access"}},
			"a public one":                           {ClientID: "app", Endpoint: oauth2.Endpoint{AuthStyle: oauth2.AuthStyleInParams}},
			"with its name in a header":              {ClientID: "app", ClientSecret: "a:secret", Endpoint: oauth2.Endpoint{AuthStyle: oauth2.AuthStyleInHeader}},
			"that refreshes where only that is done": {ClientID: "app", Endpoint: oauth2.Endpoint{TokenURL: "/auth/refresh"}},
		} {
			t.Run(name, func(t *testing.T) {
				refreshing := config
				refreshing.Endpoint.TokenURL = server.URL + "/api/v1/auth/token"
				if config.Endpoint.TokenURL != "" {
					refreshing.Endpoint.TokenURL = server.URL + "/api/v1" + config.Endpoint.TokenURL
				}
				config.Endpoint.TokenURL = server.URL + "/api/v1/auth/token"

				first, err := config.PasswordCredentialsToken(ctx, ada.email, password)
				if err != nil {
					t.Fatal(err)
				}
				left := time.Until(first.Expiry)
				if !first.Valid() || first.Type() != "Bearer" || left < 25*time.Minute || left > 30*time.Minute || first.Extra("user_id") != ada.id {
					t.Errorf("the token: %+v", first)
				}
				expired := *first
				expired.Expiry = time.Now().Add(-time.Second)
				source := refreshing.TokenSource(ctx, &expired)
				second, err := source.Token()
				if err != nil {
					t.Fatal(err)
				}
				if !second.Valid() || second.AccessToken == first.AccessToken || second.RefreshToken == first.RefreshToken {
					t.Errorf("refreshed: %+v", second)
				}
				answered, err := oauth2.NewClient(ctx, source).Get(server.URL + "/api/v1/auth/me")
				if err != nil {
					t.Fatal(err)
				}
				if answered.Body.Close(); answered.StatusCode != http.StatusOK {
					t.Errorf("who am I: %d", answered.StatusCode)
				}

				_, err = config.PasswordCredentialsToken(ctx, ada.email, "not the password")
				assertOAuthError(t, err, 401, "invalid_grant", "The email address or the password is wrong.")
				_, err = refreshing.TokenSource(ctx, &oauth2.Token{RefreshToken: "x"}).Token()
				assertOAuthError(t, err, 401, "invalid_grant", "The refresh token is invalid, has expired or has been revoked.")
			})
		}
	})
}

// assertOAuthError asserts the error that a user of golang.org/x/oauth2 sees.
func assertOAuthError(t *testing.T, err error, status int, code, description string) {
	t.Helper()
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) || refused.Response.StatusCode != status || refused.ErrorCode != code || refused.ErrorDescription != description {
		t.Errorf("refused with %v", err)
	}
}

// TestRefreshAtTheTokenEndpoint refreshes at both routes, with a form and with JSON:
// rotation, grace period and reuse detection are the same.
func TestRefreshAtTheTokenEndpoint(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ways := []func(token string) answer{
			func(token string) answer {
				return s.form("/auth/token", "grant_type", "refresh_token", "refresh_token", token, "client_id", "app", "scope", "a b", "x", "1", "x", "2")
			},
			func(token string) answer { return s.form("/auth/refresh", "refresh_token", token) },
			func(token string) answer {
				return s.form("/auth/refresh", "refresh_token", token, "grant_type", "refresh_token", "client_secret", "x")
			},
			func(token string) answer {
				return s.do("POST", "/api/v1/auth/token", "", body("grant_type", "refresh_token", "refresh_token", token))
			},
			func(token string) answer {
				return s.do("POST", "/api/v1/auth/refresh", "", body("grant_type", "refresh_token", "refresh_token", token))
			},
			func(token string) answer {
				values := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
				return s.do("POST", "/api/v1/auth/token", "", values.Encode(), "Content-Type", form+"; charset=UTF-8",
					"Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("app:secret")))
			},
			s.refresh,
		}
		for i, present := range ways {
			other := ways[(i+1)%len(ways)]
			ada := s.person("Ada")
			next := present(ada.refresh).is(200)
			if next.str("token_type") != "bearer" || next.str("expires_in") != "1800" || next.str("user_id") != ada.id || next.str("organization_id") != ada.organization ||
				next.header.Get("Cache-Control") != "no-store" || next.header.Get("Content-Type") != "application/json" {
				t.Errorf("%d: %v %s", i, next.header, next.body)
			}
			successor := next.str("refresh_token")
			if again := other(ada.refresh).is(200).str("refresh_token"); again != successor || again == ada.refresh {
				t.Errorf("%d: the parent gave another successor", i)
			}
			third := other(successor).is(200).str("refresh_token")
			s.later(11 * time.Second)
			present(ada.refresh).is(401, "refresh_token_reused")
			other(third).is(401, "invalid_refresh_token")
		}
	})
}

// TestRefreshesShareOneLimit checks that both routes and both formats count towards one
// rate limit.
func TestRefreshesShareOneLimit(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		token := ada.refresh
		until429 := func(most int, present func() answer) answer {
			t.Helper()
			for range most {
				a := present()
				if a.status == 429 {
					return a
				}
				token = a.is(200).str("refresh_token")
			}
			t.Fatalf("%d refreshes were allowed", most)
			return answer{}
		}
		until429(200, func() answer { return s.refresh(token) })
		// The limit regains one request a second, so a slow machine may get a few more.
		a := until429(20, func() answer {
			return s.form("/auth/token", "grant_type", "refresh_token", "refresh_token", token)
		})
		if a.code() != "too_many_requests" || a.str("error") != "temporarily_unavailable" || a.header.Get("Retry-After") == "" || a.header.Get("RateLimit") == "" {
			t.Errorf("%v %s", a.header, a.body)
		}
	}, limited)
}

// TestErrorsForOAuthClients checks that a form's error has the members of RFC 6749 beside
// those of the problem, and that the same request as JSON gets only the problem, with the
// same status and code.
func TestErrorsForOAuthClients(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		operator, ada := s.operator("Operator"), s.person("Ada")
		suspended := s.person("Grace")
		operator.post("/users/"+suspended.id+"/suspend", body("reason", "x", "scope", "account")).is(200)
		const token, refresh, unknown = "/auth/token", "/auth/refresh", "00000000-0000-7000-8000-000000000000"
		for _, c := range []struct {
			path               string
			pairs              []string
			status             int
			code, err, details string
		}{
			{token, []string{"username", ada.email, "password", "wrong password"}, 401, "invalid_credentials", "invalid_grant", "The email address or the password is wrong."},
			{token, []string{"username", suspended.email, "password", password}, 403, "account_suspended", "invalid_grant", "This account is suspended."},
			{token, []string{"username", ada.email, "password", password, "organization_id", unknown}, 404, "organization_not_found", "invalid_request", ""},
			{token, []string{"username", ada.email, "password", password, "organization_id", "x"}, 422, "validation_failed", "invalid_request", "organization_id must be a UUID."},
			{token, []string{"grant_type", "password"}, 422, "validation_failed", "invalid_request", "username is required. password is required."},
			{token, []string{"grant_type", "refresh_token"}, 422, "validation_failed", "invalid_request", "refresh_token is required."},
			{token, []string{"grant_type", "refresh_token", "refresh_token", "x"}, 401, "invalid_refresh_token", "invalid_grant", "The refresh token is invalid, has expired or has been revoked."},
			{token, []string{"grant_type", "authorization_code"}, 422, "unsupported_grant_type", "unsupported_grant_type", "grant_type must be password, refresh_token or challenge."},
			{token, []string{"grant_type", "urn:ietf:params:oauth:grant-type:device_code"}, 422, "unsupported_grant_type", "unsupported_grant_type", "grant_type must be password, refresh_token or challenge."},
			{refresh, []string{"refresh_token", "x"}, 401, "invalid_refresh_token", "invalid_grant", "The refresh token is invalid, has expired or has been revoked."},
			{refresh, []string{"grant_type", "password", "refresh_token", ada.refresh}, 422, "unsupported_grant_type", "unsupported_grant_type", "grant_type must be refresh_token."},
			{refresh, []string{"grant_type", "refresh_token"}, 422, "validation_failed", "invalid_request", "refresh_token is required."},
		} {
			a := s.form(c.path, c.pairs...).is(c.status, c.code)
			if c.details == "" {
				c.details = a.str("detail")
			}
			if a.str("error") != c.err || a.str("error_description") != c.details || a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s %q: %v %s", c.path, c.pairs, a.header, a.body)
			}
			want := `Bearer realm="guildhall", error="` + c.err + `", error_description="` + c.details + `"`
			if got := a.header.Get("WWW-Authenticate"); c.status == 401 && got != want || c.status != 401 && got != "" {
				t.Errorf("%s %q: the challenge is %s", c.path, c.pairs, got)
			}
			same := map[string]any{}
			for i := 0; i+1 < len(c.pairs); i += 2 {
				same[c.pairs[i]] = c.pairs[i+1]
			}
			s.do("POST", "/api/v1"+c.path, "", same).is(c.status, c.code)
		}
		for _, path := range []string{token, refresh} {
			for text, status := range map[string]int{"": 400, "refresh_token=%zz": 400, "x=" + strings.Repeat("x", 64<<10): 413} {
				a := s.do("POST", "/api/v1"+path, "", text, "Content-Type", form).is(status)
				if a.str("error") != "invalid_request" || a.str("error_description") != a.str("detail") {
					t.Errorf("%s: %s", path, a.body)
				}
			}
			s.do("POST", "/api/v1"+path, "", "x=y", "Content-Type", form+"; charset=latin1").is(415, "unsupported_media_type")
		}
		// Other routes answer with a problem only.
		ada.s.do("POST", "/api/v1/auth/logout", ada.access, "all=true", "Content-Type", form).is(415, "unsupported_media_type")
		s.do("GET", "/api/v1/auth/token", "", nil, "Content-Type", form).is(405, "method_not_allowed")
	})
}

// TestGoClientCredentials gets tokens for an API key with golang.org/x/oauth2, whose client
// asks for another one whenever the last has expired.
func TestGoClientCredentials(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		server := httptest.NewServer(s.app.API())
		defer server.Close()
		root, ada := s.operator("Root"), s.person("Ada")
		orders := root.registersAPI("orders", "scopes", orderScopes)
		key := ada.makesKey("scopes", []string{"read", "orders:read"})
		ctx := context.Background()
		for name, style := range map[string]oauth2.AuthStyle{"finds out": oauth2.AuthStyleAutoDetect, "in the body": oauth2.AuthStyleInParams, "in a header": oauth2.AuthStyleInHeader} {
			config := clientcredentials.Config{ClientID: key.str("id"), ClientSecret: key.str("key"), TokenURL: server.URL + "/oauth/token", AuthStyle: style}
			response, err := config.Client(ctx).Get(server.URL + "/api/v1" + ada.org("/members"))
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			if response.StatusCode != http.StatusOK {
				t.Errorf("%s: its client gets %d", name, response.StatusCode)
			}
			config.EndpointParams, config.Scopes = url.Values{"resource": {orders.str("identifier")}}, []string{"orders:read"}
			token, err := config.Token(ctx)
			if err != nil || token.Type() != "Bearer" || token.Extra("scope") != "orders:read" || token.RefreshToken != "" {
				t.Fatalf("%s: %+v, %v", name, token, err)
			}
			config.Scopes = []string{"orders:write"}
			if _, err = config.Token(ctx); err == nil || !strings.Contains(err.Error(), "invalid_scope") {
				t.Errorf("%s: beyond the key: %v", name, err)
			}
			config.ClientSecret = "wrong"
			var refused *oauth2.RetrieveError
			if _, err = config.Token(ctx); !errors.As(err, &refused) || refused.ErrorCode != "invalid_client" {
				t.Errorf("%s: with a wrong key: %v", name, err)
			}
		}
	})
}
