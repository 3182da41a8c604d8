package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
)

// inputRoute is a route with its operation in the document.
type inputRoute struct {
	httpapi.Route
	relative  string // below the base path, as goodBodies names it
	operation *openapi3.Operation
}

func (s *service) inputRoutes() []inputRoute {
	s.t.Helper()
	doc, _ := s.document()
	var all []inputRoute
	for _, r := range s.app.API().Routes() {
		templated := r.Path
		for _, name := range []string{"organization_id", "user_id", "session_id", "invitation_id", "link_id", "key_id", "factor_id", "identity_id", "api_id"} {
			templated = strings.ReplaceAll(templated, ":"+name, "{"+name+"}")
		}
		item := doc.Paths.Value(templated)
		if item == nil || item.GetOperation(r.Method) == nil {
			s.t.Fatalf("%s %s is not in the document", r.Method, r.Path)
		}
		all = append(all, inputRoute{r, strings.TrimPrefix(r.Path, httpapi.BasePath), item.GetOperation(r.Method)})
	}
	return all
}

// inputPath replaces the parameters of a path with ids.
func (r inputRoute) inputPath(organization, user string) string {
	return strings.NewReplacer(":organization_id", organization, ":user_id", user, ":session_id", user, ":invitation_id", user, ":link_id", user, ":key_id", user, ":factor_id", user, ":identity_id", user, ":api_id", user).Replace(r.Path)
}

// ofSelf reports whether a route acts only on the caller's own account.
func (r inputRoute) ofSelf() bool { return strings.HasPrefix(r.Rule.String()+",", "self,") }

// inputContents returns every row of every table, so that changes are detected as well as
// insertions.
func (s *service) inputContents(tables ...string) map[string][]string {
	s.t.Helper()
	all := map[string][]string{}
	for line := range strings.SplitSeq(s.rows(), ", ") {
		table, _, _ := strings.Cut(line, " ")
		tables = append(tables, table)
	}
	for _, table := range tables {
		rows, err := s.kernel.DB.Conn(everything).Raw("SELECT * FROM " + table).Rows()
		if err != nil {
			s.t.Fatal(err)
		}
		columns, err := rows.Columns()
		if err != nil {
			s.t.Fatal(err)
		}
		for rows.Next() {
			values := make([]any, len(columns))
			for i := range values {
				values[i] = new(any)
			}
			if err := rows.Scan(values...); err != nil {
				s.t.Fatal(err)
			}
			var text []string
			for i, v := range values {
				text = append(text, fmt.Sprintf("%s=%v", columns[i], *v.(*any)))
			}
			all[table] = append(all[table], strings.Join(text, " "))
		}
		if err := rows.Err(); err != nil {
			s.t.Fatal(err)
		}
		_ = rows.Close()
		slices.Sort(all[table])
	}
	return all
}

// inputUntouched runs bad requests and asserts that they have written nothing.
func (s *service) inputUntouched(try func()) {
	s.t.Helper()
	before := s.inputContents()
	try()
	after := s.inputContents()
	for table, rows := range after {
		if !slices.Equal(rows, before[table]) {
			s.t.Errorf("%s was written to:\n%s\n%s", table, strings.Join(before[table], "\n"), strings.Join(rows, "\n"))
		}
	}
}

// inputLocations returns the locations that a problem names.
func inputLocations(a answer) []string {
	var p struct {
		Errors []struct{ Location, Message string }
	}
	_ = json.Unmarshal(a.body, &p)
	var all []string
	for _, e := range p.Errors {
		if e.Message == "" {
			a.t.Errorf("%s: %s has no message: %s", a.request, e.Location, a.body)
		}
		all = append(all, e.Location)
	}
	return all
}

// names asserts that a problem names exactly these values.
func inputNames(a answer, want ...string) {
	a.t.Helper()
	a.isInvalid()
	got := inputLocations(a)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		a.t.Errorf("%s: named %v, want %v: %s", a.request, got, want, a.body)
	}
}

// inputStream is a body without a Content-Length.
type inputStream struct{ io.Reader }

func (s *service) inputChunked(method, path, token, contentType string, size int) answer {
	s.t.Helper()
	r := httptest.NewRequest(method, path, inputStream{io.LimitReader(inputSpaces{}, int64(size))})
	r.ContentLength = -1
	r.RemoteAddr = s.address
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	s.app.API().ServeHTTP(w, r)
	a := answer{t: s.t, request: method + " " + path + " (chunked)", oauth: byOAuthClient(r), status: w.Code, header: w.Header(), body: w.Body.Bytes()}
	a.checkContract()
	return a
}

type inputSpaces struct{}

func (inputSpaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// TestInputBodiesByTheDocument checks bodies against the document: whether one is
// required, its media types and its members.
func TestInputBodiesByTheDocument(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.operator("Ada")
		ada.enrols()
		grace := s.person("Grace").joins(ada, false)
		good := goodBodies(ada, grace)
		s.inputUntouched(func() {
			for _, r := range s.inputRoutes() {
				if r.operation.RequestBody == nil {
					if _, reads := good[r.Method+" "+r.relative]; reads {
						t.Errorf("%s %s: a body that the document does not know", r.Method, r.Path)
					}
					continue
				}
				documented := r.operation.RequestBody.Value
				user := grace.id
				if r.ofSelf() {
					user = ada.id
				}
				send := func(text string, headers ...string) answer {
					return s.do(r.Method, r.inputPath(ada.organization, user), ada.access, text, headers...)
				}
				fields := good[r.Method+" "+r.relative]
				whole, err := json.Marshal(fields)
				if err != nil {
					t.Fatal(err)
				}

				// No body where one is required.
				if documented.Required {
					for _, nothing := range []answer{
						send(""), send("", "Content-Type", ""), send(" \r\n\t"), send("", "Content-Type", "application/x-www-form-urlencoded"),
						s.do(r.Method, r.inputPath(ada.organization, user), ada.access, nil),
					} {
						if got := nothing.is(400, "malformed_body").str("detail"); got != "The body is empty, and this request needs one." {
							t.Errorf("an empty body is answered %q", got)
						}
					}
				} else {
					send(" ").is(400, "malformed_body")
				}

				// Other media types, and JSON that is not UTF-8 or is compressed.
				form := documented.Content["application/x-www-form-urlencoded"] != nil
				for _, media := range []string{
					"", "application/xml", "application/json, text/plain", "application/json; charset=utf-16", "application/json; charset",
					"application/problem+json", "multipart/form-data; boundary=x", "\x00", "application/x-www-form-urlencoded",
				} {
					if !form || media != "application/x-www-form-urlencoded" {
						send(string(whole), "Content-Type", media).is(415, "unsupported_media_type")
					}
				}
				for _, encoding := range []string{"br", "gzip, identity"} {
					a := send(string(whole), "Content-Encoding", encoding).is(415, "unsupported_media_type")
					if strings.Contains(a.str("detail"), "form") != form {
						t.Errorf("the accepted types are: %s", a.str("detail"))
					}
				}
				send(string(whole), "Content-Encoding", "identity", "Content-Encoding", "gzip").is(415, "unsupported_media_type")
				for _, other := range []string{"application/json", "text/plain", "application/x-www-form-urlencoded", ""} {
					for _, two := range [][]string{{"application/json", other}, {other, "application/json"}} {
						a := send(string(whole), "Content-Type", two[0], "Content-Type", two[1]).is(400, "malformed_header")
						if got := a.str("detail"); got != "The Content-Type field is given more than once." {
							t.Errorf("%q: %q", two, got)
						}
					}
				}

				// A body that is too large, with and without Content-Length.
				most := 64 << 10
				if r.relative == "/organizations/:organization_id/invitations/batch" {
					most = 512 << 10
				}
				tooLong := string(whole[:len(whole)-1]) + strings.Repeat(" ", most) + "}"
				send(tooLong).is(413, "body_too_large")
				send(tooLong, "Content-Type", "text/plain").is(413, "body_too_large")
				s.inputChunked(r.Method, r.inputPath(ada.organization, user), ada.access, "application/json", most+1).is(413, "body_too_large")
				s.inputChunked(r.Method, r.inputPath(ada.organization, user), ada.access, "application/json", most).is(400, "malformed_body")
				send(strings.Repeat(`{"a":`, 12_000)).is(400, "malformed_body")

				// The members, one by one.
				schema := documented.Content["application/json"].Schema.Value
				for name := range schema.Properties {
					if _, tried := fields[name]; !tried && r.relative != "/organizations/:organization_id/members" {
						t.Errorf("%s %s: %s is not tried", r.Method, r.Path, name)
					}
				}
				if len(schema.Required) > 0 {
					var all []string
					for _, name := range schema.Required {
						less := map[string]any{}
						for n, v := range fields {
							if n != name {
								less[n] = v
							}
						}
						text, _ := json.Marshal(less)
						inputNames(send(string(text)), "body."+name)
						all = append(all, "body."+name)
					}
					if r.relative == "/auth/password-reset" { // or link_token
						all = append(all, "body.challenge_token", "body.code")
					}
					inputNames(send("{}"), all...) // all at once
				}

				// Names that only resemble a member.
				nested := `{"deep":{"x":1,"x":2}}`
				if a := send(nested).isInvalid(); !strings.Contains(string(a.body), `"repeated"`) {
					t.Errorf("%s: %s", nested, a.body)
				}
				for name := range fields {
					for _, other := range []string{strings.ToUpper(name[:1]) + name[1:], " " + name, name + `\u0000`, strings.ReplaceAll(name, "s", "\u017f"), strings.ReplaceAll(name, "k", "\u212a"), strings.ReplaceAll(name, "_", "-")} {
						if other == name {
							continue
						}
						text := string(whole[:len(whole)-1]) + `,"` + other + `":"x"}`
						a := send(text).isInvalid()
						if got := inputLocations(a); len(got) != 1 || !strings.HasPrefix(got[0], "body.") {
							t.Errorf("%s: %s", text, a.body)
						}
					}
					// An escaped name is the same name, so this repeats it.
					escaped := fmt.Sprintf(`\u%04x%s`, name[0], name[1:])
					text := string(whole[:len(whole)-1]) + `,"` + escaped + `":"x"}`
					inputNames(send(text), "body."+name)
				}
				a := send(string(whole[:len(whole)-1]) + `,"` + strings.Repeat("é", 5000) + `":1}`).isInvalid()
				if len(a.body) > 1000 {
					t.Errorf("%s: the answer repeats a client's text: %d bytes", a.request, len(a.body))
				}
			}
		})
	})
}

// TestInputQueriesByTheDocument sends invalid values of every query parameter.
func TestInputQueriesByTheDocument(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.operator("Ada")
		grace := s.person("Grace").joins(ada, false)
		bad := map[string][]string{
			"limit":  {"", "+5", "0", "-1", "1001", "1e99", "1e2", "0x10", "1.0", " 1", "1 ", "١", "१", "NaN", "null", "true", "1,2", "9223372036854775808", "\x00", "\xff", "'"},
			"offset": {"", "-1", "1000000001", "1e99", "0x10", "1.0", " 1", "null", "18446744073709551616", "\x00", "\xff", "'"},
			"cursor": {"", "x", strings.Repeat("A", 21), strings.Repeat("A", 23), strings.Repeat("A", 22) + "==", "AAAAAAAAAAAAAAAAAAAAA+", strings.Repeat("A", 21) + "B",
				ada.id, strings.Repeat("\x00", 22), strings.Repeat("A", 10_000)},
			"count":            {"", "T", "2", "-1", "yes", "tRue", "null", " true", "true ", "\x00"},
			"include_archived": {"", "2", "yes", "on", "null", "\x00"},
			"q":                {"", "\xff", strings.Repeat("a", 1025)},
			"scope":            {"", "ALL", "all ", "account", "organization", "*", "null", "\x00", "\xff"},
			"action":           {"", "member", "MEMBER.ADDED", "member.added ", "*", "null", "\x00"},
			"actor_user_id":    {"", "x", "null", strings.Repeat("0", 36), "\x00"},
			"user_id":          {"", "x", "null", strings.Repeat("0", 36), "\x00"},
			"organization_id":  {"", "x", "null", strings.Repeat("0", 36), "\x00"},
			"since":            {"", "now", "2026-01-01", "0", "null", "\x00"},
			"until":            {"", "now", "2026-01-01", "0", "null", "\x00"},
			"role":             {"", "none", "Admin", "platform_administrator", "\x00"},
			"standing":         {"", "bad", "GOOD", "good,suspended", "\x00"},
			"sort":             {"", "email", "+name", "--name", "name,-name", "\x00"},
			"status":           {"", "OPEN", "open ", "used", "null", "\x00"},
		}
		fine := map[string]string{"status": "open", "role": "member", "standing": "good", "sort": "name", "limit": "1", "action": "member.added", "actor_user_id": ada.id, "user_id": grace.id, "organization_id": ada.organization, "since": "2026-01-01T00:00:00Z", "until": "2026-01-01T00:00:00Z", "offset": "1", "cursor": strings.Repeat("A", 22), "count": "true", "include_archived": "false", "q": "ada", "scope": "all"}
		tried := map[string]bool{}
		s.proved(ada)
		api := ada.registersAPI("orders").str("id")
		s.inputUntouched(func() {
			for _, r := range s.inputRoutes() {
				if r.relative == "/forward-auth" || r.relative == "/auth/revocations" { // TestForwardAuth, TestRevocationsAreRead
					continue
				}
				path := strings.Replace(r.inputPath(ada.organization, grace.id), "/apis/"+grace.id, "/apis/"+api, 1)
				fine["cursor"] = strings.Repeat("A", 22)
				if r.relative == "/audit-events" { // whose cursors are times and ids
					fine["cursor"] = field.Cursor{Key: "2026-01-01T00:00:00Z", ID: uuid.Max}.String()
					inputNames(s.do(r.Method, path+"?cursor="+field.Cursor{Key: "x", ID: uuid.Max}.String(), ada.access, nil), "query.cursor")
				}
				for _, p := range r.operation.Parameters {
					if p.Value.In != "query" || r.Method != http.MethodGet { // of a CSV: TestInvitationsFromCSV
						continue
					}
					name := p.Value.Name
					// TestUsersByID, TestSearchOfOrganizations, TestOrganizationsAreSelectedByStanding
					if name == "ids" || (name == "q" || name == "standing") && r.relative == "/organizations" {
						continue
					}
					first := !tried[name]
					if tried[name] = true; bad[name] == nil {
						t.Errorf("%s?%s is not tried", r.Path, name)
						continue
					}
					ask := func(query string) answer { return s.do(r.Method, path+"?"+query, ada.access, nil) }
					values := bad[name]
					if !first && len(values) > 5 {
						values = values[:5]
					}
					for _, value := range values {
						inputNames(ask(name+"="+url.QueryEscape(value)), "query."+name)
					}
					inputNames(ask(name), "query."+name) // given, without a value
					ask(name + "=" + fine[name]).is(200)
					inputNames(ask(name+"="+fine[name]+"&"+name+"="+fine[name]), "query."+name)
					inputNames(ask(name+"="+fine[name]+"&"+name+"=x"), "query."+name)
					inputNames(ask(strings.ToUpper(name)+"=x"), "query."+strings.ToUpper(name)) // another name
					ask(name+"=%").is(400, "malformed_query")
					ask(name+"=x;y").is(400, "malformed_query")
				}
				if r.operation.Parameters.GetByInAndName("query", "limit") != nil {
					inputNames(s.do(r.Method, path+"?limit=0&offset=-1&cursor=x&count=x", ada.access, nil), "query.limit", "query.offset", "query.cursor", "query.count")
					inputNames(s.do(r.Method, path+"?offset=0&cursor="+fine["cursor"], ada.access, nil), "query.offset")
					if a := s.do(r.Method, path+"?limit=1000&offset=1000000000&count=true", ada.access, nil).is(200); string(a.body) != "[]" {
						t.Errorf("%s: %s", a.request, a.body)
					}
					for _, cursor := range []string{strings.Repeat("_", 21) + "w", "f" + strings.Repeat("_", 20) + "w"} { // the largest of all keys
						a := s.do(r.Method, path+"?cursor="+cursor, ada.access, nil)
						if strings.HasSuffix(path, "/audit-events") { // whose cursors are numbers
							inputNames(a, "query.cursor")
							continue
						}
						if a.is(200); string(a.body) != "[]" {
							t.Errorf("%s: %s", a.request, a.body)
						}
					}
				}
			}
		})
		for name := range bad {
			if !tried[name] {
				t.Errorf("no route has %s: the test tries nothing", name)
			}
		}
	})
}

var inputNoIDs = []string{
	"x", "0", "{ID}", "{id", "urn:uuid:ID", "URN:UUID:ID", "BARE", "ID0", "0ID", "ID ", " ID", "ID\x00", "ID\n", "SHORT", "null", "undefined", "*",
	"' OR 1=1 --", strings.Repeat("g", 36), strings.Repeat("-", 36), strings.Repeat("é", 18), strings.Repeat("0", 36), strings.Repeat("9", 8000), "\xff\xfe", "../..", "ID,ID", "NODASH",
}

func inputNoID(text, id string) string {
	return strings.NewReplacer("ID", id, "BARE", strings.ReplaceAll(id, "-", ""), "SHORT", id[:35], "NODASH", strings.Replace(id, "-", "0", 1)).Replace(text)
}

// TestInputIdsOnEveryRoute checks that an invalid id is answered with 422 in every place,
// but only to callers who are logged in.
func TestInputIdsOnEveryRoute(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.operator("Ada")
		ada.enrols()
		grace := s.person("Grace").joins(ada, false)
		good := goodBodies(ada, grace)
		seen := map[string]int{}
		s.inputUntouched(func() {
			for _, r := range s.inputRoutes() {
				if r.Rule.IsPublic() {
					continue
				}
				sent := good[r.Method+" "+r.relative]
				var params, others []string
				for _, p := range r.operation.Parameters {
					if p.Value.In == "path" {
						params = append(params, p.Value.Name)
						if p.Value.Name != "organization_id" {
							others = append(others, "path."+p.Value.Name)
						}
					}
				}
				for _, param := range params {
					texts := inputNoIDs[:4] // the others on two routes a parameter: there is one parser
					if seen[param]++; seen[param] <= 2 {
						texts = inputNoIDs
					}
					for _, text := range texts {
						bad := strings.ReplaceAll(url.PathEscape(inputNoID(text, ada.organization)), "..", "%2e%2e")
						organization, user := ada.organization, grace.id
						named := []string{"path." + param}
						if param == "organization_id" {
							organization = bad
						} else { // inputPath has the same text for a session
							user, named = bad, others
						}
						path := r.inputPath(organization, user)
						inputNames(s.do(r.Method, path, ada.access, sent), slices.Clone(named)...)
					}
					s.do(r.Method, r.inputPath("x", "x"), "", sent).is(401, "authentication_required")
					s.do(r.Method, r.inputPath("x", "x"), ada.refresh, sent).is(401, "invalid_token")
				}
				if len(params) == 2 {
					inputNames(s.do(r.Method, r.inputPath("x", "y"), ada.access, sent), "path."+params[0], "path."+params[1])
				}
				// The header that names the organization.
				for _, text := range []string{"", "x", "{ID}", "ID,ID"} {
					bad := inputNoID(text, ada.organization)
					a := s.do(r.Method, r.inputPath(ada.organization, grace.id), ada.access, sent, "X-Organization-ID", bad)
					inputNames(a, "header.X-Organization-ID")
				}
				bad := append([]string{"header.X-Organization-ID"}, func() (all []string) {
					for _, p := range params {
						all = append(all, "path."+p)
					}
					return all
				}()...)
				inputNames(s.do(r.Method, r.inputPath("x", "y"), ada.access, sent, "X-Organization-ID", "z"), bad...)
			}
			// A repeated header is refused, even with the same value.
			request := httptest.NewRequest(http.MethodGet, "/api/v1/auth/me", nil)
			request.Header["X-Organization-Id"] = []string{ada.organization, ada.organization}
			request.Header.Set("Authorization", "Bearer "+ada.access)
			w := httptest.NewRecorder()
			s.app.API().ServeHTTP(w, request)
			inputNames(answer{t: t, request: "the header twice", status: w.Code, header: w.Header(), body: w.Body.Bytes()}, "header.X-Organization-ID")
		})
		// RFC 9562 §4: read in either case, written in lower.
		upper := strings.ToUpper(ada.organization)
		if got := ada.get("/organizations/" + upper).is(200).str("id"); got != ada.organization {
			t.Errorf("%s is %s", upper, got)
		}
		if got := ada.get("/auth/me", "X-Organization-ID", upper).is(200).str("organization.id"); got != ada.organization {
			t.Errorf("%s is %s", upper, got)
		}
		if got := ada.get("/users/" + strings.ToUpper(grace.id)).is(200).str("id"); got != grace.id {
			t.Errorf("%s is %s", strings.ToUpper(grace.id), got)
		}
		if got := ada.post("/auth/switch-organization", body("organization_id", upper)).is(200).str("organization_id"); got != ada.organization {
			t.Errorf("%s is %s", upper, got)
		}
	})
}

// TestInputIdsOfNobody checks that an id that is valid but unassigned is unknown,
// whatever its UUID version, also for a platform administrator, and that all such answers
// are alike.
func TestInputIdsOfNobody(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		admin := s.person("Grace").joins(ada, true)
		member := s.person("Charles").joins(ada, false)
		operator := s.operator("Operator").joins(ada, false)
		for _, a := range []*actor{ada, operator} {
			a.enrols()
		}
		good := goodBodies(ada, admin)
		ids := []string{uuid.NewString(), uuid.Nil.String(), uuid.Max.String()}
		s.inputUntouched(func() {
			for _, r := range s.inputRoutes() {
				var sent any
				if b, ok := good[r.Method+" "+r.relative]; ok {
					sent = b
				}
				for _, who := range []*actor{ada, admin, member, operator} {
					unknown := ""
					for _, id := range ids {
						if strings.Contains(r.Path, ":organization_id") && (who == ada || who == operator) {
							s.do(r.Method, r.inputPath(id, admin.id), who.access, sent).is(404, "organization_not_found")
						}
						if strings.Contains(r.Path, ":user_id") {
							a := s.do(r.Method, r.inputPath(ada.organization, id), who.access, sent)
							got := fmt.Sprint(a.status, " ", a.code())
							if unknown == "" {
								unknown = got
							}
							if got != unknown || a.status != 404 && a.status != 403 {
								t.Errorf("%s: %s, but %s for others", a.request, got, unknown)
							}
						}
						if !r.Rule.IsPublic() && !r.Rule.InPath() && !strings.HasPrefix(r.Rule.String(), access.PlatformAdminOnly().String()) && !strings.HasPrefix(r.Rule.String(), access.API().String()) && who == member {
							s.do(r.Method, r.inputPath("", who.id), who.access, sent, "X-Organization-ID", id).is(404, "organization_not_found")
						}
					}
				}
			}
			for _, id := range ids {
				for _, who := range []*actor{ada, operator} {
					who.post(ada.org("/members"), body("user_id", id)).is(404, "user_not_found")
					who.post(ada.org("/admins"), body("user_id", id)).is(409, "not_a_member")
					who.post(ada.org("/transfer-ownership"), body("new_owner_user_id", id)).is(409, "not_a_member")
					who.post("/auth/switch-organization", body("organization_id", id)).is(404, "organization_not_found")
				}
			}
		})
	})
}

// TestInputFormOfLogIn checks that a log-in form is parsed as strictly as JSON, except
// where OAuth requires otherwise.
func TestInputFormOfLogIn(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		const form = "application/x-www-form-urlencoded"
		send := func(text string) answer {
			return s.do("POST", "/api/v1/auth/token", "", text, "Content-Type", form)
		}
		user, secret := "username="+url.QueryEscape(ada.email), "password="+url.QueryEscape(password)
		s.inputUntouched(func() {
			inputNames(send("x=y"), "body.username", "body.password")
			inputNames(send(user), "body.password")
			inputNames(send(secret), "body.username")
			inputNames(send("username=&password="), "body.username", "body.password")
			inputNames(send(user+"&"+user+"&"+secret), "body.username")
			inputNames(send(user+"&"+secret+"&password=x"), "body.password")
			inputNames(send(user+"&"+secret+"&grant_type=a+b"), "body.grant_type")
			inputNames(send(user+"&"+secret+"&grant_type=password&grant_type=password"), "body.grant_type")
			inputNames(send("grant_type=refresh_token&"+user+"&"+secret), "body.refresh_token")
			inputNames(send("grant_type=refresh_token&refresh_token="), "body.refresh_token")
			inputNames(send("grant_type=refresh_token&refresh_token="+strings.Repeat("x", 4097)), "body.refresh_token")
			asJSON := func(text string) answer { return s.do("POST", "/api/v1/auth/token", "", text) }
			inputNames(asJSON(`{}`), "body.username", "body.password")
			inputNames(asJSON(`{"username":null,"password":1,"grant_type":"password"}`), "body.username", "body.password")
			inputNames(asJSON(`{"grant_type":"refresh_token","refresh_token":null}`), "body.refresh_token")
			inputNames(asJSON(`{"grant_type":"refresh_token","client_id":"x"}`), "body.refresh_token", "body.client_id") // JSON is ours, and strict
			inputNames(asJSON(`{"grant_type":""}`), "body.grant_type")
			asJSON(`{"grant_type":"x"}`).is(422, "unsupported_grant_type")
			send(user+"&"+secret+"&grant_type=authorization_code").is(422, "unsupported_grant_type")
			send("grant_type=client_credentials").is(422, "unsupported_grant_type")
			inputNames(send(user+"&"+secret+"&organization_id=x"), "body.organization_id")
			inputNames(send("username=a%00b&password=a%00b"), "body.username", "body.password")
			inputNames(send("username=%ff&password=%ff"), "body.username", "body.password")
			inputNames(send("username=%ed%a0%80&password=%ed%a0%80"), "body.username", "body.password") // a surrogate in UTF-8
			inputNames(send("username="+strings.Repeat("x", 1025)+"&password="+strings.Repeat("x", 1025)), "body.username", "body.password")
			send("username=%zz").is(400, "malformed_body")
			send("username=a;password=b").is(400, "malformed_body")
			send("").is(400, "malformed_body")
			send(user+"&"+secret+"&x="+strings.Repeat("x", 64<<10)).is(413, "body_too_large")
			s.do("POST", "/api/v1/auth/token", "", user+"&"+secret).is(400, "malformed_body") // a form called JSON
			s.do("POST", "/api/v1/auth/token", "", `{"username":"x","password":"y"}`, "Content-Type", form).is(422, "validation_failed")
			send("USERNAME=x&"+secret).is(422, "validation_failed")
			send("username="+strings.Repeat("x", 1024)+"&password="+strings.Repeat("x", 1024)).is(401, "invalid_credentials")
		})
		send(user + "&" + secret + "&grant_type=password&scope=&client_id=x&client_secret=").is(200) // OAuth clients send parameters that we ignore
		send(user + "&" + secret + "&grant_type=&organization_id=&refresh_token=&x=1&x=2").is(200)   // without a value is absent (RFC 6749 §3.2)
		send(user + "&" + secret + "&grant_type=password&refresh_token=x").is(200)
		send("username=" + url.QueryEscape(" "+strings.ToUpper(ada.email)) + "&" + secret).is(200)
	})
}

// TestInputLimitsOfTheRest checks the limits of values that TestLimitsOfValues leaves
// out.
func TestInputLimitsOfTheRest(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		grace := s.person("Grace").joins(ada, false)
		long := func(n int) string { return strings.Repeat("😀", n) } // two UTF-16 units, four bytes
		register := func(pairs ...any) answer {
			all := body("email", fmt.Sprintf("limit.%d@example.com", people.Add(1)), "password", password, "name", "x")
			for i := 0; i < len(pairs); i += 2 {
				all[pairs[i].(string)] = pairs[i+1]
			}
			return s.do("POST", "/api/v1/auth/register", "", all)
		}
		s.inputUntouched(func() {
			for _, bad := range []string{"", " ", "\u2003\u3000\n", long(256)} {
				inputNames(register("name", bad), "body.name")
				inputNames(register("organization_name", bad), "body.organization_name")
				inputNames(ada.post("/organizations", body("name", bad)), "body.name")
				inputNames(ada.patch(ada.org(""), body("name", bad)), "body.name")
			}
			for _, bad := range []string{"", "1234567", "12345678", "password", "password1", strings.Repeat("x", 1025), strings.Repeat("é", 513)} {
				inputNames(register("password", bad), "body.password")
				inputNames(ada.patch("/users/"+ada.id+"/password", body("old_password", password, "new_password", bad)), "body.new_password")
			}
			inputNames(register("email", "ada.limit@example.com", "password", "Ada.Limit@Example.com"), "body.password")
			inputNames(ada.patch("/users/"+ada.id+"/password", body("old_password", password, "new_password", strings.ToUpper(ada.email))), "body.new_password")
			inputNames(ada.patch("/users/"+ada.id+"/password", body("old_password", strings.Repeat("x", 1025), "new_password", "five boxing wizards")), "body.old_password")
			for _, bad := range []string{"", " ", "\t\r\n", long(1001)} {
				for _, path := range []string{"/suspend", "/archive", "/unarchive"} {
					inputNames(ada.post(ada.org(path), body("reason", bad)), "body.reason")
				}
				inputNames(ada.post("/users/"+grace.id+"/suspend", body("reason", bad)), "body.reason")
				inputNames(ada.post("/users/"+ada.id+"/archive", body("reason", bad)), "body.reason")
			}
			now := s.kernel.Now()
			for _, bad := range []string{
				"", "0", "0001-01-01T00:00:00Z", "2020-01-01T00:00:00Z", now.Format(time.RFC3339Nano), now.Add(-time.Microsecond).Format(time.RFC3339Nano),
				now.Add(time.Hour).In(time.FixedZone("", 7200)).Format("2006-01-02T15:04:05") + "+03:00", // later by the wall, earlier in fact
				"10000-01-01T00:00:00Z", "+002099-01-01T00:00:00Z", "-2099-01-01T00:00:00Z", "9999-12-31T23:59:59-00:01", "2099-1-1T00:00:00Z", "2099-01-01 00:00:00Z",
				"2099-01-01T00:00:60Z", "2099-01-01T24:00:00Z", "2099-02-29T00:00:00Z", "2099-01-01T00:00Z", "2099-01-01T00:00:00.Z", "2099-01-01T00:00:00+0100", "2099-01-01T00:00:00ZZ",
				" 2099-01-01T00:00:00Z", "2099-W01-1T00:00:00Z", "4102444800", "٢٠٩٩-01-01T00:00:00Z", "infinity", "now",
			} {
				inputNames(ada.post("/users/"+grace.id+"/suspend", body("reason", "x", "suspended_until", bad)), "body.suspended_until")
				inputNames(ada.post(ada.org("/suspend"), body("reason", "x", "suspended_until", bad)), "body.suspended_until")
			}
			for _, bad := range []string{
				"", "http://example.com/a", "javascript:alert(1)", "data:image/png;base64,AA", "//example.com/a", "/a.png", "https:", "https://", "https:///a", "https:example.com",
				"https://user@example.com/", "https://user:secret@example.com/", "https://127.0.0.1/a", "https://[::1]/a", "https://[::ffff:10.0.0.1]/", "https://[fe80::1%25eth0]/", "https://exa mple.com/", "https://example.com/a b",
				"https://example.com/\n", " https://example.com", "https://example.com:port/", "https://example.com/\"onerror=", "https://example.com\\@evil.example/", "ht\u0000tps://example.com", "https://" + strings.Repeat("x", 2041),
			} {
				inputNames(ada.patch("/users/"+ada.id+"/profile", body("avatar_url", bad)), "body.avatar_url")
			}
			inputNames(s.do("POST", "/api/v1/auth/refresh", "", body("refresh_token", "")), "body.refresh_token")
			inputNames(s.do("POST", "/api/v1/auth/refresh", "", body("refresh_token", strings.Repeat("x", 4097))), "body.refresh_token")
			s.do("POST", "/api/v1/auth/refresh", "", body("refresh_token", strings.Repeat("x", 4096))).is(401)
			s.do("POST", "/api/v1/auth/refresh", "", body("refresh_token", strings.Repeat("é", 4096))).is(401) // characters, though more bytes
			inputNames(ada.post(ada.org("/members"), body()), "body")
			inputNames(ada.post(ada.org("/members"), body("user_id", grace.id, "email", grace.email)), "body")
			inputNames(ada.post(ada.org("/members"), body("email", "nobody")), "body.email")
		})
		// At the limit, and back again as it was sent.
		if got := ada.post("/organizations", body("name", "\u2003"+long(255)+"\n")).is(201).str("name"); got != long(255) {
			t.Errorf("the name came back as %q", got)
		}
		ada.patch(ada.org(""), body("name", long(255))).is(200)
		register("name", long(255)).is(201) // "NAME's Organization" is cut
		longest := strings.Repeat("é", 512) // 1,024 bytes
		a := register("password", longest).is(201)
		s.do("POST", "/api/v1/auth/token", "", body("username", a.str("email"), "password", longest)).is(200)
		s.do("POST", "/api/v1/auth/token", "", body("username", a.str("email"), "password", longest[:1022]+"e")).is(401)
	})
}

// TestInputTextIsKeptAsGiven checks that accepted text comes back unchanged from both
// databases, in NFC, and that invisible characters are refused without any change.
func TestInputTextIsKeptAsGiven(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.person("Grace")
		grace.joins(ada, false)
		for _, text := range []string{
			"é", "😀", "<script>&amp;</script>", `\u0000`, `%00`, `"'\`, "İıŞşÇç", "ﬃ", "\ufffd", "𐀀", "'; DROP TABLE users; --", "$1 ? :x @y {{.}} ${x}",
			"نص", "می\u200cخواهم", "हिन्दी", "क्\u200dष", "👩\u200d👩\u200d👧", "❤\ufe0f", "日本語",
		} {
			got := ada.patch("/users/"+ada.id+"/profile", body("name", "<"+text+">", "bio", text+"\r\n\n"+text)).is(200)
			if got.str("name") != "<"+text+">" || got.str("bio") != text+"\r\n\n"+text {
				t.Errorf("%q came back as %q and %q", text, got.str("name"), got.str("bio"))
			}
			again := ada.get("/users/" + ada.id).is(200)
			if again.str("name") != "<"+text+">" || again.str("bio") != text+"\r\n\n"+text {
				t.Errorf("%q is kept as %q and %q", text, again.str("name"), again.str("bio"))
			}
			if got := ada.patch(ada.org(""), body("name", "<"+text+">")).is(200).str("name"); got != "<"+text+">" {
				t.Errorf("%q came back as %q", text, got)
			}
		}
		if got := ada.patch(ada.org(""), body("name", "e\u0301")).is(200).str("name"); got != "é" {
			t.Errorf("not in NFC: %q", got)
		}
		for _, hidden := range []string{
			"\u200b", "\u2800", "\u3164", "a\u200bb", "\ufeffx", "\u202ex", "a\u2028b\u2029c", "x\x01\x1f\x7f", "x\u0085y", "\U0010ffff", "\ufffe\uffff", "\ue000", "\u0378",
			"x\U000e0041", "x\u00ad", "x\u200d", "a\tb",
		} {
			named := func(a answer) { t.Helper(); inputNames(a, "body.name") }
			named(ada.patch("/users/"+ada.id+"/profile", body("name", hidden)))
			named(ada.patch(ada.org(""), body("name", hidden)))
			named(ada.post("/organizations", body("name", hidden)))
			named(s.do("POST", "/api/v1/auth/register", "", body("email", "new@example.com", "password", password, "name", hidden)))
			inputNames(s.do("POST", "/api/v1/auth/register", "", body("email", "new@example.com", "password", password, "name", "N", "organization_name", hidden)), "body.organization_name")
			inputNames(ada.post("/users/"+grace.id+"/suspend", body("reason", hidden)), "body.reason")
			inputNames(ada.post(ada.org("/suspend"), body("reason", hidden)), "body.reason")
			inputNames(ada.post(ada.org("/archive"), body("reason", hidden)), "body.reason")
			inputNames(ada.post("/users/"+ada.id+"/archive", body("reason", hidden)), "body.reason")
			if hidden != "\u2800" { // a biography may contain it
				inputNames(ada.patch("/users/"+ada.id+"/profile", body("bio", hidden)), "body.bio")
			}
		}
		inputNames(ada.patch(ada.org(""), body("name", "a\nb")), "body.name")
		ada.post("/users/"+grace.id+"/suspend", body("reason", "a\nb")).is(200)
		if name := ada.get(ada.org("")).str("name"); name != "é" {
			t.Errorf("a refused name changed it to %q", name)
		}
		// A pair of surrogates is one character.
		if got := ada.patch("/users/"+ada.id+"/profile", `{"name":"\ud83d\ude00"}`).is(200).str("name"); got != "😀" {
			t.Errorf("%q", got)
		}
		for _, half := range []string{`\ud83d`, `\ude00`, `\ude00\ud83d`, `\ud83dx`, `\ud83d\u0041`} {
			inputNames(ada.patch("/users/"+ada.id+"/profile", `{"name":"`+half+`"}`), "body.name")
		}
		for _, malformed := range []string{`"\u00"`, `"\x00"`, "\"a\nb\"", "\"a\x00b\"", `"\ud83d\u"`, `'x'`, `"x`} {
			ada.patch("/users/"+ada.id+"/profile", `{"name":`+malformed+`}`).is(400, "malformed_body")
		}
	})
}

// TestInputOnePath requests other spellings of paths. None may reach a route.
func TestInputOnePath(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		for _, path := range []string{
			"/api/v1//users", "/api/v1/./users", "/api/v1/users/../users", "/API/v1/users", "/api/v1/Users", "/api/v1/users%2f", "/api/v1%2fusers", "/api/v1/%75sers/x/y", "/api/v1/users;x=1",
			"/api/v1/organizations/" + ada.organization + "//members", "/api/v1/organizations/" + ada.organization + "/members/x/y", "/api/v2/users", "/api/v1", "//", "/api/v1/users/%00/x",
		} {
			for _, token := range []string{"", ada.access} {
				a := s.do("GET", path, token, nil)
				if a.status != 404 && a.status != 401 && a.status != 422 {
					t.Errorf("%s: %d %s", path, a.status, a.body)
				}
			}
		}
		for _, method := range []string{"PUT", "TRACE", "CONNECT", "get", "PROPFIND", "\x7f"} {
			r := httptest.NewRequest("GET", "/api/v1/auth/me", nil)
			r.Method = method
			r.Header.Set("Authorization", "Bearer "+ada.access)
			w := httptest.NewRecorder()
			s.app.API().ServeHTTP(w, r)
			if w.Code != 405 || w.Header().Get("Allow") == "" {
				t.Errorf("%q: %d %v", method, w.Code, w.Header())
			}
		}
	})
}

// TestInputCredentials sends invalid Authorization headers: each is answered with 401 and
// a challenge that RFC 6750 §3 allows, and the answer never repeats the header.
func TestInputCredentials(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		for header, code := range map[string]string{
			"":                                    "authentication_required",
			"Bearer":                              "authentication_required",
			"Bearer ":                             "authentication_required",
			"Basic " + ada.access:                 "authentication_required",
			ada.access:                            "authentication_required",
			"Bearer\t" + ada.access:               "authentication_required",
			"Bearer " + ada.refresh:               "invalid_token",
			"Bearer " + ada.access + "x":          "invalid_token",
			"Bearer " + ada.access + "," + "x":    "invalid_token",
			"Bearer " + ada.access + " x":         "invalid_token",
			"Bearer \"" + ada.access + "\"":       "invalid_token",
			"Bearer ..":                           "invalid_token",
			"Bearer " + strings.Repeat(".", 8000): "invalid_token",
			"Bearer \x00\xff":                     "invalid_token",
			"Bearer e30.e30.":                     "invalid_token",
		} {
			a := s.do("GET", "/api/v1/auth/me", "", nil, "Authorization", header).is(401, code)
			challenge := a.header.Get("WWW-Authenticate")
			if strings.Contains(challenge, "error=") != (code == "invalid_token") || strings.ContainsAny(challenge, "\\\r\n") || strings.Count(challenge, `"`)%2 != 0 {
				t.Errorf("%.40q: %s", header, challenge)
			}
			if len(header) > 40 && bytes.Contains(a.body, []byte(header[20:40])) {
				t.Errorf("%.40q comes back: %s", header, a.body)
			}
		}
		for _, scheme := range []string{"bearer ", "BEARER ", "Bearer   "} {
			s.do("GET", "/api/v1/auth/me", "", nil, "Authorization", scheme+ada.access).is(200)
		}
		s.do("GET", "/api/v1/auth/me?access_token="+ada.access, "", nil).is(401, "authentication_required")
		s.do("POST", "/api/v1/auth/logout", "", "access_token="+ada.access, "Content-Type", "application/x-www-form-urlencoded").is(401, "authentication_required")
		s.do("GET", "/api/v1/auth/me", "", nil, "Cookie", "access_token="+ada.access).is(401, "authentication_required")
		twice := httptest.NewRequest("GET", "/api/v1/auth/me", nil)
		twice.Header["Authorization"] = []string{"Bearer " + ada.access, "Bearer " + ada.access}
		w := httptest.NewRecorder()
		s.app.API().ServeHTTP(w, twice)
		if w.Code != 401 {
			t.Errorf("two credentials: %d", w.Code)
		}
	})
}

// FuzzInputRaw sends arbitrary methods, paths, headers and bodies as a platform
// administrator, without following the document.
func FuzzInputRaw(f *testing.F) {
	w := newFuzzWorld(f)
	operator := w.people[len(w.people)-1]
	ada := w.people[1]
	f.Add("GET", "/api/v1/users", "limit=1", "application/json", "", "")
	f.Add("POST", "/api/v1/organizations", "", "application/json", `{"name":"x"}`, ada.organization)
	f.Add("PATCH", "/api/v1/users/"+operator.id+"/profile", "", "application/json; charset=utf-8", `{"bio":null}`, "")
	f.Add("POST", "/api/v1/users/"+ada.id+"/suspend", "", "application/json", `{"reason":"x","scope":"account","suspended_until":"2099-01-01T00:00:00Z"}`, "")
	f.Add("POST", "/api/v1/auth/refresh", "", "application/json", `{"refresh_token":"a.b.c"}`, "x")
	f.Add("POST", "/api/v1/auth/refresh", "", form, "grant_type=refresh_token&refresh_token=a.b.c&scope=", "x")
	f.Add("DELETE", "/api/v1/organizations/"+ada.organization+"/members/x%00", "%zz", "\x00", "{", "\xff")
	f.Fuzz(func(t *testing.T, method, path, query, contentType, text, organization string) {
		if strings.HasSuffix(strings.TrimSuffix(path, "/"), "/register") || strings.HasSuffix(strings.TrimSuffix(path, "/"), "/token") || strings.HasSuffix(strings.TrimSuffix(path, "/"), "/password") {
			t.Skip() // a hash for each would make this slow
		}
		u, err := url.ParseRequestURI(path)
		if err != nil || !strings.HasPrefix(path, "/") {
			t.Skip() // net/http does not let it through
		}
		u.RawQuery = query
		w.s.t = t
		_ = w.s.kernel.DB.InTx(t.Context(), func(ctx context.Context) error {
			r := httptest.NewRequest(http.MethodGet, "/", strings.NewReader(text)).WithContext(ctx)
			r.Method, r.URL, r.RemoteAddr = method, u, w.s.address
			r.Header.Set("Content-Type", contentType)
			r.Header.Set("Authorization", "Bearer "+operator.access)
			if organization != "" {
				r.Header.Set("X-Organization-ID", organization)
			}
			recorder := httptest.NewRecorder()
			w.s.app.API().ServeHTTP(recorder, r)
			a := answer{t: t, request: fmt.Sprintf("%q %q?%q %q %q", method, path, query, contentType, text), oauth: byOAuthClient(r), status: recorder.Code, header: recorder.Header(), body: recorder.Body.Bytes()}
			if a.status != 204 && method == http.MethodOptions {
				return errRollBack
			}
			a.checkContract()
			if media, _, err := mime.ParseMediaType(a.header.Get("Content-Type")); a.status != 204 && (err != nil || media == "") {
				t.Errorf("%s: %d of the type %q", a.request, a.status, a.header.Get("Content-Type"))
			}
			return errRollBack
		})
	})
}
