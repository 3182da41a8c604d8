package search

import (
	"fmt"
	"strings"

	"guildhall/platform/database"
	"guildhall/platform/migrate"
)

// Table is a table of terms.
type Table struct {
	Name   string
	Of     string // the column with the id of what is found
	Tenant string // the column with the organization in which it is found; "" without one
}

// Key returns the columns that say what is found, and where.
func (t Table) Key() []string {
	if t.Tenant == "" {
		return []string{t.Of}
	}
	return []string{t.Tenant, t.Of}
}

// Created returns the migration that creates the table, with a foreign key. Both databases
// sort the terms by their bytes.
func (t Table) Created(id, foreignKey string) migrate.Migration {
	return migrate.Migration{
		ID: id,
		Up: func(driver database.Driver) []string {
			collation, clustered := ` COLLATE "C"`, ""
			if driver == database.SQLite {
				collation, clustered = "", " WITHOUT ROWID"
			}
			return []string{fmt.Sprintf(`CREATE TABLE %s (
				%s uuid NOT NULL,
				term text%s NOT NULL,
				PRIMARY KEY (%s, term),
				%s
			)%s`, t.Name, strings.Join(t.Key(), " uuid NOT NULL,\n\t\t\t\t"), collation, strings.Join(t.Key(), ", "), foreignKey, clustered)}
		},
		Down: func(database.Driver) []string { return []string{"DROP TABLE " + t.Name} },
	}
}

// Indexed returns the migration that creates the index for Matching.
func (t Table) Indexed(id string) migrate.Migration {
	columns := append([]string{"term"}, t.Of)
	if t.Tenant != "" {
		columns = append([]string{t.Tenant}, columns...)
	}
	return migrate.One(id, fmt.Sprintf("CREATE UNIQUE INDEX %[1]s_found ON %[1]s (%[2]s)", t.Name, strings.Join(columns, ", ")), "DROP INDEX "+t.Name+"_found")
}

// Isolated returns the migration that creates the policy for the terms of an organization.
func (t Table) Isolated(id string) migrate.Migration {
	return migrate.Migration{
		ID: id,
		Up: func(driver database.Driver) []string {
			return database.TenantPolicy(driver, t.Name, "organization_id = "+database.TenantOrganization)
		},
		Down: func(driver database.Driver) []string {
			if driver != database.Postgres {
				return nil
			}
			return []string{"DROP POLICY tenant ON " + t.Name}
		},
	}
}

// Matching returns a query for what matches, and by which term, with the arguments that
// Query.Args returns, after the organization, and marks for database.InOrder. The caller adds
// the order: the term, and then the id. What has several matching terms is found by the
// first.
func (t Table) Matching() string {
	tenant, same := "", ""
	if t.Tenant != "" {
		tenant, same = "t."+t.Tenant+" = ? AND ", "x."+t.Tenant+" = t."+t.Tenant+" AND "
	}
	// The LIMIT keeps PostgreSQL from joining all terms.
	has := "EXISTS (SELECT 1 FROM " + t.Name + " x WHERE " + same + "x." + t.Of + " = t." + t.Of + " AND x.term >= ? AND x.term < "
	return "SELECT t." + strings.Join(t.Key(), ", t.") + ", t.term FROM " + t.Name + " t WHERE " + tenant + "(t.term, t." + t.Of + ") {>} (?, ?) AND t.term {<} ?" +
		" AND NOT " + has + "t.term LIMIT 1 OFFSET 0)" +
		strings.Repeat(" AND "+has+"? LIMIT 1 OFFSET 0)", mostWords-1)
}

// ByName returns the query for all that have a term of their name, in place of Matching, with
// the arguments that NameArgs returns, after the organization.
func (t Table) ByName() string {
	tenant := ""
	if t.Tenant != "" {
		tenant = "t." + t.Tenant + " = ? AND "
	}
	return "SELECT t." + strings.Join(t.Key(), ", t.") + ", t.term FROM " + t.Name + " t WHERE " + tenant + "(t.term, t." + t.Of + ") {>} (?, ?) AND t.term {<} ?"
}
