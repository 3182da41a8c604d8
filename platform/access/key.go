package access

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/database"
	"guildhall/platform/fault"
	"guildhall/platform/ratelimit"
	"guildhall/platform/recent"
	"guildhall/platform/request"
	"guildhall/platform/token"
)

// An API key is a session that its secret presents. Only Authenticate differs: the same query
// then says whether the session, its holder and their membership are in good standing. What
// is remembered of a key never changes: who holds it, where it acts, and its scopes.

// keys is what a process remembers of API keys.
type keys struct {
	known   *recent.Map[token.KeyHash, token.Access]
	mu      sync.Mutex
	used    *recent.Map[uuid.UUID, time.Time] // when the last use was stored
	unknown *ratelimit.Limiter                // by client address; nil: no limit
	count   func(KeyOutcome)
}

func newKeys() *keys {
	return &keys{
		known: recent.New[token.KeyHash, token.Access](8192), used: recent.New[uuid.UUID, time.Time](8192),
		count: func(KeyOutcome) {},
	}
}

// KeyOutcome is what became of an API key that was presented.
type KeyOutcome string

const (
	keyAdmitted  KeyOutcome = "admitted"
	keyMalformed KeyOutcome = "malformed" // by its form or its checksum
	keyUnknown   KeyOutcome = "unknown"
	keyLimited   KeyOutcome = "limited" // not looked up
	keyEnded     KeyOutcome = "ended"   // or the account of its holder is not in good standing
	keyRefused   KeyOutcome = "refused" // by its organization, its scopes or its holder's role
)

// KeyOutcomes returns all outcomes.
func KeyOutcomes() []KeyOutcome {
	return []KeyOutcome{keyAdmitted, keyMalformed, keyUnknown, keyLimited, keyEnded, keyRefused}
}

// OnKey sets what is called for each API key that is presented by its secret. A failure to
// decide has no outcome.
func (g *Gate) OnKey(count func(KeyOutcome)) { g.keys.count = count }

// judged counts what the gate decided about claims, if a key was presented.
func (k *keys) judged(claims token.Access, err error) {
	switch {
	case !claims.BySecret():
	case err == nil:
		k.count(keyAdmitted)
	case ErrInvalidToken.Is(err):
		k.count(keyEnded)
	case isRefusal(err):
		k.count(keyRefused)
	}
}

func isRefusal(err error) bool {
	var refusal *fault.Error
	return errors.As(err, &refusal)
}

// KeyGuessing limits the unknown API keys from one client address. Each costs a query.
var KeyGuessing = ratelimit.Policy{Name: "api-key-guessing", Burst: 60, Interval: time.Second, Silent: true}

// LimitKeyGuessing sets the limit on unknown API keys. Without it there is none.
func (g *Gate) LimitKeyGuessing(l *ratelimit.Limiter) { g.keys.unknown = l }

// IsKey reports whether a credential is an API key by its form. It costs no query.
func (*Gate) IsKey(raw string) bool {
	_, is := token.ParseKey(raw)
	return is
}

var errNoKey = errors.New("neither a JWT nor an API key")

// ErrTooManyKeys is why an API key was refused without a look-up: too many unknown ones came
// from the client's address.
var ErrTooManyKeys = errors.New("too many unknown API keys from this address")

type askingKey struct{}

// Asking returns a context for an API that asks about a credential of one of its own clients,
// and has shown its own key. Their guesses must not keep it from asking about others, so
// unknown API keys are neither counted nor limited.
func Asking(ctx context.Context) context.Context { return context.WithValue(ctx, askingKey{}, true) }

// authenticateKey returns the claims of an API key. Its first use in a process is looked up,
// unless its checksum is wrong or too many unknown ones came from the client's address. All
// refusals are the same.
func (g *Gate) authenticateKey(ctx context.Context, raw string) (token.Access, error) {
	hash, ok := token.ParseKey(raw)
	if !ok {
		g.keys.count(keyMalformed)
		return token.Access{}, ErrInvalidToken.WithCause(errNoKey)
	}
	if claims, found := g.keys.known.Find(hash); found {
		return claims, nil
	}
	asks, _ := ctx.Value(askingKey{}).(bool) // mutant: asking-about-keys
	client := ratelimit.Address(request.From(ctx).Address)
	if !asks && g.keys.unknown.Exhausted(client) { // mutant: key-guessing
		g.keys.count(keyLimited)
		return token.Access{}, ErrInvalidToken.WithCause(ErrTooManyKeys)
	}
	var userID, id uuid.UUID
	var organizationID uuid.NullUUID
	var scopes string
	err := g.db.Row(database.OnPrimary(ctx), "SELECT user_id, id, organization_id, scopes FROM sessions WHERE secret_hash = ?", hash.String()).
		Scan(&userID, &id, &organizationID, &scopes)
	if database.IsNotFound(err) {
		g.keys.count(keyUnknown)
		if !asks {
			_ = g.keys.unknown.Allow(context.Background(), client) // only counts: this one is refused anyway
		}
		return token.Access{}, ErrInvalidToken
	}
	if err != nil {
		return token.Access{}, fmt.Errorf("find an API key: %w", err)
	}
	claims := token.OfKey(userID, id, organizationID, scopes)
	g.keys.known.Keep(hash, claims)
	return claims, nil
}

// judgeKey is judge for an API key. The key acts in its organization alone, where its holder
// must be a member in good standing, and never as a platform administrator: its power is the
// holder's role, within its scopes. The key of a registered API acts in no organization, and
// does only what such keys are for.
func (g *Gate) judgeKey(ctx context.Context, rule Rule, claims token.Access, request Request, standing Standing, read any) (Caller, error) {
	asked := request.Organization
	request.Organization = claims.OrganizationID
	standing = standing.ofKey()
	g.keyUsed(ctx, claims.SessionID)
	caller := callerOf(claims, rule, request, standing, read)
	if !claims.OrganizationID.Valid {
		if rule.scope != ofAPI && !(rule.scope == signedIn && rule.byKey) { // mutant: key-of-api
			return caller, ErrKeyNotAllowed
		}
		return caller, nil
	}
	if standing.Role == NoRole {
		caller.OrganizationID = uuid.NullUUID{}
		return caller, ErrOrganizationNotFound
	}
	if asked != claims.OrganizationID { // mutant: key-in-one-organization
		return caller, ErrOrganizationNotFound
	}
	if !rule.TakesKeys() { // mutant: key-not-allowed
		return caller, ErrKeyNotAllowed
	}
	if err := g.decide(ctx, &caller, standing, true); err != nil {
		if standing.FactorRefusal() != nil && (ErrStepUpRequired.Is(err) || ErrFactorRequired.Is(err)) {
			err = ErrKeyWithoutFactor // a program can't step up
		}
		return caller, err
	}
	scope := token.ScopeManage
	if request.Reads {
		scope = token.ScopeRead
	}
	if rule.scope != signedIn && !claims.HasScope(scope) { // mutant: key-scopes
		return caller, ErrInsufficientScope // any key may ask whose it is
	}
	return caller, nil
}

// ofKey returns a standing as an API key has it: without the rights of a platform administrator.
// Nobody logs in to a service account, so its keys need no second factor.
func (s Standing) ofKey() Standing {
	s.PlatformAdmin = false          // mutant: key-of-operator
	s.Strong = s.Strong || !s.ownKey // mutant: key-without-factor
	return s
}

// useInterval is how often the last use of an API key is stored.
const useInterval = time.Minute

// keyUsed stores that a live API key is used, at most once a minute. The gate's cache knows
// these columns to be harmless. If the database takes no writes, the request is served
// nevertheless.
func (g *Gate) keyUsed(ctx context.Context, id uuid.UUID) {
	now := g.now()
	if !g.keys.dueAt(id, now) { // mutant: key-use-interval
		return
	}
	from := request.From(ctx)
	_ = g.db.InTx(ctx, func(ctx context.Context) error {
		// Another process may have stored it. The first use is stored in any case.
		return g.db.Queue(ctx, `UPDATE sessions SET rotated_at = ?, address = ?, client = ?
			WHERE id = ? AND kind = 'key' AND (rotated_at <= ? OR rotated_at = created_at)`, now, from.Address, from.Client, id, now.Add(-useInterval)) // mutant: key-use-shared
	})
}

// dueAt reports whether this process has stored no use of a key for a minute, and notes that
// it does now.
func (k *keys) dueAt(id uuid.UUID, now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if last, known := k.used.Find(id); known && now.Sub(last) < useInterval {
		return false
	}
	k.used.Keep(id, now)
	return true
}
