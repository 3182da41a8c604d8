package main

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"guildhall/platform/config"
	"guildhall/platform/httpapi"
)

// The columns of the matrix: the caller's role, and the standing of the caller and of the
// organization.
var (
	matrixWho      = []string{"nobody", "outsider", "member", "admin", "owner", "operator", "admin's key"}
	matrixStanding = []string{"good", "suspended there", "account suspended", "organization suspended", "organization archived"}
)

// bodies are well-formed for each route, so that the answer depends only on the caller.
// TARGET is a plain member who is no caller in the matrix.
var matrixBodies = map[string]string{
	"POST /auth/register":              `{"email":"x","password":"x","name":"x"}`,
	"POST /auth/token":                 `{"username":"nobody@example.com","password":"wrong password"}`,
	"POST /auth/refresh":               `{"refresh_token":"x"}`,
	"POST /auth/switch-organization":   `{"organization_id":"ORG"}`,
	"POST /users":                      `{"email":"new@example.com","name":"New"}`,
	"PATCH /users/:user_id/password":   `{"old_password":"not the old one","new_password":"five boxing wizards"}`,
	"PATCH /users/:user_id/profile":    `{}`,
	"POST /users/:user_id/suspend":     `{"reason":"matrix"}`,
	"PATCH /users/:user_id/suspension": `{"reason":"matrix"}`,
	"POST /users/:user_id/archive":     `{"reason":"matrix"}`,
	"POST /organizations/:organization_id/members/:user_id/suspend":     `{"reason":"matrix"}`,
	"PATCH /organizations/:organization_id/members/:user_id/suspension": `{"reason":"matrix"}`,
	"PATCH /organizations/:organization_id/suspension":                  `{"reason":"changed"}`,
	"POST /organizations":                                     `{"name":"matrix"}`,
	"PATCH /organizations/:organization_id":                   `{"name":"matrix"}`,
	"POST /organizations/:organization_id/suspend":            `{"reason":"matrix"}`,
	"POST /organizations/:organization_id/archive":            `{"reason":"matrix"}`,
	"POST /organizations/:organization_id/members":            `{"user_id":"NEWCOMER"}`,
	"POST /organizations/:organization_id/members/batch":      `{"user_ids":["NEWCOMER"]}`,
	"POST /organizations/:organization_id/admins":             `{"user_id":"TARGET"}`,
	"POST /organizations/:organization_id/invitations":        `{"email":"new@example.com","deliver":false}`,
	"POST /organizations/:organization_id/invitations/batch":  `{"invitations":[{"email":"new@example.com"}]}`,
	"POST /organizations/:organization_id/service-accounts":   `{"name":"matrix"}`,
	"POST /organizations/:organization_id/api-keys":           `{"name":"matrix"}`,
	"PUT /organizations/:organization_id/security":            `{"mfa":"admins"}`,
	"POST /auth/factors/totp":                                 `{}`,
	"POST /auth/providers/apple/callback":                     `{"state":"x","code":"x"}`,
	"POST /auth/identities":                                   `{"challenge_token":"x","authorization_code":"x","state":"x"}`,
	"POST /auth/factors/passkeys":                             `{"challenge_token":"x","credential":{}}`,
	"POST /invitations/preview":                               `{"token":"x"}`,
	"POST /invitations/accept":                                `{"token":"x"}`,
	"POST /invitations/decline":                               `{"token":"x"}`,
	"POST /organizations/:organization_id/transfer-ownership": `{"new_owner_user_id":"TARGET"}`,
}

// TestMatrix calls every route as every role in every standing, on both databases, and
// compares the answers with a golden file that a person can review. Each request runs in
// its own transaction that is rolled back, so that no cell depends on another.
func TestMatrix(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		w := newMatrixWorld(s)
		var out strings.Builder
		for _, standing := range matrixStanding {
			fmt.Fprintf(&out, "%s\n%-66s", strings.ToUpper(standing), "")
			for _, who := range matrixWho {
				fmt.Fprintf(&out, " %-30s", who)
			}
			out.WriteString("\n")
			for _, r := range s.app.API().Routes() {
				path := strings.TrimPrefix(r.Path, httpapi.BasePath)
				abouts := []string{"TARGET"}
				if strings.Contains(path, ":user_id") {
					abouts = append(abouts, "SELF")
				}
				for _, about := range abouts {
					fmt.Fprintf(&out, "%-6s %-59s", r.Method, strings.ReplaceAll(path, ":user_id", about))
					for _, who := range matrixWho {
						fmt.Fprintf(&out, " %-30s", w.ask(r.Method, path, about, who, standing))
					}
					out.WriteString("\n")
				}
			}
			out.WriteString("\n")
		}
		golden(t, "matrix.txt", trimLines(out.String()))
	}, longTokens, func(c *config.Config) { c.StepUpMaxAge = time.Hour }) // a busy machine takes minutes
}

func trimLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// matrixWorld is an organization with one user in each role.
type matrixWorld struct {
	s                *service
	people           map[string]*actor
	target, newcomer *actor
	judge            *actor // the operator who sets the standing
}

func newMatrixWorld(s *service) *matrixWorld {
	owner := s.person("Owner")
	outsider := s.person("Outsider")
	operator := s.operator("Operator")
	w := &matrixWorld{
		s: s, judge: s.operator("Judge"), newcomer: s.person("Newcomer"),
		target: s.person("Target").joins(owner, false),
		people: map[string]*actor{
			"nobody": {s: s}, "outsider": outsider, "owner": owner, "operator": operator,
			"member": s.person("Member").joins(owner, false),
			"admin":  s.person("Admin").joins(owner, true),
		},
	}
	holder := s.person("Holder").joins(owner, true).of(owner)
	w.people["admin's key"] = holder.byKey(holder.makesKey("scopes", both))
	return w
}

var errRollBack = errors.New("roll back")

// ask returns the status and, for a refusal, the code. It runs in one transaction that is
// rolled back.
func (w *matrixWorld) ask(method, path, about, who, standing string) string {
	asker := w.people[who]
	cell := "-"
	err := w.s.kernel.DB.InTx(everything, func(ctx context.Context) error {
		cell = "-" // the transaction may be tried again
		if !w.set(ctx, asker, who, standing) {
			return errRollBack
		}
		subject := w.target.id
		if about == "SELF" {
			if subject = asker.id; subject == "" {
				return errRollBack
			}
		}
		organization := w.people["owner"].organization
		names := strings.NewReplacer(":session_id", nowhere, ":invitation_id", nowhere, ":link_id", nowhere, ":key_id", nowhere, ":factor_id", nowhere, ":identity_id", nowhere, ":api_id", nowhere, "ORG", organization, "TARGET", w.target.id, "NEWCOMER", w.newcomer.id,
			":organization_id", organization, ":user_id", subject)
		cell = w.request(ctx, method, names.Replace(path), asker.access, names.Replace(matrixBodies[method+" "+path]), organization)
		return errRollBack
	})
	if !errors.Is(err, errRollBack) {
		w.s.t.Fatalf("%s %s as %s: %v", method, path, who, err)
	}
	return cell
}

// set sets a standing. It returns false if the standing is impossible.
func (w *matrixWorld) set(ctx context.Context, asker *actor, who, standing string) bool {
	owner := w.people["owner"]
	do := func(method, path, body string) bool {
		got := w.request(ctx, method, path, w.judge.access, body, owner.organization)
		if !strings.HasPrefix(got, "2") {
			w.s.t.Fatalf("set %q for %s: %s", standing, who, got)
		}
		return true
	}
	switch standing {
	case "suspended there":
		if who != "member" && who != "admin" && who != "admin's key" {
			return false // the owner can't be suspended, and the others are no members
		}
		return do("POST", "/users/"+asker.id+"/suspend", `{"reason":"matrix"}`)
	case "account suspended":
		return who != "nobody" && do("POST", "/users/"+asker.id+"/suspend", `{"reason":"matrix","scope":"account"}`)
	case "organization suspended":
		return do("POST", owner.org("/suspend"), `{"reason":"matrix"}`)
	case "organization archived":
		return do("POST", owner.org("/archive"), `{"reason":"matrix"}`)
	default:
		return true
	}
}

func (w *matrixWorld) request(ctx context.Context, method, path, token, body, organization string) string {
	r := httptest.NewRequest(method, endpoint(path), strings.NewReader(body)).WithContext(ctx)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if strings.HasPrefix(path, "/users") { // act within the organization of the matrix
		r.Header.Set("X-Organization-ID", organization)
	}
	recorder := httptest.NewRecorder()
	w.s.app.API().ServeHTTP(recorder, r)
	a := answer{t: w.s.t, request: method + " " + path, oauth: byOAuthClient(r), status: recorder.Code, header: recorder.Header(), body: recorder.Body.Bytes()}
	a.checkContract()
	checkDocumented(w.s.t, w.s.app, method, endpoint(path), a)
	return strings.TrimSpace(fmt.Sprint(a.status, " ", a.code()))
}
