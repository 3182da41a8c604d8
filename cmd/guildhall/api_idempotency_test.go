package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"

	"guildhall/platform/config"
)

// creation is a request that creates something.
type creation struct {
	path, token string
	body        map[string]any
}

// creations returns one creation for each route that creates something.
func (s *service) creations() []creation {
	s.t.Helper()
	ada := s.person("Ada")
	grace, mary, joan := s.person("Grace").joins(ada, false), s.verifiedPerson("Mary"), s.verifiedPerson("Joan")
	root := s.operator("Operator")
	registered := root.registersAPI(uuid.NewString())
	all := []creation{
		{"/auth/register", "", body("email", uuid.NewString()+"@example.com", "password", password, "name", "New")},
		{"/users", s.operator("Root").access, body("email", uuid.NewString()+"@example.com", "name", "New")},
		{"/organizations", ada.access, body("name", "New")},
		{"/organizations/" + ada.organization + "/members", ada.access, body("email", mary.email)},
		{"/organizations/" + ada.organization + "/members/batch", ada.access, body("emails", []string{joan.email})},
		{"/organizations/" + ada.organization + "/admins", ada.access, body("user_id", grace.id)},
		{"/organizations/" + ada.organization + "/invitations", ada.access, body("email", uuid.NewString()+"@example.com")},
		{"/organizations/" + ada.organization + "/invitations/batch", ada.access, body("invitations", []any{body("email", uuid.NewString()+"@example.com")})},
		{"/organizations/" + ada.organization + "/invitation-links", ada.access, body("max_uses", 5)},
		{"/organizations/" + ada.organization + "/service-accounts", ada.access, body("name", "New")},
		{"/organizations/" + ada.organization + "/api-keys", ada.access, body("name", "New")},
		{"/organizations/" + ada.organization + "/api-keys/" + ada.makesKey().str("id") + "/rotate", ada.access, body("overlap_seconds", 5)},
		{"/apis", root.access, body("identifier", "https://"+uuid.NewString()+".example.com", "name", "New")},
		{"/apis/" + registered.str("id") + "/keys", root.access, body("name", "New")},
	}
	// The list is complete.
	creating := 0
	doc, _ := s.document()
	for _, r := range s.app.API().Routes() {
		item := doc.Paths.Value(strings.NewReplacer(":organization_id", "{organization_id}", ":user_id", "{user_id}", ":session_id", "{session_id}", ":invitation_id", "{invitation_id}", ":link_id", "{link_id}", ":key_id", "{key_id}", ":factor_id", "{factor_id}", ":identity_id", "{identity_id}", ":api_id", "{api_id}").Replace(r.Path))
		if slices.ContainsFunc(item.GetOperation(r.Method).Parameters, func(p *openapi3.ParameterRef) bool { return p.Value.Name == "Idempotency-Key" }) {
			creating++
		}
	}
	if creating != len(all) {
		s.t.Fatalf("%d routes create something, %d are tried", creating, len(all))
	}
	return all
}

// withoutSecret returns an answer as it is kept: without the URL of a link, and without an API
// key.
func withoutSecret(body []byte) []byte { return shownSecret.ReplaceAll(body, nil) }

var shownSecret = regexp.MustCompile(`,"(url|key)":"[^"]*"`)

func (s *service) create(c creation, headers ...string) answer {
	s.t.Helper()
	return s.do("POST", endpoint(c.path), c.token, c.body, headers...)
}

// TestARepeatedCreationIsAnsweredAsTheFirst repeats each creation with its key: the
// answer has the same bytes and nothing is created again. Another body with the key is
// refused.
func TestARepeatedCreationIsAnsweredAsTheFirst(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		for _, c := range s.creations() {
			key := uuid.NewString()
			first := s.create(c, "Idempotency-Key", key).is(201)
			before := s.rows()
			for range 2 {
				again := s.create(c, "Idempotency-Key", `"`+key+`"`).is(201)
				if !bytes.Equal(again.body, withoutSecret(first.body)) || again.header.Get("Location") != first.header.Get("Location") ||
					again.header.Get("Idempotency-Replayed") != "true" || first.header.Get("Idempotency-Replayed") != "" {
					t.Errorf("%s: first %s %s, then %s %s", c.path, first.header.Get("Location"), first.body, again.header.Get("Location"), again.body)
				}
			}
			if after := s.rows(); after != before {
				t.Errorf("%s: something was created again\n%s\n%s", c.path, before, after)
			}
			other := creation{c.path, c.token, map[string]any{}}
			for name, value := range c.body {
				other.body[name] = value
			}
			switch {
			case other.body["name"] != nil:
				other.body["name"] = "Other"
			case other.body["email"] != nil:
				other.body["email"] = "other@example.com"
			case other.body["invitations"] != nil:
				other.body["invitations"] = []any{body("email", "other@example.com")}
			case other.body["max_uses"] != nil:
				other.body["max_uses"] = 6
			case other.body["overlap_seconds"] != nil:
				other.body["overlap_seconds"] = 6
			case other.body["emails"] != nil:
				other.body["emails"] = []string{"other@example.com"}
			default:
				other.body["user_id"] = uuid.NewString()
			}
			s.create(other, "Idempotency-Key", key).is(422, "idempotency_key_reused")
			// A day later the key is a new one.
			s.later(24*time.Hour + time.Second)
			if c.token == "" {
				s.create(c, "Idempotency-Key", key).is(409, "email_taken")
			}
			s.later(-24*time.Hour - time.Second)
		}
		if n := s.count("SELECT COUNT(*) FROM idempotency_keys"); n < 3 {
			t.Errorf("%d keys are stored", n)
		}
		s.later(49 * time.Hour)
		if _, err := s.app.Sweep(s.ctx); err != nil || s.count("SELECT COUNT(*) FROM idempotency_keys") != 0 {
			t.Errorf("not swept: %v", err)
		}
	}, withMailbox)
}

// TestKeysAreTheirCallers checks that the same key of two callers is two keys, and that
// the stored rows reveal nothing to a reader of the table.
func TestKeysAreTheirCallers(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.person("Grace")
		headers := []string{"Idempotency-Key", "the-same-key"}
		mine := ada.post("/organizations", body("name", "x"), headers...).is(201)
		theirs := grace.post("/organizations", body("name", "x"), headers...).is(201)
		if mine.str("id") == theirs.str("id") {
			t.Error("one caller got another's answer")
		}
		// The order of members, and whitespace, do not matter.
		s.do("POST", "/api/v1/organizations", ada.access, ` { "name" : "x" } `, headers...).is(201)
		// Another organization, by header, makes another request.
		ada.post("/organizations", body("name", "x"), append(headers, "X-Organization-ID", ada.organization)...).is(422, "idempotency_key_reused")
		registered := s.do("POST", "/api/v1/auth/register", "", body("email", "new@example.com", "password", password, "name", "New"), "Idempotency-Key", "a-registration").is(201)
		for _, row := range s.inputContents("idempotency_keys")["idempotency_keys"] {
			for _, secret := range []string{"the-same-key", "a-registration", password, registered.str("access_token"), registered.str("refresh_token")} {
				if strings.Contains(row, secret) {
					t.Errorf("%q is in %s", secret, row)
				}
			}
		}
		for _, bad := range []string{"", " ", "a b", strings.Repeat("x", 256), "é", "a\tb", `"open`, `""`} {
			ada.post("/organizations", body("name", "y"), "Idempotency-Key", bad).is(422, "validation_failed")
		}
		// Routes that create nothing ignore the header.
		ada.patch(ada.org(""), body("name", "z"), headers...).is(200)
	})
}

// TestARefusalIsNotKept checks that a refused request can be repeated with the same key.
func TestARefusalIsNotKept(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		key := []string{"Idempotency-Key", uuid.NewString()}
		ada.post(ada.org("/members"), body("email", "later@example.com"), key...).is(404, "user_not_found")
		s.do("POST", "/api/v1/auth/register", "", body("email", "later@example.com", "password", password, "name", "x")).is(201)
		ada.post(ada.org("/members"), body("email", "later@example.com"), key...).is(201)
		ada.post(ada.org("/members"), body("email", "later@example.com"), key...).is(201)
		ada.post(ada.org("/members"), body("email", "later@example.com")).is(409, "already_member")
		if n := s.count("SELECT COUNT(*) FROM idempotency_keys WHERE answer IS NULL"); n != 0 {
			t.Errorf("%d keys were not released", n)
		}
	})
}

// TestCreationsAtOnceWithOneKey sends concurrent requests with one key: one is executed.
// The others are refused until it has finished, or get its answer.
func TestCreationsAtOnceWithOneKey(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		for _, c := range s.creations() {
			key := uuid.NewString()
			answers := make([]answer, 16)
			var wg sync.WaitGroup
			for i := range answers {
				wg.Go(func() { answers[i] = s.create(c, "Idempotency-Key", key) })
			}
			wg.Wait()
			created, first := 0, s.create(c, "Idempotency-Key", key).is(201)
			for _, a := range answers {
				switch a.status {
				case http.StatusCreated:
					if a.header.Get("Idempotency-Replayed") == "" {
						created++
					}
					if !bytes.Equal(withoutSecret(a.body), first.body) {
						t.Errorf("%s: %s and %s", c.path, a.body, first.body)
					}
				case http.StatusConflict:
					a.is(409, "request_in_progress")
					retryAfter(a)
				default:
					t.Errorf("%s: %d %s", c.path, a.status, a.body)
				}
			}
			if created != 1 {
				t.Errorf("%s: %d were carried out", c.path, created)
			}
		}
	}, withMailbox)
}

// TestAnAnswerLostAfterTheCommit disconnects the client, or kills the process, at the
// moment when the creation commits.
func TestAnAnswerLostAfterTheCommit(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		for _, c := range s.creations() {
			key := uuid.NewString()
			encoded, err := json.Marshal(c.body)
			if err != nil {
				t.Fatal(err)
			}
			r, err := http.NewRequestWithContext(s.ctx, http.MethodPost, endpoint(c.path), bytes.NewReader(encoded))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Authorization", "Bearer "+c.token)
			r.Header.Set("Idempotency-Key", key)
			r.RemoteAddr = s.address
			s.app.API().ServeHTTP(&disconnectedClient{header: http.Header{}}, r)
			before := s.rows()
			again := s.create(c, "Idempotency-Key", key).is(201)
			if s.rows() != before || again.header.Get("Idempotency-Replayed") != "true" {
				t.Errorf("%s was carried out again", c.path)
			}
		}
		// Death before the commit: the lease of the key expires.
		ada := s.person("Ada")
		s.exec("INSERT INTO idempotency_keys SELECT 'x', fingerprint, lock, locked_until, created_at, NULL FROM idempotency_keys LIMIT 1")
		key := uuid.NewString()
		ada.post("/organizations", body("name", "x"), "Idempotency-Key", key).is(201)
		s.exec("UPDATE idempotency_keys SET answer = NULL")
		ada.post("/organizations", body("name", "x"), "Idempotency-Key", key).is(409, "request_in_progress")
		s.later(31 * time.Second)
		ada.post("/organizations", body("name", "x"), "Idempotency-Key", key).is(201)
	}, withMailbox)
}

// disconnectedClient is a client that has disconnected: every write to it fails.
type disconnectedClient struct{ header http.Header }

func (d *disconnectedClient) Header() http.Header { return d.header }

func (*disconnectedClient) WriteHeader(int) {}

func (*disconnectedClient) Write([]byte) (int, error) { return 0, errors.New("nobody listens") }

// TestAnotherSecretReadsNoAnswer checks that a changed secret can't decrypt answers that
// were stored under the previous one.
func TestAnotherSecretReadsNoAnswer(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		s.do("POST", "/api/v1/auth/register", "", body("email", "new@example.com", "password", password, "name", "New"), "Idempotency-Key", "a-registration").is(201)
		other := start(t, s.kernel.Config.DatabaseURL.Reveal(), func(c *config.Config) { c.JWTRefreshSecretKey = "another-refresh-key-of-32-bytes-or-more" })
		a := other.do("POST", "/api/v1/auth/register", "", body("email", "new@example.com", "password", password, "name", "New"), "Idempotency-Key", "a-registration").is(409, "idempotent_answer_lost")
		if strings.Contains(string(a.body), "eyJ") || !strings.Contains(other.log.String(), "JWT_REFRESH_SECRET_KEY") {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
}

// TestAnAnswerIsGivenAgainForAsLongAsConfigured checks how long an answer is stored, and
// that the document says it.
func TestAnAnswerIsGivenAgainForAsLongAsConfigured(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		create := func() answer { return ada.post("/organizations", body("name", "x"), "Idempotency-Key", "k").is(201) }
		first := create().str("id")
		s.later(2*time.Hour - time.Minute)
		ada = s.logInAgain(ada)
		if s.swept()["idempotency keys"] != 0 || create().str("id") != first {
			t.Error("it was carried out again too early")
		}
		s.later(2 * time.Minute)
		if create().str("id") == first {
			t.Error("the first answer is given for too long")
		}
		s.later(3 * time.Hour)
		if n := s.swept()["idempotency keys"]; n != 1 {
			t.Errorf("%d keys went", n)
		}
		if _, document := s.document(); !strings.Contains(string(document), "for 2 h the same key") {
			t.Error("the document does not say for how long")
		}
	}, func(c *config.Config) { c.IdempotencyRetention = 2 * time.Hour })
}
