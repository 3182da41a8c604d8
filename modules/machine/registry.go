package machine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/database"
)

// API is a registered API: another program that takes access tokens for itself. Its account,
// which has the same id, acts by the API's own keys.
type API struct {
	ID            uuid.UUID
	Identifier    string
	Name          string // for people
	TokenLife     time.Duration
	WantsRole     bool // its tokens have the role of the person
	SessionTokens bool // it takes the tokens of log-ins for this service, too
	Created       time.Time
	Scopes        []APIScope
}

// APIScope is a scope, and the least role that may have it.
type APIScope struct {
	Name      string
	LeastRole access.Role
}

func names(scopes []APIScope) []string {
	list := make([]string, len(scopes))
	for i, s := range scopes {
		list[i] = s.Name
	}
	return list
}

// allowed returns the scopes of the API that a role may have.
func (a API) allowed(role access.Role) []string {
	var list []string
	for _, s := range a.Scopes {
		if role.Includes(s.LeastRole) { // mutant: api-scope-role
			list = append(list, s.Name)
		}
	}
	return list
}

// among returns those of the scopes that are in a list.
func among(scopes, list []string) []string {
	return slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return !slices.Contains(list, s) })
}

// registry is what a process knows of the registered APIs. They change rarely and each check
// of a token needs them, so it reads them again only when they are older than registryAge, and
// at once after a change of its own. Whether an API's account is live is checked for each
// request, by the gate.
type registry struct {
	db  *database.DB
	now func() time.Time

	mu      sync.Mutex
	read    time.Time
	ordered []API // by id
}

// registryAge is how long another process may not know of a changed API.
const registryAge = 5 * time.Second

func newRegistry(db *database.DB, now func() time.Time) *registry {
	return &registry{db: db, now: now}
}

// forget makes the next question read the APIs again.
func (r *registry) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.read = time.Time{}
}

// all returns the registered APIs, by their ids. The caller must not modify them.
func (r *registry) all(ctx context.Context) ([]API, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := r.now(); r.read.IsZero() || now.Sub(r.read) >= registryAge || now.Before(r.read) {
		list, err := readAPIs(ctx, r.db)
		if err != nil {
			return nil, err
		}
		r.ordered, r.read = list, now
	}
	return r.ordered, nil
}

func readAPIs(ctx context.Context, db *database.DB) (list []API, err error) {
	rows, err := db.Rows(database.OnPrimary(ctx), `SELECT a.id, a.identifier, p.name, a.token_seconds, a.claims, a.session_tokens, a.created_at, COALESCE(s.name, ''), COALESCE(s.least_role, 'member')
		FROM apis a JOIN user_profile p ON p.user_id = a.id LEFT JOIN api_scopes s ON s.api_id = a.id ORDER BY a.id, s.name`)
	if err != nil {
		return nil, fmt.Errorf("read the registered APIs: %w", err)
	}
	_, err = database.Collect(rows, func(scan func(...any) error) (struct{}, error) {
		var a API
		var s APIScope
		var seconds int
		var claims, role string
		if err := scan(&a.ID, &a.Identifier, &a.Name, &seconds, &claims, &a.SessionTokens, &a.Created, &s.Name, &role); err != nil {
			return struct{}{}, err
		}
		if err := s.LeastRole.UnmarshalText([]byte(role)); err != nil {
			return struct{}{}, err
		}
		a.TokenLife, a.WantsRole, a.Created = time.Duration(seconds)*time.Second, claims == string(claimsRole), a.Created.UTC()
		if len(list) == 0 || list[len(list)-1].ID != a.ID {
			list = append(list, a)
		}
		if s.Name != "" {
			last := &list[len(list)-1]
			last.Scopes = append(last.Scopes, s)
		}
		return struct{}{}, nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the registered APIs: %w", err)
	}
	return list, nil
}

// identified returns the API with an identifier, and whether there is one.
func (r *registry) identified(ctx context.Context, identifier string) (API, bool, error) {
	return r.find(ctx, func(a API) bool { return a.Identifier == identifier })
}

// of returns the API of an account, and whether there is one.
func (r *registry) of(ctx context.Context, id uuid.UUID) (API, bool, error) {
	return r.find(ctx, func(a API) bool { return a.ID == id })
}

func (r *registry) find(ctx context.Context, is func(API) bool) (API, bool, error) {
	list, err := r.all(ctx)
	if i := slices.IndexFunc(list, is); i >= 0 {
		return list[i], true, err
	}
	return API{}, false, err
}

// scopes returns all scopes that a key can have: this service's, and then those of the APIs,
// each once and with the lowest role that any of them asks for. A token for an API has only
// what that API allows the role.
func (r *registry) scopes(ctx context.Context) ([]APIScope, error) {
	list, err := r.all(ctx)
	if err != nil {
		return nil, err
	}
	var declared []APIScope
	for _, a := range list {
		declared = append(declared, a.Scopes...)
	}
	slices.SortFunc(declared, func(a, b APIScope) int {
		if a.Name != b.Name {
			return strings.Compare(a.Name, b.Name)
		}
		return int(a.LeastRole) - int(b.LeastRole)
	})
	declared = slices.CompactFunc(declared, func(a, b APIScope) bool { return a.Name == b.Name })
	return append(slices.Clone(ownScopes), declared...), nil
}

// named returns those of the scopes that have one of the names. A name that no API declares any
// more gives no right.
func named(scopes []APIScope, list []string) []APIScope {
	return slices.DeleteFunc(slices.Clone(scopes), func(s APIScope) bool { return !slices.Contains(list, s.Name) })
}
