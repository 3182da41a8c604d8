package database_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"guildhall/platform/database"
	"guildhall/platform/migrate"
	"guildhall/platform/platformtest"
)

// TestManyAtOnceAreEachWholeOrNothing runs many concurrent transactions, of which some
// are refused, some panic and some are cancelled before their turn. The database must
// contain exactly what was reported as committed.
func TestManyAtOnceAreEachWholeOrNothing(t *testing.T) {
	each(t, func(t *testing.T, db *database.DB, _ string) {
		const each, clients = 40, 16
		refused := errors.New("refused")
		var told sync.Map
		var all sync.WaitGroup
		for client := range clients {
			all.Go(func() {
				for i := range each {
					id := client*1000 + i*2
					ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
					if i%4 == 3 {
						time.AfterFunc(time.Duration(rand.N(2000))*time.Microsecond, cancel)
					}
					func() {
						defer func() {
							if p := recover(); p != nil && p != "in the midst" {
								panic(p)
							}
						}()
						err := db.InTx(ctx, func(ctx context.Context) error {
							if _, err := db.Exec(ctx, "INSERT INTO one (id) VALUES (?)", id); err != nil {
								return err
							}
							if err := db.Queue(ctx, "INSERT INTO one (id) VALUES (?)", id+1); err != nil {
								return err
							}
							switch i % 4 {
							case 1:
								return refused
							case 2:
								panic("in the midst")
							}
							return nil
						})
						switch {
						case err == nil:
							told.Store(id, true)
						case i%4 == 0, i%4 == 1 && !errors.Is(err, refused):
							t.Errorf("%d: %v", id, err)
						}
					}()
					cancel()
				}
			})
		}
		all.Wait()
		rows, err := db.Rows(t.Context(), "SELECT id FROM one ORDER BY id")
		if err != nil {
			t.Fatal(err)
		}
		found, err := database.Collect(rows, func(scan func(...any) error) (id int, err error) { return id, scan(&id) })
		if err != nil {
			t.Fatal(err)
		}
		there := map[int]bool{}
		for _, id := range found {
			there[id] = true
		}
		for _, id := range found {
			if !there[id^1] {
				t.Errorf("%d is there without %d", id, id^1)
			}
			if i := id % 1000 / 2 % 4; i == 1 || i == 2 {
				t.Errorf("%d is there, and was refused or panicked", id)
			}
		}
		n := 0
		told.Range(func(id, _ any) bool {
			n++
			if !there[id.(int)] {
				t.Errorf("%d was told and is not there", id)
			}
			return true
		})
		if n < clients*each/4 {
			t.Errorf("only %d were told", n)
		}
	})
}

// TestACommitThatIsRefusedIsOnesOwn: a constraint that is checked only at the commit
// refuses what one member of the group wrote. The other members succeed.
func TestACommitThatIsRefusedIsOnesOwn(t *testing.T) {
	t.Parallel()
	db := open(t, platformtest.SQLiteURL(t))
	deferred := migrate.Migration{
		ID: "202601030000_test_deferred", Up: statements(
			"CREATE TABLE parent (id bigint PRIMARY KEY)",
			"CREATE TABLE child (id bigint PRIMARY KEY, parent_id bigint REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)"),
		Down: statements("DROP TABLE child", "DROP TABLE parent"),
	}
	if _, err := migrate.Up(t.Context(), db, []migrate.Migration{one, deferred}); err != nil {
		t.Fatal(err)
	}
	for round := range 20 {
		var all sync.WaitGroup
		told := make([]bool, 8)
		for i := range told {
			all.Go(func() {
				err := db.InTx(t.Context(), func(ctx context.Context) error {
					id := round*100 + i
					if i == 3 {
						_, err := db.Exec(ctx, "INSERT INTO child (id, parent_id) VALUES (?, -1)", id)
						return err
					}
					_, err := db.Exec(ctx, "INSERT INTO one (id) VALUES (?)", id)
					return err
				})
				told[i] = err == nil
				if i == 3 && !database.IsForeignKey(err) || i != 3 && err != nil {
					t.Errorf("%d: %v", i, err)
				}
			})
		}
		all.Wait()
		if told[3] {
			t.Error("an orphan was told")
		}
		for i, was := range told {
			n, err := db.Count(t.Context(), "SELECT COUNT(*) FROM one WHERE id = ?", round*100+i)
			if err != nil {
				t.Fatal(err)
			}
			if i != 3 && was != (*n == 1) {
				t.Errorf("%d: told %t, there are %d", i, was, *n)
			}
		}
	}
}

// TestWatchMissesNoCommit compares the watch's epochs with the data, while two
// databases write to the same file, as two processes would.
func TestWatchMissesNoCommit(t *testing.T) {
	t.Parallel()
	url := platformtest.SQLiteURL(t)
	db, other := open(t, url), open(t, url)
	marked := migrate.Migration{
		ID: "202601030000_test_marked", Up: statements("CREATE TABLE marked (id bigint PRIMARY KEY, n bigint)", "INSERT INTO marked VALUES (1, 0)"),
		Down: statements("DROP TABLE marked"),
	}
	if _, err := migrate.Up(t.Context(), db, []migrate.Migration{one, marked}); err != nil {
		t.Fatal(err)
	}
	const unwatched = "INSERT INTO one (id) VALUES (?)"
	watch := db.Watch(func(w database.Write) bool { return w.Table != "one" })

	read := func() (n int64) {
		if err := db.Row(t.Context(), "SELECT n FROM marked WHERE id = 1").Scan(&n); err != nil {
			t.Error(err)
		}
		return n
	}
	var mu sync.Mutex
	kept := map[int64]int64{} // the values read, by epoch
	hits, changes := 0, 0
	stop := make(chan struct{})
	var writers, readers sync.WaitGroup
	write := func(db *database.DB, first, matters int) {
		writers.Go(func() {
			for i := range 300 {
				err := db.InTx(t.Context(), func(ctx context.Context) error {
					if i%matters == 0 {
						_, err := db.Exec(ctx, "UPDATE marked SET n = n + 1 WHERE id = 1")
						return err
					}
					_, err := db.Exec(ctx, unwatched, first+i)
					return err
				})
				if err != nil {
					t.Error(err)
				}
				if i%matters != 0 {
					continue
				}
				// The write was reported: from now on the old value is outdated.
				now := read()
				epoch, sure := watch.Epoch()
				mu.Lock()
				changes++
				if n, found := kept[epoch]; sure && found && n < now {
					t.Errorf("epoch %d: kept %d, it is %d", epoch, n, now)
				}
				mu.Unlock()
			}
		})
	}
	for range 3 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				epoch, sure := watch.Epoch()
				if !sure {
					continue
				}
				mu.Lock()
				_, found := kept[epoch]
				if found {
					hits++
				}
				mu.Unlock()
				if !found {
					n := read()
					mu.Lock()
					if before, found := kept[epoch]; !found || n < before {
						kept[epoch] = n
					}
					mu.Unlock()
				}
			}
		})
	}
	write(db, 1_000_000, 7)
	write(db, 2_000_000, 7)
	write(other, 3_000_000, 7)
	writers.Wait()
	close(stop)
	readers.Wait()
	if hits == 0 || changes < 3*300/7 {
		t.Errorf("%d hits, %d changes", hits, changes)
	}
	// A write that is not watched keeps the epoch. Another process's commit never does,
	// not even if this process commits right after it.
	add := func(db *database.DB, id int) {
		t.Helper()
		if err := db.InTx(t.Context(), func(ctx context.Context) error { _, err := db.Exec(ctx, unwatched, id); return err }); err != nil {
			t.Fatal(err)
		}
	}
	before, _ := watch.Epoch()
	for i := range 5 {
		add(db, 4_000_000+i)
	}
	if after, sure := watch.Epoch(); !sure || after != before {
		t.Errorf("%d after %d, %t", after, before, sure)
	}
	for i := range 10 {
		before, _ := watch.Epoch()
		add(other, 5_000_000+i)
		if i%2 == 0 {
			add(db, 6_000_000+i)
		}
		if after, sure := watch.Epoch(); !sure || after == before {
			t.Errorf("another process's commit was missed: %d, %t", after, sure)
		}
	}
}
