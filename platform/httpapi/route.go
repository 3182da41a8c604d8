package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/fault"
	"guildhall/platform/request"
)

// Doc describes a route in the OpenAPI document, besides its types and its rule.
type Doc struct {
	ID          string         // operation id, camelCase
	Summary     string         // a few words
	Description string         // optional, Markdown
	Refusals    []*fault.Error // those of the module; the kernel adds its own
	Form        bool           // the body may be a form instead of JSON; then errors are those of OAuth
	OAuth       bool           // an endpoint for programs that OAuth describes: errors are always those of OAuth, and ClientFrom has the client's credentials
	ForProxy    bool           // a proxy asks: every refusal is 401 or 403
	CSV         bool           // the body may be text/csv instead of JSON: its rows are the items of the input's list of objects
	Large       bool           // the body may have 512 KiB
	MayLag      bool           // a standby may answer: the response does not show the caller's own standing
	Versioned   bool           // answers have an ETag; the handler of a change calls CheckVersion
}

// errors returns the forms that the route's errors may have.
func (d Doc) errors() errorForms { return errorForms{problem: !d.OAuth, oauth: d.Form || d.OAuth} }

// errorForms are a problem (RFC 9457) and an error of OAuth (RFC 6749 §5.2).
type errorForms struct{ problem, oauth bool }

// status returns the status of an error of the route.
func (d Doc) status(f *fault.Error) int {
	switch {
	case d.ForProxy:
		return statusOf[forProxy(f).Kind]
	case d.OAuth:
		return oauthStatus(f)
	default:
		return statusOf[f.Kind]
	}
}

// Refusals returns the list of errors that a route may answer, for its Doc.
func Refusals(list ...*fault.Error) []*fault.Error { return list }

// requestTimeout is how long a request may take. It ends one that waits for a database that
// does not respond.
const requestTimeout = 20 * time.Second

// handler is a module's function: it takes the decoded input and returns a view or an
// error.
type handler[I, O any] func(ctx context.Context, in I) (O, error)

// Get registers a GET route of a module. It panics for a route without a rule.
func Get[I, O any](r *Router, path string, rule access.Rule, h func(context.Context, I) (O, error), doc Doc) {
	handle(r, http.MethodGet, path, rule, h, doc)
}

// Post registers a POST route, like Get.
func Post[I, O any](r *Router, path string, rule access.Rule, h func(context.Context, I) (O, error), doc Doc) {
	handle(r, http.MethodPost, path, rule, h, doc)
}

// Put registers a PUT route, like Get.
func Put[I, O any](r *Router, path string, rule access.Rule, h func(context.Context, I) (O, error), doc Doc) {
	handle(r, http.MethodPut, path, rule, h, doc)
}

// Patch registers a PATCH route, like Get.
func Patch[I, O any](r *Router, path string, rule access.Rule, h func(context.Context, I) (O, error), doc Doc) {
	handle(r, http.MethodPatch, path, rule, h, doc)
}

// Delete registers a DELETE route, like Get.
func Delete[I, O any](r *Router, path string, rule access.Rule, h func(context.Context, I) (O, error), doc Doc) {
	handle(r, http.MethodDelete, path, rule, h, doc)
}

// handle registers a route. It orders the steps of a request by what their errors may
// reveal: it authenticates the caller, identifies the organization or person, authorizes
// the caller, and only then validates the rest of the request.
func handle[I, O any](r *Router, method, path string, rule access.Rule, h handler[I, O], doc Doc) {
	if !rule.Declared() {
		panic(fmt.Sprintf("httpapi: %s %s has no rule", method, path))
	}
	if doc.MayLag && (method != http.MethodGet || rule.IsPublic()) {
		panic(fmt.Sprintf("httpapi: %s %s can't lag", method, path))
	}
	a, in := r.api, planInput(reflect.TypeFor[I](), method, accepted{form: doc.Form || doc.OAuth, csv: doc.CSV, large: doc.Large})
	if doc.MayLag {
		h = mayLag(a.gate, h)
	}
	names := paramNames(path)
	a.routes = append(a.routes, Route{Method: method, Path: r.base + path, Rule: rule})
	a.operations = append(a.operations, operation{
		method: method, path: r.base + path, rule: rule, doc: doc, tag: r.tag, in: in,
		input: new(I), output: *new(O),
	})
	gate := a.measure.Gate(rule.String())
	a.engine.Handle(method, r.base+path, func(c *gin.Context) {
		if doc.OAuth || doc.Form && isForm(c.Request.Header) {
			c.Set(oauthKey, true)
		}
		if doc.OAuth || doc.ForProxy {
			c.Set(docKey, &doc)
		}
		ctx, cancel := context.WithTimeout(c.Request.Context(), requestTimeout)
		defer cancel()
		if err := checkDeclared(ctx, doc.ID); err != nil {
			a.refuse(c, err)
			return
		}
		if !rule.IsPublic() || rule.Recognizes() && identifies(c.Request) {
			looking := gate.Begin(ctx)
			caller, err := a.admit(looking, c, rule, names)
			gate.End(looking, codeOf(err))
			ctx = access.With(ctx, caller)
			if err != nil {
				a.recordForbidden(ctx, rule, doc.ID, err)
				a.refuse(c, err)
				return
			}
		}
		if rule.IsPublic() && !rule.TakesKeys() && a.gate.IsKey(bearer(c.Request.Header)) {
			a.refuse(c, access.ErrKeyNotAllowed)
			return
		}
		if method != http.MethodGet {
			if !doc.Versioned && len(c.Request.Header.Values("If-Match")) > 0 {
				a.refuse(c, errNoVersions)
				return
			}
			ctx = withPrecondition(ctx, c.Request.Header)
		}
		if doc.OAuth || doc.ForProxy {
			ctx = withClient(ctx, c.Request.Header)
		}
		if err := serve(ctx, a, c, &in, h, doc.Versioned); err != nil {
			a.recordForbidden(ctx, rule, doc.ID, err)
			a.refuse(c, err)
		}
	})
}

// serve decodes the request, calls the handler and writes the response, or returns an
// error.
func serve[I, O any](ctx context.Context, a *API, c *gin.Context, in *input, h handler[I, O], versioned bool) error {
	var input I
	body, err := in.read(c)
	if err != nil {
		return err
	}
	if err := in.decode(c, body, reflect.ValueOf(&input).Elem()); err != nil {
		return err
	}
	carryOut := func(ctx context.Context) error {
		output, err := h(ctx, input)
		if err != nil {
			return err
		}
		if !wasChecked(ctx) {
			panic("httpapi: " + c.FullPath() + " did not check If-Match")
		}
		return respond(c, output, versioned)
	}
	if _, creates := any(*new(O)).(creation); creates {
		return a.serveIdempotent(ctx, c, body.bytes, carryOut)
	}
	return carryOut(ctx)
}

// withInfo returns the request's context with the request.Info for modules.
func (a *API) withInfo(c *gin.Context) context.Context {
	return request.With(c.Request.Context(), request.Info{
		ID: requestID(c), Address: c.ClientIP(), Client: c.Request.UserAgent(), Locale: localeOf(c.Request.Header), Began: a.now(),
	}, c.Writer.Header())
}

// recordForbidden writes a 403 to the audit log. The number of events per person is
// limited, so that refusals can't fill the disk.
func (a *API) recordForbidden(ctx context.Context, rule access.Rule, operation string, err error) {
	f, caller := classify(err), access.From(ctx)
	if f.Kind != fault.Forbidden || caller.UserID == uuid.Nil || a.refusals.Allow(context.Background(), caller.UserID.String()) != nil {
		return
	}
	event := audit.Event{
		Action: audit.OperationForbidden, UserID: caller.UserID,
		Details: map[string]string{"operation": operation, "code": f.Code},
	}
	if rule.ActsInOrganization() {
		event.OrganizationID = caller.OrganizationID
	}
	if err := a.trail.Record(ctx, event); err != nil {
		a.log.LogAttrs(ctx, slog.LevelError, "failed to write a forbidden operation to the audit log", slog.Any("cause", err))
	}
}

// admit authenticates and authorizes the caller.
func (a *API) admit(ctx context.Context, c *gin.Context, rule access.Rule, names []string) (access.Caller, error) {
	claims, known := claimsOf(ctx)
	if !known {
		var err error
		if claims, err = a.gate.Authenticate(ctx, bearer(c.Request.Header)); err != nil {
			return access.Caller{}, err
		}
	}
	request, err := gateRequest(c, names)
	if err != nil {
		// A caller without a live session must not see what is wrong with an id.
		if _, refused := a.gate.Admit(ctx, access.SignedIn().ByKey(), claims, access.Request{}); refused != nil {
			return access.Caller{}, refused
		}
		return access.Caller{}, err
	}
	request.Reads = c.Request.Method == http.MethodGet
	caller, err := a.gate.Admit(ctx, rule, claims, request)
	if err != nil {
		return caller, err
	}
	c.Set(callerKey, caller)
	return caller, nil
}

// gateRequest parses the ids that rules need. Its error lists all invalid ones.
func gateRequest(c *gin.Context, names []string) (access.Request, error) {
	var request access.Request
	var bad []fault.Field
	parse := func(location, text string) uuid.UUID {
		id, err := parseID(text)
		if err != nil {
			bad = append(bad, fault.Field{Location: location, Problem: fault.NotAUUID})
		}
		return id
	}
	if values := c.Request.Header["X-Organization-Id"]; len(values) == 1 {
		request.Organization = uuid.NullUUID{UUID: parse("header.X-Organization-ID", values[0]), Valid: true}
	} else if len(values) > 1 {
		bad = append(bad, fault.Field{Location: "header.X-Organization-ID", Problem: fault.Repeated})
	}
	for _, name := range names {
		id := parse("path."+name, c.Param(name))
		switch name {
		case access.OrganizationParam:
			request.Organization, request.OrganizationInPath = uuid.NullUUID{UUID: id, Valid: true}, true
		case access.UserParam:
			request.User = id
		}
	}
	if len(bad) > 0 {
		return request, errInvalid.WithFields(bad...)
	}
	return request, nil
}

// bearer returns the token of the Authorization header (RFC 6750 §2.1), the only supported
// way to send it.
func bearer(h http.Header) string {
	values := h.Values("Authorization")
	if len(values) != 1 {
		return ""
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

func paramNames(path string) []string {
	var names []string
	for segment := range strings.SplitSeq(path, "/") {
		if name, ok := strings.CutPrefix(segment, ":"); ok {
			names = append(names, name)
		}
	}
	return names
}
