package guildhall

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
)

type contextKey struct{}

// FromContext returns who sends the request, behind Middleware.
func FromContext(ctx context.Context) (*Identity, bool) {
	i, ok := ctx.Value(contextKey{}).(*Identity)
	return i, ok
}

// Middleware lets requests with a good access token pass, and puts the Identity into their
// context. It answers 401 to others, and 503 while nobody can tell.
func (v *Verifier) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := bearer(r.Header)
		if !ok {
			refuse(w, http.StatusUnauthorized, "missing_token", "An access token is required.", `Bearer realm="`+quoted(v.options.Audience)+`"`)
			return
		}
		i, err := v.Verify(r.Context(), token)
		switch {
		case err == nil:
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), contextKey{}, i)))
		case errors.Is(err, ErrInvalidToken):
			refuse(w, http.StatusUnauthorized, "invalid_token", "The access token is invalid, has expired or has been revoked.",
				`Bearer realm="`+quoted(v.options.Audience)+`", error="invalid_token", error_description="The access token is invalid, has expired or has been revoked"`)
		default:
			w.Header().Set("Retry-After", "1")
			refuse(w, http.StatusServiceUnavailable, "unavailable", "Access tokens can't be verified at the moment.", "")
		}
	})
}

// RequireScope lets requests pass whose token has a scope. It belongs behind Middleware.
func RequireScope(scope string, next http.Handler) http.Handler {
	return require(func(i *Identity) bool { return i.HasScope(scope) }, `, scope="`+quoted(scope)+`"`, next)
}

// RequireRole lets requests of people pass who have a role, or a higher one: member, admin,
// owner. It belongs behind Middleware, and needs an API whose tokens have roles.
func RequireRole(role string, next http.Handler) http.Handler {
	if rank(role) < 0 {
		panic("guildhall: " + role + " is no role")
	}
	return require(func(i *Identity) bool { return i.HasRole(role) }, "", next)
}

func require(allowed func(*Identity) bool, parameters string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if i, ok := FromContext(r.Context()); ok && allowed(i) {
			next.ServeHTTP(w, r)
			return
		}
		refuse(w, http.StatusForbidden, "insufficient_scope", "You may not do this.", `Bearer error="insufficient_scope"`+parameters)
	})
}

// bearer returns the token of a request. Two credentials are none: a proxy and this program
// could disagree about which one counts.
func bearer(h http.Header) (string, bool) {
	values := h.Values("Authorization")
	if len(values) != 1 {
		return "", false
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.TrimSpace(token)
	return token, strings.EqualFold(scheme, "Bearer") && token != ""
}

// quoted is a text within a quoted string (RFC 9110 §5.6.4).
func quoted(text string) string { return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) }

// refuse answers as Guildhall does (RFC 9457).
func refuse(w http.ResponseWriter, status int, code, detail, challenge string) {
	if challenge != "" {
		w.Header().Set("WWW-Authenticate", challenge)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"type": "about:blank", "title": http.StatusText(status), "status": status, "code": code, "detail": detail,
	})
}
