package mail

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/database"
	"guildhall/platform/databaseurl"
	"guildhall/platform/keyring"
	"guildhall/platform/migrate"
	"guildhall/platform/platformtest"
)

// BenchmarkOutbox measures the outbox's statements with a million mails, almost all of
// which were sent in the last 14 days:
//
//	go test ./platform/mail -run '^$' -bench Outbox -benchtime 100x
func BenchmarkOutbox(b *testing.B) {
	for name, url := range map[string]func(testing.TB) string{"sqlite": platformtest.SQLiteURL, "postgres": platformtest.PostgresURL} {
		b.Run(name, func(b *testing.B) {
			o := filled(b, url(b), 1_000_000)
			ctx := b.Context()
			measure := func(name string, do, undo func() error) {
				b.Run(name, func(b *testing.B) {
					for b.Loop() {
						if err := do(); err != nil {
							b.Fatal(err)
						}
						if undo != nil {
							b.StopTimer()
							if err := undo(); err != nil {
								b.Fatal(err)
							}
							b.StartTimer()
						}
					}
				})
			}
			var leased []claimed
			measure("claim", func() (err error) {
				leased, err = o.claim(ctx, batch)
				if err == nil && len(leased) != batch {
					err = fmt.Errorf("%d mails were claimed", len(leased))
				}
				return err
			}, func() error { return NewWorker(o, nil, nil).giveBack(ctx, leased) })
			measure("send", func() error {
				return o.Send(database.ForAll(ctx), Mail{To: "ada@example.com", Kind: Test, NotAfter: o.now().Add(time.Hour)})
			}, nil)
			measure("waiting", func() error {
				_, _, err := o.Waiting(ctx)
				return err
			}, nil)
			measure("state", func() error {
				_, err := o.State(ctx)
				return err
			}, nil)
			measure("sweep", func() error {
				_, err := o.sweep(database.ForAll(ctx))
				return err
			}, nil)
		})
	}
}

// filled returns an outbox with n mails of the last 14 days: 98 % were sent, every
// hundredth could not be. A hundred are pending, the youngest, and half of them have failed
// once.
func filled(b *testing.B, url string, n int) *Outbox {
	b.Helper()
	db, err := database.Open(b.Context(), database.Options{URL: databaseurl.Must(url), MaxConnections: 4, Create: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	if _, err := migrate.Up(b.Context(), db, Migrations()); err != nil {
		b.Fatal(err)
	}
	tables, err := db.Tables(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	table, err := tables["mail_outbox"].Only("id", "recipient", "kind", "locale", "state", "created_at", "not_after", "next_at", "attempts", "last_code")
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	err = db.Bulk(b.Context(), func(ctx context.Context, bulk *database.Bulk) error {
		return bulk.InTx(ctx, func(ctx context.Context) error {
			const at = 10_000
			rows := make([][]any, 0, at)
			for i := range n {
				state, code, next := sent, any("250"), now.Add(-retention+time.Minute+time.Duration(i)*(retention-time.Hour)/time.Duration(n))
				created := next
				switch {
				case i >= n-100:
					state, code = pending, nil
					if i%2 == 0 {
						code = "450 at the recipient's address (RCPT TO)"
					}
				case i%100 == 0:
					state, code = failed, "550 at the recipient's address (RCPT TO)"
				}
				rows = append(rows, []any{uuid.Must(uuid.NewV7()).String(), fmt.Sprintf("p%d@example.com", i), string(ResetPassword), "en", state, created, created.Add(time.Hour), next, int64(1), code})
				if len(rows) == at || i == n-1 {
					if err := bulk.Insert(ctx, table, rows); err != nil {
						return err
					}
					rows = rows[:0]
				}
			}
			return nil
		})
	})
	if err != nil {
		b.Fatal(err)
	}
	if db.Driver() == database.Postgres {
		if err := db.InTx(database.ForAll(b.Context()), func(ctx context.Context) error { return db.Conn(ctx).Exec("ANALYZE mail_outbox").Error }); err != nil {
			b.Fatal(err)
		}
	}
	o, err := NewOutbox(db, keyring.New([]byte("a key for tests, of 32 bytes or more")), Options{Transport: SMTP, From: "accounts@example.com", Now: func() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }})
	if err != nil {
		b.Fatal(err)
	}
	return o
}
