package auth

import "guildhall/platform/schema"

// Tables implements module.Module.
func (*Module) Tables() []schema.Table {
	return []schema.Table{
		{Name: "user_login_password", Standing: schema.Unread(), Tenants: schema.Shared("it is read at log-in, before anybody is known, and by no organization")},
		// A rotation changes no more than who used the session last.
		{Name: "sessions", Standing: schema.Added("generation", "rotated_at", "address", "client"), Tenants: schema.Shared("a token is checked against it before the tenant is known; its organization is only the last one used")},
	}
}
