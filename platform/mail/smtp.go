package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
)

// sendTimeout is how long the server may take to take one mail.
const sendTimeout = 15 * time.Second

// Server is the SMTP server to which mails are handed over.
type Server struct {
	Host               string
	Port               int
	TLS                string // starttls, implicit or none
	Username, Password string
	ReturnPath         string // MAIL_RETURN_PATH; empty: the sender's address
}

// stage is a step of a delivery, as `guildhall mail test` names it.
type stage string

const (
	resolving      stage = "resolving the server's name"
	connecting     stage = "connecting"
	greeting       stage = "the server's greeting"
	securing       stage = "TLS"
	authenticating stage = "authentication"
	sender         stage = "the sender's address (MAIL FROM)"
	recipient      stage = "the recipient's address (RCPT TO)"
	content        stage = "the content (DATA)"
)

// DeliveryError is a failed delivery.
type DeliveryError struct {
	Stage stage
	Code  int    // the SMTP reply code, or 0
	Class string // the enhanced status code (RFC 3463), if there is one: 5.1.1
	Err   error
}

func (e *DeliveryError) Error() string { return fmt.Sprintf("%s: %v", e.Stage, e.Err) }

func (e *DeliveryError) Unwrap() error { return e.Err }

// final reports whether another attempt would fail as well (RFC 5321 §4.2.1). Servers also
// report at RCPT TO what the sender has to mend, such as a missing log-in or a relay that
// is denied (Postfix's smtpd_delay_reject): that is not final.
func (e *DeliveryError) final() bool {
	return e.Code >= 500 && (e.Stage == content || e.undeliverable() || e.Stage == recipient && strings.HasPrefix(e.Class, "5.2.")) // mutant: mail-sender-refused
}

// undeliverable reports whether no mail can be delivered to the address.
func (e *DeliveryError) undeliverable() bool {
	switch e.Class {
	case "", "5.0.0":
		return e.Stage == recipient && (e.Code == 550 || e.Code == 551 || e.Code == 553)
	case "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1": // RFC 3463 §3.2, RFC 7505 §4.2
		return e.Stage == recipient
	default:
		return false // mutant: mail-policy-refused
	}
}

// ofThisMail reports whether the failure says nothing about other mails.
func (e *DeliveryError) ofThisMail() bool { return e.Stage == recipient || e.Stage == content }

// brief is the failure without addresses, for the outbox's table.
func (e *DeliveryError) brief() string {
	if e.Code != 0 {
		return strings.TrimSpace(fmt.Sprintf("%d %s", e.Code, e.Class)) + " at " + string(e.Stage)
	}
	return fmt.Sprintf("no answer at %s", e.Stage)
}

// connection is an open session with an SMTP server.
type connection struct {
	client *mail.Client
	sender *netmail.Address
	path   string
}

// dial opens a session. from is the sender of every mail.
func (s Server) dial(ctx context.Context, from *netmail.Address) (*connection, error) {
	options := []mail.Option{
		mail.WithPort(s.Port), mail.WithTimeout(sendTimeout), mail.WithoutNoop(), mail.WithHELO(domainOf(from.Address)),
		mail.WithoutSMTPUTF8(), // all addresses are in ASCII, and a relay might not pass such a mail on
		mail.WithTLSConfig(&tls.Config{ServerName: s.Host, MinVersion: tls.VersionTLS12}),
	}
	switch s.TLS {
	case "implicit":
		options = append(options, mail.WithSSL())
	case "none":
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if s.Username != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(s.Username), mail.WithPassword(s.Password))
	}
	client, err := mail.NewClient(s.Host, options...)
	if err != nil {
		return nil, err
	}
	if err := client.DialWithContext(ctx); err != nil {
		return nil, dialError(err)
	}
	path := s.ReturnPath
	if path == "" {
		path = from.Address
	}
	return &connection{client: client, sender: from, path: path}, nil
}

func domainOf(address string) string { return address[strings.LastIndex(address, "@")+1:] }

// dialError finds the stage of a failure before the first mail.
func dialError(err error) *DeliveryError {
	failed := &DeliveryError{Stage: greeting, Err: err}
	var unresolved *net.DNSError
	var unconnected *net.OpError
	var unverified *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var record tls.RecordHeaderError
	switch text := strings.ToLower(err.Error()); {
	case errors.As(err, &unresolved):
		failed.Stage = resolving
	case errors.As(err, &unconnected) && unconnected.Op == "dial":
		failed.Stage = connecting
	case errors.As(err, &unverified), errors.As(err, &authority), errors.As(err, &record), strings.Contains(text, "starttls"), strings.Contains(text, "tls:"):
		failed.Stage = securing
	case strings.Contains(text, "auth"):
		failed.Stage = authenticating
	}
	return failed
}

// send hands one mail over. After an error that is not a *DeliveryError of this mail
// alone, the connection can't be used again.
func (c *connection) send(m *mail.Msg) error {
	m.FromMailAddress(c.sender)
	if err := m.EnvelopeFrom(c.path); err != nil {
		return fmt.Errorf("MAIL_RETURN_PATH: %w", err)
	}
	err := c.client.Send(m)
	if err == nil || m.IsDelivered() { // a failure after the server has taken the mail
		return nil
	}
	failed := &DeliveryError{Stage: greeting, Err: err}
	var refused *mail.SendError
	if errors.As(err, &refused) {
		failed.Code, failed.Class = refused.ErrorCode(), refused.EnhancedStatusCode()
		switch refused.Reason {
		case mail.ErrSMTPMailFrom:
			failed.Stage = sender
		case mail.ErrSMTPRcptTo:
			failed.Stage = recipient
		case mail.ErrSMTPData, mail.ErrSMTPDataClose, mail.ErrWriteContent:
			failed.Stage = content
		}
	}
	return failed
}

func (c *connection) close() { _ = c.client.Close() }
