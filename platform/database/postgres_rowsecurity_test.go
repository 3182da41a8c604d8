package database_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"guildhall/platform/database"
	"guildhall/platform/migrate"
	"guildhall/platform/platformtest"
)

func guarded(id, table string) migrate.Migration {
	return migrate.Migration{
		ID: id, Down: statements("DROP TABLE " + table),
		Up: func(driver database.Driver) []string {
			return append([]string{"CREATE TABLE " + table + " (organization_id uuid)"},
				database.TenantPolicy(driver, table, "organization_id = "+database.TenantOrganization)...)
		},
	}
}

// TestMigrationsKeepRowSecurity in its current state: if it is on, it is turned on for
// a new table. A policy that was turned off by hand is only reported.
func TestMigrationsKeepRowSecurity(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := open(t, platformtest.PostgresURL(t))
	known := []migrate.Migration{guarded("202601010000_test_a", "a")}
	migrate := func(on, off string) {
		t.Helper()
		if _, err := migrate.Up(ctx, db, known); err != nil {
			t.Fatal(err)
		}
		r, err := db.RowSecurity(ctx)
		if err != nil || strings.Join(r.On, " ") != on || strings.Join(r.Off, " ") != off {
			t.Errorf("%+v, %v; want %q on, %q off", r, err, on, off)
		}
	}
	migrate("", "a")
	var recorded []string
	record := func(_ context.Context, tables []string) error { recorded = append(recorded, tables...); return nil }
	refused := errors.New("refused")
	if _, err := db.SetRowSecurity(ctx, nil, true, func(context.Context, []string) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("unrecorded: %v", err)
	}
	migrate("", "a")
	if _, err := db.SetRowSecurity(ctx, nil, true, record); err != nil {
		t.Fatal(err)
	}
	known = append(known, guarded("202601020000_test_b", "b"), guarded("202601030000_test_c", "c"))
	migrate("a b c", "")
	err := db.InTx(ctx, func(ctx context.Context) error {
		return db.Conn(ctx).Exec("ALTER TABLE b NO FORCE ROW LEVEL SECURITY").Error
	})
	if err != nil {
		t.Fatal(err)
	}
	known = append(known, guarded("202601040000_test_d", "d"))
	migrate("a c d", "b")
	if err := db.RowSecurityAsSet(ctx); err == nil || !strings.Contains(err.Error(), "but not for b:") {
		t.Errorf("as set: %v", err)
	}
	if changed, err := db.SetRowSecurity(ctx, nil, true, record); err != nil || !slices.Equal(changed, []string{"b"}) || !slices.Equal(recorded, []string{"a", "b"}) {
		t.Errorf("%v, %v; %v was recorded", changed, err, recorded)
	}
}
