package main

import (
	"encoding/json"
	"net/http"
	"strings"
)

// recordedAnswers is a set of answers that one version gave, to be compared with another's.
type recordedAnswers struct {
	ada, bob, eve answer // as they registered; bob is an admin of ada's, eve a suspended member
	key           string // of the request that was answered with
	created       answer
	seen          map[string]answer // what ada is shown
}

func recordAnswers(p *process) recordedAnswers {
	s := recordedAnswers{ada: p.register("ada"), bob: p.register("bob"), eve: p.register("eve"), key: "before-the-upgrade"}
	ada := s.ada.str("access_token")
	for _, member := range []answer{s.bob, s.eve} {
		p.do("POST", s.organization("/members"), ada, body("user_id", member.str("user_id"))).is(201)
	}
	p.do("POST", s.organization("/admins"), ada, body("user_id", s.bob.str("user_id"))).is(201)
	p.do("POST", "/api/v1/users/"+s.eve.str("user_id")+"/suspend", ada, body("reason", "spam")).is(200)
	s.created = p.create(ada, s.key).is(201)
	return s.recordAgain(p)
}

// recordAgain returns the same answers from another process.
func (s recordedAnswers) recordAgain(p *process) recordedAnswers {
	p.t.Helper()
	s.seen = map[string]answer{}
	for _, path := range s.paths() {
		s.seen[path] = p.do("GET", path, s.ada.str("access_token"), nil).is(200)
	}
	return s
}

// areServedBy compares the answers of a process with the recorded ones. Each version may answer with
// fields that the other lacks.
func (s recordedAnswers) areServedBy(p *process) {
	p.t.Helper()
	now := s.recordAgain(p)
	for path, was := range s.seen {
		is := now.seen[path]
		if !agree(decoded(was.body), decoded(is.body)) {
			p.t.Errorf("%s was\n%s\nand is\n%s", path, was.body, is.body)
		}
	}
	p.do("GET", s.organization(""), s.eve.str("access_token"), nil).is(403, "membership_suspended")
}

func (s recordedAnswers) organization(rest string) string {
	return "/api/v1/organizations/" + s.ada.str("organization_id") + rest
}

func (s recordedAnswers) paths() []string {
	ada := s.ada.str("user_id")
	return []string{
		"/api/v1/auth/me", "/api/v1/auth/me/organizations", "/api/v1/users", "/api/v1/users/" + s.bob.str("user_id"), "/api/v1/organizations",
		s.organization(""), s.organization("/members"), s.organization("/admins"), s.organization("/owner"),
		s.organization("/permissions/" + s.eve.str("user_id")), s.organization("/audit-events"), "/api/v1/users/" + ada + "/audit-events",
	}
}

func decoded(body []byte) (v any) {
	_ = json.Unmarshal(body, &v)
	return v
}

// agree reports whether two values are equal, ignoring members that only one of them has.
func agree(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, same := b.(map[string]any)
		for name, value := range a {
			if other, both := b[name]; both && !agree(value, other) {
				same = false
			}
		}
		return same
	case []any:
		b, same := b.([]any)
		if !same || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !agree(a[i], b[i]) {
				return false
			}
		}
		return true
	}
	return a == b
}

func (p *process) register(name string) answer {
	p.t.Helper()
	return p.do("POST", "/api/v1/auth/register", "", body("email", name+"@example.com", "password", password, "name", name)).is(201)
}

func (p *process) logIn(name string) answer {
	p.t.Helper()
	return p.do("POST", "/api/v1/auth/token", "", body("username", name+"@example.com", "password", password)).is(200)
}

// create creates an organization, once for each key.
func (p *process) create(token, key string) answer {
	p.t.Helper()
	r, err := http.NewRequest("POST", p.base+"/api/v1/organizations", strings.NewReader(`{"name":"Asked for twice"}`))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Idempotency-Key", key)
	return p.send(r)
}

func (a answer) same(b answer) {
	a.t.Helper()
	if string(a.body) != string(b.body) {
		a.t.Errorf("%s: answered\n%s\nand before\n%s", a.request, a.body, b.body)
	}
}
