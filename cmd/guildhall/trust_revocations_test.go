package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"

	"guildhall/modules/auth"
	"guildhall/platform/config"
)

// verifier is a program that verifies tokens and knows nothing but what the feed says to its
// key: a registered API's, or an organization's.
type verifier struct {
	key   *actor
	next  string
	marks []mark
}

// verifierOf is a verifier with the key of a new API.
func (s *service) verifierOf(name string) *verifier {
	s.t.Helper()
	root := s.operator("Root")
	return &verifier{key: &actor{s: s, access: root.keyOf(root.registersAPI(name))}}
}

// mark is a mark as the API shows it.
type mark struct {
	At             time.Time `json:"at"`
	SessionID      string    `json:"session_id"`
	UserID         string    `json:"user_id"`
	OrganizationID string    `json:"organization_id"`
}

// feedOf is an answer of the feed.
type feedOf struct {
	Items []mark    `json:"items"`
	Next  string    `json:"next"`
	AsOf  time.Time `json:"as_of"`
}

func (a answer) feed() (f feedOf) {
	a.t.Helper()
	if err := json.Unmarshal(a.body, &f); err != nil {
		a.t.Fatalf("%s: %s", a.request, a.body)
	}
	return f
}

// read takes up what is new.
func (v *verifier) read() {
	v.key.s.t.Helper()
	query := ""
	if v.next != "" {
		query = "?after=" + v.next
	}
	f := v.key.get("/auth/revocations" + query).is(200).feed()
	v.next, v.marks = f.Next, append(v.marks, f.Items...)
}

// readAll takes up everything, within the process.
func (v *verifier) readAll() {
	v.key.s.t.Helper()
	a, err := v.key.s.kernel.Feed.Read(everything, uuid.NullUUID{}, nil, 0)
	if err != nil {
		v.key.s.t.Fatal(err)
	}
	text := func(id uuid.NullUUID) string {
		if !id.Valid {
			return ""
		}
		return id.UUID.String()
	}
	v.marks = v.marks[:0]
	for _, m := range a.Marks {
		v.marks = append(v.marks, mark{m.Until(), text(m.SessionID), text(m.UserID), text(m.OrganizationID)})
	}
}

// refuses reports whether a mark says that the token does not hold.
func (v *verifier) refuses(token string) bool {
	v.key.s.t.Helper()
	_, c := claims(v.key.s.t, token)
	issued := time.Unix(int64(c["iat"].(float64)), 0)
	has := func(id, claim string) bool { return id == "" || id == fmt.Sprint(c[claim]) }
	for _, m := range v.marks {
		if !issued.After(m.At) && has(m.SessionID, "sid") && has(m.UserID, "sub") && has(m.OrganizationID, "organization_id") {
			return true
		}
	}
	return false
}

// roleOf is the role that the gate says a token has in its organization, or none if it
// refuses it.
func (s *service) roleOf(token string) int {
	s.t.Helper()
	_, c := claims(s.t, token)
	organization, has := c["organization_id"]
	if !has {
		if s.do("GET", "/api/v1/auth/me", token, nil).status == 200 {
			return member
		}
		return none
	}
	a := s.do("GET", fmt.Sprintf("/api/v1/organizations/%s/permissions/me", organization), token, nil)
	if a.status != 200 {
		return none
	}
	return map[string]int{"": member, "member": member, "admin": admin, "owner": owner}[a.str("role")]
}

// keyToken is an access token that a program gets for its API key.
func (s *service) keyToken(made answer) string {
	s.t.Helper()
	return s.asForm("/oauth/token", made.str("id")+":"+made.str("key"), "grant_type", "client_credentials").is(200).str("access_token")
}

// revoking is a way in which a token stops to hold.
type revoking struct {
	name string
	// do does it, and returns the tokens that do not hold afterwards.
	do func(w *revokingWorld) []string
	// everybody says that nobody's tokens hold.
	everybody bool
	endsKeys  bool // also that of the verifier
}

// revokingWorld has an organization of Ada with an admin and a bystander, and an operator.
type revokingWorld struct {
	*service
	ada, grace, bob, root *actor
	first                 *actor // Grace in her own organization, in the same log-in
	key                   answer // Grace's in Ada's organization
}

func (s *service) revokingWorld() *revokingWorld {
	s.t.Helper()
	w := &revokingWorld{service: s, ada: s.person("Ada"), root: s.operator("Root"), first: s.person("Grace")}
	w.grace, w.bob = w.first.joins(w.ada, true).of(w.ada), s.person("Bob").joins(w.ada, false).of(w.ada)
	w.key = w.grace.makesKey("scopes", both)
	return w
}

func (w *revokingWorld) accountOf(a *actor, what string) {
	w.root.post("/users/"+a.id+"/"+what, body("reason", "because", "scope", "account")).is(200)
}

// revokings are all ways: those of routes, of commands, and of the service itself.
var revokings = []revoking{
	{name: "log-out", do: func(w *revokingWorld) []string {
		w.grace.post("/auth/logout", nil).is(204)
		return []string{w.grace.access, w.first.access}
	}},
	{name: "log-out of all", do: func(w *revokingWorld) []string {
		other := w.logInAgain(w.grace)
		w.grace.delete("/users/" + w.grace.id + "/sessions").is(204)
		return []string{w.grace.access, other.access}
	}},
	{name: "log-out of many", do: func(w *revokingWorld) []string {
		tokens := []string{w.grace.access}
		for range 10 {
			tokens = append(tokens, w.logInAgain(w.grace).access)
		}
		w.grace.delete("/users/" + w.grace.id + "/sessions").is(204)
		return tokens
	}},
	{name: "one session", do: func(w *revokingWorld) []string {
		other := w.logInAgain(w.grace)
		_, c := claims(w.t, w.first.access)
		other.delete("/auth/sessions/" + fmt.Sprint(c["sid"])).is(204)
		return []string{w.grace.access, w.first.access}
	}},
	{name: "a session, by an operator", do: func(w *revokingWorld) []string {
		_, c := claims(w.t, w.first.access)
		w.root.delete("/users/" + w.grace.id + "/sessions/" + fmt.Sprint(c["sid"])).is(204)
		return []string{w.grace.access, w.first.access}
	}},
	{name: "a changed password", do: func(w *revokingWorld) []string {
		other := w.logInAgain(w.grace)
		other.patch("/users/"+w.grace.id+"/password", body("old_password", password, "new_password", newPassword)).is(204)
		return []string{w.grace.access, w.first.access}
	}},
	{name: "a password that the operator sets", do: func(w *revokingWorld) []string {
		if err := w.auth.CommandLine().SetPassword(everything, uuid.MustParse(w.grace.id), newPassword); err != nil {
			w.t.Fatal(err)
		}
		return []string{w.grace.access, w.first.access}
	}},
	{name: "sessions that the operator ends", do: func(w *revokingWorld) []string {
		if _, err := w.auth.CommandLine().EndSessions(everything, uuid.MustParse(w.grace.id)); err != nil {
			w.t.Fatal(err)
		}
		return []string{w.grace.access, w.first.access}
	}},
	{name: "a reset, which also proves the mailbox", do: func(w *revokingWorld) []string {
		key := w.keyToken(w.key)
		w.ask("reset_password", w.grace.email)
		w.later(3 * time.Second)
		w.public("/auth/password-reset", "link_token", w.mail(w.grace.email, "reset_password").link(), "new_password", newPassword).is(204)
		return []string{w.grace.access, w.first.access, key}
	}},
	{name: "this wasn't me", do: func(w *revokingWorld) []string {
		key := w.keyToken(w.key)
		w.first.patch("/users/"+w.grace.id+"/password", body("old_password", password, "new_password", newPassword)).is(204)
		w.later(3 * time.Second)
		w.public("/auth/disavow", "link_token", w.mail(w.grace.email, "password_changed").link()).is(204)
		return []string{w.grace.access, w.first.access, key}
	}},
	{name: "a refresh token that was used twice", do: func(w *revokingWorld) []string {
		w.refresh(w.grace.refresh).is(200)
		w.later(time.Minute)
		w.refresh(w.grace.refresh).is(401, "refresh_token_reused")
		return []string{w.grace.access, w.first.access}
	}},
	{name: "a log-in with too many switches", do: func(w *revokingWorld) []string {
		tokens := []string{}
		for range 101 {
			w.later(time.Second)
			tokens = append(tokens, w.first.post("/auth/switch-organization", body("organization_id", w.ada.organization)).is(200).str("access_token"))
		}
		return tokens[:2]
	}},
	{name: "a removal", do: func(w *revokingWorld) []string {
		key := w.keyToken(w.key)
		w.later(3 * time.Second)
		w.ada.delete(w.ada.org("/members/" + w.grace.id)).is(204)
		return []string{w.grace.access, key}
	}},
	{name: "a member who leaves", do: func(w *revokingWorld) []string {
		w.grace.delete(w.ada.org("/members/" + w.grace.id)).is(204)
		return []string{w.grace.access}
	}},
	{name: "a suspended member, also with a later token", do: func(w *revokingWorld) []string {
		key := w.keyToken(w.key)
		w.later(3 * time.Second)
		w.ada.post(w.ada.org("/members/"+w.grace.id+"/suspend"), because()).is(200)
		w.later(3 * time.Second)
		return []string{w.grace.access, key, w.refresh(w.grace.refresh).is(200).str("access_token"), w.refresh(w.grace.refresh).is(200).str("access_token")}
	}},
	{name: "a deactivated member, also with a later token", do: func(w *revokingWorld) []string {
		w.ada.post(w.ada.org("/members/"+w.grace.id+"/deactivate"), nil).is(200)
		w.later(3 * time.Second)
		return []string{w.grace.access, w.refresh(w.grace.refresh).is(200).str("access_token")}
	}},
	{name: "a demotion", do: func(w *revokingWorld) []string {
		w.ada.delete(w.ada.org("/admins/" + w.grace.id)).is(204)
		return []string{w.grace.access}
	}},
	{name: "a transfer", do: func(w *revokingWorld) []string {
		w.ada.post(w.ada.org("/transfer-ownership"), body("new_owner_user_id", w.grace.id)).is(200)
		return []string{w.ada.access}
	}},
	{name: "a suspended account", do: func(w *revokingWorld) []string {
		key := w.keyToken(w.key)
		w.later(3 * time.Second)
		w.accountOf(w.grace, "suspend")
		return []string{w.grace.access, w.first.access, key}
	}},
	{name: "a deactivated account", do: func(w *revokingWorld) []string {
		key := w.keyToken(w.key)
		w.later(3 * time.Second)
		w.root.post("/users/"+w.grace.id+"/deactivate", body("scope", "account")).is(200)
		return []string{w.grace.access, w.first.access, key}
	}},
	{name: "an archived account", do: func(w *revokingWorld) []string {
		key := w.keyToken(w.key)
		w.later(3 * time.Second)
		w.root.post("/users/"+w.grace.id+"/archive", because()).is(200)
		return []string{w.grace.access, w.first.access, key}
	}},
	{name: "an archived account with its organization", do: func(w *revokingWorld) []string {
		w.first.post("/users/"+w.grace.id+"/archive", because()).is(200)
		return []string{w.grace.access, w.first.access}
	}},
	{name: "a suspended organization, also with a later token", do: func(w *revokingWorld) []string {
		key := w.keyToken(w.key)
		w.later(3 * time.Second)
		w.ada.post(w.ada.org("/suspend"), because()).is(200)
		w.later(3 * time.Second)
		return []string{w.grace.access, w.ada.access, w.bob.access, key, w.refresh(w.grace.refresh).is(200).str("access_token")}
	}, everybody: true},
	{name: "an archived organization", do: func(w *revokingWorld) []string {
		w.ada.post(w.ada.org("/archive"), because()).is(200)
		return []string{w.grace.access, w.ada.access, w.bob.access}
	}, everybody: true},
	{name: "a revoked key", do: func(w *revokingWorld) []string {
		key := w.keyToken(w.key)
		w.later(3 * time.Second)
		w.grace.delete(w.ada.org("/api-keys/" + w.key.str("id"))).is(204)
		return []string{key}
	}},
	{name: "a rotated key", do: func(w *revokingWorld) []string {
		key := w.keyToken(w.key)
		w.later(3 * time.Second)
		w.grace.post(w.ada.org("/api-keys/"+w.key.str("id")+"/rotate"), body("overlap_seconds", 60)).is(201)
		w.later(time.Minute)
		return []string{key}
	}},
	{name: "a removed service account", do: func(w *revokingWorld) []string {
		id := w.ada.machine("CI")
		key := w.keyToken(w.ada.makesKey("user_id", id))
		w.later(3 * time.Second)
		w.ada.delete(w.ada.org("/members/" + id)).is(204)
		return []string{key}
	}},
	{name: "a stolen signing key", do: func(w *revokingWorld) []string {
		if _, err := w.kernel.Keyset.Rotate(everything, "", true); err != nil {
			w.t.Fatal(err)
		}
		return []string{w.grace.access, w.ada.access}
	}, everybody: true},
	{name: "a restored backup", do: func(w *revokingWorld) []string {
		key := w.keyToken(w.key)
		w.later(3 * time.Second)
		sessions := auth.NewSessions(w.kernel.DB, w.kernel.Trail, w.kernel.Now)
		for _, end := range []error{sessions.EndAllOfAllUsers(everything), sessions.EndAllKeys(everything)} {
			if end != nil {
				w.t.Fatal(end)
			}
		}
		return []string{w.grace.access, w.ada.access, w.bob.access, key}
	}, everybody: true, endsKeys: true},
}

// TestTrustRevocations: 120. Whatever the gate refuses, a program refuses that has only the
// feed: everybody's, or an organization's own for its members' tokens.
func TestTrustRevocations(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		api := s.verifierOf("verifier")
		for _, r := range revokings {
			w := s.revokingWorld()
			s.later(3 * time.Second) // nothing that happened before is about the tokens
			w.grace, w.bob = w.grace.again(), w.bob.again()
			holders := map[string]*actor{"the bystander": w.bob, "the operator": w.root.again()}
			own := &verifier{key: w.ada.byKey(w.ada.makesKey())}
			s.later(3 * time.Second)
			api.read()
			own.read()
			api.marks, own.marks = nil, nil
			tokens := r.do(w)
			if r.endsKeys {
				root := s.logInAgain(w.root)
				api.key = &actor{s: s, access: root.keyOf(root.registersAPI("again"))}
			}
			api.read()
			for i, token := range tokens {
				_, c := claims(t, token)
				if s.roleOf(token) >= roleBefore(r) {
					t.Errorf("%s: the gate admits token %d", r.name, i)
				}
				if !api.refuses(token) {
					t.Errorf("%s: token %d of %v still holds: %+v", r.name, i, c, api.marks)
				}
			}
			if !r.everybody {
				for who, a := range holders {
					if api.refuses(a.access) {
						t.Errorf("%s: %s is refused: %+v", r.name, who, api.marks)
					}
				}
			}
			if a := own.key.get("/auth/revocations?after=" + own.next); a.status == 200 {
				own.marks = a.feed().Items
				for i, token := range tokens {
					if _, c := claims(t, token); c["organization_id"] == w.ada.organization && !own.refuses(token) {
						t.Errorf("%s: for the organization, token %d still holds: %+v", r.name, i, own.marks)
					}
				}
			} else if !r.everybody {
				t.Errorf("%s: the organization gets %d", r.name, a.status)
			}
		}
	}, withMailbox, func(c *config.Config) { c.AccessTokenTTL, c.RefreshGrace = 24*time.Hour, 10*time.Second })
}

// roleBefore is the least role that the tokens had before.
func roleBefore(r revoking) int {
	switch r.name {
	case "a transfer":
		return owner
	case "a demotion":
		return admin
	default:
		return member
	}
}

// again is the actor with new tokens of the same session.
func (a *actor) again() *actor {
	a.s.t.Helper()
	t := a.s.refresh(a.refresh).is(200)
	b := *a
	b.access, b.refresh = t.str("access_token"), t.str("refresh_token")
	return &b
}

// TestTrustRevocationsModel: the same, for whatever the clients of the model do.
func TestTrustRevocationsModel(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		seed := trustSeed(t)
		r := rand.New(rand.NewPCG(seed, 1))
		w := newModelWorld(t, s)
		v := &verifier{key: &actor{s: s}} // the model knows all accounts, and none of an API
		type held struct {
			token string
			role  int
			ended string // what ended it
		}
		var tokens []*held
		known := map[string]bool{}
		hold := func() {
			for _, c := range w.clients {
				if c.access != "" && !known[c.access] {
					known[c.access] = true
					tokens = append(tokens, &held{token: c.access, role: s.roleOf(c.access)})
				}
			}
			tokens = tokens[max(0, len(tokens)-40):]
		}
		judged, ended := 0, 0
		for i := range size(150, 5000) {
			if i%50 == 0 {
				w.repair(r)
			}
			s.later(3 * time.Second)
			hold()
			s.later(3 * time.Second)
			c := w.clients[r.IntN(len(w.clients))]
			op := w.random(r, c)
			for op.method == "GET" {
				op = w.random(r, c)
			}
			a := w.send(c, op)
			if a.status < 300 && op.after != nil && op.name != "found an organization" {
				op.after(a)
			}
			w.read(w.model)
			v.readAll()
			for _, h := range tokens {
				role := s.roleOf(h.token)
				if h.ended == "" && role < h.role {
					h.ended = fmt.Sprint(i, ": ", op.name, " ", op.path)
					ended++
				}
				h.role = role
				judged++
				if h.ended != "" && !v.refuses(h.token) {
					_, c := claims(t, h.token)
					t.Fatalf("seed %d: %s ended a token that still holds: %v", seed, h.ended, c)
				}
			}
		}
		if ended == 0 { // how many depends on the seed
			t.Errorf("seed %d: no token ended", seed)
		}
		recordResult(t, "feed of revocations: tokens judged", string(s.kernel.DB.Driver()), judged, 0, seed, "%d tokens ended", ended)
	}, func(c *config.Config) {
		c.AccessTokenTTL, c.RefreshTokenTTL, c.RefreshGrace = 10*365*24*time.Hour, 20*365*24*time.Hour, time.Hour
	})
}
