package machine

import (
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/swaggest/jsonschema-go"

	"guildhall/platform/access"
	"guildhall/platform/fault"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
	"guildhall/platform/lifecycle"
)

type serviceAccountView struct {
	ID             uuid.UUID   `json:"id" description:"Of the member: the routes of members take it as user_id."`
	OrganizationID uuid.UUID   `json:"organization_id"`
	Name           string      `json:"name" example:"Nightly export"`
	Description    *string     `json:"description" example:"Copies the members to the warehouse."`
	Role           access.Role `json:"role"`
	CreatedAt      time.Time   `json:"created_at"`

	Standing lifecycle.Standing `json:"standing"`
}

type holderView struct {
	ID   uuid.UUID   `json:"id"`
	Name string      `json:"name" example:"Nightly export"`
	Role access.Role `json:"role"`
	Kind access.Kind `json:"kind"`
}

type creatorView struct {
	ID   uuid.UUID `json:"id"`
	Name string    `json:"name" example:"Grace Hopper"`
}

type apiKeyView struct {
	ID             uuid.UUID    `json:"id"`
	OrganizationID uuid.UUID    `json:"organization_id" description:"The only one in which the key works."`
	Name           string       `json:"name" example:"CI"`
	Holder         holderView   `json:"holder" description:"The key can do what the holder's role allows at the time, within its scopes."`
	Hint           string       `json:"hint" example:"guildhall_key_3fGh" description:"The beginning of the key, by which you recognize it."`
	Scopes         []string     `json:"scopes" nullable:"false" example:"[\"read\"]"`
	CreatedAt      time.Time    `json:"created_at"`
	CreatedBy      *creatorView `json:"created_by"`
	ExpiresAt      *time.Time   `json:"expires_at" description:"Null: never."`
	LastUsedAt     *time.Time   `json:"last_used_at" description:"To the minute. Null: it was never used."`
	IsRotated      bool         `json:"is_rotated" example:"false" description:"Whether another key replaces it. It works until it expires."`
	Key            *string      `json:"key,omitempty" example:"guildhall_key_3fGhT0mQ9bXcYwN2sLkPzRvAeJ5uDi8oHtF1gBn7x6Za4C1kQ2d" description:"Only in the first answer to the request that makes the key: keep it. A repeated request with the same Idempotency-Key is answered without it."`
}

type organizationPath struct {
	OrganizationID uuid.UUID `path:"organization_id"`
}

type keyPath struct {
	organizationPath
	KeyID uuid.UUID `path:"key_id"`
}

type listInput struct {
	organizationPath
	httpapi.PageInput
}

type serviceAccountInput struct {
	organizationPath
	Name        field.Name `json:"name" example:"Nightly export"`
	Description *field.Bio `json:"description,omitempty" example:"Copies the members to the warehouse."`
}

// scope is the name of a scope. Whether there is one is checked later (unknown_scope).
type scope string

func (s *scope) UnmarshalText(text []byte) error {
	var n field.Name
	err := n.UnmarshalText(text)
	*s = scope(n)
	return err
}

func (scope) InlineJSONSchema() {}

func (scope) JSONSchema() (jsonschema.Schema, error) { return field.OpenEnum(names(ownScopes)...), nil }

type keyInput struct {
	organizationPath
	Name      field.Name                 `json:"name" example:"CI"`
	Scopes    []scope                    `json:"scopes,omitempty" maxItems:"20" example:"[\"read\"]" description:"If absent or empty, read."`
	ExpiresAt field.Nullable[field.Time] `json:"expires_at,omitempty" description:"If absent, 90 days from now. Null, never, is for services with API_KEY_MAX_DAYS=0."`
	UserID    *uuid.UUID                 `json:"user_id,omitempty" description:"The service account that holds the key. If absent, the caller."`
}

type rotateInput struct {
	keyPath
	OverlapSeconds *field.Overlap `json:"overlap_seconds,omitempty" example:"86400" description:"How long the old key still works. If absent, 86400."`
}

// apiClaims says what the tokens for an API tell about the person, besides who it is.
type apiClaims string

const (
	claimsNone apiClaims = "none"
	claimsRole apiClaims = "role"
)

// UnmarshalText refuses any other value.
func (c *apiClaims) UnmarshalText(text []byte) error {
	return field.Choose(c, text, claimsNone, claimsRole)
}

// JSONSchema describes it in the OpenAPI document.
func (apiClaims) JSONSchema() (jsonschema.Schema, error) {
	return field.OpenEnum(claimsNone, claimsRole), nil
}

func (apiClaims) InlineJSONSchema() {}

func (c *apiClaims) wantsRole() bool { return c != nil && *c == claimsRole }

func (a API) claims() apiClaims {
	if a.WantsRole {
		return claimsRole
	}
	return claimsNone
}

type apiScopeView struct {
	Name      string      `json:"name" example:"orders:read"`
	LeastRole access.Role `json:"least_role" description:"Whoever has a lower role in the organization gets tokens without this scope."`
}

type apiView struct {
	ID            uuid.UUID      `json:"id" description:"Also of the API's account."`
	Identifier    string         `json:"identifier" example:"https://orders.example.com" description:"The audience of its tokens (RFC 8707). It need not be the address of anything."`
	Name          string         `json:"name" example:"Orders"`
	TokenSeconds  int            `json:"token_seconds" example:"300" description:"How long its tokens are valid."`
	Claims        apiClaims      `json:"claims"`
	SessionTokens bool           `json:"session_tokens" example:"false" description:"Whether it takes the access tokens of log-ins, too. It could then do here whatever the person can."`
	Scopes        []apiScopeView `json:"scopes" nullable:"false"`
	CreatedAt     time.Time      `json:"created_at"`
}

func (a API) view() apiView {
	v := apiView{
		ID: a.ID, Identifier: a.Identifier, Name: a.Name, TokenSeconds: int(a.TokenLife / time.Second), Claims: a.claims(),
		SessionTokens: a.SessionTokens, Scopes: []apiScopeView{}, CreatedAt: a.Created,
	}
	for _, s := range a.Scopes {
		v.Scopes = append(v.Scopes, apiScopeView(s))
	}
	return v
}

type apiOwnKeyView struct {
	ID         uuid.UUID    `json:"id"`
	APIID      uuid.UUID    `json:"api_id"`
	Name       string       `json:"name" example:"production"`
	Hint       string       `json:"hint" example:"guildhall_key_3fGh" description:"The beginning of the key, by which you recognize it."`
	CreatedAt  time.Time    `json:"created_at"`
	CreatedBy  *creatorView `json:"created_by" description:"Null: the command line."`
	ExpiresAt  *time.Time   `json:"expires_at" description:"Null: never."`
	LastUsedAt *time.Time   `json:"last_used_at" description:"To the minute. Null: it was never used."`
	Key        *string      `json:"key,omitempty" example:"guildhall_key_3fGhT0mQ9bXcYwN2sLkPzRvAeJ5uDi8oHtF1gBn7x6Za4C1kQ2d" description:"Only in the first answer to the request that makes the key: keep it. A repeated request with the same Idempotency-Key is answered without it."`
}

func (k apiKey) ofAPI() apiOwnKeyView {
	v := k.view()
	return apiOwnKeyView{ID: v.ID, APIID: k.holderID, Name: v.Name, Hint: v.Hint, CreatedAt: v.CreatedAt, CreatedBy: v.CreatedBy, ExpiresAt: v.ExpiresAt, LastUsedAt: v.LastUsedAt}
}

type apiPath struct {
	APIID uuid.UUID `path:"api_id"`
}

type apiOwnKeyPath struct {
	apiPath
	KeyID uuid.UUID `path:"key_id"`
}

type listAPIKeysInput struct {
	apiPath
	httpapi.PageInput
}

type scopeDeclaration struct {
	Name      field.Scope  `json:"name" example:"orders:read"`
	LeastRole *access.Role `json:"least_role,omitempty" description:"If absent, member."`
}

func (s scopeDeclaration) leastRole() access.Role {
	if s.LeastRole == nil {
		return access.Member
	}
	return *s.LeastRole
}

type apiInput struct {
	Identifier    field.Resource      `json:"identifier" example:"https://orders.example.com"`
	Name          field.Name          `json:"name" example:"Orders"`
	TokenSeconds  *field.TokenSeconds `json:"token_seconds,omitempty" example:"300" description:"If absent, 300."`
	Claims        *apiClaims          `json:"claims,omitempty" description:"If absent, none."`
	SessionTokens *bool               `json:"session_tokens,omitempty" example:"false" description:"If absent, false."`
	Scopes        []scopeDeclaration  `json:"scopes,omitempty" maxItems:"100"`
}

type changeAPIInput struct {
	apiPath
	TokenSeconds  *field.TokenSeconds `json:"token_seconds,omitempty" example:"300"`
	Claims        *apiClaims          `json:"claims,omitempty"`
	SessionTokens *bool               `json:"session_tokens,omitempty" example:"false"`
	Scopes        []scopeDeclaration  `json:"scopes,omitempty" maxItems:"100" description:"All of them: those that are missing are not declared any more."`
}

type apiKeyInput struct {
	apiPath
	Name      field.Name                 `json:"name" example:"production"`
	ExpiresAt field.Nullable[field.Time] `json:"expires_at,omitempty" description:"If absent, 90 days from now. Null, never, is for services with API_KEY_MAX_DAYS=0."`
}

// clientInput are the credentials of a program in a body (RFC 6749 §2.3.1), instead of HTTP
// Basic.
type clientInput struct {
	ClientID     *field.Credential `json:"client_id,omitempty" description:"The id of an API key or of its holder, if it is not sent by HTTP Basic."`
	ClientSecret *field.Credential `json:"client_secret,omitempty" description:"The API key, if it is not sent by HTTP Basic."`
}

// scopeList are scopes, separated by spaces (RFC 6749 §3.3).
type scopeList string

const scopeListPattern = `^[!#-\[\]-~]*( [!#-\[\]-~]+)*$`

var scopeListForm = regexp.MustCompile(scopeListPattern)

func (s *scopeList) UnmarshalText(text []byte) error {
	if len(text) > 1000 || !scopeListForm.Match(text) {
		return fault.NotAScope
	}
	*s = scopeList(text)
	return nil
}

func (scopeList) InlineJSONSchema() {}

func (scopeList) JSONSchema() (s jsonschema.Schema, err error) {
	s.AddType(jsonschema.String)
	s.WithPattern(scopeListPattern).WithMaxLength(1000)
	return s, nil
}

func (s *scopeList) or(absent scopeList) scopeList {
	if s == nil {
		return absent
	}
	return *s
}

// resource is the identifier of an API. Any text is looked up.
type resource string

func (r *resource) UnmarshalText(text []byte) error {
	var f field.ExternalID
	err := f.UnmarshalText(text)
	*r = resource(f)
	return err
}

func (resource) InlineJSONSchema() {}

func (resource) JSONSchema() (jsonschema.Schema, error) { return field.Resource("").JSONSchema() }

func (r *resource) or(absent string) string {
	if r == nil {
		return absent
	}
	return string(*r)
}

type grantType string

func (g *grantType) UnmarshalText(text []byte) error {
	var f field.ExternalID
	err := f.UnmarshalText(text)
	*g = grantType(f)
	return err
}

func (grantType) InlineJSONSchema() {}

type tokenInput struct {
	GrantType grantType  `json:"grant_type" enum:"client_credentials"`
	Resource  *resource  `json:"resource,omitempty" example:"https://orders.example.com" description:"The identifier of a registered API (RFC 8707). If absent, this service."`
	Scope     *scopeList `json:"scope,omitempty" example:"orders:read" description:"Separated by spaces. If absent, all that the key and the role of its holder allow."`
	clientInput
}

type apiTokenInput struct {
	Resource resource   `json:"resource" example:"https://orders.example.com" description:"The identifier of a registered API."`
	Scope    *scopeList `json:"scope,omitempty" example:"orders:read" description:"Separated by spaces. If absent, all that the role allows."`
}

type accessTokenView struct {
	AccessToken string `json:"access_token" example:"eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.e30.c2ln"`
	TokenType   string `json:"token_type" enum:"Bearer" example:"Bearer"`
	ExpiresIn   int    `json:"expires_in" example:"300" description:"Seconds until it expires. There is no refresh token: ask again."`
	Scope       string `json:"scope" example:"orders:read" description:"What it may do, separated by spaces; empty if nothing needs a scope."`
}

type introspectInput struct {
	Token field.Credential `json:"token" description:"An access token, or an API key."`
	clientInput
}

// introspectionView has nothing but active for what is not good for the API that asks.
type introspectionView struct {
	Active         bool         `json:"active" description:"Whether it is good for the API that asks, now. If false, nothing else is told."`
	Issuer         string       `json:"iss,omitempty" example:"https://id.example.com"`
	Audience       string       `json:"aud,omitempty" example:"https://orders.example.com"`
	Subject        *uuid.UUID   `json:"sub,omitempty" description:"The person or service account."`
	Session        *uuid.UUID   `json:"sid,omitempty" description:"The session or API key."`
	OrganizationID *uuid.UUID   `json:"organization_id,omitempty"`
	Role           *access.Role `json:"role,omitempty" description:"In that organization, now."`
	ClientID       string       `json:"client_id,omitempty" example:"guildhall" description:"guildhall for a log-in, else the id of the API key."`
	Scope          string       `json:"scope,omitempty" example:"orders:read" description:"The scopes of the API that asks, as the role allows now."`
	TokenType      string       `json:"token_type,omitempty" example:"Bearer"`
	IssuedAt       int64        `json:"iat,omitempty" example:"1793188800"`
	ExpiresAt      int64        `json:"exp,omitempty" example:"1793189100"`
}

func (a admitted) introspection(issuer string, api API) introspectionView {
	v := introspectionView{
		Active: true, Issuer: issuer, Audience: api.Identifier, Subject: &a.claims.UserID, Session: &a.claims.SessionID,
		ClientID: a.claims.ClientID, Scope: strings.Join(a.scopes, " "), TokenType: "Bearer", ExpiresAt: a.caller.SessionEnds().Unix(),
	}
	if a.caller.OrganizationID.Valid {
		v.OrganizationID = &a.caller.OrganizationID.UUID
	}
	if a.caller.Role != access.NoRole {
		v.Role = &a.caller.Role
	}
	if !a.claims.ExpiresAt.IsZero() { // a token, which expires before its session
		v.IssuedAt, v.ExpiresAt = a.claims.IssuedAt.Unix(), a.claims.ExpiresAt.Unix()
	}
	return v
}

type revokeInput struct {
	Token field.Credential `json:"token" description:"An access token, a refresh token or an API key."`
	clientInput
}

type forwardInput struct {
	Resource *resource    `query:"resource" example:"https://orders.example.com" description:"The identifier of the API behind the proxy."`
	Role     *access.Role `query:"role" description:"The least role that may pass."`
	Scope    *scopeList   `query:"scope" example:"orders:read" description:"The scopes that are needed, separated by spaces."`
}
