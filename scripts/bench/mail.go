package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"guildhall/platform/database"
	"guildhall/platform/databaseurl"
	"guildhall/platform/keyring"
	"guildhall/platform/mail"
)

// leastMails is the target for mails per second.
const leastMails = 200

// deliverMails returns how many mails per second guildhall hands over to an SMTP server on
// this machine that accepts them at once.
func (b *bench) deliverMails(ctx context.Context, from store, dir string) (rate float64, err error) {
	n := 10_000
	if b.short {
		n = 1000
	}
	inbox, err := openInbox(ctx, n)
	if err != nil {
		return 0, err
	}
	defer func() { _ = inbox.listener.Close() }()
	url, err := from.empty(ctx, "mail")
	if err != nil {
		return 0, err
	}
	s := &server{name: guildhall, binary: b.guildhall, url: url, dir: filepath.Join(dir, "mail"), settings: inbox.settings()}
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return 0, err
	}
	if err := s.start(ctx); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	if err := writeMails(ctx, url, n); err != nil {
		return 0, err
	}
	select {
	case <-inbox.full:
	case <-s.ended:
		return 0, fmt.Errorf("guildhall ended:\n%s", s.complaints())
	case <-time.After(5 * time.Minute):
		return 0, fmt.Errorf("after five minutes, %d of %d mails have arrived:\n%s", inbox.count(), n, s.complaints())
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	return inbox.rate()
}

// writeMails writes mails to the outbox of a database, as a change of the service does.
func writeMails(ctx context.Context, url string, n int) error {
	db, err := database.Open(ctx, database.Options{URL: databaseurl.Must(url), MaxConnections: 1})
	if err != nil {
		return err
	}
	defer db.Close()
	templates, err := mail.LoadTemplates("", "")
	if err != nil {
		return err
	}
	outbox, err := mail.NewOutbox(db, keyring.New([]byte(refreshSecret)), mail.Options{Transport: mail.SMTP, Templates: templates, Now: time.Now})
	if err != nil {
		return err
	}
	return db.InTx(database.ForAll(ctx), func(ctx context.Context) error {
		for i := range n {
			m := mail.Mail{To: fmt.Sprintf("p%d@example.com", i), Kind: mail.ResetPassword, Locale: "en", Data: mail.Fixtures()[0], NotAfter: time.Now().Add(time.Hour)}
			if err := outbox.Send(ctx, m); err != nil {
				return err
			}
		}
		return nil
	})
}

// inbox is an SMTP server that accepts everything and keeps nothing.
type inbox struct {
	listener    net.Listener
	expected    int
	full        chan struct{} // closed when all mails have arrived
	mu          sync.Mutex
	seen        map[string]bool // the recipients
	twice       int
	first, last time.Time
}

func openInbox(ctx context.Context, expected int) (*inbox, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	i := &inbox{listener: listener, expected: expected, full: make(chan struct{}), seen: map[string]bool{}}
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go i.converse(c)
		}
	}()
	return i, nil
}

func (i *inbox) settings() []string {
	return []string{
		"MIGRATE_ON_START=true", "MAIL_TRANSPORT=smtp", "MAIL_FROM=accounts@example.com", "PUBLIC_URL=https://accounts.example.com",
		"SMTP_HOST=127.0.0.1", fmt.Sprintf("SMTP_PORT=%d", i.listener.Addr().(*net.TCPAddr).Port), "SMTP_TLS=none",
	}
}

func (i *inbox) converse(c net.Conn) {
	defer func() { _ = c.Close() }()
	in := bufio.NewScanner(c)
	to, inData := "", false
	answer := func(text string) { _, _ = c.Write([]byte(text + "\r\n")) }
	answer("220 bench")
	for in.Scan() {
		line := in.Text()
		switch {
		case inData && line == ".":
			inData = false
			i.take(to)
			answer("250 taken")
		case inData:
		case strings.HasPrefix(line, "DATA"):
			inData = true
			answer("354 go ahead")
		case strings.HasPrefix(line, "QUIT"):
			answer("221 bye")
			return
		default:
			if strings.HasPrefix(line, "RCPT") {
				to = line
			}
			answer("250 bench")
		}
	}
}

func (i *inbox) take(to string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.last = time.Now()
	if len(i.seen) == 0 {
		i.first = i.last
	}
	if i.seen[to] {
		i.twice++
		return
	}
	i.seen[to] = true
	if len(i.seen) == i.expected {
		close(i.full)
	}
}

// rate returns how many mails arrived per second.
func (i *inbox) rate() (float64, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.twice > 0 {
		return 0, fmt.Errorf("%d mails arrived twice", i.twice)
	}
	return float64(len(i.seen)-1) / i.last.Sub(i.first).Seconds(), nil
}

func (i *inbox) count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.seen)
}
