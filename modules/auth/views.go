package auth

import (
	"regexp"
	"time"

	"github.com/google/uuid"
	"github.com/swaggest/jsonschema-go"

	"guildhall/platform/fault"
	"guildhall/platform/field"
	"guildhall/platform/token"
)

type tokenView = token.Token

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
	Locale           *field.Locale              `json:"locale,omitempty" description:"The language of mails to the person. If absent, the one that Accept-Language prefers."`
	InvitationToken  *field.Credential          `json:"invitation_token,omitempty" description:"From the link of an invitation: the person joins that organization, and none is created. Works although registration is closed."`
	OrganizationName field.Nullable[field.Name] `json:"organization_name,omitempty" example:"Analytical Engines" description:"If absent, the person's name followed by 's Organization. With null, no organization is created, and none is active: for a person who will join one."`
}

type tokenInput struct {
	GrantType      *grantType        `json:"grant_type,omitempty" enum:"password,refresh_token,challenge" description:"If absent, password."`
	Username       *field.Login      `json:"username,omitempty" example:"ada@example.com" description:"The email address. The password grant needs it."`
	Password       *field.Password   `json:"password,omitempty" example:"correct horse battery staple" description:"The password grant needs it."`
	OrganizationID *uuid.UUID        `json:"organization_id,omitempty" description:"The organization to be active. If absent, a refresh keeps the one of its refresh token."`
	RefreshToken   *field.Credential `json:"refresh_token,omitempty" description:"The refresh_token grant needs it."`
	answerInput
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
	case challengeGrant:
		return in.answerInput.Missing()
	}
	return names
}

// grantType is the name of a grant type. It accepts any name, because an unsupported grant
// type has its own refusal.
type grantType string

const (
	passwordGrant  grantType = "password"
	refreshGrant   grantType = "refresh_token"
	challengeGrant grantType = "challenge"
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

type challengeView struct {
	ChallengeToken string `json:"challenge_token" example:"kVv3WmRyV4tM4pQBr2mlQZrKjJ0yQh2Wk1h2xJwqv4E" description:"Only the client that asked has it. The code in the mail is worthless without it."`
	ExpiresIn      int    `json:"expires_in" example:"3600" description:"Seconds until the code and the link in the mail expire."`
}

type challengeInput struct {
	Purpose  askedPurpose `json:"purpose"`
	Email    *field.Email `json:"email,omitempty" example:"ada@example.com" description:"log_in and reset_password need it."`
	NewEmail *field.Email `json:"new_email,omitempty" example:"ada@new.example.com" description:"change_email needs it."`
}

// Missing returns the members that the purpose requires and that were not given.
func (in *challengeInput) Missing() []string {
	switch in.Purpose.purpose() {
	case forLogIn, forPasswordReset:
		if in.Email == nil {
			return []string{"email"}
		}
	case forEmailChange:
		if in.NewEmail == nil {
			return []string{"new_email"}
		}
	}
	return nil
}

// askedPurpose is the purpose of a challenge that a client may ask for.
type askedPurpose string

var askedPurposes = []askedPurpose{
	askedPurpose(forLogIn), askedPurpose(forPasswordReset), askedPurpose(forVerification), askedPurpose(forEmailChange), askedPurpose(forStepUp),
}

func (p *askedPurpose) UnmarshalText(text []byte) error {
	return field.Choose(p, text, askedPurposes...)
}

func (askedPurpose) JSONSchema() (jsonschema.Schema, error) {
	return field.OpenEnum(askedPurposes...), nil
}

func (p askedPurpose) purpose() purpose { return purpose(p) }

// answerInput answers a challenge: with challenge_token and code, or with link_token.
type answerInput struct {
	ChallengeToken *field.Credential `json:"challenge_token,omitempty" description:"From the answer of /auth/challenges. It needs code."`
	Code           *field.Code       `json:"code,omitempty" example:"1234 5678" description:"The 8 digits from the mail."`
	LinkToken      *field.Credential `json:"link_token,omitempty" description:"From the link in the mail, instead of challenge_token and code."`
}

// Missing returns the members that were not given.
func (in *answerInput) Missing() (names []string) {
	if in.LinkToken != nil {
		return nil
	}
	if in.ChallengeToken == nil {
		names = append(names, "challenge_token")
	}
	if in.Code == nil {
		names = append(names, "code")
	}
	return names
}

func (in *answerInput) proof() proof {
	if in.LinkToken != nil {
		return proof{link: string(*in.LinkToken)}
	}
	return proof{token: string(*in.ChallengeToken), code: string(*in.Code)}
}

type resetInput struct {
	answerInput
	NewPassword field.NewPassword `json:"new_password" example:"five boxing wizards jump quickly"`
}

type confirmEmailInput struct{ answerInput }

type emailView struct {
	UserID   uuid.UUID `json:"user_id"`
	Email    string    `json:"email" format:"email" example:"ada@example.com"`
	Verified bool      `json:"email_verified" example:"true"`
}

type stepUpInput struct {
	Password *field.Password `json:"password,omitempty" example:"correct horse battery staple" description:"Instead of challenge_token and code."`
	answerInput
}

// Missing returns the members that were not given.
func (in *stepUpInput) Missing() []string {
	if in.Password != nil {
		return nil
	}
	return in.answerInput.Missing()
}

type stepUpView struct {
	ACR             string    `json:"acr" example:"aal1" description:"The assurance of the session (NIST SP 800-63B)."`
	AMR             []string  `json:"amr" example:"[\"pwd\"]" description:"What was proved (RFC 8176); email stands for a code from a mail."`
	AuthenticatedAt time.Time `json:"authenticated_at"`
}

type disavowInput struct {
	LinkToken field.Credential `json:"link_token" description:"From the link in the mail."`
}
