package main

import (
	"strings"
	"testing"
	"time"

	"guildhall/platform/database"
	"guildhall/platform/platformtest"
)

// TestNoStatementOfTheOutboxReadsAWholeTable checks the plans for the statements that
// write, claim, settle, count, list and delete mails, as for those of the endpoints.
func TestNoStatementOfTheOutboxReadsAWholeTable(t *testing.T) {
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, databaseURL string) {
		server := newSMTPServer(t)
		s := start(t, databaseURL, server.settings)
		s.texts.Clear()
		server.respond(func(stage, address string) error {
			if stage == "RCPT" && !strings.HasPrefix(address, "ada@") {
				return refusal(map[string]int{"nobody@example.com": 550, "busy@example.com": 450}[address])
			}
			return nil
		})
		for _, to := range []string{"ada@example.com", "nobody@example.com", "busy@example.com"} {
			s.send(to)
		}
		s.deliver()
		if _, err := s.kernel.Mail.State(s.ctx); err != nil {
			t.Error(err)
		}
		if _, _, err := s.kernel.Mail.Waiting(s.ctx); err != nil {
			t.Error(err)
		}
		if _, err := s.kernel.Mail.Allow(s.ctx, "nobody@example.com"); err != nil {
			t.Error(err)
		}
		s.later(15 * 24 * time.Hour)
		if swept := s.swept(); swept["mails"] != 3 {
			t.Errorf("swept %v", swept)
		}
		if s.kernel.DB.Driver() == database.Postgres {
			enlarge(t, databaseURL)
		}
		visited := s.eachOfFew(func(text string) {
			if !strings.Contains(text, "COUNT(*) FROM mail_suppressions") { // of `mail outbox` and `doctor` only
				s.checkPlan(text)
			}
		})
		if visited < 13 {
			t.Errorf("only %d statements were run", visited)
		}
	})
}
