// Package module says what the kernel asks of a module.
package module

import (
	"guildhall/platform/database"
	"guildhall/platform/httpapi"
)

// Module is a room of the house: it owns its routes and its tables.
type Module interface {
	// Name is the tag of its routes and part of its migrations' ids.
	Name() string
	// Migrations of its own tables, in any order: their ids order all modules'.
	Migrations() []database.Migration
	// Routes declares its endpoints.
	Routes(r *httpapi.Router)
}
