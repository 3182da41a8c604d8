package doctor

import (
	"context"
	"fmt"
	"time"

	"guildhall/platform/mail"
)

// The age of the oldest pending mail from which something is wrong: the first attempts
// follow within minutes.
const (
	lateMail    = 5 * time.Minute
	stuckMail   = 30 * time.Minute
	remedyForIt = "`guildhall mail test ADDRESS` names the stage that fails; `guildhall mail outbox` lists the mails"
)

// mail examines the outbox.
func (o Options) mail(ctx context.Context) Finding {
	const name = "mail"
	if o.Mail == nil || !o.Mail.Configured() {
		return Finding{Note, name, "none is sent", "set MAIL_TRANSPORT=smtp"}
	}
	if o.Mail.InMailbox() {
		return Finding{Note, name, "is shown at " + mail.MailboxPath + " and not sent", ""}
	}
	q, err := o.Mail.State(ctx)
	if err != nil {
		return unknown(name, err)
	}
	var age time.Duration
	if q.Oldest != nil {
		age = o.Now().Sub(*q.Oldest)
	}
	message := fmt.Sprintf("%d pending, %d failed in 14 days, %d suppressed addresses", q.Pending, q.Failed, q.Suppressed)
	switch {
	case age > stuckMail:
		return Finding{Fail, name, fmt.Sprintf("%s; the oldest waits for %s", message, age.Round(time.Minute)), remedyForIt}
	case age > lateMail:
		return Finding{Warn, name, fmt.Sprintf("%s; the oldest waits for %s", message, age.Round(time.Minute)), remedyForIt}
	}
	return Finding{OK, name, message, ""}
}
