package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"guildhall/platform"
	"guildhall/platform/migrate"
	"guildhall/platform/platformtest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var (
	routerOnce sync.Once
	documented *contract
	released   *contract // the document of the last release, without errors and descriptions
	routerErr  error
	errorCodes []any // that the document lists
	fieldCodes []any
)

// checkDocumented compares an answer with the document. Every answer in the test suite
// passes through it.
func checkDocumented(t testing.TB, app *platform.App, method, path string, a answer) {
	t.Helper()
	routerOnce.Do(func() {
		var raw []byte
		if raw, routerErr = os.ReadFile("testdata/openapi.released.json"); routerErr != nil {
			return
		}
		if released, routerErr = readContract(raw); routerErr != nil {
			return
		}
		if raw, routerErr = app.API().JSON(); routerErr != nil {
			return
		}
		if documented, routerErr = readContract(raw); routerErr == nil {
			errorCodes, _ = documented.Components.Schemas["ErrorCode"].Value.Extensions["x-extensible-enum"].([]any)
			fieldCodes, _ = documented.Components.Schemas["FieldErrorCode"].Value.Extensions["x-extensible-enum"].([]any)
		}
	})
	if routerErr != nil {
		t.Fatalf("read the OpenAPI document: %v", routerErr)
	}
	if !strings.HasPrefix(path, "/api/v1") {
		return
	}
	request := httptest.NewRequest(method, strings.TrimSuffix(path, "/"), nil)
	route, params, err := documented.FindRoute(request)
	if err != nil {
		return // an unknown path or method, which no document describes
	}
	if err := documented.check(request, route, params, a); err != nil {
		t.Errorf("%s %d is not as documented: %v", a.request, a.status, err)
	}
	if a.status >= 400 {
		if code := a.object()["code"]; !slices.Contains(errorCodes, code) {
			t.Errorf("%s: the document does not list the code %v", a.request, code)
		}
		a.checkFields(t, route.Operation)
		return
	}
	if before, params, err := released.FindRoute(request); err == nil && knows(before.Operation, request) && a.status != http.StatusAccepted && a.status != http.StatusNotModified {
		if err := released.check(request, before, params, a); err != nil {
			t.Errorf("%s %d is not what a client of the last release expects: %v", a.request, a.status, err)
		}
	}
	listed := route.Operation.Responses.Status(a.status).Value.Headers
	for _, name := range []string{"Location", "Link", "X-Total-Count", "RateLimit", "RateLimit-Policy"} {
		if a.header.Get(name) != "" && listed[name] == nil {
			t.Errorf("%s %d: the document does not list the header %s", a.request, a.status, name)
		}
	}
}

// contract is an OpenAPI document. It compiles each of its schemas once: the validator of
// openapi3filter does that for each answer, which took a fifth of the suite's time.
type contract struct {
	*openapi3.T
	routers.Router
	compiler *jsonschema.Compiler

	mu       sync.Mutex
	compiled map[string]*jsonschema.Schema
}

const contractURL = "https://guildhall.example/openapi.json"

func readContract(raw []byte) (*contract, error) {
	doc, err := openapi3.NewLoader().LoadFromData(raw)
	if err != nil {
		return nil, err
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		return nil, err
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	c := &contract{T: doc, Router: router, compiler: jsonschema.NewCompiler(), compiled: map[string]*jsonschema.Schema{}}
	c.compiler.DefaultDraft(jsonschema.Draft2020)
	c.compiler.AssertFormat()
	return c, c.compiler.AddResource(contractURL, parsed)
}

// schema returns the one at a JSON pointer.
func (c *contract) schema(pointer string) (*jsonschema.Schema, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.compiled[pointer]; s != nil {
		return s, nil
	}
	s, err := c.compiler.Compile(contractURL + "#" + pointer)
	c.compiled[pointer] = s
	return s, err
}

// check compares the status, the headers and the body of an answer with the document.
func (c *contract) check(request *http.Request, route *routers.Route, params map[string]string, a answer) error {
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: request, PathParams: params, Route: route},
		Status:                 a.status, Header: a.header,
		Options: &openapi3filter.Options{IncludeResponseStatus: true, ExcludeResponseBody: true},
	}
	if err := openapi3filter.ValidateResponse(context.Background(), input); err != nil {
		return err
	}
	content := route.Operation.Responses.Status(a.status).Value.Content
	if len(content) == 0 {
		if len(a.body) > 0 {
			return fmt.Errorf("a body: %s", a.body)
		}
		return nil
	}
	media, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	if content[media] == nil {
		return fmt.Errorf("a body of the type %q", media)
	}
	pointer := content[media].Schema.Ref
	if pointer == "" {
		escaped := strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D")
		pointer = fmt.Sprintf("#/paths/%s/%s/responses/%d/content/%s/schema", escaped.Replace(route.Path), strings.ToLower(route.Method), a.status, escaped.Replace(media))
	}
	s, err := c.schema(strings.TrimPrefix(pointer, "#"))
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(a.body))
	if err != nil {
		return err
	}
	return s.Validate(value)
}

// knows reports whether a client of an operation can send the request's query.
func knows(op *openapi3.Operation, r *http.Request) bool {
	for name := range r.URL.Query() {
		if op.Parameters.GetByInAndName("query", name) == nil {
			return false
		}
	}
	return true
}

// checkFields checks that the document lists the code of each invalid value, and that what
// is wrong is a sentence, which names a value of the document in words.
func (a answer) checkFields(t testing.TB, op *openapi3.Operation) {
	t.Helper()
	var p struct {
		Errors []struct{ Location, Code, Message string }
	}
	if err := json.Unmarshal(a.body, &p); err != nil {
		t.Errorf("%s: %v", a.request, err)
	}
	for _, e := range p.Errors {
		source, name, _ := strings.Cut(e.Location, ".")
		known := op.Parameters.GetByInAndName(source, name) != nil
		if source == "body" && op.RequestBody != nil {
			known = op.RequestBody.Value.Content.Get("application/json").Schema.Value.Properties[name] != nil
		}
		inWords := strings.HasPrefix(e.Message, "The ") || a.header.Get("Content-Language") == "de" && strings.HasPrefix(e.Message, "D")
		if !slices.Contains(fieldCodes, any(e.Code)) || !strings.HasSuffix(e.Message, ".") || known && !inWords && !strings.HasPrefix(e.Code, "unknown_") {
			t.Errorf("%s: %s: %s: %q", a.request, e.Location, e.Code, e.Message)
		}
	}
}

// TestWrongAnswersAreSeen checks that an answer that is not as documented fails a test.
func TestWrongAnswersAreSeen(t *testing.T) {
	t.Parallel()
	s := start(t, platformtest.SQLiteURL(t))
	right := s.person("Ada").get("/auth/me").is(200)
	request := httptest.NewRequest("GET", "/api/v1/auth/me", nil)
	route, params, err := documented.FindRoute(request)
	if err != nil {
		t.Fatal(err)
	}
	change := func(text, by string) answer {
		changed := right
		changed.body = bytes.Replace(right.body, []byte(text), []byte(by), 1)
		if bytes.Equal(changed.body, right.body) {
			t.Fatalf("no %s in %s", text, right.body)
		}
		return changed
	}
	asText := right
	asText.header = http.Header{"Content-Type": {"text/plain"}}
	for name, wrong := range map[string]answer{
		"a number":         change(`"name":"Ada"`, `"name":1`),
		"no id":            change(`"id":`, `"identity":`),
		"no UUID":          change(`"id":"`, `"id":"x`),
		"no time":          change(`"created_at":"2`, `"created_at":"x`),
		"no JSON":          change(`{`, `{{`),
		"another type":     asText,
		"another status":   {status: 418, header: right.header, body: right.body},
		"an error for 200": {status: 401, header: right.header, body: right.body},
	} {
		if documented.check(request, route, params, wrong) == nil {
			t.Errorf("%s is not seen", name)
		}
	}
	if err := documented.check(request, route, params, right); err != nil {
		t.Error(err)
	}
}

// document returns the OpenAPI document of the running service.
func (s *service) document() (*openapi3.T, []byte) {
	s.t.Helper()
	raw, err := s.app.API().JSON()
	if err != nil {
		s.t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(raw)
	if err != nil {
		s.t.Fatal(err)
	}
	return doc, raw
}

func TestOpenAPIDocumentIsValid(t *testing.T) {
	t.Parallel()
	s := start(t, platformtest.SQLiteURL(t))
	doc, raw := s.document()
	if err := doc.Validate(context.Background(), openapi3.EnableExamplesValidation()); err != nil {
		t.Errorf("the document is not valid: %v", err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Errorf("it is OpenAPI %s", doc.OpenAPI)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, raw, "", "  "); err != nil {
		t.Fatal(err)
	}
	golden(t, "openapi.json", indented.String()+"\n")
	s.do("GET", "/openapi.json", "", nil).is(200)
	s.do("GET", "/openapi.yaml", "", nil).is(200)
}

// TestTheDocumentSuitsGenerators checks what generators of clients make of it: one type for
// each enum, no enum with null, and no request with a member that the service would refuse.
func TestTheDocumentSuitsGenerators(t *testing.T) {
	t.Parallel()
	s := start(t, platformtest.SQLiteURL(t))
	_, raw := s.document()
	var root map[string]any
	if err := json.Unmarshal(raw, &root); err != nil {
		t.Fatal(err)
	}
	enums := map[string]string{} // where each is declared
	var visit func(at string, v any)
	visit = func(at string, v any) {
		switch v := v.(type) {
		case []any:
			for i, item := range v {
				visit(fmt.Sprint(at, "/", i), item)
			}
		case map[string]any:
			if values, ok := v["enum"].([]any); ok {
				text := fmt.Sprint(values)
				if first, twice := enums[text]; twice {
					t.Errorf("%s repeats the enum of %s", at, first)
				}
				enums[text] = at
				if slices.Contains(values, nil) {
					t.Errorf("%s has null in its enum", at)
				}
			}
			for name, member := range v {
				visit(at+"/"+name, member)
			}
		}
	}
	components := root["components"].(map[string]any)
	schemas := components["schemas"].(map[string]any)
	for name, schema := range schemas {
		if strings.HasSuffix(name, "Form") {
			delete(schemas, name) // the members of a Request
		} else if closed := schema.(map[string]any)["additionalProperties"]; strings.HasSuffix(name, "Request") && closed != false {
			t.Errorf("%s allows members that the service refuses", name)
		}
	}
	visit("#", root)
	header := components["parameters"].(map[string]any)["X-Organization-ID"].(map[string]any)
	if id := header["schema"].(map[string]any)["$ref"]; id != "#/components/schemas/UUID" { // ogen fails for a second type of the same name
		t.Errorf("X-Organization-ID is a %v", id)
	}
}

// TestRouteTable writes the access rules of all routes on one page, for a security
// review.
func TestRouteTable(t *testing.T) {
	t.Parallel()
	s := start(t, platformtest.SQLiteURL(t))
	var table strings.Builder
	for _, r := range s.app.API().Routes() {
		who := r.Rule.String()
		if keys := r.Rule.Keys(); keys != "" {
			who += ", " + keys
		}
		fmt.Fprintf(&table, "%-6s %-62s %s\n", r.Method, r.Path, who)
	}
	golden(t, "routes.txt", table.String())
}

func TestSchemaGoesUpDownAndUpAgain(t *testing.T) {
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, databaseURL string) {
		s := start(t, databaseURL)
		s.asOwner()
		ctx := context.Background()
		first, err := s.kernel.DB.DumpSchema(ctx)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "schema."+string(s.kernel.DB.Driver())+".sql", first)
		all := s.app.Migrations()
		if _, err := migrate.Down(ctx, s.kernel.DB, all, len(all)); err != nil {
			t.Fatal(err)
		}
		if empty, err := s.kernel.DB.DumpSchema(ctx); err != nil || strings.TrimSpace(empty) != "" {
			t.Fatalf("after rolling all back there is still (%v):\n%s", err, empty)
		}
		if _, err := migrate.Up(ctx, s.kernel.DB, all); err != nil {
			t.Fatal(err)
		}
		if again, err := s.kernel.DB.DumpSchema(ctx); err != nil || again != first {
			t.Errorf("up again gives another schema (%v):\n%s", err, again)
		}
	})
}

// golden compares a text with a file in testdata, or rewrites the file with -update.
func golden(t testing.TB, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: run the tests with -update and review the file", err)
	}
	if got != string(want) {
		t.Errorf("%s has changed: run the tests with -update and review the difference", path)
	}
}
