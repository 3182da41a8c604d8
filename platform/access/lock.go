package access

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"guildhall/platform/database"
)

// Locked has the standing of the caller and a target in an organization. It can't change
// until the transaction ends.
type Locked struct {
	Caller       Caller
	Organization Standing // the caller's standing
	Target       Standing
	WasMember    bool // the target is or was a member
	// TargetIsService says that the target is a service account.
	TargetIsService bool
	targetID        uuid.UUID
}

// Lock locks the organization's row for the rest of the transaction and authorizes the
// caller again. So the second of two concurrent operations on roles sees the result of the
// first. Without the lock, two concurrent removals of owners left an organization without
// one in 99 of 100 tries.
//
// The target is a person in that organization, or uuid.Nil. Lock refuses what the
// caller's rule refuses.
func (g *Gate) Lock(ctx context.Context, organizationID, targetID uuid.UUID) (Locked, error) {
	caller := From(ctx)
	if caller.isNobody() {
		return Locked{}, errNoCaller
	}
	if err := g.LockOrganization(ctx, organizationID); err != nil {
		return Locked{}, err
	}
	id := uuid.NullUUID{UUID: organizationID, Valid: true}
	standing, target, about, err := g.readBoth(ctx, caller, targetID, id)
	if err != nil {
		return Locked{}, err
	}
	if !standing.SessionLive || !standing.AccountGood() {
		return Locked{}, ErrInvalidToken
	}
	if caller.byKey { // mutant: key-under-lock
		standing = standing.ofKey()
	}
	if err := decideOrganization(caller.rule.about(caller.UserID, caller.request.User), standing, false); err != nil { // mutant: role-under-lock
		return Locked{}, err
	}
	caller.OrganizationID, caller.PlatformAdmin, caller.Role = id, standing.PlatformAdmin, NoRole
	if standing.MembershipGood() {
		caller.Role = standing.Role
	}
	return Locked{Caller: caller, Organization: standing, Target: target, WasMember: about.wasMember, TargetIsService: about.isService, targetID: targetID}, nil
}

// about is what a standing does not say about a person and an organization.
type about struct{ wasMember, isService bool }

// readBoth reads the standing of the caller and of the target, if any, and more about the
// target.
func (g *Gate) readBoth(ctx context.Context, c Caller, targetID uuid.UUID, organizationID uuid.NullUUID) (caller, target Standing, more about, err error) {
	if c.commandLine {
		if caller, err = g.atCommandLine(ctx, organizationID); err == nil && targetID != uuid.Nil {
			target, err = g.Of(ctx, targetID, organizationID)
		}
		if err == nil && targetID != uuid.Nil {
			more, err = g.about(ctx, targetID, organizationID)
		}
		return caller, target, more, err
	}
	now := g.now()
	if targetID == uuid.Nil {
		caller, err = g.read(ctx, c.UserID, c.SessionID, organizationID, now)
		return caller, target, more, err
	}
	ctx = database.ForAll(database.OnPrimary(ctx)) // of two people
	rows, err := g.db.Rows(ctx, g.pairSQL, c.UserID, c.SessionID, organizationID, now, targetID, organizationID, now)
	if err != nil {
		return caller, target, more, fmt.Errorf("read standings: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var isTarget bool
		var a about
		s, err := scanStanding(rows.Scan, &isTarget, &a.wasMember, &a.isService)
		if err != nil {
			return caller, target, more, fmt.Errorf("read standings: %w", err)
		}
		if isTarget {
			target, more = s, a
		} else {
			caller = s
		}
	}
	if err := rows.Err(); err != nil {
		return caller, target, more, fmt.Errorf("read standings: %w", err)
	}
	return caller, target, more, nil
}

// WasMember reports whether a person is or was a member of an organization.
func (g *Gate) WasMember(ctx context.Context, userID uuid.UUID, organizationID uuid.NullUUID) (bool, error) {
	a, err := g.about(ctx, userID, organizationID)
	return a.wasMember, err
}

func (g *Gate) about(ctx context.Context, userID uuid.UUID, organizationID uuid.NullUUID) (a about, err error) {
	if err := g.db.Row(ctx, g.formerSQL, userID, organizationID).Scan(&a.wasMember, &a.isService); err != nil {
		return a, fmt.Errorf("find a former membership: %w", err)
	}
	return a, nil
}

// LockOrganization only locks the organization's row for the rest of the transaction, for a
// person who is not a member yet. It does not check that the organization exists: the next
// statement, in the same round trip with PostgreSQL, does. SQLite needs no lock, because it
// has one writer.
func (g *Gate) LockOrganization(ctx context.Context, id uuid.UUID) error {
	lock := g.db.ForUpdate()
	if lock == "" { // mutant: organization-lock
		return nil
	}
	ctx = database.For(ctx, database.Tenant{OrganizationID: uuid.NullUUID{UUID: id, Valid: true}})
	if err := g.db.Queue(ctx, "SELECT id FROM organizations WHERE id = ?"+lock, id); err != nil {
		return fmt.Errorf("lock organization: %w", err)
	}
	return nil
}

// CheckOutranks refuses a caller who acts on themselves and, except for platform
// administrators, on a person whose role is not below the caller's.
func (l Locked) CheckOutranks() error {
	if l.targetID == l.Caller.UserID {
		return ErrOwnStanding
	}
	if l.Caller.PlatformAdmin {
		return nil
	}
	if !l.Caller.Role.Includes(Admin) {
		return ErrInsufficientRole
	}
	if l.Target.Role.Includes(l.Caller.Role) {
		return ErrEqualOrHigherRole
	}
	return nil
}

// LockUser locks a person's row for the rest of the transaction, so that their account
// can't change meanwhile. It refuses a person who does not exist (user_not_found).
func (g *Gate) LockUser(ctx context.Context, id uuid.UUID) error {
	return g.findUser(ctx, id, g.db.ForUpdate())
}

// CheckUserExists refuses a person who does not exist (user_not_found).
func (g *Gate) CheckUserExists(ctx context.Context, id uuid.UUID) error {
	return g.findUser(ctx, id, "")
}

func (g *Gate) findUser(ctx context.Context, id uuid.UUID, how string) error {
	var found uuid.UUID
	err := g.db.Row(ctx, "SELECT id FROM users WHERE id = ?"+how, id).Scan(&found)
	if database.IsNotFound(err) {
		return ErrUserNotFound
	}
	if err != nil {
		return fmt.Errorf("find user: %w", err)
	}
	return nil
}
