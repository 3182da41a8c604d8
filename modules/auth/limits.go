package auth

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/mail"
	"guildhall/platform/ratelimit"
	"guildhall/platform/request"
)

// The rate limits on password guessing and on requests that compute a hash. They treat
// unknown email addresses like known ones.
//
// For one account, guesses from one IP address are limited after five, and guesses from
// all addresses after a hundred (NIST SP 800-63B §5.2.2). The second limit would also lock
// out the person, so it does not apply to addresses of their earlier sessions.
var (
	perAddress  = ratelimit.Policy{Name: "address", Burst: 100, Interval: time.Second} // an office may share one
	perPair     = ratelimit.Policy{Name: "log-in", Burst: 5, Interval: 30 * time.Second}
	perEmail    = ratelimit.Policy{Name: "account", Burst: 100, Interval: 15 * time.Minute, Silent: true}
	registering = ratelimit.Policy{Name: "registration", Burst: 30, Interval: 10 * time.Second}
	changing    = ratelimit.Policy{Name: "password-change", Burst: 5, Interval: 30 * time.Second}
	// Mails to one address, whoever asks for them, and requests for mails by one client.
	mailing     = mail.PerAddress
	challenging = ratelimit.Policy{Name: "challenge", Burst: 30, Interval: 10 * time.Second}
	// Guesses of the codes in mails to one address. Links are not limited: a flood of wrong
	// codes does not keep a person from their link.
	guessing = ratelimit.Policy{Name: "code", Burst: 10, Interval: 3 * time.Minute, Silent: true}
	// Guesses of the second factor of an account. Whoever makes them has proved the first one.
	proving = ratelimit.Policy{Name: "second-factor", Burst: 10, Interval: 3 * time.Minute, Silent: true}
	// Notices to one address, which whoever logs in again and again could flood.
	noticing   = ratelimit.Policy{Name: "notice", Burst: 10, Interval: 6 * time.Minute, Silent: true}
	refreshing = ratelimit.Policy{Name: "refresh", Burst: 60, Interval: time.Second}
)

type limits struct {
	kept      *ratelimit.Store
	refreshes *ratelimit.Limiter // in memory: a restart also interrupts the clients that it slows down
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

// counted is a limit of a person, for one client address or for all.
type counted struct {
	ratelimit.Demand
	address string
}

// about returns every limit that may affect a person at these addresses.
func (l limits) about(p person, addresses []string) []counted {
	list := l.against(p, addresses)
	for _, a := range addresses {
		list = append(list, counted{ratelimit.Demand{Policy: perAddress, Key: a}, a})
	}
	return list
}

// against returns the limits that affect only this person.
func (l limits) against(p person, addresses []string) []counted {
	email := p.canonical()
	var list []counted
	for _, a := range addresses {
		list = append(list, counted{ratelimit.Demand{Policy: perPair, Key: a + " " + email}, a})
	}
	return append(list,
		counted{ratelimit.Demand{Policy: perEmail, Key: email}, ""},
		counted{ratelimit.Demand{Policy: mailing, Key: email}, ""},
		counted{ratelimit.Demand{Policy: guessing, Key: email}, ""},
		counted{ratelimit.Demand{Policy: changing, Key: p.id.String()}, ""},
		counted{ratelimit.Demand{Policy: proving, Key: p.id.String()}, ""})
}

// reset resets the limits that affect only this person.
func (l limits) reset(ctx context.Context, p person, addresses []string) error {
	var demands []ratelimit.Demand
	for _, c := range l.against(p, addresses) {
		demands = append(demands, c.Demand)
	}
	return l.kept.Reset(ctx, demands...)
}

// distinct returns the keys of addresses without duplicates.
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

// loggedIn resets the limits on guessing after a log-in, so that a person who knows the
// password may log in as often as they like.
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

// challenge counts a mail to an address. A caller who is signed in has a limit of their own,
// which counts the mails to all addresses that they name. The address comes last: a refusal
// does not count against it, so that it still gets the mails that its owner asks for.
func (l limits) challenge(ctx context.Context, canonicalEmail string) error {
	demands := []ratelimit.Demand{{Policy: challenging, Key: address(ctx)}}
	if caller := access.From(ctx).UserID; caller != uuid.Nil {
		demands = append(demands, ratelimit.Demand{Policy: mailing, Key: caller.String()})
	}
	return l.kept.Take(ctx, append(demands, ratelimit.Demand{Policy: mailing, Key: canonicalEmail})...)
}

// client counts a request of a client whom nothing but its address tells.
func (l limits) client(ctx context.Context) error {
	return l.kept.Take(ctx, ratelimit.Demand{Policy: perAddress, Key: address(ctx)})
}

// code counts a guess of a code that an address got.
func (l limits) code(ctx context.Context, canonicalEmail string) error {
	return l.kept.Take(ctx, ratelimit.Demand{Policy: guessing, Key: canonicalEmail})
}

func (l limits) codeAccepted(ctx context.Context, canonicalEmail string) error {
	return l.kept.Reset(ctx, ratelimit.Demand{Policy: guessing, Key: canonicalEmail})
}

// secondFactor counts a guess of a person's second factor, which new challenges do not reset.
func (l limits) secondFactor(ctx context.Context, userID uuid.UUID) error {
	return l.kept.Take(ctx, ratelimit.Demand{Policy: proving, Key: userID.String()})
}

func (l limits) factorAccepted(ctx context.Context, userID uuid.UUID) error {
	return l.kept.Reset(ctx, ratelimit.Demand{Policy: proving, Key: userID.String()})
}

// notice reports whether an address gets one more notice, and counts it. The caller must have
// locked the account.
func (l limits) notice(ctx context.Context, canonicalEmail string) (bool, error) {
	d := ratelimit.Demand{Policy: noticing, Key: canonicalEmail}
	if wait, err := l.kept.Wait(ctx, d); err != nil || wait > 0 {
		return false, err
	}
	return true, l.kept.Take(ctx, d)
}

// mostRefreshes is how many refreshes of a session the limit allows within a time.
func mostRefreshes(within time.Duration) int {
	return refreshing.Burst + int(within/refreshing.Interval) + 1
}

func (l limits) refresh(ctx context.Context, sessionID uuid.UUID) error {
	return l.refreshes.Allow(ctx, sessionID.String())
}
