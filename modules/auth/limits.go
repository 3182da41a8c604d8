package auth

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/field"
	"guildhall/platform/ratelimit"
	"guildhall/platform/request"
)

// The limits on guessing and on what costs a hash. An unknown email address
// counts like a known one.
//
// Guessing from one address is stopped first, after five; from many addresses
// after a hundred in all (NIST SP 800-63B §5.2.2), which would shut out the
// person as well: but not from where they have been logged in before.
var (
	perAddress  = ratelimit.Policy{Name: "address", Burst: 100, Interval: time.Second} // an office may share one
	perPair     = ratelimit.Policy{Name: "log-in", Burst: 5, Interval: 30 * time.Second}
	perEmail    = ratelimit.Policy{Name: "account", Burst: 100, Interval: 15 * time.Minute, Silent: true}
	registering = ratelimit.Policy{Name: "registration", Burst: 30, Interval: 10 * time.Second}
	changing    = ratelimit.Policy{Name: "password-change", Burst: 5, Interval: 30 * time.Second}
	refreshing  = ratelimit.Policy{Name: "refresh", Burst: 60, Interval: time.Second}
)

type limits struct {
	kept      *ratelimit.Store
	refreshes *ratelimit.Limiter // a restart ends what it slows down as well
	store     *store
}

func newLimits(kept *ratelimit.Store, store *store, now func() time.Time) limits {
	l := limits{kept: kept, store: store}
	if kept != nil {
		l.refreshes = ratelimit.NewLimiter(refreshing, now)
	}
	return l
}

func address(ctx context.Context) string { return ratelimit.Address(request.From(ctx).Address) }

func (l limits) logIn(ctx context.Context, canonicalEmail string) error {
	refused := l.kept.Take(ctx,
		ratelimit.Demand{Policy: perAddress, Key: address(ctx)},
		ratelimit.Demand{Policy: perPair, Key: address(ctx) + " " + canonicalEmail},
		ratelimit.Demand{Policy: perEmail, Key: canonicalEmail}, // mutant: account-limit
	)
	var reached *ratelimit.Reached
	if !errors.As(refused, &reached) || reached.Policy != perEmail {
		return refused
	}
	known, err := l.store.recentAddresses(ctx, canonicalEmail)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(known, func(a string) bool { return ratelimit.Address(a) == address(ctx) }) { // mutant: known-address
		return nil
	}
	return refused
}

// counted is what is counted against somebody, from an address or from anywhere.
type counted struct {
	ratelimit.Demand
	address string
}

// about is what may hold a person up, at any of these addresses.
func (l limits) about(p person, addresses []string) []counted {
	list := l.against(p, addresses)
	for _, a := range addresses {
		list = append(list, counted{ratelimit.Demand{Policy: perAddress, Key: a}, a})
	}
	return list
}

// against is what is counted against a person and nobody else.
func (l limits) against(p person, addresses []string) []counted {
	email := field.Login(p.email).CanonicalEmail()
	var list []counted
	for _, a := range addresses {
		list = append(list, counted{ratelimit.Demand{Policy: perPair, Key: a + " " + email}, a})
	}
	return append(list,
		counted{ratelimit.Demand{Policy: perEmail, Key: email}, ""},
		counted{ratelimit.Demand{Policy: changing, Key: p.id.String()}, ""})
}

// forget takes back what is counted against a person.
func (l limits) forget(ctx context.Context, p person, addresses []string) error {
	var demands []ratelimit.Demand
	for _, c := range l.against(p, addresses) {
		demands = append(demands, c.Demand)
	}
	return l.kept.Reset(ctx, demands...)
}

// distinct are the keys of addresses, each once.
func distinct(addresses []string) []string {
	keys := make([]string, 0, len(addresses))
	for _, a := range addresses {
		if a != "" {
			keys = append(keys, ratelimit.Address(a))
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// loggedIn lets a person who knows the password log in as often as they like.
func (l limits) loggedIn(ctx context.Context, canonicalEmail string) error {
	return l.kept.Reset(ctx,
		ratelimit.Demand{Policy: perPair, Key: address(ctx) + " " + canonicalEmail},
		ratelimit.Demand{Policy: perEmail, Key: canonicalEmail},
	)
}

func (l limits) register(ctx context.Context) error {
	return l.kept.Take(ctx, ratelimit.Demand{Policy: registering, Key: address(ctx)})
}

func (l limits) changePassword(ctx context.Context, userID uuid.UUID) error {
	return l.kept.Take(ctx, ratelimit.Demand{Policy: changing, Key: userID.String()})
}

func (l limits) refresh(ctx context.Context, sessionID uuid.UUID) error {
	return l.refreshes.Allow(ctx, sessionID.String())
}
