package signing

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"guildhall/platform/token"
)

// The paths of the documents (RFC 8615).
const (
	KeysPath     = "/.well-known/jwks.json"
	ServerPath   = "/.well-known/oauth-authorization-server" // RFC 8414
	ResourcePath = "/.well-known/oauth-protected-resource"   // RFC 9728
)

// The paths of OAuth's endpoints for programs.
const (
	TokenPath      = "/oauth/token" //nolint:gosec // no credential
	IntrospectPath = "/oauth/introspect"
	RevokePath     = "/oauth/revoke"
)

// maxAge is how long others may keep the published keys, in seconds.
const maxAge = "300"

// Set is the document with the public keys (RFC 7517 §5).
type Set struct {
	Keys []JWK `json:"keys"`
}

// Published returns the keys that verify tokens or soon will. The secret of HS256 is none
// of them.
func (s *Store) Published() (set Set, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	set.Keys = []JWK{}
	for _, k := range s.keys {
		if k.Algorithm == token.HS256 || k.State != Next && k.State != Signing && k.State != Retiring {
			continue
		}
		jwk, err := jwkOf(k.signer.Public())
		if err != nil {
			return set, err
		}
		set.Keys = append(set.Keys, jwk)
	}
	return set, nil
}

// ServerMetadata says how to get tokens, and how to verify them (RFC 8414 §2).
type ServerMetadata struct {
	Issuer                string   `json:"issuer"`
	TokenEndpoint         string   `json:"token_endpoint"`
	IntrospectionEndpoint string   `json:"introspection_endpoint"`
	RevocationEndpoint    string   `json:"revocation_endpoint"`
	KeysURL               string   `json:"jwks_uri"`
	ResponseTypes         []string `json:"response_types_supported"`
	GrantTypes            []string `json:"grant_types_supported"`
	TokenMethods          []string `json:"token_endpoint_auth_methods_supported"`
	IntrospectionMethods  []string `json:"introspection_endpoint_auth_methods_supported"`
	RevocationMethods     []string `json:"revocation_endpoint_auth_methods_supported"`
	Documentation         string   `json:"service_documentation"`
}

// ResourceMetadata says whose tokens the API takes (RFC 9728 §2).
type ResourceMetadata struct {
	Resource      string   `json:"resource"`
	Servers       []string `json:"authorization_servers"`
	KeysURL       string   `json:"jwks_uri"`
	BearerMethods []string `json:"bearer_methods_supported"`
	Documentation string   `json:"resource_documentation"`
}

// Documents returns the documents to serve, by their paths. base is the URL of the service,
// as others reach it. The metadata exist only if the issuer is a URL, as they require.
func (s *Store) Documents(base, issuer string, documentation string) map[string]http.Handler {
	documents := map[string]http.Handler{KeysPath: document("public, max-age="+maxAge, func() (any, error) { return s.Published() })}
	if base == "" || !IsURL(issuer) {
		return documents
	}
	byKey := []string{"client_secret_basic", "client_secret_post"}
	documents[ServerPath] = Constant(ServerMetadata{
		Issuer: issuer, TokenEndpoint: base + TokenPath, IntrospectionEndpoint: base + IntrospectPath, RevocationEndpoint: base + RevokePath,
		KeysURL: base + KeysPath, ResponseTypes: []string{}, GrantTypes: []string{"client_credentials"},
		TokenMethods: byKey, IntrospectionMethods: byKey, RevocationMethods: []string{"none"}, Documentation: base + documentation,
	})
	documents[ResourcePath] = Constant(ResourceMetadata{
		Resource: base, Servers: []string{issuer}, KeysURL: base + KeysPath, BearerMethods: []string{"header"}, Documentation: base + documentation,
	})
	return documents
}

// IsURL reports whether an issuer is a URL that has metadata.
func IsURL(issuer string) bool {
	u, err := url.Parse(issuer)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.RawQuery == "" && u.Fragment == ""
}

// Constant serves JSON that does not change while the process runs.
func Constant(v any) http.Handler {
	return document("public, max-age=3600", func() (any, error) { return v, nil })
}

// document serves JSON to anybody, also to scripts of other origins.
func document(cacheControl string, content func() (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, err := content()
		if err != nil {
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
			return
		}
		text, err := json.Marshal(v)
		if err != nil {
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Cache-Control", cacheControl)
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(text)))
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(text))
	})
}
