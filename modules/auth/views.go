package auth

import (
	"encoding/json"
	"regexp"
	"time"

	"github.com/google/uuid"
	"github.com/swaggest/jsonschema-go"

	"guildhall/platform/fault"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
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

type personPath struct {
	UserID uuid.UUID `path:"user_id"`
}

type personSessionPath struct {
	personPath
	sessionPath
}

type listPersonSessionsInput struct {
	personPath
	httpapi.PageInput
}

type registerInput struct {
	Email            field.Email                `json:"email" example:"ada@example.com"`
	Password         field.NewPassword          `json:"password" example:"correct horse battery staple"`
	Name             field.Name                 `json:"name" example:"Ada Lovelace"`
	Locale           *field.Locale              `json:"locale,omitempty" description:"The language of mails to the person. If absent, the one that Accept-Language prefers."`
	InvitationToken  *field.Credential          `json:"invitation_token,omitempty" description:"From the link of an invitation: the person joins that organization, and none is created. Works although registration is closed."`
	SetupToken       *field.Credential          `json:"setup_token,omitempty" description:"From the link that the command admin link prints: the person becomes the first platform administrator. Works although registration is closed."`
	OrganizationName field.Nullable[field.Name] `json:"organization_name,omitempty" example:"Analytical Engines" description:"If absent, the person's name followed by 's Organization. With null, no organization is created, and none is active: for a person who will join one."`
}

type tokenInput struct {
	GrantType      *grantType        `json:"grant_type,omitempty" enum:"password,refresh_token,challenge" description:"If absent, password."`
	Username       *field.Login      `json:"username,omitempty" example:"ada@example.com" description:"The email address. The password grant needs it."`
	Password       *field.Password   `json:"password,omitempty" example:"correct horse battery staple" description:"The password grant needs it."`
	OrganizationID *uuid.UUID        `json:"organization_id,omitempty" description:"The organization to be active. If absent, a refresh keeps the one of its refresh token."`
	RefreshToken   *field.Credential `json:"refresh_token,omitempty" description:"The refresh_token grant needs it."`
	answerInput
	factorInput
	AuthorizationCode *field.Credential `json:"authorization_code,omitempty" description:"Instead of code: what the provider sent back as code. It needs challenge_token and state."`
	State             *field.Credential `json:"state,omitempty" description:"What the provider sent back."`
	Issuer            *field.Credential `json:"iss,omitempty" description:"What the provider sent back, if it did."`
	InvitationToken   *field.Credential `json:"invitation_token,omitempty" description:"With authorization_code, from the link of an invitation: whoever has no account here registers and joins that organization, also while registration is closed. Others log in, and accept it at /invitations/accept."`
}

// arrival is what a provider sent back.
func (in *tokenInput) arrival() arrival {
	a := arrival{code: string(*in.AuthorizationCode), state: string(*in.State)}
	if in.Issuer != nil {
		a.issuer = string(*in.Issuer)
	}
	return a
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
		if in.AuthorizationCode != nil {
			need("challenge_token", in.ChallengeToken != nil)
			need("state", in.State != nil)
			return names
		}
		if in.given() {
			need("challenge_token", in.ChallengeToken != nil)
			return names
		}
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
	ExpiresIn      int    `json:"expires_in" example:"3600" description:"Seconds until it expires, with the code and the link in the mail."`
	// PublicKey is JSON for navigator.credentials.
	AuthorizationURL string          `json:"authorization_url,omitempty" format:"uri" example:"https://accounts.google.com/o/oauth2/v2/auth?client_id=x" description:"For a provider: where to send the person's browser."`
	PublicKey        json.RawMessage `json:"public_key,omitempty" description:"For a passkey: the options for navigator.credentials.create (enrol_passkey) or navigator.credentials.get, as PublicKeyCredential.parseCreationOptionsFromJSON and parseRequestOptionsFromJSON take them."`
}

type challengeInput struct {
	Purpose     askedPurpose      `json:"purpose"`
	Method      *askedMethod      `json:"method,omitempty" description:"With what log_in and step_up are answered. If absent, email."`
	Provider    *field.Credential `json:"provider,omitempty" example:"google" description:"The id of one of /auth/providers. log_in by a provider and link_identity need it."`
	RedirectURI *field.Credential `json:"redirect_uri,omitempty" example:"https://app.example.com/callback" description:"Where the provider sends the person back: one of AUTH_REDIRECT_URIS, exactly. log_in by a provider and link_identity need it."`
	Email       *field.Email      `json:"email,omitempty" example:"ada@example.com" description:"log_in by email, reset_password and recover_factors need it."`
	NewEmail    *field.Email      `json:"new_email,omitempty" example:"ada@new.example.com" description:"change_email needs it."`
}

// Missing returns the members that the purpose requires and that were not given.
func (in *challengeInput) Missing() (names []string) {
	if in.byProvider() {
		if in.Provider == nil {
			names = append(names, "provider")
		}
		if in.RedirectURI == nil {
			names = append(names, "redirect_uri")
		}
		return names
	}
	switch in.Purpose.purpose() {
	case forLogIn, forPasswordReset, forRecovery:
		if in.Email == nil && !in.byPasskey() {
			return []string{"email"}
		}
	case forEmailChange:
		if in.NewEmail == nil {
			return []string{"new_email"}
		}
	}
	return nil
}

// byPasskey reports whether an authenticator answers, and not a mail.
func (in *challengeInput) byPasskey() bool {
	return in.Purpose.purpose() == forPasskey || in.Method != nil && *in.Method == askedPasskey
}

// byProvider reports whether another service answers.
func (in *challengeInput) byProvider() bool {
	return in.Purpose.purpose() == forIdentity || in.Method != nil && *in.Method == askedProvider
}

// askedMethod is what answers a challenge.
type askedMethod string

const (
	askedEmail   askedMethod = "email"
	askedPasskey askedMethod = "passkey"

	askedProvider askedMethod = "provider"
)

func (m *askedMethod) UnmarshalText(text []byte) error {
	return field.Choose(m, text, askedEmail, askedPasskey, askedProvider)
}

func (askedMethod) JSONSchema() (jsonschema.Schema, error) {
	return field.OpenEnum(askedEmail, askedPasskey, askedProvider), nil
}

// askedPurpose is the purpose of a challenge that a client may ask for.
type askedPurpose string

var askedPurposes = []askedPurpose{
	askedPurpose(forLogIn), askedPurpose(forPasswordReset), askedPurpose(forVerification), askedPurpose(forEmailChange), askedPurpose(forStepUp), askedPurpose(forRecovery), askedPurpose(forPasskey), askedPurpose(forIdentity),
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
	ChallengeToken *field.Credential `json:"challenge_token,omitempty" description:"From the answer of /auth/challenges, or of a log-in that lacks a second factor."`
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

// factorInput proves a second factor.
type factorInput struct {
	OTP          *field.OTP          `json:"otp,omitempty" example:"123456" description:"Instead of code: the 6 digits of an authenticator app."`
	RecoveryCode *field.RecoveryCode `json:"recovery_code,omitempty" example:"ABCD-EFGH-IJKL-MNOP-QRST-UVWX" description:"Instead of otp: one of the recovery codes, each of which works once."`
	Credential   *field.Document     `json:"credential,omitempty" description:"Instead of otp: the PublicKeyCredential of navigator.credentials.get, as its toJSON returns it. It needs challenge_token."`
}

// given reports whether a second factor is given.
func (in *factorInput) given() bool {
	return in.OTP != nil || in.RecoveryCode != nil || in.Credential != nil
}

func (in *factorInput) secondFactor() (f secondFactor) {
	switch {
	case in.OTP != nil:
		f.otp = string(*in.OTP)
	case in.RecoveryCode != nil:
		f.recoveryCode = string(*in.RecoveryCode)
	case in.Credential != nil:
		f.assertion = parseAssertion(*in.Credential)
	}
	return f
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
	Password *field.Password `json:"password,omitempty" example:"correct horse battery staple" description:"Instead of challenge_token and code. A person who has a second factor needs otp, recovery_code or credential."`
	answerInput
	factorInput
}

// Missing returns the members that were not given.
func (in *stepUpInput) Missing() []string {
	switch {
	case in.Credential != nil && in.OTP == nil && in.RecoveryCode == nil && in.ChallengeToken == nil:
		return []string{"challenge_token"}
	case in.Password != nil || in.given():
		return nil
	}
	return in.answerInput.Missing()
}

type stepUpView struct {
	ACR             string    `json:"acr" example:"aal1" description:"The assurance of the session (NIST SP 800-63B): aal2 if it proved two factors."`
	AMR             []string  `json:"amr" example:"[\"pwd\",\"otp\"]" description:"What was proved (RFC 8176); email stands for a code from a mail, fed for a provider, recovery_code for one of those, and pop for a passkey, with mfa if it verified the person."`
	AuthenticatedAt time.Time `json:"authenticated_at"`
}

type disavowInput struct {
	LinkToken field.Credential `json:"link_token" description:"From the link in the mail."`
}

// factorKind is the kind of a second factor.
type factorKind string

const (
	totpFactor    factorKind = "totp"
	passkeyFactor factorKind = "passkey"
)

// JSONSchema lists the values for the OpenAPI document.
func (factorKind) JSONSchema() (jsonschema.Schema, error) {
	return field.OpenEnum(totpFactor, passkeyFactor), nil
}

// method returns what proves the factor, in answers and in the audit log.
func (k factorKind) method() string {
	if k == totpFactor {
		return string(byOTP)
	}
	return string(k)
}

type factorView struct {
	ID         uuid.UUID  `json:"id"`
	Kind       factorKind `json:"kind"`
	Name       string     `json:"name" example:"My phone"`
	CreatedAt  time.Time  `json:"created_at"`
	LastUsedAt *time.Time `json:"last_used_at" description:"Null if it never was."`
	BackedUp   *bool      `json:"backed_up,omitempty" description:"Of a passkey: whether there is a copy elsewhere, so that it is not lost with the device."`
}

type factorsView struct {
	Factors           []factorView `json:"factors" description:"The oldest first."`
	RecoveryCodesLeft int          `json:"recovery_codes_left" example:"10" description:"How many recovery codes are unused."`
	RecoversAt        *time.Time   `json:"recovers_at" description:"When a log-in without a second factor removes them all, because somebody asked for it; null if nobody did."`
}

type recoveryInput struct {
	ChallengeToken field.Credential `json:"challenge_token" description:"From the answer of /auth/challenges."`
	Code           field.Code       `json:"code" example:"1234 5678" description:"The 8 digits from the mail."`
	Password       field.Password   `json:"password" example:"correct horse battery staple"`
}

type recoveryView struct {
	RecoversAt time.Time `json:"recovers_at" description:"From then on, for 7 days, a log-in needs no second factor and removes them all."`
}

type factorPath struct {
	FactorID uuid.UUID `path:"factor_id"`
}

type offerInput struct {
	Name *field.Name `json:"name,omitempty" example:"My phone" description:"If absent, Authenticator app."`
}

type totpView struct {
	ID     uuid.UUID `json:"id"`
	Secret string    `json:"secret" example:"JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP" description:"For typing it into the app. It is never shown again."`
	URI    string    `json:"uri" example:"otpauth://totp/Guildhall:ada@example.com?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Guildhall&algorithm=SHA1&digits=6&period=30"`
	QR     string    `json:"qr_svg" example:"<svg></svg>" description:"The uri as a QR code, a picture in SVG."`
}

type confirmFactorInput struct {
	factorPath
	OTP field.OTP `json:"otp" example:"123456"`
}

type addPasskeyInput struct {
	ChallengeToken field.Credential `json:"challenge_token" description:"From the answer of /auth/challenges to enrol_passkey, asked in this session."`
	Credential     field.Document   `json:"credential" description:"The PublicKeyCredential of navigator.credentials.create, as its toJSON returns it."`
	Name           *field.Name      `json:"name,omitempty" example:"My laptop" description:"If absent, Passkey."`
}

type renameFactorInput struct {
	factorPath
	Name field.Name `json:"name" example:"My phone"`
}

type confirmedFactorView struct {
	factorView
	RecoveryCodes []string `json:"recovery_codes,omitempty" example:"[\"ABCD-EFGH-IJKL-MNOP-QRST-UVWX\"]" description:"With the first factor: each replaces a lost factor, once. They are never shown again."`
}

type recoveryCodesView struct {
	RecoveryCodes []string `json:"recovery_codes" example:"[\"ABCD-EFGH-IJKL-MNOP-QRST-UVWX\"]" description:"Each replaces a lost factor, once. They are never shown again."`
}

type providerView struct {
	ID   string       `json:"id" example:"google"`
	Name string       `json:"name" example:"Google"`
	Kind ProviderKind `json:"kind" description:"For its logo."`
}

// JSONSchema lists the values for the OpenAPI document.
func (ProviderKind) JSONSchema() (jsonschema.Schema, error) {
	return field.OpenEnum(oidcProvider, googleProvider, microsoftProvider, githubProvider), nil
}

type providersView struct {
	Providers []providerView `json:"providers" description:"In the order of the settings."`
}

type identityView struct {
	ID         uuid.UUID  `json:"id"`
	Provider   string     `json:"provider" example:"google"`
	Name       string     `json:"name" example:"Google" description:"The provider's."`
	Email      string     `json:"email" example:"ada@example.com" description:"The address at the provider when it was linked; empty if it gave none."`
	LinkedAt   time.Time  `json:"linked_at"`
	LastUsedAt *time.Time `json:"last_used_at" description:"Null if it never was, after it was linked."`
}

type identitiesView struct {
	Identities []identityView `json:"identities" description:"The oldest first."`
}

type addIdentityInput struct {
	ChallengeToken    field.Credential  `json:"challenge_token" description:"From the answer of /auth/challenges to link_identity, asked in this session."`
	AuthorizationCode field.Credential  `json:"authorization_code" description:"What the provider sent back as code."`
	State             field.Credential  `json:"state" description:"What the provider sent back."`
	Issuer            *field.Credential `json:"iss,omitempty" description:"What the provider sent back, if it did."`
}

func (in *addIdentityInput) arrival() arrival {
	a := arrival{code: string(in.AuthorizationCode), state: string(in.State)}
	if in.Issuer != nil {
		a.issuer = string(*in.Issuer)
	}
	return a
}

// passOnInput is a form of Apple. Its other parameters are ignored, as in every form.
type passOnInput struct {
	State field.Credential  `json:"state" example:"q83vEjRWeJq83vEjRWeJ" description:"As it was in the authorization_url."`
	Code  *field.Credential `json:"code,omitempty" example:"c1234.0.abcd" description:"If absent, error is required."`
	Error *field.Credential `json:"error,omitempty" example:"user_cancelled_authorize"`
	User  *field.Credential `json:"user,omitempty" example:"{\"name\": {\"firstName\": \"Ada\", \"lastName\": \"Lovelace\"}}" description:"JSON, at the first log-in only."`
}

type identityPath struct {
	IdentityID uuid.UUID `path:"identity_id"`
}
