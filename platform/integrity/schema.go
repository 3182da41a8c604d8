package integrity

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"guildhall/platform/database"
	"guildhall/platform/migrate"
)

// CheckSchema returns an error if the schema of a SQLite database differs from what the
// migrations create: an index, a trigger or a table is missing, additional or
// different.
func CheckSchema(ctx context.Context, db *database.DB, migrations []migrate.Migration) error {
	is, err := db.DumpSchema(ctx)
	if err != nil {
		return err
	}
	should, err := freshSchema(ctx, migrations)
	if err != nil {
		return fmt.Errorf("create a schema to compare with: %w", err)
	}
	if is == should {
		return nil
	}
	var differences []string
	for _, d := range []struct{ what, in, notIn string }{{"there is", is, should}, {"there is no", should, is}} {
		for statement := range strings.SplitSeq(d.in, ";\n") {
			if statement != "" && !strings.Contains(d.notIn, statement+";") {
				differences = append(differences, d.what+" "+firstLine(statement))
			}
		}
	}
	return fmt.Errorf("the schema is not the one that guildhall creates: %s", strings.Join(differences, "; "))
}

func firstLine(statement string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(statement), "\n")
	return line
}

func freshSchema(ctx context.Context, migrations []migrate.Migration) (schema string, err error) {
	dir, err := os.MkdirTemp("", "guildhall-schema-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	db, err := database.Open(ctx, database.Options{File: filepath.Join(dir, "fresh.db"), Create: true})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := migrate.Up(ctx, db, migrations); err != nil {
		return "", err
	}
	return db.DumpSchema(ctx)
}
