package organization

import "guildhall/platform/schema"

// Tables implements module.Module.
func (*Module) Tables() []schema.Table {
	return []schema.Table{
		{Name: "organizations", Standing: schema.Added(), Tenants: schema.KeptApart()},
		// One span is open at a time: a row more, by itself, is a new organization's.
		{Name: "organization_active_status", Standing: schema.Added(), Tenants: schema.KeptApart()},
		{Name: "organization_suspensions", Standing: schema.Decides(), Tenants: schema.KeptApart()},
		{Name: "organization_archives", Standing: schema.Decides(), Tenants: schema.KeptApart()},
	}
}
