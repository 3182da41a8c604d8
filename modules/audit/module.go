// Package audit serves the audit log, which platform/audit writes: an organization's log
// to its admins, an account's log to the person, and all of it to platform administrators.
package audit

import (
	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/httpapi"
	"guildhall/platform/migrate"
	"guildhall/platform/module"
)

// Module registers the routes of the audit log.
type Module struct {
	gate  *access.Gate
	trail *audit.Trail
}

var _ module.Module = (*Module)(nil)

// NewModule returns the module.
func NewModule(gate *access.Gate, trail *audit.Trail) *Module {
	return &Module{gate: gate, trail: trail}
}

// Name implements module.Module.
func (*Module) Name() string { return "audit" }

// Migrations implements module.Module. The tables belong to platform/audit.
func (*Module) Migrations() []migrate.Migration { return nil }

// Routes implements module.Module.
func (m *Module) Routes(r *httpapi.Router) {
	r.Describe("Who did what, and when.")
	httpapi.Get(r, "/audit-events", access.PlatformAdminOnly().WithoutPerson(), m.listEvents, httpapi.Doc{
		ID: "listAuditEvents", Summary: "List what happened anywhere", MayLag: true,
		Description: "The newest first: what happened in every organization, to every account, and to neither. By an `action` alone, or with few matches, it may take seconds in a log of millions of events: give `since`, too.",
	})
	httpapi.Get(r, "/organizations/:organization_id/audit-events", access.Org(access.Admin).WhileSuspended().WhileArchived(), m.listOrganizationEvents, httpapi.Doc{
		ID: "listOrganizationAuditEvents", Summary: "List what happened in an organization", MayLag: true,
		Description: "The newest first. Events are never changed; each `hash` covers the event and the hash of the one before.",
	})
	httpapi.Get(r, "/users/:user_id/audit-events", access.Self().OrPlatformAdmin(), m.listUserEvents, httpapi.Doc{
		ID: "listUserAuditEvents", Summary: "List what happened to an account", MayLag: true,
		Description: "Log-ins, failed log-ins, sessions, password, profile and standing of the account, the newest first. Events about the person within an organization are in that organization's list.",
		Refusals:    httpapi.Refusals(access.ErrUserNotFound),
	})
}
