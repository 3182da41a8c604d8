package access

import (
	"context"
	"sync/atomic"

	"github.com/google/uuid"

	"guildhall/platform/database"
	"guildhall/platform/recent"
	"guildhall/platform/schema"
	"guildhall/platform/token"
)

// standingCache caches the standing of callers, on SQLite. It caches a good standing until
// a write may have changed it (database.Watch) or the session ends. A standing that is not
// good, or that ends by itself at some time, is read for each request.
type standingCache struct {
	watch   *database.Watch // nil: nothing is cached
	entries *recent.Map[standingKey, cachedStanding]
	tables  atomic.Pointer[map[string]schema.Standing] // nil until SetTables
}

// standingKey is everything that a standing depends on, except the time.
type standingKey struct {
	userID, sessionID uuid.UUID
	organizationID    uuid.NullUUID
	row               row
	proved            bool // with the time of the last proof
}

type cachedStanding struct {
	epoch    int64
	standing Standing
	read     any // must not be modified
}

// callers is how many standings are remembered in each of two generations: as many as tokens.
const callers = 20_480

func newStandingCache(db *database.DB) *standingCache {
	c := &standingCache{entries: recent.New[standingKey, cachedStanding](callers)}
	c.watch = db.Watch(c.invalidates)
	return c
}

// SetTables sets the tables of all modules. Before, every write invalidates the standing
// cache.
func (g *Gate) SetTables(tables []schema.Table) {
	byName := make(map[string]schema.Standing, len(tables))
	for _, t := range tables {
		byName[t.Name] = t.Standing
	}
	g.cache.tables.Store(&byName)
}

// invalidates reports whether a write may change a good standing or the columns of a Row.
// Any write to a table that no module declares does.
func (c *standingCache) invalidates(w database.Write) bool { // mutant: standing-invalidation
	tables := c.tables.Load()
	if tables == nil {
		return true
	}
	standing := (*tables)[w.Table]
	switch w.Operation {
	case database.Insert:
		return !standing.KeptByInsert()
	case database.Update:
		return !standing.KeptByUpdate(w.Column)
	default:
		return !standing.KeptByDelete()
	}
}

// lookUp returns the caller's standing and the value of the rule's Row, from the cache or
// the database.
func (g *Gate) lookUp(ctx context.Context, rule Rule, claims token.Access, organizationID uuid.NullUUID) (Standing, any, error) {
	now := g.now()
	key := standingKey{claims.UserID, claims.SessionID, organizationID, rule.row, rule.readsProof()}
	var epoch int64
	var met, sure bool
	if g.cache.watch != nil {
		var a cachedStanding
		if a, met = g.cache.entries.Find(key); met {
			epoch, sure = g.cache.watch.Epoch()
		}
		if sure && a.epoch == epoch && now.Before(a.standing.until) {
			return a.standing, a.read, nil
		}
	}
	var read any
	var into []any
	if rule.row != nil {
		read, into = rule.row.scan()
	}
	var proof proof
	if rule.readsProof() {
		into = append(proof.into(), into...)
	}
	standing, err := g.query(ctx, g.queryOf(rule), claims.UserID, claims.SessionID, organizationID, now, into...)
	standing.proved = proof.at()
	switch {
	case err != nil || g.cache.watch == nil || !standing.good(organizationID.Valid):
	case !met: // the first request costs only the query, and not the epoch as well
		g.cache.entries.Keep(key, cachedStanding{epoch: never})
	case sure:
		g.cache.entries.Keep(key, cachedStanding{epoch, standing, read})
	}
	return standing, read, err
}

// never is not a valid epoch: it marks a caller after their first request, whose standing
// is not cached yet.
const never = -1

// good reports whether only an invalidating write can change the standing.
func (s Standing) good(inOrganization bool) bool {
	return s.SessionLive && s.AccountGood() &&
		(!inOrganization || s.Present() && s.MembershipGood() && !s.OrganizationSuspended && !s.factorLater)
}
