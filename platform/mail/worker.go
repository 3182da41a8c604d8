package mail

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"regexp"
	"time"

	"github.com/wneessen/go-mail"
)

const (
	lanes     = 4 // connections to the server at once
	batch     = 20
	pollEvery = 2 * time.Second
	// leaseTime is how long a worker may take for a batch. It stops early, so that a mail
	// is never being sent when another worker may claim it.
	leaseTime = 2 * time.Minute
	// longestDelivery is for connecting, the greeting, TLS with authentication, and a mail.
	longestDelivery = 4 * sendTimeout

	firstPause, longestPause = 15 * time.Second, time.Hour
)

// Meter counts the attempts to send a mail by their result.
type Meter interface {
	Mailed(result string)
}

// Worker sends the mails of the outbox. Each replica has one: they lease what they send.
type Worker struct {
	outbox *Outbox
	log    *slog.Logger
	meter  Meter
}

// NewWorker returns the worker of an outbox.
func NewWorker(o *Outbox, log *slog.Logger, meter Meter) *Worker { return &Worker{o, log, meter} }

// Run implements module.Worker.
func (w *Worker) Run(ctx context.Context) error {
	if w.outbox.options.Transport != SMTP {
		<-ctx.Done()
		return nil
	}
	failed := make(chan error, lanes)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for range lanes {
		go func() { failed <- w.lane(ctx) }()
	}
	var first error
	for range lanes {
		if err := <-failed; err != nil && first == nil {
			first = err
			cancel()
		}
	}
	return first
}

// lane sends one batch after another, over one connection at a time.
func (w *Worker) lane(ctx context.Context) error {
	for {
		n, err := w.Deliver(ctx)
		switch {
		case ctx.Err() != nil: // what failed because of that comes due again
			return nil //nolint:nilerr // the worker was told to stop
		case err != nil:
			return err
		}
		if n == batch { // there may be more
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-w.outbox.wake:
		case <-time.After(pollEvery/2 + rand.N(pollEvery)): //nolint:gosec // only spreads the work
		}
	}
}

// Deliver claims one batch and sends it. It returns the size of the batch. Its error is one
// of the database.
func (w *Worker) Deliver(ctx context.Context) (int, error) {
	mails, err := w.outbox.claim(ctx, batch)
	if err != nil || len(mails) == 0 {
		return 0, err
	}
	if len(mails) == batch { // let another lane look for more meanwhile
		w.outbox.Wake()
	}
	// What was handed over must be recorded, even if the process is told to stop.
	settling := context.WithoutCancel(ctx)
	var c *connection
	defer func() {
		if c != nil {
			c.close()
		}
	}()
	for i, m := range mails {
		if ctx.Err() != nil || w.outbox.now().Add(longestDelivery).After(m.leasedUntil) {
			return len(mails), w.giveBack(settling, mails[i:])
		}
		if !w.outbox.now().Before(m.notAfter) {
			w.report(settling, m, "expired", nil)
			if err := w.outbox.finish(settling, m, failed, "expired"); err != nil {
				return len(mails), err
			}
			continue
		}
		if c == nil {
			if c, err = w.outbox.options.Server.dial(settling, w.outbox.from); err != nil {
				return len(mails), w.allRefused(settling, mails[i:], err)
			}
		}
		if c, err = w.deliver(settling, c, m); err != nil {
			return len(mails), err
		}
	}
	return len(mails), nil
}

// giveBack lets other workers claim mails at once that were not tried.
func (w *Worker) giveBack(ctx context.Context, mails []claimed) error {
	for _, m := range mails {
		if err := w.outbox.giveBack(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// deliver sends one mail and records the result. It returns the connection for the next
// one, or nil if a new one is needed.
func (w *Worker) deliver(ctx context.Context, c *connection, m claimed) (*connection, error) { // mutant: mail-outside-transactions
	message, err := w.outbox.compose(m)
	if err != nil { // another secret sealed it, or a template is broken: it may be mended
		w.report(ctx, m, "retried", err)
		return c, w.postponed(ctx, m, "not readable")
	}
	if err := c.send(message); err != nil {
		var refusal *DeliveryError
		if !errors.As(err, &refusal) || !refusal.ofThisMail() || refusal.Code == 0 {
			c.close()
			c = nil
		}
		return c, w.refused(ctx, m, err)
	}
	w.report(ctx, m, "sent", nil)
	return c, w.outbox.finish(ctx, m, sent, "250")
}

// allRefused records that there was no connection for mails. None of them tries on its
// own: a provider may lock out a client that fails to log in again and again.
func (w *Worker) allRefused(ctx context.Context, mails []claimed, err error) error {
	for _, m := range mails {
		if err := w.refused(ctx, m, err); err != nil {
			return err
		}
	}
	return nil
}

// refused records a failed attempt.
func (w *Worker) refused(ctx context.Context, m claimed, err error) error {
	brief := "configuration"
	var refusal *DeliveryError
	if errors.As(err, &refusal) {
		brief = refusal.brief()
		if refusal.final() {
			w.report(ctx, m, "refused", err)
			if refusal.undeliverable() { // mutant: mail-suppression
				if err := w.outbox.suppress(ctx, m.recipient, brief); err != nil {
					return err
				}
			}
			return w.outbox.finish(ctx, m, failed, brief)
		}
	}
	w.report(ctx, m, "retried", err)
	return w.postponed(ctx, m, brief)
}

// postponed plans the next attempt: after 15 s, then twice as long each time, at most an
// hour, with jitter.
func (w *Worker) postponed(ctx context.Context, m claimed, brief string) error {
	pause := longestPause
	if m.attempts < 10 {
		pause = min(pause, firstPause<<(m.attempts-1))
	}
	return w.outbox.postpone(ctx, m, w.outbox.now().Add(pause/2+rand.N(pause)), brief) //nolint:gosec // only spreads the work
}

// addresses are removed from what servers answer before it is logged.
var addresses = regexp.MustCompile(`[^\s<>"]+@[^\s<>"]+`)

func (w *Worker) report(ctx context.Context, m claimed, result string, err error) {
	w.meter.Mailed(result)
	level := slog.LevelInfo
	attributes := []slog.Attr{slog.String("mail_id", m.id.String()), slog.String("kind", string(m.kind)), slog.String("result", result), slog.Int("attempt", m.attempts)}
	if err != nil {
		level = slog.LevelWarn
		attributes = append(attributes, slog.String("cause", addresses.ReplaceAllString(err.Error(), "…"))) // mutant: mail-address-logged
	}
	w.log.LogAttrs(ctx, level, "mail", attributes...)
}

// compose writes the message.
func (o *Outbox) compose(m claimed) (*mail.Msg, error) {
	if m.payload == nil {
		return nil, errors.New("the mail has no content")
	}
	data, err := o.open(m.id, *m.payload)
	if err != nil {
		return nil, err
	}
	written, err := o.options.Templates.Write(m.kind, m.locale, data)
	if err != nil {
		return nil, err
	}
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := msg.To(m.recipient); err != nil {
		return nil, err
	}
	msg.Subject(written.Subject)
	msg.SetDateWithValue(m.created)
	msg.SetMessageIDWithValue(m.id.String() + "@" + domainOf(o.from.Address)) // mutant: mail-message-id
	msg.SetGenHeader("Auto-Submitted", "auto-generated")                      // RFC 3834 §5 // mutant: mail-auto-submitted
	msg.SetGenHeader("X-Auto-Response-Suppress", "All")
	msg.SetBodyString(mail.TypeTextPlain, written.Text)
	msg.AddAlternativeString(mail.TypeTextHTML, written.HTML)
	return msg, nil
}
