package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"guildhall/platform/config"
	"guildhall/platform/mail"
	"guildhall/platform/platformtest"
)

// eachWithMail is each for a service that sends mail to an SMTP server.
func eachWithMail(t *testing.T, test func(t *testing.T, s *service, server *smtpServer)) {
	t.Helper()
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, databaseURL string) {
		server := newSMTPServer(t)
		test(t, start(t, databaseURL, server.settings), server)
	})
}

// send writes a mail to the outbox.
func (s *service) send(to string) {
	s.t.Helper()
	if err := s.sendIn(s.ctx, to); err != nil {
		s.t.Fatal(err)
	}
}

func (s *service) sendIn(ctx context.Context, to string) error {
	at := s.kernel.Now()
	return s.kernel.Mail.Send(ctx, mail.Mail{
		To: to, Kind: mail.ResetPassword, Locale: "en", NotAfter: at.Add(time.Hour),
		Data: mail.Data{Name: "Ada", Code: "1234 5678", At: at, Expires: at.Add(time.Hour)},
	})
}

// deliver runs one round of a worker, as many times as it finds mails.
func (s *service) deliver() {
	s.t.Helper()
	w := mail.NewWorker(s.kernel.Mail, s.kernel.Log, s.kernel.Telemetry)
	for {
		n, err := w.Deliver(context.Background())
		if err != nil {
			s.t.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
}

// outbox returns how many mails are in each state.
func (s *service) outbox() string {
	s.t.Helper()
	var parts []string
	for _, state := range []string{"pending", "sent", "failed", "suppressed", "kept", "decoy"} {
		if n := s.count("SELECT COUNT(*) FROM mail_outbox WHERE state = '" + state + "'"); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	return strings.Join(parts, ", ")
}

func TestAMailIsDeliveredOnce(t *testing.T) {
	eachWithMail(t, func(t *testing.T, s *service, server *smtpServer) {
		s.send("Ada@example.com")
		s.deliver()
		s.deliver()
		got := server.mails()
		if len(got) != 1 || s.outbox() != "1 sent" {
			t.Fatalf("%d mails; %s\n%s", len(got), s.outbox(), s.log)
		}
		m := got[0]
		if m.from != "bounces@example.org" || m.to != "Ada@example.com" {
			t.Errorf("from %s to %s", m.from, m.to)
		}
		for name, want := range map[string]string{
			"From": `"Guildhall" <accounts@example.org>`, "To": "<Ada@example.com>", "Subject": "Reset your password",
			"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All", "User-Agent": "", "X-Mailer": "",
		} {
			if m.header.Get(name) != want {
				t.Errorf("%s: %q, want %q", name, m.header.Get(name), want)
			}
		}
		if !strings.HasSuffix(m.header.Get("Message-ID"), "@example.org>") || m.header.Get("Date") == "" {
			t.Errorf("Message-ID %s, Date %s", m.header.Get("Message-ID"), m.header.Get("Date"))
		}
		if !strings.Contains(m.text, "    1234 5678\n") || !strings.Contains(m.html, `>1234 5678</p>`) {
			t.Errorf("%s\n%s", m.text, m.html)
		}
		if n := s.count("SELECT COUNT(*) FROM mail_outbox WHERE payload IS NOT NULL"); n != 0 {
			t.Error("the content of a sent mail is still there")
		}
	})
}

// TestARefusedMailIsSentAgain: after a temporary refusal at any stage, with the same
// Message-ID, and not at once.
func TestARefusedMailIsSentAgain(t *testing.T) {
	eachWithMail(t, func(t *testing.T, s *service, server *smtpServer) {
		for i, stage := range []string{"greeting", "MAIL", "RCPT", "DATA"} {
			server.respond(func(at, _ string) error {
				if at == stage {
					return refusal(451)
				}
				return nil
			})
			s.send("ada@example.com")
			s.deliver()
			server.respond(nil)
			s.deliver()
			if n := len(server.mails()); n != i {
				t.Fatalf("451 at %s: %d mails at once\n%s", stage, n, s.log)
			}
			s.later(30 * time.Second)
			s.deliver()
			if n := len(server.mails()); n != i+1 || s.outbox() != fmt.Sprintf("%d sent", i+1) {
				t.Fatalf("451 at %s: %d mails, %s\n%s", stage, n, s.outbox(), s.log)
			}
		}
		ids := map[string]bool{}
		for _, m := range server.mails() {
			ids[m.header.Get("Message-ID")] = true
		}
		if len(ids) != 4 {
			t.Errorf("%v", ids)
		}
	})
}

// TestTheMessageIDStays over attempts of which the server's answer was lost: it took the
// mail, so the person gets it twice, and their mail program shows it once.
func TestTheMessageIDStays(t *testing.T) {
	eachWithMail(t, func(t *testing.T, s *service, server *smtpServer) {
		server.respond(func(stage, _ string) error {
			if stage == "accepted" {
				return refusal(421)
			}
			return nil
		})
		s.send("ada@example.com")
		s.deliver()
		server.respond(nil)
		s.later(time.Minute)
		s.deliver()
		got := server.mails()
		if len(got) != 2 || got[0].header.Get("Message-ID") != got[1].header.Get("Message-ID") || got[0].text != got[1].text {
			t.Errorf("%d mails\n%s", len(got), s.log)
		}
	})
}

func TestARefusalForGood(t *testing.T) {
	eachWithMail(t, func(t *testing.T, s *service, server *smtpServer) {
		server.respond(func(stage, address string) error {
			if stage == "RCPT" && strings.HasPrefix(strings.ToLower(address), "nobody") || stage == "DATA" && strings.HasPrefix(address, "spam") {
				return refusal(550)
			}
			return nil
		})
		for _, to := range []string{"Nobody@example.com", "spam@example.com", "ada@example.com"} {
			s.send(to)
		}
		s.deliver()
		if s.outbox() != "1 sent, 2 failed" || len(server.mails()) != 1 {
			t.Fatalf("%s\n%s", s.outbox(), s.log)
		}
		// The address is unknown, so nothing more is sent there. The other refusal was
		// about the content.
		server.respond(nil)
		s.send("nobody@EXAMPLE.com")
		s.send("spam@example.com")
		s.deliver()
		if s.outbox() != "2 sent, 2 failed, 1 suppressed" {
			t.Errorf("%s", s.outbox())
		}
		if log := s.log.String(); !strings.Contains(log, "550") || strings.Contains(log, "@example.") {
			t.Errorf("the log has no cause, or an address:\n%s", log)
		}
		if was, err := s.kernel.Mail.Allow(s.ctx, "nobody@example.com"); err != nil || !was {
			t.Error(was, err)
		}
		s.send("nobody@example.com")
		s.deliver()
		if s.outbox() != "3 sent, 2 failed, 1 suppressed" {
			t.Errorf("%s", s.outbox())
		}
	})
}

// TestARefusalOfTheSender: many servers report at RCPT TO what the operator has to mend.
// Nobody's address is undeliverable because of that, and the mail is sent later.
func TestARefusalOfTheSender(t *testing.T) {
	eachWithMail(t, func(t *testing.T, s *service, server *smtpServer) {
		for i, c := range []struct {
			code        int
			class       smtp.EnhancedCode
			state       string // of a mail
			suppression int
		}{
			{550, smtp.EnhancedCode{5, 1, 1}, "failed", 1}, // no such mailbox
			{556, smtp.EnhancedCode{5, 1, 10}, "failed", 1},
			{550, smtp.EnhancedCode{5, 2, 1}, "failed", 1}, // disabled
			{552, smtp.EnhancedCode{5, 2, 2}, "failed", 0}, // full
			{504, smtp.EnhancedCode{5, 5, 2}, "sent", 0},   // "sender address rejected"
			{554, smtp.EnhancedCode{5, 7, 1}, "sent", 0},   // "relay access denied"
			{550, smtp.EnhancedCode{5, 1, 8}, "sent", 0},   // "sender address rejected: domain not found"
			{530, smtp.EnhancedCodeNotSet, "sent", 0},      // "authentication required"
			{551, smtp.EnhancedCodeNotSet, "failed", 1},
		} {
			to := fmt.Sprintf("p%d@example.com", i)
			server.respond(func(stage, _ string) error {
				if stage == "RCPT" {
					return &smtp.SMTPError{Code: c.code, EnhancedCode: c.class, Message: "scripted"}
				}
				return nil
			})
			s.send(to)
			s.deliver()
			server.respond(nil)
			s.later(30 * time.Second)
			s.deliver()
			if n := s.count("SELECT COUNT(*) FROM mail_outbox WHERE recipient = '" + to + "' AND state = '" + c.state + "'"); n != 1 {
				t.Errorf("%d %v: not %s, %s", c.code, c.class, c.state, s.outbox())
			}
			if n := s.count("SELECT COUNT(*) FROM mail_suppressions WHERE address = '" + to + "'"); n != c.suppression {
				t.Errorf("%d %v: suppressed: %d", c.code, c.class, n)
			}
		}
	})
}

// TestOneMailDoesNotHoldUpOthers: one that is refused, or a sender that is refused for a
// while.
func TestOneMailDoesNotHoldUpOthers(t *testing.T) {
	eachWithMail(t, func(t *testing.T, s *service, server *smtpServer) {
		server.respond(func(stage, address string) error {
			if strings.HasPrefix(address, "bad") {
				return refusal(map[string]int{"RCPT": 450, "DATA": 554}[stage])
			}
			return nil
		})
		for i := range 30 {
			s.send(fmt.Sprintf("bad%d@example.com", i))
		}
		s.send("ada@example.com")
		s.deliver()
		if s.outbox() != "30 pending, 1 sent" {
			t.Errorf("%s", s.outbox())
		}
		server.respond(func(stage, _ string) error {
			if stage == "MAIL" {
				return refusal(553)
			}
			return nil
		})
		s.send("grace@example.com")
		s.deliver()
		if s.outbox() != "31 pending, 1 sent" { // our fault, not the mail's
			t.Errorf("%s", s.outbox())
		}
		server.respond(nil)
		s.later(2 * time.Minute)
		s.deliver()
		if s.outbox() != "32 sent" {
			t.Errorf("%s\n%s", s.outbox(), s.log)
		}
	})
}

// TestALogInThatFailsIsNotRepeatedForEachMail: a provider would lock out the service.
func TestALogInThatFailsIsNotRepeatedForEachMail(t *testing.T) {
	eachWithMail(t, func(t *testing.T, s *service, server *smtpServer) {
		tried := 0
		server.respond(func(stage, _ string) error {
			if stage == "greeting" { // of EHLO and of HELO
				tried++
				return refusal(421)
			}
			return nil
		})
		s.sendMany(20)
		s.deliver()
		if tried > 2 || s.count("SELECT COUNT(*) FROM mail_outbox WHERE attempts = 1 AND last_code IS NOT NULL") != 20 {
			t.Errorf("%d connections, %s", tried, s.outbox())
		}
		server.respond(nil)
		s.later(30 * time.Second)
		s.deliver()
		if s.outbox() != "20 sent" {
			t.Errorf("%s", s.outbox())
		}
	})
}

func TestAMailExpires(t *testing.T) {
	eachWithMail(t, func(t *testing.T, s *service, server *smtpServer) {
		server.respond(func(string, string) error { return refusal(421) })
		s.send("ada@example.com")
		s.deliver()
		server.respond(nil)
		s.later(61 * time.Minute)
		s.deliver()
		if s.outbox() != "1 failed" || len(server.mails()) != 0 {
			t.Errorf("%s", s.outbox())
		}
		s.later(14 * 24 * time.Hour)
		if _, err := s.app.Sweep(s.ctx); err != nil || s.outbox() != "" {
			t.Errorf("%v %s", err, s.outbox())
		}
	})
}

// TestWorkersShareTheOutbox: several replicas send each mail once.
func TestWorkersShareTheOutbox(t *testing.T) {
	eachWithMail(t, func(t *testing.T, s *service, server *smtpServer) {
		const n = 120
		for i := range n {
			s.send(fmt.Sprintf("p%d@example.com", i))
		}
		var all sync.WaitGroup
		for range 4 {
			all.Go(s.deliver)
		}
		all.Wait()
		to := map[string]bool{}
		for _, m := range server.mails() {
			to[m.to] = true
		}
		if len(to) != n || len(server.mails()) != n || s.outbox() != fmt.Sprintf("%d sent", n) {
			t.Errorf("%d mails to %d people, %s\n%s", len(server.mails()), len(to), s.outbox(), s.log)
		}
	})
}

// TestALostWorker: a mail that a worker claimed before it died comes due again, but not
// while the worker may still send it.
func TestALostWorker(t *testing.T) {
	eachWithMail(t, func(t *testing.T, s *service, server *smtpServer) {
		s.send("ada@example.com")
		s.exec("UPDATE mail_outbox SET lease = '" + nowhere + "', attempts = 1, next_at = '" + s.kernel.Now().Add(2*time.Minute).Format("2006-01-02 15:04:05.999999-07:00") + "'")
		s.deliver()
		if len(server.mails()) != 0 {
			t.Fatal("a leased mail was sent")
		}
		s.later(2*time.Minute + time.Second)
		s.deliver()
		if len(server.mails()) != 1 || s.outbox() != "1 sent" {
			t.Errorf("%s", s.outbox())
		}
	})
}

func TestMailOfARolledBackChangeIsNotSent(t *testing.T) {
	eachWithMail(t, func(t *testing.T, s *service, server *smtpServer) {
		err := s.kernel.DB.InTx(s.ctx, func(ctx context.Context) error {
			if err := s.sendIn(ctx, "ada@example.com"); err != nil {
				t.Error(err)
			}
			return errors.New("the change failed")
		})
		s.deliver()
		if err == nil || len(server.mails()) != 0 || s.outbox() != "" {
			t.Errorf("%v %s", err, s.outbox())
		}
	})
}

// TestTheWorkerRuns: it sends without being asked, soon after the commit.
func TestTheWorkerRuns(t *testing.T) {
	eachWithMail(t, func(t *testing.T, s *service, server *smtpServer) {
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- mail.NewWorker(s.kernel.Mail, s.kernel.Log, notCounted{}).Run(ctx) }()
		at := time.Now()
		for i := range 50 {
			s.send(fmt.Sprintf("p%d@example.com", i))
		}
		for len(server.mails()) < 50 && time.Since(at) < 30*time.Second {
			time.Sleep(5 * time.Millisecond)
		}
		stop()
		if err := <-done; err != nil || len(server.mails()) != 50 {
			t.Errorf("%v, %d mails\n%s", err, len(server.mails()), s.log)
		}
	})
}

type notCounted struct{}

func (notCounted) Mailed(string) {}

// TestMailTestNamesTheStage tries every misconfiguration that a test mail can find.
func TestMailTestNamesTheStage(t *testing.T) {
	t.Parallel()
	databaseURL := platformtest.SQLiteURL(t)
	plain := newSMTPServer(t)
	locked := newSMTPServer(t, func(s *smtpServer) { s.user, s.password = "u", "p" })
	refusing := newSMTPServer(t)
	for _, c := range []struct {
		server *smtpServer
		change func(*config.Mail)
		stage  string // "" for success
	}{
		{plain, func(*config.Mail) {}, ""},
		{plain, func(m *config.Mail) { m.Host = "no-such-host.invalid" }, "resolving"},
		{plain, func(m *config.Mail) { m.Port = 1 }, "connecting"},
		{plain, func(m *config.Mail) { m.TLS = "starttls" }, "TLS"},
		{plain, func(m *config.Mail) { m.TLS = "implicit" }, "TLS"},
		{plain, func(m *config.Mail) { m.Username, m.Password = "u", "p" }, "authentication"},
		{locked, func(*config.Mail) {}, "MAIL FROM"},
		{refusing, func(*config.Mail) {
			refusing.respond(func(stage, _ string) error { return refusal(map[string]int{"greeting": 421}[stage]) })
		}, "greeting"},
		{refusing, func(*config.Mail) { refusing.respond(at("MAIL")) }, "MAIL FROM"},
		{refusing, func(*config.Mail) { refusing.respond(at("RCPT")) }, "RCPT TO"},
		{refusing, func(*config.Mail) { refusing.respond(at("DATA")) }, "DATA"},
	} {
		sending := start(t, databaseURL, c.server.settings, func(cfg *config.Config) { c.change(&cfg.Mail) })
		before := len(c.server.mails())
		err := sending.kernel.Mail.Try(t.Context(), "ada@example.com", "de")
		switch {
		case c.stage == "" && (err != nil || len(c.server.mails()) != before+1):
			t.Errorf("%v", err)
		case c.stage != "" && (err == nil || !strings.Contains(strings.SplitN(err.Error(), ":", 2)[0], c.stage)):
			t.Errorf("want %s, got %v", c.stage, err)
		}
	}
}

func at(stage string) func(string, string) error {
	return func(now, _ string) error {
		if now == stage {
			return refusal(550)
		}
		return nil
	}
}

// browse requests a page as a browser on the service's machine does.
func (s *service) browse(path string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	r.Host, r.RemoteAddr = "localhost:8000", "127.0.0.1:1234"
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	s.app.API().ServeHTTP(w, r)
	return w
}

func asJSON(r *http.Request) { r.Header.Set("Accept", "application/json") }

func TestTheMailbox(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		s.send("Ada@example.com")
		s.send("grace@example.com")
		if s.outbox() != "2 kept" {
			t.Fatal(s.outbox())
		}
		page := s.browse("/dev/mailbox")
		if page.Code != 200 || !strings.Contains(page.Body.String(), "Ada@example.com") || !strings.Contains(page.Header().Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%d %v %s", page.Code, page.Header(), page.Body)
		}
		var list []struct {
			ID, Subject string
			Codes       []string
		}
		if err := json.Unmarshal(s.browse("/dev/mailbox?to=ada@EXAMPLE.com", asJSON).Body.Bytes(), &list); err != nil || len(list) != 1 ||
			list[0].Subject != "Reset your password" || !slices.Equal(list[0].Codes, []string{"1234 5678"}) {
			t.Fatalf("%v %v", err, list)
		}
		if one := s.browse("/dev/mailbox/" + list[0].ID); !strings.Contains(one.Body.String(), "1234 5678") {
			t.Errorf("%d %s", one.Code, one.Body)
		}
		if one := s.browse("/dev/mailbox/" + list[0].ID + "/html"); !strings.Contains(one.Body.String(), `class="code"`) || !strings.Contains(one.Header().Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%v %s", one.Header(), one.Body)
		}
		// Nobody else sees it: not from another machine, through a proxy, or by a name that
		// leads here.
		for name, change := range map[string]func(r *http.Request){
			"unknown":   func(r *http.Request) { r.URL.Path += "/" + nowhere },
			"elsewhere": func(r *http.Request) { r.RemoteAddr = "192.0.2.7:1234" },
			"proxied":   func(r *http.Request) { r.Header.Set("X-Forwarded-For", "127.0.0.1") },
			"rebound":   func(r *http.Request) { r.Host = "evil.example:8000" },
		} {
			if w := s.browse("/dev/mailbox", change); w.Code != 404 || strings.Contains(w.Body.String(), "example.com") {
				t.Errorf("%s: %d %s", name, w.Code, w.Body)
			}
		}
	}, func(c *config.Config) { c.Mail.Transport = "mailbox" })
}
