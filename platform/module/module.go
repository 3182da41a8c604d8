// Package module says what the kernel asks of a module.
package module

import (
	"guildhall/platform/httpapi"
	"guildhall/platform/migrate"
	"guildhall/platform/schema"
)

// Module is a room of the house: it owns its routes and its tables.
type Module interface {
	// Name is the tag of its routes and part of its migrations' ids.
	Name() string
	// Migrations of its own tables, in any order: their ids order all modules'.
	Migrations() []migrate.Migration
	// Tables declares each of those tables; nil where it has none.
	Tables() []schema.Table
	// Routes declares its endpoints.
	Routes(r *httpapi.Router)
}

// Checker is a module with invariants that no single table of its own can state.
type Checker interface {
	// Invariants that span tables.
	Invariants() []schema.Invariant
}
