package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"guildhall/platform/database"
	"guildhall/platform/mail"
)

// sendMany writes mails to the outbox in one transaction.
func (s *service) sendMany(n int) {
	s.t.Helper()
	err := s.kernel.DB.InTx(everything, func(ctx context.Context) error {
		for i := range n {
			if err := s.sendIn(ctx, fmt.Sprintf("p%d@example.com", i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// startWorker runs a worker until stop is called, which waits for its end.
func (s *service) startWorker() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- mail.NewWorker(s.kernel.Mail, s.kernel.Log, notCounted{}).Run(ctx) }()
	return func() {
		s.t.Helper()
		cancel()
		if err := <-done; err != nil {
			s.t.Error(err)
		}
	}
}

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within three minutes: %s", what)
		}
	}
}

// hang makes the server answer no MAIL command until release is called, and counts those
// that wait.
func (s *smtpServer) hang() (waiting *atomic.Int64, release func()) {
	waiting = new(atomic.Int64)
	released := make(chan struct{})
	s.respond(func(stage, _ string) error {
		if stage == "MAIL" {
			waiting.Add(1)
			<-released
		}
		return nil
	})
	return waiting, func() { close(released) }
}

// TestRequestsDoNotWaitForTheMailServer: while it hangs in all lanes of the worker, which
// takes 15 seconds for each mail, or while it is gone.
func TestRequestsDoNotWaitForTheMailServer(t *testing.T) {
	eachWithMail(t, func(t *testing.T, s *service, server *smtpServer) {
		ada := s.person("Ada")
		quick := func(what string) {
			t.Helper()
			var took []time.Duration
			for i := range 30 {
				begun := time.Now()
				ada.patch(ada.org(""), body("name", fmt.Sprint(what, i))).is(200)
				s.send("grace@example.com")
				took = append(took, time.Since(begun))
			}
			slices.Sort(took)
			t.Logf("%s: a change and a mail took %s at the median, %s at most", what, took[15], took[29])
			if took[29] > 5*time.Second {
				t.Errorf("%s: a change and a mail took %s", what, took[29])
			}
		}
		quick("without a worker")
		waiting, release := server.hang()
		stop := s.startWorker()
		s.sendMany(200)
		eventually(t, "all lanes hang", func() bool { return waiting.Load() >= mailLanes })
		time.Sleep(time.Second)
		if s.kernel.DB.Driver() == database.Postgres {
			if n := s.count("SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND xact_start < clock_timestamp() - INTERVAL '500 milliseconds'"); n > 0 {
				t.Errorf("%d transactions are open while the server hangs", n)
			}
		}
		quick("the server hangs")
		release()
		eventually(t, "the mails are sent", func() bool { return s.outbox() == "260 sent" })
		_ = server.server.Close()
		s.sendMany(100)
		eventually(t, "the server is gone", func() bool {
			return s.count("SELECT COUNT(*) FROM mail_outbox WHERE last_code LIKE 'no answer at %'") > 0
		})
		quick("the server is gone")
		stop()
	})
}

// TestAWorkerWhoseServerHangsStops within the time that a supervisor gives it, and gives
// back the mails that it has not tried.
func TestAWorkerWhoseServerHangsStops(t *testing.T) {
	eachWithMail(t, func(t *testing.T, s *service, server *smtpServer) {
		waiting, release := server.hang()
		defer release()
		stop := s.startWorker()
		s.sendMany(100)
		eventually(t, "all lanes hang", func() bool { return waiting.Load() >= mailLanes })
		begun := time.Now()
		stop()
		if took := time.Since(begun); took > 30*time.Second {
			t.Errorf("the worker stopped after %s", took)
		}
		if n := s.count("SELECT COUNT(*) FROM mail_outbox WHERE lease IS NULL AND attempts = 0 AND last_code IS NULL"); n != 100-mailLanes {
			t.Errorf("%d mails were not tried", n)
		}
	})
}

// TestALeaseThatNearsItsEndIsGivenBack: the mails of a batch that a slow server leaves no
// time for are tried by the next worker. They have had no attempt, so they need not wait.
func TestALeaseThatNearsItsEndIsGivenBack(t *testing.T) {
	eachWithMail(t, func(t *testing.T, s *service, server *smtpServer) {
		server.respond(func(stage, _ string) error {
			if stage == "DATA" {
				s.later(61 * time.Second)
			}
			return nil
		})
		s.sendMany(3)
		w := mail.NewWorker(s.kernel.Mail, s.kernel.Log, notCounted{})
		for sent := 1; sent <= 3; sent++ {
			if _, err := w.Deliver(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := s.outbox(); !strings.Contains(got, fmt.Sprintf("%d sent", sent)) || len(server.mails()) != sent {
				t.Errorf("%d mails, %s", len(server.mails()), got)
			}
			if n := s.count("SELECT COUNT(*) FROM mail_outbox WHERE state = 'pending' AND attempts = 0 AND last_code IS NULL"); n != 3-sent {
				t.Errorf("%d mails wait without an attempt", n)
			}
		}
	})
}
