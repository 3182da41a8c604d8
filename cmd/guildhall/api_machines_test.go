package main

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/config"
)

// registersAPI registers an API, of which tests make several.
func (a *actor) registersAPI(name string, members ...any) answer {
	a.s.t.Helper()
	return a.post("/apis", body(append([]any{"identifier", "https://" + name + ".example.com", "name", name}, members...)...)).is(201)
}

// keyOf makes a key for a registered API.
func (a *actor) keyOf(api answer) string {
	a.s.t.Helper()
	return a.post("/apis/"+api.str("id")+"/keys", body("name", "production")).is(201).str("key")
}

// tokenFor is a token of the actor's session for an API.
func (a *actor) tokenFor(api answer, members ...any) answer {
	a.s.t.Helper()
	return a.post("/auth/api-token", body(append([]any{"resource", api.str("identifier")}, members...)...))
}

// asForm posts a form to an endpoint of OAuth. A client is "id:secret" for HTTP Basic, or a key
// as a Bearer token.
func (s *service) asForm(path, client string, pairs ...string) answer {
	s.t.Helper()
	values := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	headers := []string{"Content-Type", form}
	switch {
	case strings.Contains(client, ":"):
		headers = append(headers, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(client)))
	case client != "":
		headers = append(headers, "Authorization", "Bearer "+client)
	}
	return s.do("POST", path, "", values.Encode(), headers...)
}

// introspects returns what an API learns of a token.
func (s *service) introspects(apiKey, token string) answer {
	s.t.Helper()
	return s.asForm("/oauth/introspect", apiKey, "token", token).is(200)
}

// unknownToThem is all that an API learns of a token that is not good for it.
const unknownToThem = `{"active":false}`

func (s *service) isInactive(apiKey, token string) {
	s.t.Helper()
	if a := s.introspects(apiKey, token); string(a.body) != unknownToThem {
		s.t.Errorf("introspection says %s", a.body)
	}
}

// forwarded asks as a proxy does.
func (s *service) forwarded(token, query string, headers ...string) answer {
	s.t.Helper()
	return s.do("GET", "/forward-auth?"+query, token, nil, headers...)
}

// claimsIn returns the claims of a token, without verifying it.
func claimsIn(t testing.TB, token string) map[string]any {
	t.Helper()
	_, payload := claims(t, token)
	return payload
}

var orderScopes = []any{body("name", "orders:read"), body("name", "orders:write", "least_role", "admin")}

// TestARegisteredAPIHasTokensOfItsOwn: 116. A token for one API is refused by this service and
// by every other API.
func TestARegisteredAPIHasTokensOfItsOwn(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, ada := s.operator("Root"), s.person("Ada")
		grace := s.person("Grace").joins(ada, false).in(ada)
		orders := root.registersAPI("orders", "scopes", orderScopes, "claims", "role", "token_seconds", 120)
		bills := root.registersAPI("bills")
		ordersKey, billsKey := root.keyOf(orders), root.keyOf(bills)

		made := ada.tokenFor(orders).is(200)
		if made.str("token_type") != "Bearer" || made.str("expires_in") != "120" || made.str("scope") != "orders:read orders:write" {
			t.Errorf("%s", made.body)
		}
		claims := claimsIn(t, made.str("access_token"))
		for name, want := range map[string]any{
			"aud": "https://orders.example.com", "sub": ada.id, "organization_id": ada.organization, "client_id": "guildhall", "scope": "orders:read orders:write", "role": "owner", "iss": "guildhall",
		} {
			if claims[name] != want {
				t.Errorf("%s is %v, want %v", name, claims[name], want)
			}
		}
		if claims := claimsIn(t, ada.access); claims["client_id"] != "guildhall" || claims["scope"] != nil || claims["role"] != nil || claims["sid"] != claimsIn(t, made.str("access_token"))["sid"] {
			t.Errorf("the session's token has %v", claims)
		}
		if claims := claimsIn(t, ada.tokenFor(bills).is(200).str("access_token")); claims["scope"] != nil || claims["role"] != nil {
			t.Errorf("a token for an API without scopes has %v", claims)
		}
		if scope := grace.tokenFor(orders).is(200).str("scope"); scope != "orders:read" {
			t.Errorf("a member may %q", scope)
		}
		grace.tokenFor(orders, "scope", "orders:write").is(403, "scope_beyond_role")
		grace.tokenFor(orders, "scope", "orders:delete").is(422, "unknown_scope")
		ada.post("/auth/api-token", body("resource", "https://nothing.example.com")).is(422, "unknown_resource")
		if scope := ada.tokenFor(orders, "scope", "orders:write").is(200).str("scope"); scope != "orders:write" {
			t.Errorf("asked for one scope, got %q", scope)
		}

		// A × B
		atOrders, atBills := made.str("access_token"), ada.tokenFor(bills).str("access_token")
		for _, foreign := range []string{atOrders, atBills} {
			s.do("GET", "/api/v1/auth/me", foreign, nil).is(401, "invalid_token")
			s.do("POST", "/api/v1/auth/api-token", foreign, body("resource", bills.str("identifier"))).is(401, "invalid_token")
			s.do("POST", "/api/v1/auth/switch-organization", foreign, body("organization_id", ada.organization)).is(401, "invalid_token")
		}
		if a := s.introspects(ordersKey, atOrders); a.value("active") != true || a.str("sub") != ada.id || a.str("aud") != "https://orders.example.com" || a.str("role") != "owner" ||
			a.str("organization_id") != ada.organization || a.str("scope") != "orders:read orders:write" || a.str("client_id") != "guildhall" || a.str("sid") != fmt.Sprint(claims["sid"]) || a.value("exp") != claims["exp"] {
			t.Errorf("introspection says %s", a.body)
		}
		s.isInactive(billsKey, atOrders)
		s.isInactive(ordersKey, atBills)
		s.isInactive(ordersKey, ada.access) // no session tokens
		s.forwarded(atBills, "resource=https://orders.example.com").is(401, "invalid_token")
		s.forwarded(ada.access, "resource=https://orders.example.com").is(401, "invalid_token")

		// The token ends with the session, and with what it was given for.
		ada.delete(ada.org("/members/" + grace.id)).is(204)
		s.isInactive(ordersKey, grace.access)
		ada.post("/auth/logout", nil).is(204)
		s.isInactive(ordersKey, atOrders)
	})
}

// TestIntrospectionAsksTheGate: what a token may do is judged now, and not when it was made.
func TestIntrospectionAsksTheGate(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, ada := s.operator("Root"), s.person("Ada")
		grace := s.person("Grace").joins(ada, true).in(ada)
		orders := root.registersAPI("orders", "scopes", orderScopes)
		key := root.keyOf(orders)
		token := grace.tokenFor(orders).str("access_token")
		says := func(role, scope string) {
			t.Helper()
			if a := s.introspects(key, token); a.value("active") != true || a.str("role") != role || a.str("scope") != scope {
				t.Errorf("introspection says %s, want %s with %q", a.body, role, scope)
			}
		}
		says("admin", "orders:read orders:write")
		ada.delete(ada.org("/admins/" + grace.id)).is(204)
		says("member", "orders:read")
		ada.post(ada.org("/members/"+grace.id+"/suspend"), because()).is(200)
		s.isInactive(key, token)
		ada.post(ada.org("/members/"+grace.id+"/activate"), nil).is(200)
		says("member", "orders:read")
		ada.post(ada.org("/suspend"), because()).is(200)
		s.isInactive(key, token)
		ada.post(ada.org("/activate"), nil).is(200)
		ada.delete(ada.org("/members/" + grace.id)).is(204)
		s.isInactive(key, token)

		// An API that takes session tokens, too.
		root.patch("/apis/"+orders.str("id"), body("session_tokens", true)).is(200)
		if a := s.introspects(key, ada.access); a.value("active") != true || a.str("role") != "owner" || a.str("scope") != "orders:read orders:write" {
			t.Errorf("introspection says %s", a.body)
		}
		root.patch("/apis/"+orders.str("id"), body("scopes", []any{body("name", "orders:list")})).is(200)
		if a := s.introspects(key, ada.access); a.str("scope") != "orders:list" {
			t.Errorf("introspection says %s", a.body)
		}
		s.later(time.Hour)
		s.isInactive(key, ada.access)
		s.logInAgain(root).delete("/apis/" + orders.str("id")).is(204)
		s.asForm("/oauth/introspect", key, "token", token).is(401, "invalid_client")
	})
}

// TestIntrospectionIsNoOracle: 117. What is foreign, has ended or is junk gets the same bytes,
// and only an API's key may ask.
func TestIntrospectionIsNoOracle(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, ada, eve := s.operator("Root"), s.person("Ada"), s.person("Eve")
		orders, bills := root.registersAPI("orders"), root.registersAPI("bills")
		key, billsKey := root.keyOf(orders), root.keyOf(bills)
		ended := ada.tokenFor(orders).str("access_token")
		ada.post("/auth/logout", nil).is(204)
		evesKey := eve.makesKey()
		var first answer
		for i, token := range []string{
			"junk", "a.b.c", ended, eve.access, eve.refresh, eve.tokenFor(bills).str("access_token"), billsKey, key,
			"guildhall_key_0000000000000000000000000000000000000000000aaaaaa", ended[:len(ended)-2] + "xx",
		} {
			a := s.introspects(key, token)
			if i == 0 {
				first = a
			}
			if string(a.body) != unknownToThem || fmt.Sprint(namesOf(a.header)) != fmt.Sprint(namesOf(first.header)) || a.header.Get("Cache-Control") != "no-store" || a.header.Get("Content-Type") != "application/json" {
				t.Errorf("%d: %s with %v", i, a.body, a.header)
			}
		}
		// Only an API asks.
		id := evesKey.str("id")
		for _, client := range []string{"", eve.access, "junk", id + ":junk", id + ":" + eve.access, uuid.NewString() + ":" + evesKey.str("key")} {
			s.asForm("/oauth/introspect", client, "token", eve.access).is(401, "invalid_client")
		}
		s.asForm("/oauth/introspect", id+":"+evesKey.str("key"), "token", eve.access).is(400, "unauthorized_client")
		s.asForm("/oauth/introspect", evesKey.str("key"), "token", eve.access).is(400, "unauthorized_client")
		s.asForm("/oauth/introspect", key, "unknown", "x").is(400, "validation_failed")
		// And it does nothing else.
		s.do("GET", "/api/v1/organizations", key, nil).is(403, "key_not_allowed")
		s.do("GET", "/api/v1/organizations/"+eve.organization, key, nil).is(403, "key_not_allowed")
		s.do("GET", "/api/v1/apis", key, nil).is(403, "key_not_allowed")
		s.do("GET", "/api/v1/users/"+eve.id, key, nil).is(403, "key_not_allowed")
		s.do("GET", "/api/v1/auth/me", key, nil).is(200)
		s.asForm("/oauth/token", key, "grant_type", "client_credentials").is(400, "unauthorized_client")
	})
}

func namesOf(header map[string][]string) (names []string) {
	for name := range header {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// TestClientCredentials: a program gets tokens for its key, with the key's scopes at most, and
// they end with the key.
func TestClientCredentials(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, ada := s.operator("Root"), s.person("Ada")
		orders := root.registersAPI("orders", "scopes", orderScopes, "claims", "role")
		apiKey := root.keyOf(orders)
		id := ada.machine("Nightly export")
		made := ada.makesKey("user_id", id, "scopes", []string{"read", "orders:read"})
		client := made.str("id") + ":" + made.str("key")
		ask := func(pairs ...string) answer {
			t.Helper()
			return s.asForm("/oauth/token", client, append([]string{"grant_type", "client_credentials"}, pairs...)...)
		}
		got := ask().is(200)
		if got.str("token_type") != "Bearer" || got.str("scope") != "read" || got.value("refresh_token") != nil || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s", got.body)
		}
		ours := got.str("access_token")
		claims := claimsIn(t, ours)
		if claims["sid"] != made.str("id") || claims["client_id"] != made.str("id") || claims["sub"] != id || claims["aud"] != "guildhall" || claims["scope"] != "read" || claims["organization_id"] != ada.organization {
			t.Errorf("claims %v", claims)
		}
		s.do("GET", "/api/v1"+ada.org("/members"), ours, nil).is(200)
		s.do("PATCH", "/api/v1"+ada.org(""), ours, body("name", "x")).is(403, "insufficient_role")
		s.do("GET", "/api/v1"+ada.org("/api-keys"), ours, nil).is(403, "key_not_allowed")
		s.do("POST", "/api/v1/auth/api-token", ours, body("resource", orders.str("identifier"))).is(403, "key_not_allowed")

		// In the body, and as JSON.
		s.asForm("/oauth/token", "", "grant_type", "client_credentials", "client_id", made.str("id"), "client_secret", made.str("key"), "unknown", "x").is(200)
		s.do("POST", "/oauth/token", "", body("grant_type", "client_credentials", "client_id", made.str("id"), "client_secret", made.str("key"))).is(200)

		atOrders := ask("resource", "https://orders.example.com").is(200)
		if atOrders.str("scope") != "orders:read" || atOrders.str("expires_in") != "300" {
			t.Errorf("%s", atOrders.body)
		}
		if claims := claimsIn(t, atOrders.str("access_token")); claims["role"] != "member" || claims["aud"] != "https://orders.example.com" {
			t.Errorf("claims %v", claims)
		}
		if a := s.introspects(apiKey, atOrders.str("access_token")); a.str("client_id") != made.str("id") || a.str("scope") != "orders:read" || a.str("sub") != id {
			t.Errorf("introspection says %s", a.body)
		}
		if a := s.introspects(apiKey, made.str("key")); a.value("active") != true || a.str("scope") != "orders:read" || a.str("sid") != made.str("id") || a.str("role") != "member" {
			t.Errorf("of the key itself, introspection says %s", a.body)
		}
		for _, c := range []struct {
			code  string
			pairs []string
		}{
			{"invalid_target", []string{"resource", "https://nothing.example.com"}},
			{"invalid_scope", []string{"scope", "manage"}},
			{"invalid_scope", []string{"resource", "https://orders.example.com", "scope", "orders:write"}},
			{"invalid_scope", []string{"scope", "orders:read"}},
		} {
			if a := ask(c.pairs...).is(400, c.code); a.str("error") != c.code {
				t.Errorf("%s", a.body)
			}
		}
		narrow := ada.makesKey("user_id", id, "scopes", []string{"orders:read"}) // of no use here
		s.asForm("/oauth/token", narrow.str("id")+":"+narrow.str("key"), "grant_type", "client_credentials").is(400, "invalid_scope")
		ask("scope", "").is(200) // without a value, it counts as absent (RFC 6749 §3.2)
		s.asForm("/oauth/token", client, "grant_type", "password", "username", ada.email, "password", password).is(400, "unsupported_grant_type")
		s.asForm("/oauth/token", client, "scope", "read").is(400, "validation_failed")
		for _, wrong := range []string{"", "junk", made.str("id") + ":junk", uuid.NewString() + ":" + made.str("key"), ":" + made.str("key"), ada.access, ada.id + ":" + password} {
			s.asForm("/oauth/token", wrong, "grant_type", "client_credentials").is(401, "invalid_client")
		}

		// 125: a service account that may not act gets no token, and its tokens stop.
		ada.post(ada.org("/members/"+id+"/suspend"), because()).is(200)
		ask().is(400, "unauthorized_client")
		s.do("GET", "/api/v1"+ada.org("/members"), ours, nil).is(403, "membership_suspended")
		s.isInactive(apiKey, atOrders.str("access_token"))
		ada.post(ada.org("/members/"+id+"/activate"), nil).is(200)
		ada.post(ada.org("/members/"+id+"/deactivate"), nil).is(200)
		ask("resource", "https://orders.example.com").is(400, "unauthorized_client")
		ada.post(ada.org("/members/"+id+"/activate"), nil).is(200)
		ask().is(200)
		root.post("/users/"+id+"/suspend", body("reason", "because", "scope", "account")).is(200)
		ask().is(401, "invalid_client")
		root.post("/users/"+id+"/activate", body("scope", "account")).is(200)
		ask().is(200)

		// 102: scopes never exceed the role.
		ada.post(ada.org("/admins"), body("user_id", id)).is(201)
		admins := ada.makesKey("user_id", id, "scopes", []string{"manage", "orders:write"})
		ada.delete(ada.org("/admins/" + id)).is(204)
		if a := s.asForm("/oauth/token", admins.str("id")+":"+admins.str("key"), "grant_type", "client_credentials", "resource", "https://orders.example.com").is(200); a.str("scope") != "" {
			t.Errorf("%s", a.body)
		}

		ada.delete(ada.org("/api-keys/" + made.str("id"))).is(204)
		ask().is(401, "invalid_client")
		s.do("GET", "/api/v1"+ada.org("/members"), ours, nil).is(401, "invalid_token")
		s.isInactive(apiKey, atOrders.str("access_token"))
	})
}

// TestWhoeverHasATokenCanEndIt: RFC 7009. Possession suffices.
func TestWhoeverHasATokenCanEndIt(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, ada := s.operator("Root"), s.person("Ada")
		orders := root.registersAPI("orders")
		key := ada.makesKey()
		revoke := func(token string) {
			t.Helper()
			s.asForm("/oauth/revoke", "", "token", token, "token_type_hint", "refresh_token").is(200)
		}
		for _, unknown := range []string{"junk", "a.b.c", "guildhall_key_0000000000000000000000000000000000000000000aaaaaa"} {
			revoke(unknown)
		}
		s.asForm("/oauth/revoke", "", "unknown", "x").is(400, "validation_failed")
		ada.get("/auth/me").is(200)

		revoke(key.str("key"))
		revoke(key.str("key"))
		ada.byKey(key).get("/auth/me").is(401, "invalid_token")
		if events := ada.get(ada.org("/audit-events?action=api_key.revoked")).list(); len(events) != 1 || events[0]["user_id"] != ada.id || fmt.Sprint(events[0]["details"]) != fmt.Sprint(map[string]any{"key_id": key.str("id"), "reason": "token_revoked"}) {
			t.Errorf("the log says %v", events)
		}
		again := ada.makesKey()
		revoke(s.asForm("/oauth/token", again.str("id")+":"+again.str("key"), "grant_type", "client_credentials").is(200).str("access_token"))
		ada.byKey(again).get("/auth/me").is(401, "invalid_token")

		for _, which := range []func(a *actor) string{
			func(a *actor) string { return a.access }, func(a *actor) string { return a.refresh }, func(a *actor) string { return a.tokenFor(orders).str("access_token") },
		} {
			session := s.actorOf(s.logIn(ada.email, password))
			ada.get("/auth/me").is(200)
			revoke(which(session))
			session.get("/auth/me").is(401, "invalid_token")
			s.do("POST", "/api/v1/auth/refresh", "", body("refresh_token", session.refresh)).is(401)
		}
		ada.get("/auth/me").is(200) // another log-in

		// A suspended holder's key can be ended, too.
		grace := s.person("Grace").joins(ada, false).of(ada)
		third := grace.makesKey()
		ada.post(ada.org("/members/"+grace.id+"/suspend"), because()).is(200)
		revoke(third.str("key"))
		ada.post(ada.org("/members/"+grace.id+"/activate"), nil).is(200)
		grace.byKey(third).get("/auth/me").is(401, "invalid_token")
	})
}

// TestForwardAuth: 122 to 124. A proxy lets a request pass only with an identity that this
// service signed for the API, and nothing but the credential and the organization decides.
func TestForwardAuth(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, ada := s.operator("Root"), s.person("Ada")
		grace := s.person("Grace").joins(ada, false).in(ada)
		orders := root.registersAPI("orders", "scopes", orderScopes)
		root.registersAPI("shop", "session_tokens", true)
		const query = "resource=https://orders.example.com"
		token := ada.tokenFor(orders).str("access_token")
		identity := func(a answer) map[string]any {
			t.Helper()
			a.is(204)
			return claimsIn(t, a.header.Get("Guildhall-Identity"))
		}
		claims := identity(s.forwarded(token, query))
		if claims["aud"] != "https://orders.example.com" || claims["sub"] != ada.id || claims["organization_id"] != ada.organization || claims["role"] != "owner" || claims["scope"] != "orders:read orders:write" ||
			claims["exp"].(float64)-claims["iat"].(float64) != 60 {
			t.Errorf("the identity says %v", claims)
		}
		s.do("GET", "/api/v1/auth/me", s.forwarded(token, query).header.Get("Guildhall-Identity"), nil).is(401, "invalid_token")

		// A forged header decides nothing.
		forged := []string{
			"Guildhall-Identity", "x", "Guildhall_Identity", "x", "X-Forwarded-Uri", "/?resource=https://shop.example.com", "X-Forwarded-Host", "shop.example.com", "X-Original-URL", "/", "X-Original-Method", "OPTIONS",
			"X-Forwarded-Method", "OPTIONS", "X-Forwarded-User", "root", "Remote-User", "root",
		}
		if got := identity(s.forwarded(token, query, forged...)); got["sub"] != ada.id || got["aud"] != "https://orders.example.com" {
			t.Errorf("with forged headers, the identity says %v", got)
		}
		s.forwarded("", query, forged...).is(401, "authentication_required")

		// Roles and scopes.
		member := grace.tokenFor(orders).str("access_token")
		s.forwarded(member, query+"&role=member&scope=orders:read").is(204)
		s.forwarded(member, query+"&role=admin").is(403, "insufficient_role")
		s.forwarded(member, query+"&scope=orders:read+orders:write").is(403, "insufficient_scope")
		s.forwarded(token, query+"&role=owner&scope=orders:write").is(204)

		// Keys, and session tokens where the API takes them.
		key := ada.makesKey("scopes", []string{"orders:read"})
		if got := identity(s.forwarded(key.str("key"), query)); got["client_id"] != key.str("id") || got["scope"] != "orders:read" || got["sid"] != key.str("id") {
			t.Errorf("by key, the identity says %v", got)
		}
		s.forwarded(key.str("key"), query+"&scope=orders:write").is(403, "insufficient_scope")
		s.forwarded(ada.access, query).is(401, "invalid_token")
		const atShop = "resource=https://shop.example.com"
		if got := identity(s.forwarded(grace.access, atShop)); got["organization_id"] != ada.organization || got["role"] != "member" || got["scope"] != nil {
			t.Errorf("the identity says %v", got)
		}
		eve := s.person("Eve")
		s.forwarded(grace.access, atShop, "X-Organization-ID", eve.organization).is(403, "organization_not_found")
		s.forwarded(grace.access, atShop, "X-Organization-ID", "junk").is(403, "organization_not_found")
		s.forwarded(grace.access, atShop, "X-Organization-ID", ada.organization, "X-Organization-ID", eve.organization).is(403, "organization_not_found")
		s.forwarded(key.str("key"), query, "X-Organization-ID", eve.organization).is(403, "organization_not_found")

		// A token for an API is for its organization alone; a log-in names another one.
		second := ada.post("/organizations", body("name", "Second")).is(201).str("id")
		s.forwarded(token, query, "X-Organization-ID", second).is(403, "organization_not_found")
		if got := identity(s.forwarded(ada.access, atShop, "X-Organization-ID", second)); got["organization_id"] != second {
			t.Errorf("the identity says %v", got)
		}

		// An identity is used again for 30 seconds, by the same session for the same thing.
		first := s.forwarded(token, query).header.Get("Guildhall-Identity")
		if again := s.forwarded(token, query).header.Get("Guildhall-Identity"); again != first {
			t.Error("an identity is signed for each request")
		}
		if other := s.forwarded(grace.tokenFor(orders).str("access_token"), query).header.Get("Guildhall-Identity"); other == first {
			t.Error("two people have one identity")
		}
		s.later(30 * time.Second)
		if later := s.forwarded(token, query).header.Get("Guildhall-Identity"); later == first {
			t.Error("an identity is used for longer than 30 seconds")
		}

		// Every refusal is 401 or 403.
		for _, c := range []struct {
			token, query, code string
			status             int
		}{
			{token, "", "unknown_resource", 403},
			{token, "resource=https://nothing.example.com", "unknown_resource", 403},
			{token, "resource=junk&resource=junk", "validation_failed", 403},
			{token, query + "&role=king", "validation_failed", 403},
			{token, query + "&unknown=1", "validation_failed", 403},
			{token, query + "&scope=%22", "validation_failed", 403},
			{"junk", query, "invalid_token", 401},
			{"", query, "authentication_required", 401},
		} {
			s.forwarded(c.token, c.query).is(c.status, c.code)
		}
		ada.post(ada.org("/members/"+grace.id+"/suspend"), because()).is(200)
		s.forwarded(member, query).is(403, "membership_suspended")
		s.forwarded(grace.access, atShop).is(403, "membership_suspended")
		ada.post(ada.org("/members/"+grace.id+"/activate"), nil).is(200)
		ada.post(ada.org("/members/"+grace.id+"/deactivate"), nil).is(200)
		s.forwarded(member, query).is(403, "membership_inactive")
		ada.delete(ada.org("/members/" + grace.id)).is(204)
		s.forwarded(member, query).is(403, "organization_not_found")
		ada.post(ada.org("/suspend"), because()).is(200)
		s.forwarded(token, query).is(403, "organization_suspended")
		ada.post(ada.org("/activate"), nil).is(200)
		s.forwarded(token, query).is(204)
		ada.post("/auth/logout", nil).is(204)
		s.forwarded(token, query).is(401, "invalid_token")
	})
}

// TestAnAPIIsNotThisService: 116. This service would take the API's tokens for its own.
func TestAnAPIIsNotThisService(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root := s.operator("Root")
		for _, identifier := range []string{"https://id.example.com", "https://tokens.example.com"} {
			root.post("/apis", body("identifier", identifier, "name", "Mine")).is(422, "validation_failed")
		}
		root.registersAPI("orders")
	}, func(c *config.Config) {
		c.PublicURL, c.JWTAudience = "https://id.example.com", "https://tokens.example.com"
	})
}

// TestWhoAdministersAPIs: only platform administrators, and never by a key.
func TestWhoAdministersAPIs(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, ada := s.operator("Root"), s.person("Ada")
		made := root.registersAPI("orders", "scopes", orderScopes)
		if made.str("claims") != "none" || made.str("token_seconds") != "300" || made.value("session_tokens") != false || fmt.Sprint(made.value("scopes")) != "[map[least_role:member name:orders:read] map[least_role:admin name:orders:write]]" {
			t.Errorf("%s", made.body)
		}
		path := "/apis/" + made.str("id")
		if got := root.get(path).is(200); string(got.body) != string(made.body) {
			t.Errorf("%s, not %s", got.body, made.body)
		}
		if list := root.get("/apis").is(200).list(); len(list) != 1 || list[0]["id"] != made.str("id") {
			t.Errorf("listed: %v", list)
		}
		ada.get("/apis").is(403, "platform_administrator_required")
		ada.get(path).is(403, "platform_administrator_required")
		root.byKey(root.makesKey("scopes", both)).get("/apis").is(403, "key_not_allowed")

		root.post("/apis", body("identifier", "https://orders.example.com", "name", "Again")).is(409, "api_exists")
		for _, c := range [][]any{
			{"identifier", "guildhall"}, {"identifier", "orders"}, {"identifier", "https://x.example.com/#f"}, {"identifier", "https://user:pw@x.example.com"}, {"identifier", "https://x.example.com/ä"}, {"identifier", ""},
			{"identifier", "https://x.example.com", "token_seconds", 59}, {"identifier", "https://x.example.com", "token_seconds", 3601}, {"identifier", "https://x.example.com", "claims", "all"},
			{"identifier", "https://x.example.com", "scopes", []any{body("name", "read")}}, {"identifier", "https://x.example.com", "scopes", []any{body("name", "manage")}}, {"identifier", "https://x.example.com", "scopes", []any{body("name", "api")}},
			{"identifier", "https://x.example.com", "scopes", []any{body("name", "a b")}}, {"identifier", "https://x.example.com", "scopes", []any{body("name", "a"), body("name", "a")}}, {"identifier", "https://x.example.com", "scopes", []any{body("name", "a", "least_role", "king")}},
		} {
			root.post("/apis", body(append(c, "name", "X")...)).is(422, "validation_failed")
		}
		root.get("/apis/"+uuid.NewString()).is(404, "api_not_found")
		root.patch("/apis/"+uuid.NewString(), body("claims", "role")).is(404, "api_not_found")
		root.delete("/apis/"+uuid.NewString()).is(404, "api_not_found")
		root.get("/apis/"+uuid.NewString()+"/keys").is(404, "api_not_found")
		root.post("/apis/"+uuid.NewString()+"/keys", body("name", "x")).is(404, "api_not_found")

		key := root.post(path+"/keys", body("name", "production"), "Idempotency-Key", "one").is(201)
		if again := root.post(path+"/keys", body("name", "production"), "Idempotency-Key", "one").is(201); again.str("id") != key.str("id") || again.value("key") != nil {
			t.Errorf("repeated: %s", again.body) // 108
		}
		if list := root.get(path + "/keys").is(200).list(); len(list) != 1 || list[0]["id"] != key.str("id") || list[0]["key"] != nil || list[0]["hint"] != key.str("hint") {
			t.Errorf("listed: %v", list)
		}
		other := root.registersAPI("bills")
		root.delete("/apis/"+other.str("id")+"/keys/"+key.str("id")).is(404, "api_key_not_found")
		s.introspects(key.str("key"), "x")
		root.delete(path + "/keys/" + key.str("id")).is(204)
		s.asForm("/oauth/introspect", key.str("key"), "token", "x").is(401, "invalid_client")
		root.delete(path+"/keys/"+key.str("id")).is(404, "api_key_not_found")

		// Keys of people have the scopes that APIs declare, as their role allows.
		grace := s.person("Grace").joins(ada, false).of(ada)
		grace.post(ada.org("/api-keys"), body("name", "x", "scopes", []string{"orders:write"})).is(403, "scope_beyond_role")
		grace.post(ada.org("/api-keys"), body("name", "x", "scopes", []string{"nothing"})).is(422, "unknown_scope")
		mine := grace.makesKey("scopes", []string{"orders:read"})
		grace.byKey(mine).get(ada.org("")).is(403, "insufficient_scope")

		second := root.keyOf(made)
		root.delete(path).is(204)
		s.asForm("/oauth/introspect", second, "token", "x").is(401, "invalid_client")
		root.get(path).is(404, "api_not_found")
		ada.tokenFor(made).is(422, "unknown_resource")
		root.registersAPI("orders") // the identifier is free again
		for _, action := range []string{"api.registered", "api.removed"} {
			if events := root.get("/audit-events?action=" + action).is(200).list(); len(events) == 0 || !strings.Contains(fmt.Sprint(events[len(events)-1]["details"]), "https://orders.example.com") {
				t.Errorf("the log says %v", events)
			}
		}
	})
}
