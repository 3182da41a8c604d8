package config

import (
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"strings"
	"unicode"

	"guildhall/platform/databaseurl"
)

// Mail is how the service sends mail.
type Mail struct {
	Transport     string // none, mailbox or smtp
	Host          string
	Port          int
	TLS           string // starttls, implicit or none
	Username      string
	Password      Secret
	From          string // an address, or "Name <address>"
	ReturnPath    string // empty: the address of From
	TemplatesDir  string // empty: only the built-in ones
	DefaultLocale string
}

// Values of MAIL_TRANSPORT.
const (
	mailbox = "mailbox"
	smtp    = "smtp"
)

// PageBase returns the URL of the service's own pages; empty if it is unknown.
func (c *Config) PageBase() string {
	if c.PublicURL == "" && c.Development() {
		return fmt.Sprintf("http://localhost:%d", c.Port)
	}
	return c.PublicURL
}

// LinkBase returns the URL to which paths of links in mails are appended.
func (c *Config) LinkBase() string {
	if c.AppURL != "" {
		return c.AppURL
	}
	return c.PageBase()
}

// validateMail reports settings that prevent mail from being sent.
func (c *Config) validateMail(problems *Problems) {
	m := c.Mail
	if m.Transport == mailbox && !c.Development() {
		problems.add("MAIL_TRANSPORT", "is mailbox outside development: everybody who reaches the service could read all mail")
	}
	if m.Transport == none {
		for name, on := range map[string]bool{"REGISTRATION_CONFIRM_EMAIL": c.ConfirmEmail, "LOG_IN_BY_EMAIL": c.LogInByEmail} {
			if on {
				problems.add(name, "is on, and MAIL_TRANSPORT is none: nobody would get a code")
			}
		}
	}
	if m.Transport != smtp {
		return
	}
	if m.Host == "" {
		problems.add("SMTP_HOST", "has to be set with MAIL_TRANSPORT=smtp")
	}
	if m.From == "" {
		problems.add("MAIL_FROM", "has to be set with MAIL_TRANSPORT=smtp")
	}
	if c.PublicURL == "" && c.AppURL == "" && !c.Development() {
		problems.add("PUBLIC_URL", "or APP_URL has to be set with MAIL_TRANSPORT=smtp: links in mails begin with it")
	}
	if m.TLS == none && m.Host != "" && !databaseurl.IsLocal(m.Host) {
		problems.add("SMTP_TLS", "is none, and SMTP_HOST is another machine: mails contain codes and links that nobody else may read")
	}
}

func (c *Config) checkMail() Finding {
	const name = "MAIL_TRANSPORT"
	switch c.Mail.Transport {
	case smtp:
		return Finding{OK: true, Name: name, Message: fmt.Sprintf("is smtp, by %s: try it with `guildhall mail test ADDRESS`", c.Mail.Host)}
	case mailbox:
		return Finding{OK: false, Name: name, Message: "is mailbox: mails are shown at /dev/mailbox and not sent"}
	}
	return Finding{OK: true, Warn: true, Name: name, Message: "is none: the service sends no mail, so nobody can reset a password or prove an address"}
}

// checkConfirmation advises to confirm addresses where anyone can register.
func (c *Config) checkConfirmation() Finding {
	const name = "REGISTRATION_CONFIRM_EMAIL"
	switch {
	case c.ConfirmEmail:
		return Finding{OK: true, Name: name, Message: "is on: an account is created when its address is proved"}
	case c.EnableRegistration && c.Mail.Transport != none:
		return Finding{OK: true, Warn: true, Name: name, Message: "is off: anyone can register an address that is not theirs"}
	}
	return Finding{OK: true, Name: name, Message: "is off"}
}

// optional is a text, or none.
type optional struct {
	target *string
	check  func(string) error
}

func (o optional) kind() string   { return "string" }
func (o optional) masked() string { return hostPort{o.target}.masked() }

func (o optional) parse(s string) error {
	if s == none {
		*o.target = ""
		return nil
	}
	return text(o).parse(s)
}

// optionalSecret is a secret, or none.
type optionalSecret struct{ target *Secret }

func (o optionalSecret) kind() string { return "string" }

func (o optionalSecret) masked() string {
	if *o.target == "" {
		return none
	}
	return o.target.String()
}

func (o optionalSecret) parse(s string) error {
	if s == none {
		s = ""
	}
	*o.target = Secret(s)
	return nil
}

func mailAddress(s string) error {
	a, err := mail.ParseAddress(s)
	if err != nil {
		return errors.New("is neither an email address nor a name with one: Name <address>")
	}
	return inASCII(a.Address)
}

func bareMailAddress(s string) error {
	if a, err := mail.ParseAddress(s); err != nil || a.Name != "" || a.Address != s {
		return errors.New("is not an email address")
	}
	return inASCII(s)
}

// inASCII refuses an address that only servers with SMTPUTF8 (RFC 6531) would accept.
func inASCII(address string) error {
	if strings.ContainsFunc(address, func(r rune) bool { return r > unicode.MaxASCII }) {
		return errors.New("is an address with other letters than those of ASCII: write the domain as A-labels (xn--…)")
	}
	return nil
}

// pageLink checks a link: a text, and where it leads.
func pageLink(s string) error {
	text, target, found := strings.Cut(s, "=")
	u, err := url.Parse(target)
	if !found || strings.TrimSpace(text) == "" || err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return errors.New("must be a text, =, and a URL, such as Terms=https://example.com/terms")
	}
	return nil
}

// baseURL checks a URL to which paths are appended.
func baseURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.HasSuffix(s, "/") {
		return errors.New("is not a URL like https://app.example.com, without a slash at its end")
	}
	return nil
}
