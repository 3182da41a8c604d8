package audit

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/database"
	"guildhall/platform/databaseurl"
	"guildhall/platform/migrate"
	"guildhall/platform/platformtest"
)

// TestAForgedHashBreaksTheNextEvent: an attacker who changes an event and recomputes its
// hash must also recompute the hashes of all later events.
func TestAForgedHashBreaksTheNextEvent(t *testing.T) {
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, databaseURL string) {
		ctx := context.Background()
		db, err := database.Open(ctx, database.Options{URL: databaseurl.Must(databaseURL), Create: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		migrations := Migrations() // without the triggers and row-level security
		migrations = []migrate.Migration{migrations[0], migrations[2]}
		for i, whole := range migrations {
			migrations[i].Up = func(d database.Driver) []string { all := whole.Up(d); return all[:min(4, len(all))] }
		}
		known, err := migrate.Merge(migrate.Source{Module: Name, Migrations: migrations})
		if err == nil {
			_, err = migrate.Up(ctx, db, known)
		}
		if err != nil {
			t.Fatal(err)
		}
		trail := New(db, time.Now, func(context.Context) (Actor, bool) { return Actor{}, false })
		organization := In(uuid.New())
		for range 5 {
			if err := trail.Record(ctx, Event{Action: OrganizationRenamed, OrganizationID: organization}); err != nil {
				t.Fatal(err)
			}
		}
		if v, err := trail.Verify(ctx); err != nil || len(v.Broken) > 0 || v.Events != 5 || v.Chains != 1 {
			t.Fatalf("%+v %v", v, err)
		}
		forge := func(sequence int64) {
			t.Helper()
			var before, forged entry
			err := db.InTx(ctx, func(ctx context.Context) error {
				conn := db.Conn(ctx)
				if err := conn.Where("sequence = ?", sequence-1).Take(&before).Error; err != nil {
					return err
				}
				if err := conn.Where("sequence = ?", sequence).Take(&forged).Error; err != nil {
					return err
				}
				forged.ActorRole = "somebody else"
				forged.Hash = forged.hash(before.Hash)
				return conn.Model(&entry{}).Where("sequence = ?", sequence).Updates(map[string]any{"actor_role": forged.ActorRole, "hash": forged.Hash}).Error
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		forge(3)
		if v, err := trail.Verify(ctx); err != nil || len(v.Broken) != 1 || !strings.Contains(v.Broken[0], "event 4 is not what was written") {
			t.Errorf("%+v %v", v, err)
		}
		forge(4)
		forge(5) // all later events: then only the head differs
		if v, err := trail.Verify(ctx); err != nil || len(v.Broken) != 1 {
			t.Errorf("%+v %v", v, err)
		}
	})
}
