package access

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"guildhall/platform/database"
)

// Held is what is true of the caller, the organization and a target until the
// transaction ends.
type Held struct {
	Caller       Caller
	Organization Standing // the caller's standing
	Target       Standing
	targetID     uuid.UUID
}

// Hold locks the organization's row for the rest of the transaction and lets the
// caller pass the gate again, so that of two operations on roles at once the
// second sees what the first did. Without it two owners removed at once left an
// organization with none in 99 of 100 tries.
//
// The target is a person in that organization, or uuid.Nil.
func (g *Gate) Hold(ctx context.Context, organizationID, targetID uuid.UUID) (Held, error) {
	caller := From(ctx)
	if caller.isNobody() {
		return Held{}, errNoCaller
	}
	if err := g.lockOrganization(ctx, organizationID); err != nil {
		return Held{}, err
	}
	id := uuid.NullUUID{UUID: organizationID, Valid: true}
	standing, target, err := g.readBoth(ctx, caller, targetID, id)
	if err != nil {
		return Held{}, err
	}
	if !standing.SessionLive || !standing.AccountGood() {
		return Held{}, ErrInvalidToken
	}
	if err := decideOrganization(caller.rule, standing); err != nil {
		return Held{}, err
	}
	caller.OrganizationID, caller.Operator, caller.Role = id, standing.Operator, NoRole
	if standing.MembershipGood() {
		caller.Role = standing.Role
	}
	return Held{Caller: caller, Organization: standing, Target: target, targetID: targetID}, nil
}

// readBoth reads the caller and, if there is one, the target.
func (g *Gate) readBoth(ctx context.Context, c Caller, targetID uuid.UUID, organizationID uuid.NullUUID) (caller, target Standing, err error) {
	if c.commandLine {
		if caller, err = g.atCommandLine(ctx, organizationID); err == nil && targetID != uuid.Nil {
			target, err = g.Of(ctx, targetID, organizationID)
		}
		return caller, target, err
	}
	now := g.now()
	if targetID == uuid.Nil {
		caller, err = g.read(ctx, c.UserID, c.SessionID, organizationID, now)
		return caller, target, err
	}
	ctx = database.ForAll(database.OnPrimary(ctx)) // of two people
	rows, err := g.db.Rows(ctx, g.pairSQL, c.UserID, c.SessionID, organizationID, now, targetID, organizationID, now)
	if err != nil {
		return caller, target, fmt.Errorf("read standings: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var isTarget bool
		s, err := scanStanding(rows.Scan, &isTarget)
		if err != nil {
			return caller, target, fmt.Errorf("read standings: %w", err)
		}
		if isTarget {
			target = s
		} else {
			caller = s
		}
	}
	if err := rows.Err(); err != nil {
		return caller, target, fmt.Errorf("read standings: %w", err)
	}
	return caller, target, nil
}

// lockOrganization needs no answer: whether there is the organization is read next,
// in the same exchange with PostgreSQL. SQLite has one writer.
func (g *Gate) lockOrganization(ctx context.Context, id uuid.UUID) error {
	lock := g.db.ForUpdate()
	if lock == "" {
		return nil
	}
	ctx = database.For(ctx, database.Tenant{OrganizationID: uuid.NullUUID{UUID: id, Valid: true}})
	if err := g.db.Later(ctx, "SELECT id FROM organizations WHERE id = ?"+lock, id); err != nil {
		return fmt.Errorf("lock organization: %w", err)
	}
	return nil
}

// Over refuses acting on oneself and, for those who are not platform
// administrators, on somebody whose role is not below theirs.
func (h Held) Over() error {
	if h.targetID == h.Caller.UserID {
		return ErrOwnStanding
	}
	if h.Caller.Operator {
		return nil
	}
	if !h.Caller.Role.Includes(Admin) {
		return ErrInsufficientRole
	}
	if h.Target.Role.Includes(h.Caller.Role) {
		return ErrEqualOrHigherRole
	}
	return nil
}

// LockUser locks a person's row for the rest of the transaction, so that what
// is read of their account next stays true until it ends.
func (g *Gate) LockUser(ctx context.Context, id uuid.UUID) error {
	return g.findUser(ctx, id, g.db.ForUpdate())
}

// Known refuses who does not exist.
func (g *Gate) Known(ctx context.Context, id uuid.UUID) error { return g.findUser(ctx, id, "") }

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
