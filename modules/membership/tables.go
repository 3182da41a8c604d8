package membership

import "guildhall/platform/schema"

// Tables implements module.Module.
func (*Module) Tables() []schema.Table {
	return []schema.Table{
		{Name: "organization_members", Standing: schema.Added(), Tenants: schema.KeptApart()},
		{Name: "organization_admins", Standing: schema.Decides(), Tenants: schema.KeptApart()},
		// An organization has its one owner from its first commit on.
		{Name: "organization_owners", Standing: schema.Added(), Tenants: schema.KeptApart()},
	}
}
