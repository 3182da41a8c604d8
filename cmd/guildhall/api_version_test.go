package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// change is a request that changes a resource, which can be read at another path.
type change struct {
	by           *actor
	resource     string
	method, path string
	body         any
}

func (c change) ifMatch(tags ...string) answer {
	c.by.s.t.Helper()
	var headers []string
	for _, tag := range tags {
		headers = append(headers, "If-Match", tag)
	}
	return c.by.s.do(c.method, "/api/v1"+c.path, c.by.access, c.body, headers...)
}

func (c change) succeeds(tags ...string) {
	c.by.s.t.Helper()
	if a := c.ifMatch(tags...); a.status != 200 && a.status != 202 && a.status != 204 {
		c.by.s.t.Errorf("%s %s: %d %s", c.method, c.path, a.status, a.body)
	}
}

// versionedChanges returns one request for each operation that honours If-Match, in an order
// in which all succeed.
func versionedChanges(s *service) []change {
	root, ada, grace := s.operator("Root"), s.person("Ada"), s.person("Grace")
	inAda := grace.joins(ada, false)
	ada.enrols()
	organization, user := ada.org(""), "/users/"+grace.id
	member := ada.org("/members/" + grace.id)
	return []change{
		{by: ada, resource: organization + "/security", method: "PUT", path: organization + "/security", body: body("mfa", "admins")},
		{by: ada, resource: organization, method: "PATCH", path: organization, body: body("name", "Engines")},
		{by: ada, resource: organization, method: "POST", path: organization + "/suspend", body: because()},
		{by: ada, resource: organization, method: "PATCH", path: organization + "/suspension", body: body("reason", "Still.")},
		{by: ada, resource: organization, method: "POST", path: organization + "/activate"},
		{by: ada, resource: organization, method: "POST", path: organization + "/archive", body: because()},
		{by: ada, resource: organization, method: "POST", path: organization + "/unarchive", body: because()},
		{by: inAda, resource: user, method: "PATCH", path: user + "/profile", body: body("name", "Grace Hopper")},
		{by: inAda, resource: user, method: "PATCH", path: user + "/profile", body: body()},
		{by: ada, resource: user, method: "POST", path: user + "/suspend", body: because()},
		{by: ada, resource: user, method: "POST", path: user + "/activate"},
		{by: ada, resource: user, method: "POST", path: user + "/deactivate"},
		{by: ada, resource: member, method: "DELETE", path: member},
		{by: root, resource: user, method: "POST", path: user + "/suspend", body: body("reason", "because", "scope", "account")},
		{by: root, resource: user, method: "PATCH", path: user + "/suspension", body: body("reason", "Still.")},
		{by: root, resource: user, method: "POST", path: user + "/activate", body: body("scope", "account")},
		{by: root, resource: user, method: "POST", path: user + "/archive", body: because()},
		{by: root, resource: user, method: "POST", path: user + "/unarchive", body: because()},
		{by: root, resource: user, method: "DELETE", path: user},
		{by: root, resource: user, method: "POST", path: user + "/cancel-erasure"},
	}
}

// TestVersions: a change of a version that is no longer the current one is refused and
// changes nothing. If-Match is never required.
func TestVersions(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		seen := map[string]bool{}
		for _, c := range versionedChanges(s) {
			current := c.by.get(c.resource).is(200).header.Get("ETag")
			if !strings.HasPrefix(current, `"`) {
				t.Fatalf("%s: ETag %q", c.resource, current)
			}
			for _, stale := range []string{`"AAAAAAAAAAAAAAAAAAAAAA"`, `""`, strings.Trim(current, `"`), "nonsense"} {
				c.ifMatch(stale).is(412, "precondition_failed")
			}
			if after := c.by.get(c.resource).is(200).header.Get("ETag"); after != current {
				t.Errorf("%s %s with a stale version changed %s", c.method, c.path, c.resource)
			}
			succeeded := c.ifMatch(`"other", W/` + current)
			seen[operationOf(t, c.method, c.path)] = true
			if c.method == "DELETE" {
				if succeeded.status != 202 { // an erasure comes later
					succeeded.is(204)
				}
				continue
			}
			changed := succeeded.is(200).header.Get("ETag")
			if after := c.by.get(c.resource).is(200).header.Get("ETag"); after != changed {
				t.Errorf("%s %s: ETag %s, then GET %s", c.method, c.path, changed, after)
			}
			if empty := c.method == "PATCH" && len(c.body.(map[string]any)) == 0; (changed == current) != empty {
				t.Errorf("%s %s: ETag %s, then %s", c.method, c.path, current, changed)
			}
		}
		ada := s.operator("Ada")
		ada.enrols()
		doc, _ := s.document()
		for path, item := range doc.Paths.Map() {
			for method, op := range item.Operations() {
				if method == http.MethodGet || seen[op.OperationID] {
					continue
				}
				if op.Parameters.GetByInAndName("header", "If-Match") != nil {
					t.Errorf("%s %s honours If-Match, and no change here uses it", method, path)
				}
				ids := strings.NewReplacer("{organization_id}", ada.organization, "{user_id}", ada.id, "{session_id}", nowhere, "{invitation_id}", nowhere, "{link_id}", nowhere, "{key_id}", nowhere, "{factor_id}", nowhere, "{identity_id}", nowhere, "{api_id}", nowhere)
				s.do(method, ids.Replace(path), ada.access, body(), "If-Match", "*").is(412, "precondition_failed")
			}
		}
	})
}

func operationOf(t *testing.T, method, path string) string {
	t.Helper()
	route, _, err := documented.FindRoute(httptest.NewRequest(method, "/api/v1"+path, nil))
	if err != nil {
		t.Fatal(err)
	}
	return route.Operation.OperationID
}

func TestIfMatchAnyVersion(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		for _, c := range versionedChanges(s) {
			c.succeeds("*")
		}
		for _, c := range versionedChanges(s) {
			c.succeeds()
		}
	})
}

func TestVersionsOfTwoRenamesAtOnce(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		for resource, path := range map[string]string{ada.org(""): ada.org(""), "/users/" + ada.id: "/users/" + ada.id + "/profile"} {
			current := ada.get(resource).is(200).header.Get("ETag")
			oneWins(t, 8, 200, 412, func(i int) answer {
				return ada.patch(path, body("name", strings.Repeat("A", i+1)), "If-Match", current)
			})
		}
	})
}

func TestVersionNotModified(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		for _, path := range []string{ada.org(""), "/users/" + ada.id} {
			current := ada.get(path).is(200).header.Get("ETag")
			for _, known := range []string{current, "W/" + current, `"x", ` + current, "*"} {
				a := ada.get(path, "If-None-Match", known).is(304)
				if len(a.body) > 0 || a.header.Get("ETag") != current {
					t.Errorf("%s %q: %s", path, a.body, a.header.Get("ETag"))
				}
			}
			ada.get(path, "If-None-Match", `"x"`).is(200)
			ada.get(path, "If-Match", `"x"`).is(200) // a read has nothing to lose
		}
		current := ada.get(ada.org("")).header.Get("ETag")
		ada.patch(ada.org(""), body("name", "Engines")).is(200)
		ada.get(ada.org(""), "If-None-Match", current).is(200)
		// Whoever may not read it does not learn its version.
		grace := s.person("Grace")
		grace.get(ada.org(""), "If-None-Match", "*").is(404)
		grace.patch(ada.org(""), body("name", "Mine"), "If-Match", "*").is(404)
	})
}
