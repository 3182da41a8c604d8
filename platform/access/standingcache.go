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

// standingCache holds the standing of callers, on SQLite. It holds a good standing
// until a write may have changed it (database.Watch) or the session ends. A standing
// that is not good, or that ends by itself at some time, is read for each request.
type standingCache struct {
	watch   *database.Watch // nil: nothing is cached
	entries *recent.Map[standingKey, cachedStanding]
	tables  atomic.Pointer[map[string]schema.Standing] // nil until Know
}

// standingKey is everything that a standing depends on, but the time.
type standingKey struct {
	userID, sessionID uuid.UUID
	organizationID    uuid.NullUUID
	row               row
}

type cachedStanding struct {
	epoch    int64
	standing Standing
	read     any // never changed by its users
}

func newStandingCache(db *database.DB) *standingCache {
	c := &standingCache{entries: recent.New[standingKey, cachedStanding](8192)}
	c.watch = db.Watch(c.invalidates)
	return c
}

// Know tells the gate the tables of all modules. Until then every write invalidates
// the standing cache.
func (g *Gate) Know(tables []schema.Table) {
	byName := make(map[string]schema.Standing, len(tables))
	for _, t := range tables {
		byName[t.Name] = t.Standing
	}
	g.cache.tables.Store(&byName)
}

// invalidates says whether a write may change a good standing, or what is read along
// with it. A table that no module declares is one that decides.
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

// look reads the caller's standing, and what the rule reads along.
func (g *Gate) look(ctx context.Context, rule Rule, claims token.Access, organizationID uuid.NullUUID) (Standing, any, error) {
	now := g.now()
	key := standingKey{claims.UserID, claims.SessionID, organizationID, rule.row}
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
	standing, err := g.query(ctx, g.queryOf(rule), claims.UserID, claims.SessionID, organizationID, now, into...)
	switch {
	case err != nil || g.cache.watch == nil || !standing.good(organizationID.Valid):
	case !met: // the first request costs a query, and not the epoch as well
		g.cache.entries.Keep(key, cachedStanding{epoch: never})
	case sure:
		g.cache.entries.Keep(key, cachedStanding{epoch, standing, read})
	}
	return standing, read, err
}

// never is no epoch: it marks a caller after one request, with no standing cached yet.
const never = -1

// good is a standing that nothing but a write that invalidates can change.
func (s Standing) good(inOrganization bool) bool {
	return s.SessionLive && s.AccountGood() &&
		(!inOrganization || s.Present() && s.MembershipGood() && !s.OrganizationSuspended)
}
