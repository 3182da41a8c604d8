package main

import (
	"fmt"
	"strings"
	"testing"
)

// TestUnknownParametersAreRefusedEverywhere checks that a mistyped filter is refused, and
// not ignored.
func TestUnknownParametersAreRefusedEverywhere(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.operator("Ada") // may call every route
		ada.enrols()
		grace := s.person("Grace").joins(ada, false)
		good := goodBodies(ada, grace)
		byKey := ada.makesKey("scopes", both).str("key")
		s.do("GET", "/api/v1/auth/me", byKey, nil).is(200) // the first use is stored
		s.inputUntouched(func() {
			for _, r := range s.inputRoutes() {
				person := grace.id
				if strings.HasSuffix(r.Path, "/password") || strings.HasSuffix(r.Path, "/profile") {
					person = ada.id
				}
				path := r.inputPath(ada.organization, person)
				var sent any
				if b, ok := good[r.Method+" "+r.relative]; ok {
					sent = b
				}
				token := ada.access
				if strings.HasPrefix(r.Rule.String(), "registered API") {
					token = byKey
				}
				a := s.do(r.Method, path+"?colour=red&colour=blue", token, sent).isInvalid()
				if errs, _ := a.object()["errors"].([]any); len(errs) != 1 || errs[0].(map[string]any)["location"] != "query.colour" || strings.Contains(string(a.body), "red") {
					t.Errorf("%s: %s", a.request, a.body)
				}
				status := 400
				if r.relative == "/forward-auth" {
					status = 403
				}
				s.do(r.Method, path+"?a=%zz", token, sent).is(status, "malformed_query")
				if !r.Rule.IsPublic() {
					s.do(r.Method, path+"?colour=red", "", sent).is(401, "authentication_required")
				}
			}
		})

		// By their names, not too many, and beside others that are wrong.
		fields := func(query string) (list []string) {
			for _, e := range ada.get("/users?" + query).is(422).object()["errors"].([]any) {
				list = append(list, e.(map[string]any)["location"].(string))
			}
			return list
		}
		for query, want := range map[string]string{
			"scope=all&email=bob@example.com": "[query.email]",
			"Scope=all":                       "[query.Scope]",
			"limit=x&z=1&a=2":                 "[query.limit query.a query.z]",
			"limit=1&limit=2":                 "[query.limit]",
			"=1":                              "[query.]",
			"utm=1&xutm_a=1":                  "[query.utm query.xutm_a]",
			"a&b&c&d&e&f&g&h&i&j":             "[query.a query.b query.c query.d query.e query.f query.g query.h]",
		} {
			if got := fmt.Sprint(fields(query)); got != want {
				t.Errorf("%s: %s, want %s", query, got, want)
			}
		}

		// Allowed: parameters of caches and campaigns, and paths outside of the API.
		for _, path := range []string{"/users", "/auth/me", "/auth/sessions", ada.org(""), ada.org("/members")} {
			ada.get(path + "?_=1764354302&_=2&utm_source=x&__proto__=y").is(200)
		}
		for _, path := range []string{"/", "/livez", "/readyz", "/openapi.json", "/openapi.yaml", "/docs"} {
			s.do("GET", path+"?v=2", "", nil).is(200)
		}
		wrong := s.do("POST", "/api/v1/auth/token?na%22me%C3%A4=1", "", "username=x&password=y", "Content-Type", form).is(422)
		if got := wrong.str("error_description"); got != "query.na?me? is not a known parameter." {
			t.Errorf("to an OAuth client: %q", got)
		}
	})
}
