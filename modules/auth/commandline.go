package auth

import (
	"context"
	"fmt"
	"iter"
	"math"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
	"guildhall/platform/password"
)

// CommandLine does for a command on the server what no route does for somebody
// else.
type CommandLine struct{ m *Module }

// CommandLine returns it.
func (m *Module) CommandLine() CommandLine { return CommandLine{m} }

// Session as the API shows it to the person.
type Session = sessionView

// Limit that holds a person up.
type Limit struct {
	Name       string `json:"limit"`
	Address    string `json:"address,omitempty"` // from where; from anywhere without it
	RetryAfter int    `json:"retry_after"`       // seconds
}

// SetPassword gives an account another password, ends its sessions and unlocks it.
func (c CommandLine) SetPassword(ctx context.Context, userID uuid.UUID, chosen field.NewPassword) error {
	ctx, err := c.admit(ctx, userID)
	if err != nil {
		return err
	}
	p, err := c.m.store.find(ctx, userID)
	if err != nil {
		return err
	}
	if problem := password.Check(string(chosen), p.email); problem != "" {
		return fmt.Errorf("the password %s", problem)
	}
	hash, err := c.m.hasher.Hash(ctx, string(chosen))
	if err != nil {
		return err
	}
	return c.m.db.InTx(ctx, func(ctx context.Context) error {
		if err := c.m.gate.LockUser(ctx, userID); err != nil {
			return err
		}
		if err := c.m.store.savePassword(ctx, userID, hash, c.m.now()); err != nil {
			return err
		}
		if err := c.m.trail.Record(ctx, audit.Event{Action: audit.PasswordChanged, UserID: userID}); err != nil {
			return err
		}
		if err := c.m.sessions.EndAll(ctx, userID, "password_changed"); err != nil {
			return err
		}
		return c.Unlock(ctx, userID)
	})
}

// Sessions of a person that are live.
func (c CommandLine) Sessions(ctx context.Context, userID uuid.UUID) iter.Seq2[Session, error] {
	ctx, err := c.admit(ctx, userID)
	return httpapi.Each(func(w httpapi.Window) (httpapi.Page[sessionView], error) {
		if err != nil {
			return httpapi.Page[sessionView]{}, err
		}
		return c.m.sessionsOf(ctx, userID, uuid.Nil, w)
	})
}

// EndSessions ends all of a person's and says how many there were.
func (c CommandLine) EndSessions(ctx context.Context, userID uuid.UUID) (int64, error) {
	ctx, err := c.admit(ctx, userID)
	if err != nil {
		return 0, err
	}
	return c.m.sessions.revoke(ctx, userID, map[string]string{"reason": "ended_by_platform"}, "1 = 1")
}

// Limits that hold a person up now.
func (c CommandLine) Limits(ctx context.Context, userID uuid.UUID) ([]Limit, error) {
	ctx, err := c.admit(ctx, userID)
	if err != nil {
		return nil, err
	}
	p, err := c.m.store.find(ctx, userID)
	if err != nil {
		return nil, err
	}
	addresses, err := c.addresses(ctx, p)
	if err != nil {
		return nil, err
	}
	held := []Limit{}
	for _, d := range c.m.limits.about(p, addresses) {
		wait, err := c.m.limits.kept.Wait(ctx, d.Demand)
		if err != nil {
			return nil, err
		}
		if wait > 0 {
			held = append(held, Limit{Name: d.Policy.Name, Address: d.address, RetryAfter: int(math.Ceil(wait.Seconds()))})
		}
	}
	return held, nil
}

// Unlock forgets what is counted against a person, whether it holds them up yet or
// not. What is counted against an address alone is not theirs, and stays.
func (c CommandLine) Unlock(ctx context.Context, userID uuid.UUID) error {
	ctx, err := c.admit(ctx, userID)
	if err != nil {
		return err
	}
	p, err := c.m.store.find(ctx, userID)
	if err != nil {
		return err
	}
	return c.m.db.InTx(ctx, func(ctx context.Context) error {
		addresses, err := c.addresses(ctx, p)
		if err != nil {
			return err
		}
		if err := c.m.limits.forget(ctx, p, addresses); err != nil {
			return err
		}
		return c.m.trail.Record(ctx, audit.Event{Action: audit.UserUnlocked, UserID: userID})
	})
}

func (c CommandLine) admit(ctx context.Context, userID uuid.UUID) (context.Context, error) {
	return c.m.gate.AdmitCommandLine(ctx, access.OperatorOnly(), access.Request{User: userID})
}

// addresses are those from which somebody may be held up: where log-ins failed for
// as long as that can count, and where the person's sessions were used last.
// Limits are kept by digests, which do not tell.
func (c CommandLine) addresses(ctx context.Context, p person) ([]string, error) {
	failures, err := c.m.trail.Read(ctx, p.id, audit.Filter{Action: audit.LogInFailed, Since: c.m.now().Add(-perPair.Span()), Limit: 1000})
	if err != nil {
		return nil, err
	}
	all, err := c.m.store.recentAddresses(ctx, field.Login(p.email).CanonicalEmail())
	for _, e := range failures {
		all = append(all, e.Address)
	}
	return distinct(all), err
}
