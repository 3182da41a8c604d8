package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"guildhall/platform"
	"guildhall/platform/migrate"
	"guildhall/platform/platformtest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var (
	routerOnce sync.Once
	documented routers.Router
	routerErr  error
)

// checkDocumented compares an answer with the document. Every answer in the test suite
// passes through it.
func checkDocumented(t testing.TB, app *platform.App, method, path string, a answer) {
	t.Helper()
	routerOnce.Do(func() {
		var raw []byte
		if raw, routerErr = app.API().JSON(); routerErr != nil {
			return
		}
		var doc *openapi3.T
		if doc, routerErr = openapi3.NewLoader().LoadFromData(raw); routerErr == nil {
			documented, routerErr = gorillamux.NewRouter(doc)
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
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: request, PathParams: params, Route: route},
		Status:                 a.status, Header: a.header,
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	input.SetBodyBytes(a.body)
	if err := openapi3filter.ValidateResponse(context.Background(), input); err != nil {
		t.Errorf("%s %d is not as documented: %v", a.request, a.status, err)
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

// TestRouteTable writes the access rules of all routes on one page, for a security
// review.
func TestRouteTable(t *testing.T) {
	t.Parallel()
	s := start(t, platformtest.SQLiteURL(t))
	var table strings.Builder
	for _, r := range s.app.API().Routes() {
		fmt.Fprintf(&table, "%-6s %-62s %s\n", r.Method, r.Path, r.Rule)
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
