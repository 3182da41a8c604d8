package auth

import (
	"context"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/ratelimit"
	"guildhall/platform/request"
)

// limits on guessing and on what costs a hash. An unknown email address counts
// like a known one. Nothing counts an email address alone: whoever guesses at
// somebody's password must not lock that person out elsewhere.
type limits struct {
	logIns, addresses, registrations, passwordChanges *ratelimit.Limiter
}

func newLimits(enabled bool, now func() time.Time) limits {
	if !enabled {
		return limits{}
	}
	return limits{
		logIns:          ratelimit.New(10, 30*time.Second, now), // per email address and client address
		addresses:       ratelimit.New(100, time.Second, now),   // an office may share one
		registrations:   ratelimit.New(30, 10*time.Second, now),
		passwordChanges: ratelimit.New(10, 30*time.Second, now),
	}
}

func (l limits) logIn(ctx context.Context, canonicalEmail string) error {
	address := ratelimit.Address(request.From(ctx).Address)
	if err := l.addresses.Allow(address); err != nil {
		return err
	}
	return l.logIns.Allow(address + " " + canonicalEmail)
}

// loggedIn lets a person who knows the password log in as often as they like.
func (l limits) loggedIn(ctx context.Context, canonicalEmail string) {
	l.logIns.Forget(ratelimit.Address(request.From(ctx).Address) + " " + canonicalEmail)
}

func (l limits) register(ctx context.Context) error {
	return l.registrations.Allow(ratelimit.Address(request.From(ctx).Address))
}

func (l limits) changePassword(userID uuid.UUID) error {
	return l.passwordChanges.Allow(userID.String())
}
