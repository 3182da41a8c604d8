package database_test

import (
	"context"
	"testing"

	"guildhall/platform/database"
	"guildhall/platform/platformtest"
)

// A request that was cut off at the end of a drain may still commit, or ask the
// gate, while the database is being closed.
func TestAWatchThatIsClosedIsNotSure(t *testing.T) {
	t.Parallel()
	db := open(t, platformtest.SQLiteURL(t))
	if _, err := db.Migrate(context.Background(), []database.Migration{one}); err != nil {
		t.Fatal(err)
	}
	watch := db.Watch(func(string) bool { return false })
	if _, sure := watch.Epoch(); !sure {
		t.Fatal("nothing is under way, and it is not sure")
	}
	running, closed := make(chan struct{}), make(chan error, 1)
	err := db.InTx(context.Background(), func(ctx context.Context) error {
		go func() { close(running); closed <- db.Close() }()
		<-running
		for sure := true; sure; { // until the watch is closed
			_, sure = watch.Epoch()
		}
		_, err := db.Exec(ctx, "INSERT INTO one (id) VALUES (1)")
		return err
	})
	if err != nil {
		t.Errorf("what had begun was not committed: %v", err)
	}
	if err := <-closed; err != nil {
		t.Errorf("close: %v", err)
	}
	if _, sure := watch.Epoch(); sure {
		t.Error("it is closed, and sure")
	}
}
