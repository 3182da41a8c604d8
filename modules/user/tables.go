package user

import "guildhall/platform/schema"

// Tables implements module.Module.
func (*Module) Tables() []schema.Table {
	return []schema.Table{
		{Name: "users", Standing: schema.Added(), Tenants: schema.Shared("an account is a person's, in all organizations")},
		{Name: "user_profile", Standing: schema.Added(), Tenants: schema.Shared("a person has one for all organizations; lists of members read it through their memberships")},
		{Name: "user_active_status", Standing: schema.Added(), Tenants: schema.KeptApart()},
		{Name: "user_suspensions", Standing: schema.Decides(), Tenants: schema.KeptApart()},
		{Name: "user_archives", Standing: schema.Decides(), Tenants: schema.Shared("an account is archived as a whole, for all organizations")},
	}
}
