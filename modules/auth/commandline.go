package auth

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
	"guildhall/platform/mail"
)

// CommandLine is for commands on the server. It offers what no route offers for another
// person's account.
type CommandLine struct{ svc *Service }

// CommandLine returns the operations for the command line.
func (svc *Service) CommandLine() CommandLine { return CommandLine{svc} }

// Session is a log-in as the API shows it to the person.
type Session = sessionView

// Limit is a rate limit that a person has reached.
type Limit struct {
	Name       string `json:"limit"`
	Address    string `json:"address,omitempty"` // the client address that is limited; empty: all addresses
	RetryAfter int    `json:"retry_after"`       // seconds
}

// SetPassword replaces the password of an account, ends its sessions and resets its rate
// limits. It refuses an unsuitable password.
func (c CommandLine) SetPassword(ctx context.Context, userID uuid.UUID, chosen field.NewPassword) error {
	ctx, err := c.admit(ctx, userID)
	if err != nil {
		return err
	}
	p, err := c.svc.store.find(ctx, userID)
	if err != nil {
		return err
	}
	if field.Email(p.email).IsService() { // mutant: password-of-service
		return errors.New("a service account has no password: it acts by its API keys")
	}
	if problem := c.svc.rules.Check(ctx, string(chosen), p.email); problem != nil {
		return fmt.Errorf("the password %w", problem)
	}
	hash, err := c.svc.hasher.Hash(ctx, string(chosen))
	if err != nil {
		return err
	}
	return c.svc.db.InTx(ctx, func(ctx context.Context) error {
		if err := c.svc.gate.LockUser(ctx, userID); err != nil {
			return err
		}
		if err := c.svc.store.savePassword(ctx, userID, hash, c.svc.now()); err != nil {
			return err
		}
		if err := c.svc.trail.Record(ctx, audit.Event{Action: audit.PasswordChanged, UserID: userID}); err != nil {
			return err
		}
		if err := c.svc.sessions.EndAll(ctx, userID, "password_changed"); err != nil {
			return err
		}
		if err := c.svc.store.endChallenges(ctx, userID, c.svc.now()); err != nil {
			return err
		}
		if err := c.svc.notify(ctx, p, p.email, mail.PasswordChanged, mail.Data{}); err != nil {
			return err
		}
		return c.Unlock(ctx, userID)
	})
}

// firstPassword is how long the link of AskForPassword is valid: nobody waits for that mail.
const firstPassword = 7 * 24 * time.Hour

// AskForPassword sends a person whose new account has no password a link to set one, within
// the caller's transaction.
func (c CommandLine) AskForPassword(ctx context.Context, userID uuid.UUID, email, name string, locale field.Locale) error {
	_, err := c.svc.ask(ctx, question{
		purpose: forPasswordReset, userID: uuid.NullUUID{UUID: userID, Valid: true}, email: field.Email(email).Canonical(), lasts: firstPassword, byLink: true,
		mail: mail.Mail{Kind: mail.SetPassword, To: email, Locale: string(locale), Data: mail.Data{Name: name}},
	})
	return err
}

// VerifyEmail marks the address of an account as proved, because the operator knows that it
// is the person's. Nothing that was set up before ends.
func (c CommandLine) VerifyEmail(ctx context.Context, userID uuid.UUID) error {
	ctx, err := c.admit(ctx, userID)
	if err != nil {
		return err
	}
	return c.svc.db.InTx(ctx, func(ctx context.Context) error {
		_, err := c.svc.users.Verify(ctx, userID)
		return err
	})
}

// ResetFactors removes every second factor of a person who lost theirs, because the operator
// knows who asks. It ends their sessions.
func (c CommandLine) ResetFactors(ctx context.Context, userID uuid.UUID) error {
	ctx, err := c.admit(ctx, userID)
	if err != nil {
		return err
	}
	p, err := c.svc.store.find(ctx, userID)
	if err != nil {
		return err
	}
	return c.svc.db.InTx(ctx, func(ctx context.Context) error {
		if err := c.svc.gate.LockUser(ctx, userID); err != nil {
			return err
		}
		enrolled, err := c.svc.store.enrolled(ctx, userID)
		if err != nil {
			return err
		}
		if !enrolled {
			return fmt.Errorf("%s has no second factor", p.email)
		}
		if err := c.svc.store.endChallenges(ctx, userID, c.svc.now()); err != nil {
			return err
		}
		return c.svc.removeAllFactors(ctx, p, audit.Event{Action: audit.FactorsReset}, "factors_reset", mail.FactorsReset)
	})
}

// Sessions lists a person's live log-ins.
func (c CommandLine) Sessions(ctx context.Context, userID uuid.UUID) iter.Seq2[Session, error] {
	ctx, err := c.admit(ctx, userID)
	return httpapi.Each(func(w httpapi.Window) (httpapi.Page[sessionView], error) {
		if err != nil {
			return httpapi.Page[sessionView]{}, err
		}
		return c.svc.pageOfSessions(ctx, userID, uuid.Nil, w)
	})
}

// EndSessions ends all log-ins of a person and returns their number.
func (c CommandLine) EndSessions(ctx context.Context, userID uuid.UUID) (int, error) {
	ctx, err := c.admit(ctx, userID)
	if err != nil {
		return 0, err
	}
	return c.svc.sessions.revoke(ctx, userID, map[string]string{"reason": endedByPlatform}, "")
}

// Limits returns the rate limits that a person has reached now.
func (c CommandLine) Limits(ctx context.Context, userID uuid.UUID) ([]Limit, error) {
	ctx, err := c.admit(ctx, userID)
	if err != nil {
		return nil, err
	}
	p, err := c.svc.store.find(ctx, userID)
	if err != nil {
		return nil, err
	}
	addresses, err := c.addresses(ctx, p)
	if err != nil {
		return nil, err
	}
	held := []Limit{}
	for _, d := range c.svc.limits.about(p, addresses) {
		wait, err := c.svc.limits.kept.Wait(ctx, d.Demand)
		if err != nil {
			return nil, err
		}
		if wait > 0 {
			held = append(held, Limit{Name: d.Policy.Name, Address: d.address, RetryAfter: int(math.Ceil(wait.Seconds()))})
		}
	}
	return held, nil
}

// Unlock resets all rate limits of a person, reached or not. It does not reset the limit of
// an IP address for all accounts.
func (c CommandLine) Unlock(ctx context.Context, userID uuid.UUID) error {
	ctx, err := c.admit(ctx, userID)
	if err != nil {
		return err
	}
	p, err := c.svc.store.find(ctx, userID)
	if err != nil {
		return err
	}
	return c.svc.db.InTx(ctx, func(ctx context.Context) error {
		addresses, err := c.addresses(ctx, p)
		if err != nil {
			return err
		}
		if err := c.svc.limits.reset(ctx, p, addresses); err != nil {
			return err
		}
		return c.svc.trail.Record(ctx, audit.Event{Action: audit.UserUnlocked, UserID: userID})
	})
}

func (c CommandLine) admit(ctx context.Context, userID uuid.UUID) (context.Context, error) {
	return c.svc.gate.AdmitCommandLine(ctx, access.PlatformAdminOnly(), access.Request{User: userID})
}

// addresses returns the client addresses for which a limit of the person may be reached:
// those of recent failed log-ins, and those of the person's sessions. The limits
// themselves are stored by digest, which does not show the address.
func (c CommandLine) addresses(ctx context.Context, p person) ([]string, error) {
	failures, err := c.svc.trail.Read(ctx, p.id, audit.Filter{Action: audit.LogInFailed, Since: c.svc.now().Add(-perPair.Span()), Limit: 1000}, 0, false)
	if err != nil {
		return nil, err
	}
	all, err := c.svc.store.recentAddresses(ctx, p.canonical())
	for _, e := range failures {
		all = append(all, e.Address)
	}
	return distinct(all), err
}
