package database

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// unfit is an error about a server or file that answers, but that the service can't
// work with in its present setup. It says what is wrong and how to fix it: operators
// meet these errors in the first hour, and the server's own messages don't name the
// setting.
type unfit struct{ what, fix string }

func (u unfit) Error() string { return u.what + ": " + u.fix }

// checkSearchPath refuses a search_path without a schema in which the role can create
// tables. It also refuses PostgreSQL's own schemas: what is created in pg_temp is gone
// with the connection.
func (d postgresDialect) checkSearchPath(ctx context.Context) error {
	var schema string
	if err := d.writePool.QueryRowContext(ctx, "SELECT COALESCE(current_schema(), '')").Scan(&schema); err != nil {
		return d.dialect.explain(ctx, fmt.Errorf("ask the database for its schema: %w", err))
	}
	if schema != "" && !strings.HasPrefix(schema, "pg_") && schema != "information_schema" {
		return nil
	}
	// A role's setting for one database has the highest precedence, except for the
	// connection's own.
	var path, role, database, source, forbidden string
	err := d.writePool.QueryRowContext(ctx, `SELECT s.setting, quote_ident(session_user), quote_ident(current_database()), s.source,
		COALESCE((SELECT MIN(quote_ident(n.nspname)) FROM pg_namespace n WHERE NOT has_schema_privilege(n.oid, 'USAGE') AND quote_ident(n.nspname) =
			ANY (regexp_split_to_array(replace(s.setting, '"$user"', quote_ident(session_user)), ' *, *'))), '')
		FROM pg_settings s WHERE s.name = 'search_path'`).Scan(&path, &role, &database, &source, &forbidden)
	if err != nil {
		return d.dialect.explain(ctx, fmt.Errorf("ask the database for search_path: %w", err))
	}
	u := unfit{fix: fmt.Sprintf("run ALTER ROLE %s IN DATABASE %s SET search_path = public, or name another schema there", role, database)}
	switch {
	case strings.Trim(path, `" `) == "":
		u.what = "search_path is empty, so tables have no schema to be created in"
	case schema != "":
		u.what = fmt.Sprintf("search_path is %s, so tables would be created in %s, which is PostgreSQL's own", path, schema)
	default:
		u.what = fmt.Sprintf("search_path is %s, and no such schema exists that %s may use", path, role)
	}
	switch {
	case forbidden != "" && schema == "":
		u.fix = fmt.Sprintf("run GRANT USAGE, CREATE ON SCHEMA %s TO %s", forbidden, role)
	case source == "client":
		u.fix = "name a schema where it is set, in DATABASE_URL (search_path=public, or options=-csearch_path%3Dpublic) or PGOPTIONS, or remove it there"
	}
	return u
}

// checkEncoding refuses a database that does not store text in Unicode. It would refuse
// characters that its encoding lacks later, in some request. SQL_ASCII treats bytes as
// characters, so that it counts, cuts and compares them wrongly.
func (d postgresDialect) checkEncoding(ctx context.Context) error {
	var encoding, role, fresh string
	err := d.writePool.QueryRowContext(ctx, `SELECT COALESCE(current_setting('server_encoding', true), ''), quote_ident(current_user),
		quote_ident(current_database() || '_utf8')`).Scan(&encoding, &role, &fresh)
	if err != nil {
		return d.dialect.explain(ctx, fmt.Errorf("ask the database for its encoding: %w", err))
	}
	if encoding == "" || strings.EqualFold(encoding, "UTF8") {
		return nil
	}
	return unfit{
		fmt.Sprintf("the encoding of the database is %s, and guildhall needs UTF8", encoding),
		fmt.Sprintf("as a superuser run %s, and write that name in the URL", newDatabase(fresh, role)),
	}
}

// checkEncoding refuses a file that was created with another PRAGMA encoding: SQLite
// compares bytes, so in UTF-16 the order of text differs from everywhere else.
func (d sqliteDialect) checkEncoding(ctx context.Context) error {
	var encoding string
	if err := d.readPool.QueryRowContext(ctx, "PRAGMA encoding").Scan(&encoding); err != nil {
		return fmt.Errorf("ask the SQLite file for its encoding: %w", err)
	}
	if encoding == "UTF-8" {
		return nil
	}
	return unfit{fmt.Sprintf("the SQLite file %s stores text in %s, and guildhall needs UTF-8", d.sqlitePath, encoding), fmt.Sprintf("use a new file, or copy the contents to one: sqlite3 %s .dump | sqlite3 NEW", d.sqlitePath)}
}

// MayMigrate returns an error if the role can't change the schema, as far as that can
// be determined without trying.
func (d *DB) MayMigrate(ctx context.Context) error {
	if d.driver == SQLite {
		return nil
	}
	return postgresDialect{d}.mayNot(ctx)
}

// mayNot looks for a missing privilege of the role: to create tables, to use those that
// exist, or to change them. It returns nil if it finds none.
func (d postgresDialect) mayNot(ctx context.Context) error {
	var role, schema, owner string
	var creates, uses, owns bool
	err := d.writePool.QueryRowContext(ctx, `SELECT quote_ident(current_user), quote_ident(n.nspname), has_schema_privilege(n.oid, 'CREATE'),
		COALESCE(has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE')
			AND has_table_privilege(c.oid, 'DELETE'), true),
		COALESCE(pg_has_role(c.relowner, 'USAGE'), true), COALESCE(quote_ident(pg_get_userbyid(c.relowner)), '')
		FROM pg_namespace n LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = '`+MigrationTable+`'
		WHERE n.nspname = current_schema()`).Scan(&role, &schema, &creates, &uses, &owns, &owner)
	switch {
	case err != nil:
		return nil //nolint:nilerr // the error that led here says more
	case !uses:
		return unfit{
			fmt.Sprintf("%s may not use the tables in schema %s, which are %s's", role, schema, owner),
			fmt.Sprintf("as %s run GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %s TO %s", owner, schema, role),
		}
	case !owns:
		return unfit{
			fmt.Sprintf("only their owner, %s, may change the tables in schema %s", owner, schema),
			fmt.Sprintf("run this as %s, or as a superuser run GRANT %[1]s TO %[2]s", owner, role),
		}
	case !creates:
		return unfit{
			fmt.Sprintf("%s may not create tables in schema %s, as only its owner may from PostgreSQL 15 on", role, schema),
			fmt.Sprintf("as a superuser run GRANT CREATE ON SCHEMA %s TO %s in this database", schema, role),
		}
	}
	return nil
}

// Writable returns an error if the database takes no writes: the server is a standby or
// is set to read-only, the SQLite file was replaced, or a write failed for lack of
// space. It writes only in the last case.
func (d *DB) Writable(ctx context.Context) error { return d.dialect.writable(ctx) }

func (d sqliteDialect) writable(ctx context.Context) error {
	if err := d.InPlace(); err != nil {
		return err
	}
	return d.takesWrites(ctx)
}

func (d postgresDialect) writable(ctx context.Context) error {
	var setting, standby bool
	err := d.writePool.QueryRowContext(ctx, "SELECT current_setting('default_transaction_read_only') = 'on', pg_is_in_recovery()").Scan(&setting, &standby)
	if setting || standby || isStale(err) {
		d.reconnect()
	}
	if err != nil {
		return d.explain(ctx, err)
	}
	switch {
	case standby:
		return unfit{
			fmt.Sprintf("the database is read-only because %s is a standby", d.server.address()),
			"put the primary into the URL, or all servers with target_session_attrs=read-write; or run SELECT pg_promote() on it, if it is to become the primary",
		}
	case setting:
		return unfit{"the database is read-only because default_transaction_read_only is on", d.server.fixSetting("default_transaction_read_only", "off")}
	}
	return d.takesWrites(ctx)
}

// leastTimeout is the time that a statement of the service may take when many requests
// wait for the same row.
const leastTimeout = 5 * time.Second

// CheckTimeout returns an error if the server's statement_timeout is so short that
// requests fail when the database is busy.
func (d *DB) CheckTimeout(ctx context.Context) error {
	if d.driver == SQLite {
		return nil
	}
	var milliseconds int64
	err := d.writePool.QueryRowContext(ctx, "SELECT CAST(setting AS bigint) FROM pg_settings WHERE name = 'statement_timeout'").Scan(&milliseconds)
	if err != nil {
		return d.dialect.explain(ctx, err)
	}
	if given := time.Duration(milliseconds) * time.Millisecond; given > 0 && given < leastTimeout {
		return unfit{
			fmt.Sprintf("statement_timeout is %s, so requests fail when the database is busy", given),
			d.server.fixSetting("statement_timeout", "'30s'"),
		}
	}
	return nil
}
