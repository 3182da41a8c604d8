// Package mail sends mail to people. A mail is written to the outbox in the transaction of
// the change that it is about, and a worker sends it later. So a request never waits for
// an SMTP server, and a mail is neither lost nor sent for a change that was rolled back.
package mail

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	netmail "net/mail"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/database"
	"guildhall/platform/fault"
	"guildhall/platform/field"
	"guildhall/platform/keyring"
	"guildhall/platform/ratelimit"
)

// Transport is how mails leave the service (MAIL_TRANSPORT).
type Transport string

const (
	None    Transport = "none"    // no mail can be sent
	Mailbox Transport = "mailbox" // mails are kept and shown at /dev/mailbox, in development
	SMTP    Transport = "smtp"
)

// ErrNotConfigured refuses what needs mail.
var ErrNotConfigured = fault.New(fault.Unavailable, "mail_not_configured", "This service can't send mail.")

// PerAddress limits the mails to one address, whoever asks for them.
var PerAddress = ratelimit.Policy{Name: "mail", Burst: 10, Interval: 6 * time.Minute, Silent: true}

// Mail is a mail to one person.
type Mail struct {
	To       string // empty for a decoy, which costs the same and is never sent
	Kind     Kind
	Locale   string // "en" or "de"; any other is the default
	Data     Data
	NotAfter time.Time // it is not sent later than this
}

// Data is what a mail says. Each kind uses some of it. It is encrypted in the outbox.
type Data struct {
	Name         string    `json:"name,omitempty"`         // of the recipient
	Organization string    `json:"organization,omitempty"` // its name
	Actor        string    `json:"actor,omitempty"`        // the name of who did it
	Role         string    `json:"role,omitempty"`
	Reason       string    `json:"reason,omitempty"`
	Email        string    `json:"email,omitempty"` // another address than the recipient's
	Code         string    `json:"code,omitempty"`
	Factor       string    `json:"factor,omitempty"`   // the name of a second factor
	Provider     string    `json:"provider,omitempty"` // the name of another service with which people log in
	Left         int       `json:"left,omitempty"`     // how many recovery codes are unused
	Link         string    `json:"link,omitempty"`
	Client       string    `json:"client,omitempty"`  // the User-Agent
	Address      string    `json:"address,omitempty"` // the IP address
	At           time.Time `json:"at"`
	Expires      time.Time `json:"expires"`
	Due          time.Time `json:"due,omitzero"` // when what it tells of happens
}

// Options of an Outbox.
type Options struct {
	Transport Transport
	Server    Server
	From      string // MAIL_FROM: "Name <address>" or an address
	Templates *Templates
	Now       func() time.Time
}

// Outbox stores the mails to be sent.
type Outbox struct {
	db      *database.DB
	sealer  *keyring.Sealer
	options Options
	from    *netmail.Address
	now     func() time.Time
	wake    chan struct{}
}

// NewOutbox returns the outbox of a database. The contents of mails are encrypted.
func NewOutbox(db *database.DB, ring *keyring.Keyring, o Options) (*Outbox, error) {
	sealer, err := ring.Sealer("mail")
	if err != nil {
		return nil, err
	}
	from := new(netmail.Address)
	if o.From != "" {
		if from, err = netmail.ParseAddress(o.From); err != nil {
			return nil, fmt.Errorf("MAIL_FROM: %w", err)
		}
	}
	return &Outbox{db: db, sealer: sealer, options: o, from: from, now: o.Now, wake: make(chan struct{}, 1)}, nil
}

// Transport returns how mails leave the service.
func (o *Outbox) Transport() Transport { return cmp.Or(o.options.Transport, None) }

// Configured reports whether mail can be sent.
func (o *Outbox) Configured() bool { return o.Transport() != None }

// InMailbox reports whether mails are shown in the development mailbox, and not sent.
func (o *Outbox) InMailbox() bool { return o.options.Transport == Mailbox }

// Send stores a mail, within the caller's transaction if there is one. It refuses if no
// mail can be sent (mail_not_configured). A service account gets none.
func (o *Outbox) Send(ctx context.Context, m Mail) error {
	if !o.Configured() {
		return ErrNotConfigured
	}
	if field.Email(m.To).IsService() { // mutant: mail-to-service
		m.To = ""
	}
	id, now := uuid.Must(uuid.NewV7()), o.now()
	payload, err := o.seal(id, m.Data)
	if err != nil {
		return err
	}
	state := pending
	switch {
	case m.To == "":
		state = decoy
	case o.InMailbox():
		state = kept
	}
	err = o.db.InTx(ctx, func(ctx context.Context) error {
		return o.insert(ctx, id, state, m, payload, now)
	})
	if err != nil {
		return fmt.Errorf("store a mail: %w", err)
	}
	o.db.AfterCommit(ctx, o.Wake)
	return nil
}

// Notify is Send for a mail that only informs: without a transport it does nothing.
func (o *Outbox) Notify(ctx context.Context, m Mail) error {
	err := o.Send(ctx, m)
	if errors.Is(err, ErrNotConfigured) {
		return nil
	}
	return err
}

// Wake makes a worker of this process look for mails now.
func (o *Outbox) Wake() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

func (o *Outbox) seal(id uuid.UUID, d Data) (string, error) {
	encoded, err := json.Marshal(d)
	if err != nil {
		return "", err
	}
	return o.sealer.Seal(encoded, id.String())
}

func (o *Outbox) open(id uuid.UUID, sealed string) (d Data, err error) {
	text, err := o.sealer.Open(sealed, id.String())
	if err != nil {
		return d, err
	}
	return d, json.Unmarshal(text, &d)
}
