package machine

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/database"
	"guildhall/platform/fault"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
	"guildhall/platform/ratelimit"
	"guildhall/platform/recent"
	"guildhall/platform/token"
)

// Users stores the accounts of programs.
type Users interface {
	// CreateService creates an account without a password for a program, within the caller's
	// transaction.
	CreateService(ctx context.Context, name string) (uuid.UUID, error)
	// ArchiveService archives the account of a program that is not needed any more, within the
	// caller's transaction.
	ArchiveService(ctx context.Context, id uuid.UUID, reason string) error
}

// Sessions stores the sessions of people.
type Sessions interface {
	// End ends the log-in of a session, if it is live.
	End(ctx context.Context, userID, id uuid.UUID, reason string) error
}

// Memberships stores the members of organizations.
type Memberships interface {
	// AddToOrganization makes a new account a member, within the caller's transaction.
	AddToOrganization(ctx context.Context, organizationID, userID uuid.UUID, role access.Role) error
}

// Meter counts introspections by their result.
type Meter interface {
	Introspected(active bool)
}

// Dependencies of a Service. All are required except Limits: nil limits nothing.
type Dependencies struct {
	DB          *database.DB
	Gate        *access.Gate
	Trail       *audit.Trail
	Limits      *ratelimit.Store
	Users       Users
	Memberships Memberships
	Sessions    Sessions
	Tokens      *token.Service
	Meter       Meter
	Now         func() time.Time
}

// Options are the configured rules.
type Options struct {
	Prefix   string        // of new keys
	Longest  time.Duration // the life of a key; 0: any, also endless
	Issuer   string        // of tokens
	Audience string        // of tokens for this service
	URL      string        // of this service, also a name of it as a resource; may be empty
}

// Service implements the operations of the routes. The handlers of the routes are its methods,
// named after the operations.
type Service struct {
	db          *database.DB
	gate        *access.Gate
	trail       *audit.Trail
	limits      *ratelimit.Store
	users       Users
	memberships Memberships
	sessions    Sessions
	tokens      *token.Service
	meter       Meter
	options     Options
	now         func() time.Time
	store       *store
	registry    *registry
	identities  *recent.Map[token.Grant, minted]
}

// NewService returns the service.
func NewService(d Dependencies, o Options) *Service {
	return &Service{
		db: d.DB, gate: d.Gate, trail: d.Trail, limits: d.Limits, users: d.Users, memberships: d.Memberships,
		sessions: d.Sessions, tokens: d.Tokens, meter: d.Meter, options: o, now: d.Now, store: newStore(d.DB), registry: newRegistry(d.DB, d.Now),
		identities: recent.New[token.Grant, minted](4096),
	}
}

// making limits the keys that one person makes.
var making = ratelimit.Policy{Name: "api-key", Burst: 100, Interval: time.Minute}

// ownScopes are those of this service, with the least role of a holder whose key may have
// them. The others are those of registered APIs.
var ownScopes = []APIScope{{token.ScopeRead, access.Member}, {token.ScopeManage, access.Admin}}

// defaultLifetime is how long a key lives if the request does not say.
const defaultLifetime = 90 * 24 * time.Hour

// never is when an endless key expires.
var never = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

func location(organizationID uuid.UUID, rest string) string {
	return httpapi.BasePath + "/organizations/" + organizationID.String() + rest
}

// scopesOf returns the scopes that a request asks for, in order, each once. It refuses an
// unknown one (unknown_scope). None at all is the least: to read.
func (svc *Service) scopesOf(ctx context.Context, asked []scope) ([]APIScope, error) {
	if len(asked) == 0 { // mutant: no-scopes
		return ownScopes[:1], nil
	}
	known, err := svc.registry.scopes(ctx)
	if err != nil {
		return nil, err
	}
	var bad []fault.Field
	for i, s := range asked {
		if !slices.ContainsFunc(known, func(k APIScope) bool { return k.Name == string(s) }) {
			bad = append(bad, fault.Field{Location: httpapi.Item("body.scopes", i), Problem: fault.NotInEnum.Of(names(known)...)})
		}
	}
	if len(bad) > 0 {
		return nil, errUnknownScope.WithFields(bad...)
	}
	return slices.DeleteFunc(known, func(k APIScope) bool { return !slices.Contains(asked, scope(k.Name)) }), nil
}

// expiry returns when a new key expires. It refuses a time that is past, and one that is
// later than keys may live.
func (svc *Service) expiry(asked field.Nullable[field.Time], now time.Time) (time.Time, error) {
	longest := svc.options.Longest
	switch {
	case !asked.Set && longest > 0:
		return now.Add(min(defaultLifetime, longest)), nil
	case !asked.Set:
		return now.Add(defaultLifetime), nil
	case asked.Value == nil && longest > 0: // mutant: endless-key
		return never, httpapi.Invalid("body.expires_at", fault.Null)
	case asked.Value == nil:
		return never, nil
	case !asked.Value.After(now):
		return never, httpapi.Invalid("body.expires_at", fault.NotInTheFuture)
	case longest > 0 && asked.Value.After(now.Add(longest)): // mutant: longest-key
		return never, httpapi.Invalid("body.expires_at", fault.TooFarAhead.To(int64(longest/(24*time.Hour))))
	default:
		return asked.Value.Time, nil
	}
}

// lockHolder locks the organization, and authorizes the caller to make keys for a holder:
// for themselves, or for a service account whose role is below theirs.
func (svc *Service) lockHolder(ctx context.Context, organizationID, holderID uuid.UUID) (access.Locked, error) {
	locked, err := svc.gate.Lock(ctx, organizationID, holderID)
	switch {
	case err != nil:
		return locked, err
	case locked.Target.Role == access.NoRole:
		return locked, access.ErrMemberNotFound
	case holderID == locked.Caller.UserID:
		return locked, nil
	case !locked.TargetIsService: // mutant: key-of-another
		return locked, access.ErrNotYours
	default:
		return locked, locked.CheckOutranks() // mutant: key-outranks
	}
}

// checkScopes refuses scopes beyond the role that the holder has now (scope_beyond_role).
func checkScopes(holder access.Role, scopes []APIScope) error {
	for _, s := range scopes {
		if !holder.Includes(s.LeastRole) { // mutant: scope-beyond-role
			return errScopeBeyondRole
		}
	}
	return nil
}

// createKey makes an API key for the caller or for a service account.
func (svc *Service) createKey(ctx context.Context, in keyInput) (answer httpapi.Created[apiKeyView], err error) {
	scopes, err := svc.scopesOf(ctx, in.Scopes)
	if err != nil {
		return answer, err
	}
	now := svc.now()
	expires, err := svc.expiry(in.ExpiresAt, now)
	if err != nil {
		return answer, err
	}
	holderID := access.From(ctx).UserID
	if in.UserID != nil {
		holderID = *in.UserID
	}
	err = svc.db.InTx(ctx, func(ctx context.Context) error {
		locked, err := svc.lockHolder(ctx, in.OrganizationID, holderID)
		if err != nil {
			return err
		}
		if err := checkScopes(locked.Target.Role, scopes); err != nil {
			return err
		}
		k := apiKey{id: uuid.Must(uuid.NewV7()), organizationID: audit.In(in.OrganizationID), holderID: holderID, name: string(in.Name), scopes: names(scopes), created: now, expires: expires}
		answer, err = svc.issue(ctx, k, audit.APIKeyCreated, map[string]string{})
		return err
	})
	return answer, err
}

// issue stores a new key of an organization within the caller's transaction, and returns the
// answer that shows it once.
func (svc *Service) issue(ctx context.Context, k apiKey, action audit.Action, details map[string]string) (answer httpapi.Created[apiKeyView], err error) {
	key, err := svc.add(ctx, &k, action, details)
	if err != nil {
		return answer, err
	}
	organizationID := k.organizationID.UUID
	if k, err = svc.store.find(ctx, organizationID, k.id, svc.now()); err != nil {
		return answer, err
	}
	// What is kept for an Idempotency-Key has no key.
	answer, err = httpapi.NewCreated(ctx, location(organizationID, "/api-keys/"+k.id.String()), k.view()) // mutant: key-shown-once
	answer.Body.Key = &key
	return answer, err
}

// add makes and stores a new key within the caller's transaction.
func (svc *Service) add(ctx context.Context, k *apiKey, action audit.Action, details map[string]string) (key string, err error) {
	if err := svc.limits.Take(ctx, ratelimit.Demand{Policy: making, Key: access.From(ctx).UserID.String()}); err != nil {
		return "", err
	}
	key, k.hint = token.NewKey(svc.options.Prefix)
	hash, _ := token.ParseKey(key)
	k.creatorID, k.assurance = access.From(ctx).By(), 1
	if access.From(ctx).Standing.Strong { // mutant: key-assurance
		k.assurance = 2
	}
	if err := svc.store.add(ctx, *k, hash); err != nil {
		return "", err
	}
	details["scopes"] = strings.Join(k.scopes, " ")
	return key, svc.record(ctx, action, *k, details)
}

// record records what happened to a key, in the log of its organization if it has one. The log
// never has the key, nor its beginning.
func (svc *Service) record(ctx context.Context, action audit.Action, k apiKey, details map[string]string) error {
	details["key_id"] = k.id.String()
	return svc.trail.Record(ctx, audit.Event{Action: action, OrganizationID: k.organizationID, UserID: k.holderID, Details: details})
}

// listKeys lists the live keys of the organization for admins, and of the caller for others.
func (svc *Service) listKeys(ctx context.Context, in listInput) (page httpapi.Page[apiKeyView], err error) {
	w, err := in.Window()
	if err != nil {
		return page, err
	}
	var only uuid.NullUUID
	if caller := access.From(ctx); !caller.May(access.Admin) { // mutant: keys-of-others
		only = caller.By()
	}
	return svc.store.list(ctx, in.OrganizationID, only, w, svc.now())
}

// listMine lists the live keys of the caller, in all organizations.
func (svc *Service) listMine(ctx context.Context, in httpapi.PageInput) (page httpapi.Page[apiKeyView], err error) {
	w, err := in.Window()
	if err != nil {
		return page, err
	}
	return svc.store.mine(ctx, access.From(ctx).UserID, w, svc.now())
}

// getKey shows a key that the caller may know.
func (svc *Service) getKey(ctx context.Context, in keyPath) (apiKeyView, error) {
	k, err := svc.findKey(ctx, in)
	return k.view(), err
}

// findKey returns a live key that the caller may know: their own or, for admins, any of the
// organization (api_key_not_found).
func (svc *Service) findKey(ctx context.Context, in keyPath) (apiKey, error) {
	k, err := svc.store.find(ctx, in.OrganizationID, in.KeyID, svc.now())
	if caller := access.From(ctx); err == nil && k.holderID != caller.UserID && !caller.May(access.Admin) { // mutant: key-unknown
		err = errKeyNotFound
	}
	return k, err
}

// rotateKey replaces a key by one with the same holder, scopes and length of life. The old one
// works until the overlap is over.
func (svc *Service) rotateKey(ctx context.Context, in rotateInput) (answer httpapi.Created[apiKeyView], err error) {
	known, err := svc.registry.scopes(ctx) // not in the transaction: whoever reads them waits for a connection
	if err != nil {
		return answer, err
	}
	err = svc.db.InTx(ctx, func(ctx context.Context) error {
		k, err := svc.findKey(ctx, in.keyPath)
		if err != nil {
			return err
		}
		locked, err := svc.lockHolder(ctx, in.OrganizationID, k.holderID)
		if err != nil {
			return err
		}
		if err := checkScopes(locked.Target.Role, named(known, k.scopes)); err != nil {
			return err
		}
		now := svc.now()
		successor := apiKey{id: uuid.Must(uuid.NewV7()), organizationID: k.organizationID, holderID: k.holderID, name: k.name, scopes: k.scopes, created: now, expires: svc.sameLife(k, now)}
		end := now.Add(in.OverlapSeconds.Duration())
		if end.After(k.expires) { // mutant: overlap-lengthens
			end = k.expires
		}
		if err := svc.store.supersede(ctx, k, successor.id, end, now); err != nil {
			return err
		}
		answer, err = svc.issue(ctx, successor, audit.APIKeyRotated, map[string]string{"former_key_id": k.id.String(), "former_ends_at": end.Format(time.RFC3339)})
		return err
	})
	return answer, err
}

// sameLife returns when a key that lives from now on as long as another one expires.
func (svc *Service) sameLife(k apiKey, now time.Time) time.Time {
	longest := svc.options.Longest
	if k.expires.Equal(never) && longest == 0 {
		return never
	}
	life := k.expires.Sub(k.created)
	if longest > 0 {
		life = min(life, longest)
	}
	return now.Add(life)
}

// revokeKey ends a key: one's own, or that of somebody whose role is below the caller's.
func (svc *Service) revokeKey(ctx context.Context, in keyPath) (none httpapi.NoContent, err error) {
	return none, svc.db.InTx(ctx, func(ctx context.Context) error {
		k, err := svc.findKey(ctx, in)
		if err != nil {
			return err
		}
		locked, err := svc.gate.Lock(ctx, in.OrganizationID, k.holderID)
		if err != nil {
			return err
		}
		if k.holderID != locked.Caller.UserID {
			if err := locked.CheckOutranks(); err != nil { // mutant: revoking-outranks
				return err
			}
		}
		if err := svc.store.revoke(ctx, k, "revoked", svc.now()); err != nil {
			return err
		}
		return svc.record(ctx, audit.APIKeyRevoked, k, map[string]string{})
	})
}

// createServiceAccount creates an account for a program, as a plain member.
func (svc *Service) createServiceAccount(ctx context.Context, in serviceAccountInput) (answer httpapi.Created[serviceAccountView], err error) {
	err = svc.db.InTx(ctx, func(ctx context.Context) error {
		if _, err := svc.gate.Lock(ctx, in.OrganizationID, uuid.Nil); err != nil {
			return err
		}
		if err := svc.limits.Take(ctx, ratelimit.Demand{Policy: making, Key: access.From(ctx).UserID.String()}); err != nil {
			return err
		}
		id, err := svc.users.CreateService(ctx, string(in.Name))
		if err != nil {
			return err
		}
		if err := svc.memberships.AddToOrganization(ctx, in.OrganizationID, id, access.Member); err != nil {
			return err
		}
		if err := svc.store.addAccount(ctx, audit.In(in.OrganizationID), id, (*string)(in.Description)); err != nil {
			return err
		}
		err = svc.trail.Record(ctx, audit.Event{Action: audit.ServiceAccountCreated, OrganizationID: audit.In(in.OrganizationID), UserID: id})
		if err != nil {
			return err
		}
		view, err := svc.store.account(ctx, in.OrganizationID, id, svc.now())
		if err != nil {
			return err
		}
		answer, err = httpapi.NewCreated(ctx, location(in.OrganizationID, "/members/"+id.String()), view)
		return err
	})
	return answer, err
}

// listServiceAccounts lists the service accounts that are members of the organization.
func (svc *Service) listServiceAccounts(ctx context.Context, in listInput) (page httpapi.Page[serviceAccountView], err error) {
	w, err := in.Window()
	if err != nil {
		return page, err
	}
	return svc.store.accounts(ctx, in.OrganizationID, w, svc.now())
}

// MemberRemoved ends the keys of a former member, so that none works again when they return,
// and archives a service account. It runs within the transaction that removes them.
func (svc *Service) MemberRemoved(ctx context.Context, organizationID, userID uuid.UUID, isService bool) error {
	if err := svc.store.revokeAll(ctx, organizationID, userID, "member_removed", svc.now()); err != nil { // mutant: removed-holder
		return err
	}
	if !isService {
		return nil
	}
	return svc.users.ArchiveService(ctx, userID, "It was removed from its organization.") // mutant: removed-service-account
}
