package database

import (
	"context"
	"fmt"
	"strings"
)

// DumpSchema describes the whole schema as text, in a fixed order. A golden file of it
// shows schema changes in review.
func (d *DB) DumpSchema(ctx context.Context) (string, error) {
	rows, err := d.reader.WithContext(ctx).Raw(d.syntax.schema).Rows()
	if err != nil {
		return "", fmt.Errorf("dump schema: %w", err)
	}
	lines, err := Collect(rows, func(scan func(...any) error) (line string, err error) { return line, scan(&line) })
	if err != nil {
		return "", fmt.Errorf("dump schema: %w", err)
	}
	for i, line := range lines {
		lines[i] = strings.ReplaceAll(line, "\n\t\t\t\t\t", "\n") + ";"
	}
	return strings.Join(lines, "\n") + "\n", nil
}

const sqliteSchema = `SELECT COALESCE(sql, '') FROM sqlite_schema
		WHERE name NOT LIKE 'sqlite_%' AND tbl_name <> '` + MigrationTable + `' AND sql IS NOT NULL
		AND NOT (type = 'table' AND name IN ` + litestreamTables + `) ORDER BY tbl_name, type DESC, name`

const postgresSchema = `
SELECT line FROM (
	SELECT c.relname AS tbl, 1 AS kind, lpad(a.attnum::text, 3, '0') AS name,
		'COLUMN ' || c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
		|| CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END AS line
	FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
	WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
	UNION ALL
	SELECT c.relname, 2, o.conname, 'CONSTRAINT ' || c.relname || '.' || o.conname || ' ' || pg_get_constraintdef(o.oid)
	FROM pg_constraint o JOIN pg_class c ON c.oid = o.conrelid
	WHERE c.relnamespace = 'public'::regnamespace AND o.contype <> 'n' -- PostgreSQL 18 lists NOT NULL, which the columns have already
	UNION ALL
	SELECT t.relname, 3, i.relname, pg_get_indexdef(x.indexrelid)
	FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
	WHERE t.relnamespace = 'public'::regnamespace
	UNION ALL
	SELECT c.relname, 4, p.polname, 'POLICY ' || c.relname || '.' || p.polname || ' ' || p.polcmd::text || ' ' || pg_get_expr(p.polqual, p.polrelid)
	FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
	WHERE c.relnamespace = 'public'::regnamespace
) s WHERE tbl NOT IN ('` + MigrationTable + `', '` + lockTable + `') ORDER BY tbl, kind, name COLLATE "C"`
