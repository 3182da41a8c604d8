// Package user keeps accounts: who people are, what they say of themselves, and
// their standing, as a whole and within each organization.
package user

import (
	"context"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/database"
	"guildhall/platform/httpapi"
	"guildhall/platform/module"
	"guildhall/platform/password"
)

// Sessions is what this module needs of whoever keeps them.
type Sessions interface {
	// EndAll ends every session of a person, within the caller's transaction.
	EndAll(ctx context.Context, userID uuid.UUID, reason string) error
}

// Passwords is what this module needs of whoever keeps them.
type Passwords interface {
	// Hash of a password, or of none, to be saved; it is slow.
	Hash(ctx context.Context, chosen string) (string, error)
	// Save makes a hash that of a new account, within the caller's transaction.
	Save(ctx context.Context, userID uuid.UUID, hash string) error
}

// Enrol makes a new account a member of an organization, or an admin, within the
// transaction that makes the account.
type Enrol func(ctx context.Context, organizationID, userID uuid.UUID, role access.Role) error

// ArchiveHook runs inside the transaction that archives an account and may
// refuse it.
type ArchiveHook func(ctx context.Context, userID uuid.UUID, reason string) error

// Module is the room of accounts.
type Module struct {
	db        *database.DB
	gate      *access.Gate
	trail     *audit.Trail
	sessions  Sessions
	passwords Passwords
	enrol     Enrol
	now       func() time.Time
	hooks     []ArchiveHook
	store     *store
}

var _ module.Module = (*Module)(nil)

// New returns the module.
func New(db *database.DB, gate *access.Gate, trail *audit.Trail, sessions Sessions, passwords Passwords, now func() time.Time) *Module {
	return &Module{db: db, gate: gate, trail: trail, sessions: sessions, passwords: passwords, now: now, store: newStore(db)}
}

// EnrolBy says who makes members; wire.go does, before anything is served.
func (m *Module) EnrolBy(enrol Enrol) { m.enrol = enrol }

// BeforeArchive adds a hook; wire.go does, before anything is served.
func (m *Module) BeforeArchive(hook ArchiveHook) { m.hooks = append(m.hooks, hook) }

// Name implements module.Module.
func (*Module) Name() string { return "user" }

// Migrations implements module.Module.
func (*Module) Migrations() []database.Migration { return migrations() }

// Routes implements module.Module.
func (m *Module) Routes(r *httpapi.Router) {
	r.Describe("People, their profiles and their standing.")
	httpapi.Get(r, "/auth/me", access.SignedIn().Reading(selfRow), m.me, httpapi.Doc{
		ID: "getMe", Summary: "Who am I",
		Description: "`organization` is the active one, null where there is none or it has been lost.",
	})
	httpapi.Get(r, "/users", access.Active(access.Member), m.list, httpapi.Doc{
		ID: "listUsers", Summary: "List the people of the active organization", MayLag: true,
		Refusals: httpapi.Refusals(access.ErrOperatorRequired),
	})
	httpapi.Post(r, "/users", access.OperatorAlone(), m.create, httpapi.Doc{
		ID: "createUser", Summary: "Make an account for somebody",
		Description: "Also where registration is closed. With `organization_id` the person is a member there, or an admin, from the start; " +
			"without, they are in no organization until they found one or are added to one. Without `password` nobody can log in to the account " +
			"until a password is set for it (`guildhall admin set-password`).",
		Refusals: httpapi.Refusals(errEmailTaken, password.ErrBusy),
	})
	httpapi.Get(r, "/users/:user_id", access.Acquaintance(), m.get, httpapi.Doc{
		ID: "getUser", Summary: "Show a person", MayLag: true,
	})
	httpapi.Patch(r, "/users/:user_id/profile", access.Self(), m.updateProfile, httpapi.Doc{
		ID: "updateProfile", Summary: "Change one's profile",
		Description: "Members left out stay as they are; `null` clears `bio` and `avatar_url`.",
	})
	over := httpapi.Refusals(access.ErrOwnStanding, access.ErrEqualOrHigherRole, access.ErrOperatorRequired)
	httpapi.Post(r, "/users/:user_id/activate", overStanding(), m.activate, httpapi.Doc{
		ID: "activateUser", Summary: "Restore a person's good standing",
		Description: "Active again, and any open suspension lifted, in the active organization or, with `scope: account`, as a whole.",
		Refusals:    append(over, errArchived),
	})
	httpapi.Post(r, "/users/:user_id/deactivate", overStanding(), m.deactivate, httpapi.Doc{
		ID: "deactivateUser", Summary: "Deactivate a person", Refusals: append(over, errOwnerRequired),
	})
	httpapi.Post(r, "/users/:user_id/suspend", overStanding(), m.suspend, httpapi.Doc{
		ID: "suspendUser", Summary: "Suspend a person", Refusals: append(over, errOwnerRequired, errAlreadySuspended),
	})
	httpapi.Post(r, "/users/:user_id/archive", access.SelfOrOperator(), m.archive, httpapi.Doc{
		ID: "archiveUser", Summary: "Archive an account",
		Description: "Organizations that the person is alone in are archived with it.",
		Refusals:    httpapi.Refusals(errOwnsOrganization, errAlreadyArchived),
	})
	httpapi.Post(r, "/users/:user_id/unarchive", access.OperatorOnly(), m.unarchive, httpapi.Doc{
		ID: "unarchiveUser", Summary: "Restore an archived account", Refusals: httpapi.Refusals(errNotArchived),
	})
}

// overStanding is the rule on whatever changes somebody's standing.
func overStanding() access.Rule { return access.OverUser(access.Admin) }

// Create makes an account in good standing, within the caller's transaction.
// It refuses an email that is taken in any spelling (email_taken).
func (m *Module) Create(ctx context.Context, email, canonicalEmail, name string) (uuid.UUID, error) {
	id, err := m.store.create(ctx, email, canonicalEmail, name, m.now())
	if err != nil {
		return id, err
	}
	return id, m.trail.Record(ctx, audit.Event{Action: audit.UserRegistered, UserID: id, Actor: id, First: true})
}

// Welcome gives a person who joins an organization good standing there, unless
// they have a standing on record: being removed and added back clears nothing.
func (m *Module) Welcome(ctx context.Context, userID, organizationID uuid.UUID) error {
	return m.store.welcome(ctx, userID, organizationID, m.now())
}
