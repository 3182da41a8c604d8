package access

import (
	"testing"

	"guildhall/platform/database"
	"guildhall/platform/schema"
)

func TestWhatInvalidatesTheStandingCache(t *testing.T) {
	t.Parallel()
	g := Gate{cache: &standingCache{}}
	if !g.cache.invalidates(database.Write{Operation: database.Insert, Table: "audit_events"}) {
		t.Error("a write does not invalidate the cache before the tables are set")
	}
	g.SetTables([]schema.Table{
		{Name: "sessions", Standing: schema.Added("generation", "rotated_at")},
		{Name: "organization_admins", Standing: schema.Decides()},
		{Name: "audit_events", Standing: schema.Unread()},
	})
	for w, want := range map[database.Write]bool{
		{Operation: database.Insert, Table: "sessions"}:                              false,
		{Operation: database.Update, Table: "sessions", Column: "generation"}:        false,
		{Operation: database.Update, Table: "sessions", Column: "revoked_at"}:        true,
		{Operation: database.Delete, Table: "sessions"}:                              true,
		{Operation: database.Insert, Table: "organization_admins"}:                   true,
		{Operation: database.Update, Table: "organization_admins", Column: "since"}:  true,
		{Operation: database.Delete, Table: "organization_admins"}:                   true,
		{Operation: database.Insert, Table: "audit_events"}:                          false,
		{Operation: database.Update, Table: "audit_events", Column: "organizations"}: false,
		{Operation: database.Delete, Table: "audit_events"}:                          false,
		{Operation: database.Insert, Table: "undeclared"}:                            true,
		{Operation: database.Update, Table: "undeclared", Column: "generation"}:      true,
		{Operation: database.Delete, Table: "undeclared"}:                            true,
	} {
		if g.cache.invalidates(w) != want {
			t.Errorf("%+v: invalidates is %t", w, !want)
		}
	}
}
