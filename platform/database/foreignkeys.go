package database

import (
	"context"
	"fmt"
)

// ForeignKey is a foreign key of a table: its columns refer to columns of another
// table.
type ForeignKey struct {
	Table, Parent          string
	Columns, ParentColumns []string
}

const sqliteForeignKeys = `SELECT m.name, CAST(f.id AS text), f."table", f."from", COALESCE(f."to", 'id')
	FROM sqlite_schema m JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table' ORDER BY m.name, f.id, f.seq`

const postgresForeignKeys = `SELECT c.relname, k.conname, p.relname, a.attname, b.attname
	FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class p ON p.oid = k.confrelid
	CROSS JOIN LATERAL unnest(k.conkey, k.confkey) WITH ORDINALITY AS i(child, parent, place)
	JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.child
	JOIN pg_attribute b ON b.attrelid = p.oid AND b.attnum = i.parent
	WHERE k.contype = 'f' AND c.relnamespace = current_schema()::regnamespace ORDER BY c.relname, k.conname, i.place`

// ForeignKeys returns the foreign keys of all tables in the schema, ordered by table.
func (d *DB) ForeignKeys(ctx context.Context) ([]ForeignKey, error) {
	query := sqliteForeignKeys
	if d.driver == Postgres {
		query = postgresForeignKeys
	}
	rows, err := d.reader.WithContext(ctx).Raw(query).Rows()
	if err != nil {
		return nil, fmt.Errorf("read the foreign keys: %w", err)
	}
	var keys []ForeignKey
	var last [2]string // table and key of the previous row
	_, err = Collect(rows, func(scan func(...any) error) (none struct{}, err error) {
		var table, key, parent, column, parentColumn string
		if err := scan(&table, &key, &parent, &column, &parentColumn); err != nil {
			return none, err
		}
		if this := [2]string{table, key}; this != last {
			keys, last = append(keys, ForeignKey{Table: table, Parent: parent}), this
		}
		k := &keys[len(keys)-1]
		k.Columns, k.ParentColumns = append(k.Columns, column), append(k.ParentColumns, parentColumn)
		return none, nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the foreign keys: %w", err)
	}
	return keys, nil
}
