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

// Sum is a digest of everything that a database holds: which migrations it has,
// and every column of every row, as of one moment. The order of rows does not
// count. Whoever changes the contents can count it anew: it is no signature.
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
