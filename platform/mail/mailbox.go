package mail

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/database"
)

// MailboxPath is the path of the development mailbox.
const MailboxPath = "/dev/mailbox"

//go:embed mailbox
var mailboxFiles embed.FS

// shown is a mail as the mailbox shows it.
type shown struct {
	ID      uuid.UUID `json:"id"`
	To      string    `json:"to"`
	Kind    Kind      `json:"kind"`
	Locale  string    `json:"locale"`
	At      time.Time `json:"created_at"`
	Subject string    `json:"subject"`
	Text    string    `json:"text"`
	Links   []string  `json:"links"`
	Codes   []string  `json:"codes"`
	html    string
}

// Age is the time of the mail for people.
func (s shown) Age() string { return s.At.Format("2 Jan 15:04:05") }

// latest returns the newest mails in the mailbox that satisfy a condition.
func (o *Outbox) latest(ctx context.Context, which string, args ...any) ([]shown, error) {
	rows, err := o.db.Rows(database.ForAll(ctx), `SELECT id, recipient, kind, locale, created_at, payload FROM mail_outbox
		WHERE state = '`+kept+`'`+which+` ORDER BY created_at DESC, id DESC LIMIT 500`, args...)
	if err != nil {
		return nil, err
	}
	type row struct {
		shown
		payload string
	}
	found, err := database.Collect(rows, func(scan func(...any) error) (r row, err error) {
		return r, scan(&r.ID, &r.To, &r.Kind, &r.Locale, &r.At, &r.payload)
	})
	if err != nil {
		return nil, err
	}
	list := []shown{}
	for _, r := range found {
		data, err := o.open(r.ID, r.payload)
		if err != nil { // of a deleted secret: nobody can read it
			continue
		}
		w, err := o.options.Templates.Write(r.Kind, r.Locale, data)
		if err != nil {
			return nil, err
		}
		r.Subject, r.Text, r.html, r.At = w.Subject, w.Text, w.HTML, r.At.UTC()
		r.Links, r.Codes = findAll(links, w.Text), findAll(codes, w.Text)
		list = append(list, r.shown)
	}
	return list, nil
}

var (
	links = regexp.MustCompile(`https?://\S+`)
	codes = regexp.MustCompile(`(?m)^ {4}(\S.*)$`)
)

func findAll(pattern *regexp.Regexp, text string) []string {
	found := []string{}
	for _, match := range pattern.FindAllString(text, -1) {
		found = append(found, strings.TrimSpace(match))
	}
	return found
}

// MailboxPath returns the path of the mailbox, or nothing if mails are sent.
func (o *Outbox) MailboxPath() string {
	if !o.InMailbox() {
		return ""
	}
	return MailboxPath
}

// MailboxHandler serves the mailbox: a list, each mail, and the same as JSON. It answers
// only programs and browsers on this machine.
func (o *Outbox) MailboxHandler() (http.Handler, error) {
	style, err := mailboxFiles.ReadFile("mailbox/style.css")
	if err != nil {
		return nil, err
	}
	pages, err := template.New("").Funcs(template.FuncMap{
		"style": func() template.CSS { return template.CSS(style) }, //nolint:gosec // ours
	}).ParseFS(mailboxFiles, "mailbox/*.html")
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(style)
	policy := "default-src 'none'; frame-src 'self'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	m := &mailboxPages{o, pages, policy}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+MailboxPath, m.list)
	mux.HandleFunc("GET "+MailboxPath+"/{id}", m.mail)
	mux.HandleFunc("GET "+MailboxPath+"/{id}/html", m.rendered)
	return onlyHere(mux), nil
}

// onlyHere answers 404 to requests that come from elsewhere, or through a proxy, or by a
// host name that an attacker's DNS server leads here.
func onlyHere(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		forwarded := r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Forwarded") != ""
		if err != nil || !peer.Addr().Unmap().IsLoopback() || forwarded || !isLoopbackName(r.Host) {
			http.NotFound(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isLoopbackName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

type mailboxPages struct {
	outbox *Outbox
	pages  *template.Template
	policy string
}

func (m *mailboxPages) list(w http.ResponseWriter, r *http.Request) {
	to := r.URL.Query().Get("to")
	which, args := "", []any(nil)
	if to != "" {
		which, args = " AND LOWER(recipient) = ?", []any{canonical(to)}
	}
	mails, err := m.outbox.latest(r.Context(), which, args...)
	if err != nil {
		m.fail(w, err)
		return
	}
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(mails)
		return
	}
	m.page(w, "list.html", map[string]any{"Mails": mails, "To": to})
}

func (m *mailboxPages) mail(w http.ResponseWriter, r *http.Request) {
	if mail, ok := m.find(w, r); ok {
		m.page(w, "mail.html", mail)
	}
}

// rendered serves the HTML of a mail for a frame in which no script runs.
func (m *mailboxPages) rendered(w http.ResponseWriter, r *http.Request) {
	if mail, ok := m.find(w, r); ok {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox allow-popups; frame-ancestors 'self'")
		w.Header().Set("X-Frame-Options", "SAMEORIGIN")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(mail.html))
	}
}

func (m *mailboxPages) find(w http.ResponseWriter, r *http.Request) (shown, bool) {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		http.NotFound(w, r)
		return shown{}, false
	}
	mails, err := m.outbox.latest(r.Context(), " AND id = ?", id)
	switch {
	case err != nil:
		m.fail(w, err)
		return shown{}, false
	case len(mails) == 0:
		http.NotFound(w, r)
		return shown{}, false
	}
	return mails[0], true
}

func (m *mailboxPages) page(w http.ResponseWriter, name string, data any) {
	w.Header().Set("Content-Security-Policy", m.policy)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := m.pages.ExecuteTemplate(w, name, data); err != nil {
		_, _ = fmt.Fprintf(w, "<p>%s", template.HTMLEscapeString(err.Error()))
	}
}

// fail shows the cause: only the developer sees it.
func (m *mailboxPages) fail(w http.ResponseWriter, err error) {
	http.Error(w, err.Error(), http.StatusInternalServerError)
}
