// Package operator shows platform administrators the installation: what runs, whether it is
// fit for production, and who administers it. It changes nothing.
package operator

import (
	"guildhall/platform/access"
	"guildhall/platform/httpapi"
	"guildhall/platform/inspect"
	"guildhall/platform/migrate"
	"guildhall/platform/module"
	"guildhall/platform/schema"
	"guildhall/platform/signing"
)

// Module registers the routes about the installation. It has no tables.
type Module struct {
	inspector      *inspect.Inspector
	administrators *access.PlatformAdmins
	keys           *signing.Store
}

var _ module.Module = (*Module)(nil)

// NewModule returns the module.
func NewModule(i *inspect.Inspector, administrators *access.PlatformAdmins, keys *signing.Store) *Module {
	return &Module{i, administrators, keys}
}

// Name implements module.Module.
func (*Module) Name() string { return "operator" }

// Migrations implements module.Module.
func (*Module) Migrations() []migrate.Migration { return nil }

// Tables implements module.Module.
func (*Module) Tables() []schema.Table { return nil }

// Routes implements module.Module.
func (m *Module) Routes(r *httpapi.Router) {
	r.Describe("What operators see of the installation.")
	only := access.PlatformAdminOnly().WithoutPerson()
	httpapi.Get(r, "/platform/status", only, m.getStatus, httpapi.Doc{
		ID: "getPlatformStatus", Summary: "Show the status of the installation",
		Description: "As the process sees it that answers; others may have another version, and failures of their own.",
	})
	httpapi.Get(r, "/platform/checks", only, m.getChecks, httpapi.Doc{
		ID: "getPlatformChecks", Summary: "Check whether the installation is fit for production",
		Description: "What `guildhall check` finds, and the settings of the process that answers. Secrets, and passwords in URLs, are masked.",
	})
	httpapi.Get(r, "/platform/administrators", only, m.listAdministrators, httpapi.Doc{
		ID: "listPlatformAdministrators", Summary: "List the platform administrators",
		Description: "They are appointed by `guildhall admin grant` only.",
	})
	httpapi.Get(r, "/platform/signing-keys", only, m.getSigningKeys, httpapi.Doc{
		ID: "getSigningKeys", Summary: "Show the keys that sign access tokens",
		Description: "What `guildhall keys list` prints, and when the next key is made. Their private parts never leave the database. `guildhall keys rotate` makes another one.",
	})
}
