// Package account serves pages at /account for everyone: log-in, registration, and what the
// links in mails open. A page calls the API inside the process; it has no rules of its own.
package account

import (
	"embed"

	"guildhall/platform/httpapi"
	"guildhall/platform/migrate"
	"guildhall/platform/schema"
	"guildhall/platform/web"
)

//go:embed templates locales
var files embed.FS

// Options are the configured rules that decide which links a page shows.
type Options struct {
	Registration bool
	Mail         bool // the service can send mail
}

// Module registers the pages. It has no routes of the API and no tables.
type Module struct{ options Options }

// NewModule returns the module.
func NewModule(o Options) *Module { return &Module{o} }

// Name implements module.Module.
func (*Module) Name() string { return "account" }

// Migrations implements module.Module.
func (*Module) Migrations() []migrate.Migration { return nil }

// Tables implements module.Module.
func (*Module) Tables() []schema.Table { return nil }

// Routes implements module.Module.
func (*Module) Routes(*httpapi.Router) {}

// Pages implements module.WithPages.
func (m *Module) Pages(site *web.Site) {
	p := site.Pages(files)
	p.Handle("GET /account", m.home)
	p.Handle("GET /account/log-in", m.showLogIn)
	p.Handle("POST /account/log-in", m.logIn)
	p.Handle("POST /account/log-out", m.logOut)
	p.Handle("GET /account/register", m.showRegister)
	p.Handle("POST /account/register", m.register)
	p.Handle("POST /account/register/code", m.completeRegistration)
	p.Handle("GET /account/forgot", m.showForgot)
	p.Handle("POST /account/forgot", m.forgot)
	p.Handle("GET /account/reset", m.showReset)
	p.Handle("POST /account/reset", m.reset)
	p.Handle("GET /account/verify", m.showVerify)
	p.Handle("POST /account/verify", m.verify)
	p.Handle("POST /account/verify/mail", m.sendVerification)
	p.Handle("GET /account/invitation", m.showInvitation)
	p.Handle("POST /account/invitation", m.preview)
	p.Handle("POST /account/invitation/accept", m.accept)
	p.Handle("POST /account/invitation/decline", m.decline)
	p.Handle("GET /account/disavow", m.showDisavow)
	p.Handle("POST /account/disavow", m.disavow)
}
