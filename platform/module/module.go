// Package module defines the interfaces between the kernel and the modules.
package module

import (
	"guildhall/platform/httpapi"
	"guildhall/platform/migrate"
	"guildhall/platform/schema"
)

// Module is a part of the service that owns its routes and its tables.
type Module interface {
	// Name returns the OpenAPI tag of the module's routes, which is also part of the ids
	// of its migrations.
	Name() string
	// Migrations returns the migrations of the module's tables, in any order: the
	// migrations of all modules run in the order of their ids.
	Migrations() []migrate.Migration
	// Tables declares the module's tables; nil if it has none.
	Tables() []schema.Table
	// Routes declares its endpoints.
	Routes(r *httpapi.Router)
}

// Checker is implemented by a module that has invariants over several tables.
type Checker interface {
	// Invariants returns the invariants that span tables.
	Invariants() []schema.Invariant
}
