package machine

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/audit"
	"guildhall/platform/database"
	"guildhall/platform/fault"
	"guildhall/platform/httpapi"
	"guildhall/platform/token"
)

// listAPIs lists the registered APIs.
func (svc *Service) listAPIs(ctx context.Context, in httpapi.PageInput) (page httpapi.Page[apiView], err error) {
	w, err := in.Window()
	if err != nil {
		return page, err
	}
	return svc.apisWithin(ctx, w)
}

func (svc *Service) apisWithin(ctx context.Context, w httpapi.Window) (page httpapi.Page[apiView], err error) {
	list, err := readAPIs(ctx, svc.db)
	if err != nil {
		return page, err
	}
	views := make([]apiView, len(list))
	for i, a := range list {
		views[i] = a.view()
	}
	return httpapi.PageOf(views, w, func(v apiView) uuid.UUID { return v.ID }), nil
}

// getAPI returns a registered API (api_not_found).
func (svc *Service) getAPI(ctx context.Context, in apiPath) (view apiView, err error) {
	a, err := svc.findAPI(ctx, in.APIID)
	if err != nil {
		return view, err
	}
	return a.view(), nil
}

// findAPI reads a registered API from the database (api_not_found).
func (svc *Service) findAPI(ctx context.Context, id uuid.UUID) (API, error) {
	list, err := readAPIs(ctx, svc.db)
	if err != nil {
		return API{}, err
	}
	if i := slices.IndexFunc(list, func(a API) bool { return a.ID == id }); i >= 0 {
		return list[i], nil
	}
	return API{}, errAPINotFound
}

// registerAPI registers an API, with an account for it.
func (svc *Service) registerAPI(ctx context.Context, in apiInput) (answer httpapi.Created[apiView], err error) {
	if svc.isOurs(string(in.Identifier)) { // mutant: api-is-not-us
		return answer, httpapi.Invalid("body.identifier", fault.Unacceptable)
	}
	a := API{
		Identifier: string(in.Identifier), Name: string(in.Name), TokenLife: in.TokenSeconds.Duration(), WantsRole: in.Claims.wantsRole(),
		SessionTokens: in.SessionTokens != nil && *in.SessionTokens, Created: svc.now(),
	}
	if a.Scopes, err = declared(in.Scopes); err != nil {
		return answer, err
	}
	defer svc.registry.forget()
	err = svc.db.InTx(ctx, func(ctx context.Context) error {
		id, err := svc.users.CreateService(ctx, string(in.Name))
		if err != nil {
			return err
		}
		a.ID = id
		if err := svc.store.addAccount(ctx, uuid.NullUUID{}, id, nil); err != nil {
			return err
		}
		if err := svc.store.addAPI(ctx, a); err != nil {
			return err
		}
		if err := svc.recordAPI(ctx, audit.APIRegistered, a); err != nil {
			return err
		}
		answer, err = httpapi.NewCreated(ctx, httpapi.BasePath+"/apis/"+id.String(), a.view())
		return err
	})
	return answer, err
}

// declared returns the scopes that an API declares. It refuses the name of one of this
// service's, and a name that is given twice.
func declared(in []scopeDeclaration) (list []APIScope, err error) {
	var bad []fault.Field
	for i, s := range in {
		location := httpapi.Item("body.scopes", i) + ".name"
		switch {
		case reserved(string(s.Name)): // mutant: reserved-scope
			bad = append(bad, fault.Field{Location: location, Problem: fault.Unacceptable})
		case slices.ContainsFunc(list, func(d APIScope) bool { return d.Name == string(s.Name) }):
			bad = append(bad, fault.Field{Location: location, Problem: fault.Repeated})
		default:
			list = append(list, APIScope{Name: string(s.Name), LeastRole: s.leastRole()})
		}
	}
	if len(bad) > 0 {
		return nil, httpapi.InvalidFields(bad...)
	}
	slices.SortFunc(list, func(a, b APIScope) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// reserved reports whether a scope is one of this service's, now or in a later version.
func reserved(name string) bool {
	return slices.Contains([]string{token.ScopeRead, token.ScopeManage, token.ScopeAPI, "scim", "openid", "profile", "email", "offline_access"}, name)
}

// changeAPI changes what is given. Tokens that were made before keep their scopes until they
// expire, but introspection and forward-auth judge by the new ones.
func (svc *Service) changeAPI(ctx context.Context, in changeAPIInput) (view apiView, err error) {
	scopes, err := declared(in.Scopes)
	if err != nil {
		return view, err
	}
	defer svc.registry.forget()
	err = svc.db.InTx(ctx, func(ctx context.Context) error {
		if err := svc.store.lockAPI(ctx, in.APIID); err != nil { // mutant: api-lock
			return err
		}
		a, err := svc.findAPI(ctx, in.APIID)
		if err != nil {
			return err
		}
		if in.TokenSeconds != nil {
			a.TokenLife = in.TokenSeconds.Duration()
		}
		if in.Claims != nil {
			a.WantsRole = in.Claims.wantsRole()
		}
		if in.SessionTokens != nil {
			a.SessionTokens = *in.SessionTokens
		}
		if in.Scopes != nil {
			a.Scopes = scopes
		}
		if err := svc.store.changeAPI(ctx, a); err != nil {
			return err
		}
		if err := svc.recordAPI(ctx, audit.APIChanged, a); err != nil {
			return err
		}
		view, err = svc.getAPI(ctx, in.apiPath)
		return err
	})
	return view, err
}

// removeAPI removes an API, ends its keys and archives its account. Nobody gets tokens for it
// any more.
func (svc *Service) removeAPI(ctx context.Context, in apiPath) (none httpapi.NoContent, err error) {
	defer svc.registry.forget()
	return none, svc.db.InTx(ctx, func(ctx context.Context) error {
		a, err := svc.findAPI(ctx, in.APIID)
		if err != nil {
			return err
		}
		if err := svc.store.removeAPI(ctx, a.ID, svc.now()); err != nil {
			return err
		}
		if err := svc.users.ArchiveService(ctx, a.ID, "The API was removed."); err != nil {
			return err
		}
		return svc.recordAPI(ctx, audit.APIRemoved, a)
	})
}

func (svc *Service) recordAPI(ctx context.Context, action audit.Action, a API) error {
	return svc.trail.Record(ctx, audit.Event{Action: action, UserID: a.ID, Details: map[string]string{
		"identifier": a.Identifier, "scopes": strings.Join(names(a.Scopes), " "), "claims": string(a.claims()),
		"token_seconds": strconv.Itoa(int(a.TokenLife / time.Second)), "session_tokens": strconv.FormatBool(a.SessionTokens),
	}})
}

// listAPIKeys lists the live keys of an API.
func (svc *Service) listAPIKeys(ctx context.Context, in listAPIKeysInput) (page httpapi.Page[apiOwnKeyView], err error) {
	w, err := in.Window()
	if err != nil {
		return page, err
	}
	if _, err := svc.findAPI(ctx, in.APIID); err != nil {
		return page, err
	}
	keys, err := svc.store.keysOfAPI(ctx, in.APIID, svc.now())
	if err != nil {
		return page, err
	}
	views := make([]apiOwnKeyView, len(keys))
	for i, k := range keys {
		views[i] = k.ofAPI()
	}
	return httpapi.PageOf(views, w, func(v apiOwnKeyView) uuid.UUID { return v.ID }), nil
}

// createAPIKey makes a key for an API's account.
func (svc *Service) createAPIKey(ctx context.Context, in apiKeyInput) (answer httpapi.Created[apiOwnKeyView], err error) {
	now := svc.now()
	expires, err := svc.expiry(in.ExpiresAt, now)
	if err != nil {
		return answer, err
	}
	err = svc.db.InTx(ctx, func(ctx context.Context) error {
		if err := svc.store.lockAPI(ctx, in.APIID); err != nil {
			return err
		}
		if _, err := svc.findAPI(ctx, in.APIID); err != nil {
			return err
		}
		k := apiKey{id: uuid.Must(uuid.NewV7()), holderID: in.APIID, name: string(in.Name), scopes: []string{token.ScopeAPI}, created: now, expires: expires}
		key, err := svc.add(ctx, &k, audit.APIKeyCreated, map[string]string{})
		if err != nil {
			return err
		}
		if k, err = svc.findAPIKey(ctx, in.APIID, k.id); err != nil {
			return err
		}
		answer, err = httpapi.NewCreated(ctx, httpapi.BasePath+"/apis/"+in.APIID.String()+"/keys/"+k.id.String(), k.ofAPI()) // mutant: api-key-shown-once
		answer.Body.Key = &key
		return err
	})
	return answer, err
}

// findAPIKey returns a live key of an API (api_key_not_found).
func (svc *Service) findAPIKey(ctx context.Context, apiID, id uuid.UUID) (apiKey, error) {
	keys, err := svc.store.keysOfAPI(ctx, apiID, svc.now())
	if err != nil {
		return apiKey{}, err
	}
	if i := slices.IndexFunc(keys, func(k apiKey) bool { return k.id == id }); i >= 0 {
		return keys[i], nil
	}
	return apiKey{}, errKeyNotFound
}

// revokeAPIKey ends a key of an API.
func (svc *Service) revokeAPIKey(ctx context.Context, in apiOwnKeyPath) (none httpapi.NoContent, err error) {
	return none, svc.db.InTx(ctx, func(ctx context.Context) error {
		k, err := svc.findAPIKey(ctx, in.APIID, in.KeyID)
		if err != nil {
			return err
		}
		if err := svc.store.revoke(ctx, k, "revoked", svc.now()); err != nil {
			return err
		}
		return svc.record(ctx, audit.APIKeyRevoked, k, map[string]string{})
	})
}

// addAPI stores an API. It refuses an identifier that another one has (api_exists).
func (s *store) addAPI(ctx context.Context, a API) error {
	_, err := s.db.Exec(ctx, "INSERT INTO apis (id, identifier, token_seconds, claims, session_tokens, created_at) VALUES (?, ?, ?, ?, ?, ?)",
		a.ID, a.Identifier, int(a.TokenLife/time.Second), a.claims(), a.SessionTokens, a.Created)
	if database.IsDuplicate(err) {
		return errAPIExists
	}
	if err != nil {
		return fmt.Errorf("register an API: %w", err)
	}
	return s.addScopes(ctx, a)
}

func (s *store) addScopes(ctx context.Context, a API) error {
	for _, one := range a.Scopes {
		if err := s.db.Queue(ctx, "INSERT INTO api_scopes (api_id, name, least_role) VALUES (?, ?, ?)", a.ID, one.Name, one.LeastRole.String()); err != nil {
			return fmt.Errorf("declare a scope: %w", err)
		}
	}
	return nil
}

// lockAPI locks the row of an API for the rest of the transaction: of two changes at once, the
// second must not write back what the first changed, and no key is made for an API that is
// being removed. SQLite needs no lock, because it has one writer.
func (s *store) lockAPI(ctx context.Context, id uuid.UUID) error {
	lock := s.db.ForUpdate()
	if lock == "" {
		return nil
	}
	if err := s.db.Queue(ctx, "SELECT id FROM apis WHERE id = ?"+lock, id); err != nil {
		return fmt.Errorf("lock an API: %w", err)
	}
	return nil
}

func (s *store) changeAPI(ctx context.Context, a API) error {
	n, err := s.db.Exec(ctx, "UPDATE apis SET token_seconds = ?, claims = ?, session_tokens = ? WHERE id = ?", int(a.TokenLife/time.Second), a.claims(), a.SessionTokens, a.ID)
	switch {
	case err != nil:
		return fmt.Errorf("change an API: %w", err)
	case n == 0: // removed meanwhile
		return errAPINotFound
	}
	if err := s.db.Queue(ctx, "DELETE FROM api_scopes WHERE api_id = ?", a.ID); err != nil {
		return fmt.Errorf("change the scopes of an API: %w", err)
	}
	return s.addScopes(ctx, a)
}

func (s *store) removeAPI(ctx context.Context, id uuid.UUID, now time.Time) error {
	if err := s.db.Queue(ctx, "DELETE FROM api_scopes WHERE api_id = ?", id); err != nil {
		return fmt.Errorf("remove the scopes of an API: %w", err)
	}
	n, err := s.db.Exec(ctx, "DELETE FROM apis WHERE id = ?", id)
	switch {
	case err != nil:
		return fmt.Errorf("remove an API: %w", err)
	case n == 0:
		return errAPINotFound
	}
	err = s.db.Queue(ctx, "UPDATE sessions SET revoked_at = ?, revoked_reason = 'api_removed' WHERE user_id = ? AND kind = 'key' AND revoked_at IS NULL", now, id)
	if err != nil {
		return fmt.Errorf("end the keys of an API: %w", err)
	}
	return nil
}

// keysOfAPI returns the live keys of an API, by their ids.
func (s *store) keysOfAPI(ctx context.Context, id uuid.UUID, now time.Time) ([]apiKey, error) {
	rows, err := s.db.Rows(ctx, s.apiKeysSQL, id, now)
	if err != nil {
		return nil, fmt.Errorf("list the keys of an API: %w", err)
	}
	keys, err := database.Collect(rows, scanKey)
	if err != nil {
		return nil, fmt.Errorf("list the keys of an API: %w", err)
	}
	return keys, nil
}
