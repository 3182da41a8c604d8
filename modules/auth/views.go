package auth

import (
	"regexp"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/fault"
	"guildhall/platform/field"
)

type tokenView struct {
	UserID         uuid.UUID     `json:"user_id"`
	OrganizationID uuid.NullUUID `json:"organization_id"`
	Email          string        `json:"email" format:"email" example:"ada@example.com"`
	Name           string        `json:"name" example:"Ada Lovelace"`
	AccessToken    string        `json:"access_token" example:"eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9.e30.c2ln"`
	RefreshToken   string        `json:"refresh_token" example:"eyJhbGciOiJIUzI1NiIsInR5cCI6InJ0K2p3dCJ9.e30.c2ln"`
	TokenType      string        `json:"token_type" enum:"bearer" example:"bearer"`
	ExpiresIn      int           `json:"expires_in" example:"1800" description:"Seconds until the access token expires. The service refuses it less than a second later."`
}

type sessionView struct {
	ID             uuid.UUID     `json:"id"`
	OrganizationID uuid.NullUUID `json:"organization_id" description:"The active one at its last use."`
	CreatedAt      time.Time     `json:"created_at"`
	LastUsedAt     time.Time     `json:"last_used_at" description:"The last log-in, refresh or switch."`
	ExpiresAt      time.Time     `json:"expires_at"`
	Address        string        `json:"address" example:"203.0.113.7" description:"The IP address of its last use; empty if unknown."`
	Client         string        `json:"client" example:"Mozilla/5.0 (X11; Linux x86_64)" description:"The client's User-Agent."`
	IsCurrent      bool          `json:"is_current" example:"true" description:"Whether this request is made with one of its tokens."`
}

type sessionPath struct {
	SessionID uuid.UUID `path:"session_id"`
}

type registerInput struct {
	Email            field.Email                `json:"email" example:"ada@example.com"`
	Password         field.NewPassword          `json:"password" example:"correct horse battery staple"`
	Name             field.Name                 `json:"name" example:"Ada Lovelace"`
	OrganizationName field.Nullable[field.Name] `json:"organization_name,omitempty" example:"Analytical Engines" description:"If absent, the person's name followed by 's Organization. With null, no organization is created, and none is active: for a person who will join one."`
}

type tokenInput struct {
	GrantType      *grantType        `json:"grant_type,omitempty" enum:"password,refresh_token" description:"If absent, password."`
	Username       *field.Login      `json:"username,omitempty" example:"ada@example.com" description:"The email address. The password grant needs it."`
	Password       *field.Password   `json:"password,omitempty" example:"correct horse battery staple" description:"The password grant needs it."`
	OrganizationID *uuid.UUID        `json:"organization_id,omitempty" description:"The organization to be active. If absent, a refresh keeps the one of its refresh token."`
	RefreshToken   *field.Credential `json:"refresh_token,omitempty" description:"The refresh_token grant needs it."`
}

// Missing returns the members that the grant type requires and that were not given. An
// unknown grant type requires none.
func (in *tokenInput) Missing() (names []string) {
	need := func(name string, given bool) {
		if !given {
			names = append(names, name)
		}
	}
	switch in.GrantType.or(passwordGrant) {
	case passwordGrant:
		need("username", in.Username != nil)
		need("password", in.Password != nil)
	case refreshGrant:
		need("refresh_token", in.RefreshToken != nil)
	}
	return names
}

// grantType is the name of a grant type. It accepts any name, because an unsupported grant
// type has its own refusal.
type grantType string

const (
	passwordGrant grantType = "password"
	refreshGrant  grantType = "refresh_token"
)

var grantTypeName = regexp.MustCompile(`^[\x21-\x7e]{1,255}$`) // about what RFC 6749 §A.10 allows

func (g *grantType) UnmarshalText(text []byte) error {
	if !grantTypeName.Match(text) {
		return fault.NotAGrant
	}
	*g = grantType(text)
	return nil
}

func (grantType) InlineJSONSchema() {}

func (g *grantType) or(absent grantType) grantType {
	if g == nil {
		return absent
	}
	return *g
}

type refreshInput struct {
	GrantType      *grantType       `json:"grant_type,omitempty" enum:"refresh_token"`
	RefreshToken   field.Credential `json:"refresh_token"`
	OrganizationID *uuid.UUID       `json:"organization_id,omitempty" description:"The organization to be active. If absent, that of the refresh token."`
}

type switchInput struct {
	OrganizationID uuid.UUID `json:"organization_id"`
}

type logOutInput struct {
	All *bool `json:"all,omitempty" description:"Whether to end every session of the caller."`
}

type changePasswordInput struct {
	UserID      uuid.UUID         `path:"user_id"`
	OldPassword field.Password    `json:"old_password" example:"correct horse battery staple"`
	NewPassword field.NewPassword `json:"new_password" example:"five boxing wizards jump quickly"`
}
