package main

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"guildhall/platform/config"
)

// smtpServer is an SMTP server whose answers a test scripts.
type smtpServer struct {
	t      testing.TB
	server *smtp.Server
	port   int

	mu       sync.Mutex
	received []receivedMail
	answer   func(stage, address string) error // nil accepts
	user     string                            // if set, authentication is required
	password string
}

type receivedMail struct {
	over     *smtpSession // the connection
	from, to string
	raw      []byte
	header   mail.Header
	text     string
	html     string
}

func newSMTPServer(t testing.TB, change ...func(*smtpServer)) *smtpServer {
	t.Helper()
	s := &smtpServer{t: t}
	for _, c := range change {
		c(s)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.port = listener.Addr().(*net.TCPAddr).Port
	s.server = smtp.NewServer(s)
	s.server.Domain, s.server.AllowInsecureAuth, s.server.EnableSMTPUTF8 = "localhost", true, true
	s.server.ErrorLog = nothingLogged{}
	go func() { _ = s.server.Serve(listener) }()
	t.Cleanup(func() { _ = s.server.Close() })
	return s
}

type nothingLogged struct{}

func (nothingLogged) Printf(string, ...any) {}
func (nothingLogged) Println(...any)        {}

// settings makes a service use the server.
func (s *smtpServer) settings(c *config.Config) {
	c.Mail = config.Mail{
		Transport: "smtp", Host: "127.0.0.1", Port: s.port, TLS: "none", DefaultLocale: "en",
		From: "Guildhall <accounts@example.org>", ReturnPath: "bounces@example.org",
	}
}

// environment is settings for a process.
func (s *smtpServer) environment() []string {
	return []string{
		"MAIL_TRANSPORT=smtp", "SMTP_HOST=127.0.0.1", fmt.Sprintf("SMTP_PORT=%d", s.port), "SMTP_TLS=none",
		"MAIL_FROM=Guildhall <accounts@example.org>", "PUBLIC_URL=https://accounts.example.org",
	}
}

// respond sets the answers of the server from now on.
func (s *smtpServer) respond(answer func(stage, address string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func (s *smtpServer) ask(stage, address string) error {
	s.mu.Lock()
	answer := s.answer
	s.mu.Unlock()
	if answer == nil {
		return nil
	}
	return answer(stage, address)
}

// mails returns what the server has accepted.
func (s *smtpServer) mails() []receivedMail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]receivedMail(nil), s.received...)
}

// NewSession implements smtp.Backend.
func (s *smtpServer) NewSession(*smtp.Conn) (smtp.Session, error) {
	if err := s.ask("greeting", ""); err != nil {
		return nil, err
	}
	return &smtpSession{server: s}, nil
}

type smtpSession struct {
	server        *smtpServer
	authenticated bool
	mail          receivedMail
}

func (s *smtpSession) AuthMechanisms() []string { return []string{sasl.Plain, "SCRAM-SHA-256"} }

func (s *smtpSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		if username != s.server.user || password != s.server.password {
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "no"}
		}
		s.authenticated = true
		return nil
	}), nil
}

func (s *smtpSession) Mail(from string, o *smtp.MailOptions) error {
	if o.UTF8 {
		s.server.t.Error("a mail asks for SMTPUTF8")
	}
	if s.server.user != "" && !s.authenticated {
		return smtp.ErrAuthRequired
	}
	s.mail = receivedMail{over: s, from: from}
	return s.server.ask("MAIL", from)
}

func (s *smtpSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mail.to = to
	return s.server.ask("RCPT", to)
}

func (s *smtpSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := s.server.ask("DATA", s.mail.to); err != nil {
		return err
	}
	s.mail.raw = raw
	s.server.keep(s.mail)
	return s.server.ask("accepted", s.mail.to)
}

func (*smtpSession) Reset()        {}
func (*smtpSession) Logout() error { return nil }

func (s *smtpServer) keep(m receivedMail) {
	parsed, err := mail.ReadMessage(bytes.NewReader(m.raw))
	if err != nil {
		s.t.Errorf("a mail can't be parsed: %v\n%s", err, m.raw)
		return
	}
	m.header = parsed.Header
	_, parameters, err := mime.ParseMediaType(parsed.Header.Get("Content-Type"))
	if err != nil {
		s.t.Errorf("a mail has the Content-Type %q: %v", parsed.Header.Get("Content-Type"), err)
	}
	parts := multipart.NewReader(parsed.Body, parameters["boundary"])
	for {
		part, err := parts.NextRawPart()
		if err != nil {
			break
		}
		decoded, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			s.t.Error(err)
		}
		if strings.HasPrefix(part.Header.Get("Content-Type"), "text/html") {
			m.html = string(decoded)
		} else {
			m.text = strings.ReplaceAll(string(decoded), "\r\n", "\n")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.received = append(s.received, m)
}

// refusal is an answer of an SMTP server.
func refusal(code int) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCodeNotSet, Message: "scripted"}
}
