package module

import (
	"guildhall/platform/httpapi"
	"guildhall/platform/migrate"
	"guildhall/platform/schema"
	"guildhall/platform/web"
)

// WithPages is implemented by a module that has pages for people.
type WithPages interface {
	// Pages declares its pages.
	Pages(site *web.Site)
}

// OnlyPages is embedded by a module of pages: it has no routes of the API and no tables.
type OnlyPages struct{}

// Migrations implements Module.
func (OnlyPages) Migrations() []migrate.Migration { return nil }

// Tables implements Module.
func (OnlyPages) Tables() []schema.Table { return nil }

// Routes implements Module.
func (OnlyPages) Routes(*httpapi.Router) {}
