package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"
)

// position is a place in a request for an id, and what the id names.
type position struct{ in, name, kind string }

// kinds maps every uuid in the document to what it names. A missing one fails the crawl,
// so that no new route is left out.
var kinds = map[string]string{
	"organization_id": "organization", "X-Organization-ID": "organization",
	"user_id": "user", "new_owner_user_id": "user", "actor_user_id": "user",
	"session_id": "session", "invitation_id": "invitation", "link_id": "link", "key_id": "key", "factor_id": "factor", "identity_id": "identity", "api_id": "api",
}

// meant lists where another tenant's id may have an effect: any account can be added to
// an organization, so adding reveals whether it exists.
var meant = map[string]bool{"addMember body user_id": true}

func (s *service) positions(r inputRoute) (all []position) {
	s.t.Helper()
	note := func(in, name string, schema *openapi3.SchemaRef) {
		if schema.Value.Format != "uuid" && (len(schema.Value.AnyOf) == 0 || schema.Value.AnyOf[0].Value.Format != "uuid") {
			return
		}
		kind, known := kinds[name]
		if !known {
			s.t.Errorf("%s %s: the crawler does not know what the %s %s names", r.Method, r.Path, in, name)
		}
		if !meant[r.operation.OperationID+" "+in+" "+name] {
			all = append(all, position{in, name, kind})
		}
	}
	for _, p := range r.operation.Parameters {
		note(p.Value.In, p.Value.Name, p.Value.Schema)
	}
	if b := r.operation.RequestBody; b != nil {
		for name, schema := range b.Value.Content["application/json"].Schema.Value.Properties {
			note("body", name, schema)
		}
	}
	slices.SortFunc(all, func(a, b position) int { return strings.Compare(a.in+a.name, b.in+b.name) })
	return all
}

// tenant is an organization with users of every role and standing.
type tenant struct {
	owner, admin, member, suspended, inactive *actor
}

func (s *service) tenant(name string) tenant {
	s.t.Helper()
	t := tenant{owner: s.person(name + "Owner")}
	t.admin = s.person(name+"Admin").joins(t.owner, true)
	t.member = s.person(name+"Member").joins(t.owner, false)
	t.suspended = s.person(name+"Suspended").joins(t.owner, false)
	t.inactive = s.person(name+"Inactive").joins(t.owner, false)
	for _, a := range []*actor{t.admin, t.member, t.suspended, t.inactive} {
		a.organization = t.owner.organization
	}
	t.owner.post("/users/"+t.suspended.id+"/suspend", because()).is(200)
	t.owner.post("/users/"+t.inactive.id+"/deactivate", nil).is(200)
	return t
}

// probe makes one request with the given ids in the given positions, and the caller's own
// in all others.
func (s *service) probe(r inputRoute, caller *actor, good map[string]any, given map[position]string) answer {
	s.t.Helper()
	path, headers, query := r.Path, []string{}, []string{}
	put := func(p position, id string) {
		switch p.in {
		case "path":
			path = strings.ReplaceAll(path, ":"+p.name, id)
		case "query":
			query = append(query, p.name+"="+id)
		case "header":
			headers = append(headers, p.name, id)
		}
	}
	var sent any
	if good != nil {
		changed := maps.Clone(good)
		for p, id := range given {
			if p.in == "body" {
				changed[p.name] = id
			}
		}
		sent = changed
	}
	for p, id := range given {
		put(p, id)
	}
	path = strings.NewReplacer(":organization_id", caller.organization, ":user_id", caller.id, ":session_id", caller.id, ":invitation_id", caller.id, ":link_id", caller.id, ":key_id", caller.id, ":factor_id", caller.id, ":identity_id", caller.id, ":api_id", caller.id).Replace(path)
	if len(query) > 0 {
		path += "?" + strings.Join(query, "&")
	}
	return s.do(r.Method, path, caller.access, sent, headers...)
}

// seen returns an answer without the parts that differ from request to request.
func (a answer) seen(ids ...string) string {
	var pairs []string
	for _, id := range append(ids, a.header.Get("X-Request-ID")) {
		pairs = append(pairs, id, "ID")
	}
	var headers []string
	for name, values := range a.header {
		if name != "X-Request-Id" && name != "Date" {
			headers = append(headers, fmt.Sprint(name, values))
		}
	}
	slices.Sort(headers)
	return strings.NewReplacer(pairs...).Replace(fmt.Sprint(a.status, " ", headers, " ", string(a.body)))
}

// TestTrustIsolation calls every operation of the document as a stranger in every role
// and standing, with another tenant's id in each position. The answer must be the same as
// for an id that does not exist.
func TestTrustIsolation(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		a, b := s.tenant("A"), s.tenant("B")
		oz := s.operator("Oz")
		own := s.person("Alone") // their organization is suspended
		own.post(own.org("/suspend"), because()).is(200)
		nobody := s.person("Nobody") // their organization is archived
		nobody.post(nobody.org("/archive"), because()).is(200)
		anyone := &actor{s: s, id: uuid.NewString(), organization: uuid.NewString()}
		strangers := map[string]*actor{
			"owner": a.owner, "admin": a.admin, "member": a.member, "suspended": a.suspended, "inactive": a.inactive,
			"owner of a suspended organization": own, "in no organization": nobody, "not signed in": anyone,
		}
		suspended, archived := s.person("BSuspendedOrg"), s.person("BArchivedOrg")
		suspended.post(suspended.org("/suspend"), because()).is(200)
		archived.post(archived.org("/archive"), because()).is(200)
		gone := s.person("BGone")
		oz.post("/users/"+gone.id+"/archive", because()).is(200)
		victims := map[string][]string{
			"organization": {b.owner.organization, suspended.organization, archived.organization},
			"user":         {b.owner.id, b.admin.id, b.member.id, b.suspended.id, b.inactive.id, suspended.id, gone.id, oz.id},
			"identity":     {b.owner.links(newcomer()).is(201).str("id")},
			"factor":       {b.factor()},
			"session":      {b.owner.get("/auth/sessions").list()[0]["id"].(string)},
			"invitation":   {b.owner.post(b.owner.org("/invitations"), body("email", "BInvited@example.com", "deliver", false)).is(201).str("id")},
			"api":          {oz.registersAPI("b").str("id")},
			"key":          {b.owner.makesKey().str("id")},
			"link":         {b.owner.post(b.owner.org("/invitation-links"), body()).is(201).str("id")},
		}
		var secrets []string // texts that no stranger may read
		for _, x := range []*actor{b.owner, b.admin, b.member, b.suspended, b.inactive, suspended, archived, gone, oz} {
			secrets = append(secrets, x.email, x.id)
		}
		secrets = append(append(secrets, victims["organization"]...), "BOwner", "BAdmin", "BMember", "BSuspended", "BInactive", "BArchivedOrg", "BGone", "BInvited")
		before := s.rowsContaining(secrets)

		tried, wrong, operations := 0, 0, 0
		complain := func(format string, args ...any) {
			if wrong++; wrong <= 20 {
				t.Errorf(format, args...)
			}
		}
		// compare makes the same request with a victim's ids and with unassigned ones.
		compare := func(who string, caller *actor, r inputRoute, good map[string]any, given map[position]string) {
			twin := map[position]string{}
			var theirs, nobodys []string
			for p, id := range given {
				twin[p] = uuid.NewString()
				theirs, nobodys = append(theirs, id), append(nobodys, twin[p])
			}
			foreign, unknown := s.probe(r, caller, good, given), s.probe(r, caller, good, twin)
			tried++
			if f, u := foreign.seen(theirs...), unknown.seen(nobodys...); f != u {
				complain("%s, %s %s %v:\n%s\n%s", who, r.Method, r.Path, given, f, u)
			}
			for _, secret := range secrets {
				if !slices.Contains(theirs, secret) && strings.Contains(string(foreign.body), secret) {
					complain("%s, %s %s %v: %q is in %s", who, r.Method, r.Path, given, secret, foreign.body)
				}
			}
		}
		for _, r := range s.inputRoutes() {
			operations++
			positions := s.positions(r)
			for _, who := range slices.Sorted(maps.Keys(strangers)) {
				caller := strangers[who]
				good := goodBodies(caller, caller)[r.Method+" "+r.relative]
				if r.operation.OperationID == "register" {
					good = nil // the refusal of a taken email is meant
				}
				all := map[position]string{}
				for _, p := range positions {
					for _, id := range victims[p.kind] {
						compare(who, caller, r, good, map[position]string{p: id})
					}
					all[p] = victims[p.kind][0]
				}
				if len(all) > 1 {
					compare(who, caller, r, good, all)
				}
			}
		}
		// An email address at log-in.
		for _, email := range []string{b.owner.email, b.suspended.email, gone.email, suspended.email} {
			tried++
			known, unknown := s.logIn(email, "a wrong guess"), s.logIn(uuid.NewString()+"@example.com", "a wrong guess")
			if known.seen() != unknown.seen() {
				complain("log in as %s:\n%s\n%s", email, known.seen(), unknown.seen())
			}
		}
		if after := s.rowsContaining(secrets); !slices.Equal(before, after) {
			complain("what concerns the other tenant has changed:\n%s\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
		}
		recordResult(t, "isolation crawler: pairs of requests", string(s.kernel.DB.Driver()), tried, wrong, 0,
			"%d operations, %d strangers; foreign against unknown: status, headers, body; then every row of the other tenant", operations, len(strangers))
	}, withProvider(t, "oidc"))
}

// rowsContaining returns all rows that contain one of the texts. It omits failed log-ins,
// which the victim may see.
func (s *service) rowsContaining(texts []string) (rows []string) {
	s.t.Helper()
	for table, all := range s.inputContents("audit_events", "idempotency_keys", "rate_limits") {
		for _, row := range all {
			if slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(row, text) }) && !strings.Contains(row, "log_in.failed") {
				rows = append(rows, table+" "+row)
			}
		}
	}
	slices.Sort(rows)
	return rows
}

// factor sets up an authenticator app of the owner and returns its id.
func (t tenant) factor() string {
	app, _ := t.owner.enrols()
	return app.id
}
