// Package console serves pages at /console: members look at their organizations, admins and
// owners look after them, and platform administrators after everything. A page calls the API
// inside the process; it has no rules of its own.
package console

import (
	"embed"

	"guildhall/platform/module"
	"guildhall/platform/web"
)

//go:embed templates locales
var files embed.FS

// Options are the configured rules that decide what a page offers.
type Options struct {
	Mail    bool   // the service can send mail
	Mailbox string // path of the development mailbox, where mails are shown instead
}

// Module registers the pages.
type Module struct {
	module.OnlyPages
	options Options
}

// NewModule returns the module.
func NewModule(o Options) *Module { return &Module{options: o} }

// Name implements module.Module.
func (*Module) Name() string { return "console" }

// Pages implements module.WithPages.
func (m *Module) Pages(site *web.Site) {
	if !site.HasConsole() {
		return
	}
	p := site.Pages(files)
	p.Private("GET /console", m.start)
	p.Form("/console/new", m.create, "createOrganization")
	m.platformPages(p)

	const organization = "/console/o/{organization}"
	p.Private("GET "+organization, m.open, "getOrganization")
	p.Private("GET "+organization+"/members", m.members, "getOrganization", "listMembers")
	p.Form(organization+"/add", m.add, "getOrganization", "addMember")
	p.Private("GET "+organization+"/member/{user}", m.member, "getOrganization", "getMember", "listMemberSuspensions")
	for _, a := range memberActs {
		p.Form(organization+"/member/{user}/"+a.name, m.act(a), "getOrganization", "getMember", "listMemberSuspensions", a.operation)
	}

	p.Private("GET "+organization+"/invitations", m.invitations, "getOrganization", "listInvitations", "listInvitationLinks")
	p.Form(organization+"/invite", m.invite, "getOrganization", "inviteMany")
	p.Form(organization+"/invitation-link", m.createLink, "getOrganization", "createInvitationLink")
	p.Form(organization+"/invitation/{invitation}/resend", m.resend, "getOrganization", "resendInvitation")
	p.Form(organization+"/invitation/{invitation}/revoke", m.revoke, "getOrganization", "revokeInvitation")
	p.Form(organization+"/invitation-link/{link}/revoke", m.revokeLink, "getOrganization", "revokeInvitationLink")

	p.Private("GET "+organization+"/keys", m.keys, "getOrganization", "listApiKeys")
	p.Form(organization+"/keys/new", m.makeKey, "getOrganization", "createApiKey")
	p.Form(organization+"/key/{key}/rotate", m.rotateKey, "getOrganization", "getApiKey", "rotateApiKey")
	p.Form(organization+"/key/{key}/revoke", m.revokeKey, "getOrganization", "getApiKey", "revokeApiKey")
	p.Private("GET "+organization+"/service-accounts", m.accounts, "getOrganization", "listServiceAccounts")
	p.Form(organization+"/service-accounts/new", m.createServiceAccount, "getOrganization", "createServiceAccount")
	p.Form(organization+"/service-account/{user}/key", m.makeKeyOfAccount, "getOrganization", "getMember", "createApiKey")

	p.Private("GET "+organization+"/audit", m.audit, "getOrganization", "listOrganizationAuditEvents")

	p.Private("GET "+organization+"/security", m.security, "getOrganization", "getSecurity", "listFactors")
	p.Form(organization+"/security/change", m.secure, "getOrganization", "getSecurity", "setSecurity")

	p.Private("GET "+organization+"/settings", m.settings, "getOrganization", "listOrganizationSuspensions")
	p.Form(organization+"/settings/rename", m.rename, "getOrganization", "updateOrganization")
	p.Form(organization+"/settings/suspend", m.suspendOrganization, "getOrganization", "suspendOrganization")
	p.Form(organization+"/settings/restore", m.restoreOrganization, "getOrganization", "listOrganizationSuspensions", "activateOrganization")
	p.Form(organization+"/settings/archive", m.archive, "getOrganization", "archiveOrganization")
	p.Form(organization+"/settings/unarchive", m.unarchive, "getOrganization", "unarchiveOrganization")
	p.Form(organization+"/settings/leave", m.leave, "getOrganization", "removeMember")
}
