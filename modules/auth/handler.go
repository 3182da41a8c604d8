package auth

import (
	"context"
	"regexp"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
)

type tokenView struct {
	UserID         uuid.UUID     `json:"user_id"`
	OrganizationID uuid.NullUUID `json:"organization_id"`
	Email          string        `json:"email" format:"email" example:"ada@example.com"`
	Name           string        `json:"name" example:"Ada Lovelace"`
	AccessToken    string        `json:"access_token" example:"eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9.e30.c2ln"`
	RefreshToken   string        `json:"refresh_token" example:"eyJhbGciOiJIUzI1NiIsInR5cCI6InJ0K2p3dCJ9.e30.c2ln"`
	TokenType      string        `json:"token_type" enum:"bearer" example:"bearer"`
	ExpiresIn      int           `json:"expires_in" example:"1800" description:"Seconds until the access token expires."`
}

type sessionView struct {
	ID             uuid.UUID     `json:"id"`
	OrganizationID uuid.NullUUID `json:"organization_id" description:"The active one."`
	CreatedAt      time.Time     `json:"created_at"`
	LastUsedAt     time.Time     `json:"last_used_at" description:"The last log-in, refresh or switch."`
	ExpiresAt      time.Time     `json:"expires_at"`
	Address        string        `json:"address" example:"203.0.113.7" description:"Where it was last used from; empty where that is not known."`
	Client         string        `json:"client" example:"Mozilla/5.0 (X11; Linux x86_64)" description:"What that client called itself (User-Agent)."`
	IsCurrent      bool          `json:"is_current" example:"true" description:"Whether this request is made with it."`
}

type sessionPath struct {
	SessionID uuid.UUID `path:"session_id"`
}

type registerInput struct {
	Email            field.Email       `json:"email" example:"ada@example.com"`
	Password         field.NewPassword `json:"password" example:"correct horse battery staple"`
	Name             field.Name        `json:"name" example:"Ada Lovelace"`
	OrganizationName *field.Name       `json:"organization_name,omitempty" example:"Analytical Engines"`
}

type tokenInput struct {
	GrantType      *grantType        `json:"grant_type,omitempty" enum:"password,refresh_token" description:"Where it is absent, it is password."`
	Username       *field.Login      `json:"username,omitempty" example:"ada@example.com" description:"The email address. The password grant needs it."`
	Password       *field.Password   `json:"password,omitempty" example:"correct horse battery staple" description:"The password grant needs it."`
	OrganizationID *uuid.UUID        `json:"organization_id,omitempty" description:"For the password grant."`
	RefreshToken   *field.Credential `json:"refresh_token,omitempty" description:"The refresh_token grant needs it."`
}

// Missing tells httpapi what the grant needs; of an unknown one nothing is known.
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

// grantType is any name of a grant: one that is not served has a refusal of its own.
type grantType string

const (
	passwordGrant grantType = "password"
	refreshGrant  grantType = "refresh_token"
)

var grantTypeName = regexp.MustCompile(`^[\x21-\x7e]{1,255}$`) // about what RFC 6749 §A.10 allows

func (g *grantType) UnmarshalText(text []byte) error {
	if !grantTypeName.Match(text) {
		return field.Problem("must be the name of a grant type.")
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
	GrantType    *grantType       `json:"grant_type,omitempty" enum:"refresh_token"`
	RefreshToken field.Credential `json:"refresh_token"`
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

func (m *Module) register(ctx context.Context, in registerInput) (httpapi.Created[tokenView], error) {
	return m.signUp(ctx, in)
}

// token is OAuth 2.0's token endpoint.
func (m *Module) token(ctx context.Context, in tokenInput) (tokenView, error) {
	switch in.GrantType.or(passwordGrant) {
	case passwordGrant:
		return m.logIn(ctx, in)
	case refreshGrant:
		return m.refresh(ctx, refreshInput{RefreshToken: *in.RefreshToken})
	default:
		return tokenView{}, unsupportedGrantType("must be password or refresh_token.")
	}
}

func (m *Module) logIn(ctx context.Context, in tokenInput) (tokenView, error) {
	var asked uuid.NullUUID
	if in.OrganizationID != nil {
		asked = uuid.NullUUID{UUID: *in.OrganizationID, Valid: true}
	}
	view, err := m.signIn(ctx, in.Username.CanonicalEmail(), string(*in.Password), asked)
	m.meter.LoggedIn(logInResult(err))
	return view, err
}

func (m *Module) refresh(ctx context.Context, in refreshInput) (tokenView, error) {
	if in.GrantType.or(refreshGrant) != refreshGrant {
		return tokenView{}, unsupportedGrantType("must be refresh_token.")
	}
	view, how, err := m.rotate(ctx, string(in.RefreshToken))
	m.meter.Refreshed(refreshResult(how, err))
	return view, err
}

func (m *Module) switchOrganization(ctx context.Context, in switchInput) (tokenView, error) {
	return m.enter(ctx, in.OrganizationID)
}

func (m *Module) logOut(ctx context.Context, in logOutInput) (httpapi.NoContent, error) {
	caller := access.From(ctx)
	if in.All != nil && *in.All {
		return httpapi.NoContent{}, m.sessions.EndAll(ctx, caller.UserID, "logged_out_everywhere")
	}
	_, err := m.sessions.end(ctx, caller.UserID, caller.SessionID, "logged_out")
	return httpapi.NoContent{}, err
}

func (m *Module) listSessions(ctx context.Context, in httpapi.PageInput) (page httpapi.Page[sessionView], err error) {
	w, err := in.Window()
	if err != nil {
		return page, err
	}
	caller := access.From(ctx)
	page, err = m.sessionsOf(ctx, caller.UserID, caller.SessionID, w)
	if err == nil && w.Count {
		page.Total, err = m.sessions.countLive(ctx, caller.UserID)
	}
	return page, err
}

func (m *Module) sessionsOf(ctx context.Context, userID, current uuid.UUID, w httpapi.Window) (page httpapi.Page[sessionView], err error) {
	list, err := m.sessions.liveOf(ctx, userID, w.After, w.Limit+1, w.Offset)
	if err != nil {
		return page, err
	}
	views := make([]sessionView, len(list))
	for i, s := range list {
		views[i] = sessionView{
			ID: s.ID, OrganizationID: s.OrganizationID, CreatedAt: s.CreatedAt.UTC(), LastUsedAt: s.RotatedAt.UTC(), ExpiresAt: s.ExpiresAt.UTC(),
			Address: s.Address, Client: s.Client, IsCurrent: s.ID == current,
		}
	}
	return httpapi.NewPage(views, w, func(v sessionView) uuid.UUID { return v.ID }), nil
}

func (m *Module) endSession(ctx context.Context, in sessionPath) (httpapi.NoContent, error) {
	ended, err := m.sessions.end(ctx, access.From(ctx).UserID, in.SessionID, "ended_by_the_person")
	if err == nil && !ended {
		err = errSessionNotFound
	}
	return httpapi.NoContent{}, err
}

func (m *Module) changePassword(ctx context.Context, in changePasswordInput) (httpapi.NoContent, error) {
	return httpapi.NoContent{}, m.replacePassword(ctx, in.UserID, string(in.OldPassword), string(in.NewPassword))
}
