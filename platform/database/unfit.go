package database

import (
	"context"
	"fmt"
	"strings"
)

// unfit is a PostgreSQL server that answers, but is set up so that the service
// can't work with it. Each kind says what helps: an operator meets them in the
// first hour, and the server's own words name no setting.
type unfit struct{ what, mend string }

func (u unfit) Error() string { return u.what + ": " + u.mend }

// checkSearchPath finds out whether there is a schema in which tables are made,
// and that it is none of PostgreSQL's own: what is made in pg_temp is gone with
// the connection.
func (d *DB) checkSearchPath(ctx context.Context) error {
	var schema string
	if err := d.writePool.QueryRowContext(ctx, "SELECT COALESCE(current_schema(), '')").Scan(&schema); err != nil {
		return fmt.Errorf("ask the database for its schema: %w", redact(err, d.options.URL))
	}
	if schema != "" && !strings.HasPrefix(schema, "pg_") && schema != "information_schema" {
		return nil
	}
	// A role's setting for one database is the strongest, but for the connection's own.
	var path, role, database, source, forbidden string
	err := d.writePool.QueryRowContext(ctx, `SELECT s.setting, quote_ident(session_user), quote_ident(current_database()), s.source,
		COALESCE((SELECT MIN(quote_ident(n.nspname)) FROM pg_namespace n WHERE NOT has_schema_privilege(n.oid, 'USAGE') AND quote_ident(n.nspname) =
			ANY (regexp_split_to_array(replace(s.setting, '"$user"', quote_ident(session_user)), ' *, *'))), '')
		FROM pg_settings s WHERE s.name = 'search_path'`).Scan(&path, &role, &database, &source, &forbidden)
	if err != nil {
		return fmt.Errorf("ask the database for search_path: %w", redact(err, d.options.URL))
	}
	u := unfit{mend: fmt.Sprintf("run ALTER ROLE %s IN DATABASE %s SET search_path = public, or name another schema there", role, database)}
	switch {
	case strings.Trim(path, `" `) == "":
		u.what = "search_path is empty, so there is no schema to make tables in"
	case schema != "":
		u.what = fmt.Sprintf("search_path is %s, so tables would be made in %s, which is PostgreSQL's own", path, schema)
	default:
		u.what = fmt.Sprintf("search_path is %s, and no such schema exists that %s may use", path, role)
	}
	switch {
	case forbidden != "" && schema == "":
		u.mend = fmt.Sprintf("run GRANT USAGE, CREATE ON SCHEMA %s TO %s", forbidden, role)
	case source == "client":
		u.mend = "name a schema where it is set, in DATABASE_URL (search_path=public, or options=-csearch_path%3Dpublic) or PGOPTIONS, or take it out there"
	}
	return u
}
