// Package account serves pages at /account: for everyone log-in, registration, and what the
// links in mails open; for people who are logged in what concerns only themselves. A page
// calls the API inside the process; it has no rules of its own.
package account

import (
	"embed"

	"guildhall/platform/module"
	"guildhall/platform/web"
)

//go:embed templates locales
var files embed.FS

// Options are the configured rules that decide which links a page shows.
type Options struct {
	LogInOnly    bool // the other pages are off, and the console is on
	Registration bool
	Mail         bool // the service can send mail
	LogInByEmail bool // a code from a mail logs in
	Passkeys     bool // these pages may use passkeys
	ErasureDays  int  // until an account that asked for it is erased
	Providers    []Provider
	Callback     string // the URL to which they send people back
}

// Module registers the pages.
type Module struct {
	module.OnlyPages
	options Options
}

// NewModule returns the module.
func NewModule(o Options) *Module {
	if o.LogInOnly {
		o.Registration, o.Mail = false, false // their pages are off
	}
	return &Module{options: o}
}

// Name implements module.Module.
func (*Module) Name() string { return "account" }

// Pages implements module.WithPages.
func (m *Module) Pages(site *web.Site) {
	p := site.Pages(files).Branded()
	p.Handle("GET /account/log-in", m.showLogIn)
	p.Handle("POST /account/log-in", m.logIn, "logIn")
	p.Handle("POST /account/log-in/passkey", m.logInByPasskey, "createChallenge", "logIn")
	p.Handle("GET /account/log-in/mail", m.mailLogIn)
	p.Handle("POST /account/log-in/mail", m.mailLogIn, "createChallenge")
	p.Handle("POST /account/log-in/code", m.logInWith(logInCode), "logIn")
	if len(m.options.Providers) > 0 {
		p.Handle("POST /account/log-in/provider", m.logInElsewhere, "createChallenge")
		p.Handle("GET /account/callback", m.arrive, "logIn", "createIdentity", "previewInvitation", "acceptInvitation")
		p.Handle("POST /account/callback", m.arrive, "logIn", "previewInvitation", "acceptInvitation")
	}
	p.Handle("POST /account/log-out", m.logOut, "logOut")
	p.Handle("POST /account/theme", m.chooseTheme)
	p.Form("/account/confirm", m.confirm, "listFactors", "createChallenge", "stepUp")
	if m.options.LogInOnly {
		return
	}
	p.Handle("GET /account/register", m.showRegister)
	p.Handle("POST /account/register", m.register, "register")
	p.Handle("POST /account/register/code", m.logInWith(registrationCode), "logIn")
	p.Handle("GET /account/welcome", m.showWelcome)
	p.Handle("POST /account/welcome", m.welcome, "register")
	p.Handle("GET /account/forgot", m.showForgot)
	p.Handle("POST /account/forgot", m.forgot, "createChallenge")
	p.Handle("GET /account/reset", m.showReset)
	p.Handle("POST /account/reset", m.reset, "resetPassword")
	p.Handle("GET /account/lost-factors", m.showLost)
	p.Handle("POST /account/lost-factors", m.lost, "createChallenge")
	p.Handle("POST /account/lost-factors/code", m.recoverFactors, "startFactorRecovery")
	p.Handle("GET /account/verify", m.showVerify)
	p.Handle("POST /account/verify", m.verify, "logIn", "confirmEmail")
	p.Handle("POST /account/verify/mail", m.sendVerification, "createChallenge")
	p.Handle("GET /account/invitation", m.showInvitation)
	p.Handle("POST /account/invitation", m.preview, "previewInvitation")
	p.Handle("POST /account/invitation/accept", m.accept, "previewInvitation", "register", "logIn", "acceptInvitation")
	p.Handle("POST /account/invitation/decline", m.decline, "declineInvitation")
	p.Handle("GET /account/disavow", m.showDisavow)
	p.Handle("POST /account/disavow", m.disavow, "disavow")

	p.Private("GET /account", m.overview, "listMyInvitations")
	p.Form("/account/profile", m.profile, "updateProfile")
	p.Form("/account/password", m.password, "changePassword")
	p.Private("GET /account/factors", m.factors, "listFactors")
	p.Form("/account/factors/new", m.addFactor, "createTotp")
	p.Form("/account/factors/passkeys/new", m.addPasskey, "createChallenge", "createPasskey")
	p.Private("POST /account/factors/{factor}/confirm", m.confirmFactor, "confirmTotp")
	p.Form("/account/factors/{factor}/rename", m.renameFactor, "listFactors", "renameFactor")
	p.Form("/account/factors/{factor}/remove", m.removeFactor, "listFactors", "removeFactor")
	p.Private("POST /account/factors/keep", m.keepFactors, "cancelFactorRecovery")
	p.Form("/account/factors/codes", m.renewCodes, "createRecoveryCodes")
	if len(m.options.Providers) > 0 {
		p.Private("GET /account/identities", m.listIdentities, "listIdentities")
		p.Form("/account/identities/{provider}/link", m.linkIdentity, "createChallenge")
		p.Form("/account/identities/{identity}/unlink", m.unlinkIdentity, "listIdentities", "deleteIdentity")
	}
	p.Form("/account/email", m.email, "createChallenge")
	p.Private("POST /account/email/code", m.changeEmail, "confirmEmail")
	p.Private("GET /account/sessions", m.sessions, "listSessions")
	p.Form("/account/sessions/{session}/end", m.endSession, "endSession")
	p.Form("/account/sessions/everywhere", m.logOutEverywhere, "logOut")
	p.Private("GET /account/keys", m.keys, "listMyApiKeys")
	p.Form("/account/keys/new", m.makeKey, "createApiKey")
	p.Form("/account/keys/{organization}/{key}/rotate", m.rotateKey, "getApiKey", "rotateApiKey")
	p.Form("/account/keys/{organization}/{key}/revoke", m.revokeKey, "getApiKey", "revokeApiKey")
	p.Private("GET /account/activity", m.activity, "listUserAuditEvents")
	p.Private("GET /account/organizations", m.organizations, "listOrganizations", "listMyInvitations")
	p.Form("/account/organizations/new", m.create, "createOrganization")
	p.Form("/account/organizations/{organization}/leave", m.leave, "getOrganization", "removeMember")
	p.Form("/account/invitations/{invitation}/accept", m.acceptMine, "listMyInvitations", "acceptMyInvitation")
	p.Form("/account/invitations/{invitation}/decline", m.declineMine, "listMyInvitations", "declineMyInvitation")
	p.Form("/account/data", m.data, "exportUser")
	p.Form("/account/erase", m.erase, "eraseUser")
	p.Form("/account/close", m.close, "archiveUser")
}
