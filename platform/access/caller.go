package access

import (
	"context"

	"github.com/google/uuid"

	"guildhall/platform/audit"
	"guildhall/platform/database"
)

// Caller is the person whom the gate authorized, and with which power.
type Caller struct {
	UserID        uuid.UUID
	SessionID     uuid.UUID
	PlatformAdmin bool

	// The organization that the request is about: the one in the path, else
	// X-Organization-ID, else the token's. Role is theirs in it, NoRole where they
	// are not a member in good standing; then only a platform administrator acts in it.
	OrganizationID uuid.NullUUID
	Role           Role

	// Standing is theirs in it, as the gate read it.
	Standing Standing

	commandLine     bool // without an account
	asPlatformAdmin bool // what they do is beyond any role

	rule    Rule
	request Request
	written int64 // the transaction in which their session wrote last
	read    any   // what the rule has the gate read for the handler
}

// ActsAsPlatformAdmin says whether the caller uses the power of a platform
// administrator, because their role in the organization does not suffice.
func (c Caller) ActsAsPlatformAdmin(needed Role) bool {
	return !c.Role.Includes(needed) && c.PlatformAdmin
}

// Active returns the organization to act in.
func (c Caller) Active() (uuid.UUID, error) {
	if !c.OrganizationID.Valid {
		return uuid.Nil, ErrOrganizationRequired
	}
	return c.OrganizationID.UUID, nil
}

// By is the account that acts; none for the command line.
func (c Caller) By() uuid.NullUUID {
	return uuid.NullUUID{UUID: c.UserID, Valid: c.UserID != uuid.Nil}
}

func (c Caller) isNobody() bool { return c.UserID == uuid.Nil && !c.commandLine }

type callerKey struct{}

// With keeps the caller for the handler; From finds it. A context without one
// has the zero Caller, which may do nothing.
func With(ctx context.Context, c Caller) context.Context {
	if !c.isNobody() {
		ctx = database.For(ctx, database.Tenant{OrganizationID: c.OrganizationID, UserID: c.UserID, All: c.PlatformAdmin})
	}
	return context.WithValue(ctx, callerKey{}, c)
}

// ActorOf is the caller as the audit log names them. It implements audit.ActorOf.
func ActorOf(ctx context.Context) (audit.Actor, bool) {
	c := From(ctx)
	return audit.Actor{UserID: c.UserID, SessionID: c.SessionID, As: c.as()}, !c.isNobody()
}

// as is the power that the caller acts with, for the audit log.
func (c Caller) as() string {
	switch {
	case c.commandLine:
		return "command_line"
	case c.asPlatformAdmin, c.ActsAsPlatformAdmin(c.rule.needed()), c.PlatformAdmin && c.rule.isBeyondRoles(c.request.User != c.UserID):
		return "platform_administrator"
	case c.Role == NoRole:
		return "user"
	default:
		return c.Role.String()
	}
}

// AsPlatformAdmin records what follows as done with the power of a platform
// administrator, whatever role the caller has in their organization.
func AsPlatformAdmin(ctx context.Context) context.Context {
	c := From(ctx)
	c.asPlatformAdmin = true
	return With(ctx, c)
}

// From returns the caller of the request.
func From(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

// May says whether the caller has the role in the organization, or the power of
// a platform administrator over it.
func (c Caller) May(needed Role) bool { return c.PlatformAdmin || c.Role.Includes(needed) }
