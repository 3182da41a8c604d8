package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"guildhall/platform/platformtest"
)

// mailLanes is how many mails a worker hands over at once.
const mailLanes = 4

// TestTrustKilledMail kills guildhall with SIGKILL while it sends mails that another
// process writes. Each mail of a committed transaction arrives, and none of another. Only
// mails that were being handed over at a kill arrive again, with the same Message-ID.
func TestTrustKilledMail(t *testing.T) {
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, databaseURL string) {
		seed := trustSeed(t)
		r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // repeatable
		server := newSMTPServer(t)
		server.respond(func(stage, _ string) error {
			if stage == "accepted" {
				time.Sleep(2 * time.Millisecond) // so that a kill often comes before the answer
			}
			return nil
		})
		s := asInProduction(t, databaseURL, slog.New(slog.DiscardHandler), false, server.environment()...)
		dir, environ := t.TempDir(), inProduction(databaseURL, server.environment()...)
		p := serveProcess(t, dir, environ...)

		var stop atomic.Bool
		var writing sync.WaitGroup
		committed := make([][]string, 3) // addresses, by writer
		for w := range committed {
			writing.Go(func() {
				for n := 0; !stop.Load(); n++ {
					to := fmt.Sprintf("p%d.%d@example.com", w, n)
					if n%10 == 9 {
						to = "rolled-back@example.com"
					}
					err := s.kernel.DB.InTx(everything, func(ctx context.Context) error {
						if err := s.sendIn(ctx, to); err != nil || n%10 != 9 {
							return err
						}
						return errRolledBack
					})
					switch {
					case err == nil:
						committed[w] = append(committed[w], to)
					case !errors.Is(err, errRolledBack):
						t.Error(err)
						return
					}
					time.Sleep(5 * time.Millisecond)
				}
			})
		}
		kills := size(4, 60)
		for range kills {
			time.Sleep(time.Duration(100+r.IntN(400)) * time.Millisecond)
			_ = p.cmd.Process.Kill()
			<-p.done
			s.exec("UPDATE mail_outbox SET next_at = created_at WHERE lease IS NOT NULL") // as if the leases had ended
			p = serveProcess(t, dir, environ...)
		}
		stop.Store(true)
		writing.Wait()
		for deadline := time.Now().Add(3 * time.Minute); s.count("SELECT COUNT(*) FROM mail_outbox WHERE state = 'pending'") > 0; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("mails are still pending: %s\n%s", s.outbox(), p.out)
			}
		}
		p.stop()

		wrong, again := 0, 0
		complain := func(format string, args ...any) {
			if wrong++; wrong <= 10 {
				t.Errorf(format, args...)
			}
		}
		ids, last := map[string][]receivedMail{}, map[*smtpSession]receivedMail{}
		arrived := map[string]string{} // Message-IDs, by address
		for _, m := range server.mails() {
			id := m.header.Get("Message-ID")
			if known, ok := arrived[m.to]; ok && known != id {
				complain("%s got %s and %s", m.to, known, id)
			}
			ids[id], last[m.over], arrived[m.to] = append(ids[id], m), m, id
		}
		if arrived["rolled-back@example.com"] != "" {
			complain("a mail of a transaction arrived that was rolled back")
		}
		tried := 0
		for _, list := range committed {
			tried += len(list)
			for _, to := range list {
				if arrived[to] == "" {
					complain("the mail to %s is lost", to)
				}
			}
		}
		for id, copies := range ids {
			again += len(copies) - 1
			for _, m := range copies[:len(copies)-1] {
				if last[m.over].header.Get("Message-ID") != id {
					complain("%s arrived again, and its connection sent another mail after it", id)
				}
			}
		}
		if again > kills*mailLanes {
			complain("%d mails arrived again after %d kills", again, kills)
		}
		if want := fmt.Sprintf("%d sent", tried); s.outbox() != want {
			complain("the outbox has %s, want %s", s.outbox(), want)
		}
		driver := string(s.kernel.DB.Driver())
		recordResult(t, "kill -9 of guildhall while it sends mail", driver, tried, wrong, seed,
			"mails, lost or sent without need; %d kills; %d arrived twice, with the same Message-ID", kills, again)
	})
}

var errRolledBack = errors.New("the change failed")
