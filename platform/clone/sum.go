package clone

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"guildhall/platform/database"
)

// Sum returns a digest of the whole contents of a database at one moment: which
// migrations it has, and every column of every row. The order of rows does not matter.
// It is not a signature: a person who changes the contents can also compute a new
// digest.
func Sum(ctx context.Context, db *database.DB) (string, error) {
	tables, err := db.Tables(ctx)
	if err != nil {
		return "", err
	}
	applied, err := db.Applied(ctx)
	if err != nil {
		return "", err
	}
	all := sha256.New()
	fmt.Fprintf(all, "%q\n", applied)
	err = db.Snapshot(database.ForAll(ctx), func(ctx context.Context) error {
		for _, name := range slices.Sorted(maps.Keys(tables)) {
			t, sum := tables[name], &digest{}
			err := db.EachRow(ctx, t, false, func(row []any) error { sum.add(row); return nil })
			if err != nil {
				return err
			}
			fmt.Fprintf(all, "%q %q %d %s\n", name, t.ColumnNames(), sum.rows, sum)
		}
		return nil
	})
	return hex.EncodeToString(all.Sum(nil)), err
}
