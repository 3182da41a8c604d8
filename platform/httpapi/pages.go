package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

	"guildhall/platform/token"
)

type claimsKey struct{}

// As returns a context for a request that this process makes to its own API, on behalf of
// whoever looks at a page. The claims stand in for the access token, and for nothing else:
// the gate decides as for any other request.
func As(ctx context.Context, claims token.Access) context.Context {
	return context.WithValue(ctx, claimsKey{}, claims)
}

func claimsOf(ctx context.Context) (token.Access, bool) {
	claims, ok := ctx.Value(claimsKey{}).(token.Access)
	return claims, ok
}

type operationsKey struct{}

// Only returns a context for requests that this process makes to its own API, which may call
// these operations and no others.
func Only(ctx context.Context, operations []string) context.Context {
	return context.WithValue(ctx, operationsKey{}, operations)
}

// checkDeclared refuses an operation that the page behind a request does not declare.
func checkDeclared(ctx context.Context, operation string) error {
	declared, ofPage := ctx.Value(operationsKey{}).([]string)
	if ofPage && !slices.Contains(declared, operation) { // mutant: page-operations
		return fmt.Errorf("a page called %s, which it does not declare", operation)
	}
	return nil
}

// identifies reports whether a request says who makes it.
func identifies(r *http.Request) bool {
	_, known := claimsOf(r.Context())
	return known || len(r.Header.Values("Authorization")) > 0
}

// BeginAt leads a browser from the root to a page.
func (a *API) BeginAt(path string) { a.start = path }

// MountPages serves a path, and everything below it, with a handler of pages.
func (a *API) MountPages(path string, h http.Handler) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		a.engine.Handle(method, path, gin.WrapH(h))
		a.engine.Handle(method, path+"/*rest", gin.WrapH(h))
	}
}
