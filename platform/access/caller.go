package access

import (
	"context"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/audit"
	"guildhall/platform/database"
	"guildhall/platform/request"
)

// Caller is the person whom the gate authorized, with their role.
type Caller struct {
	UserID        uuid.UUID
	SessionID     uuid.UUID
	PlatformAdmin bool

	// OrganizationID is the organization that the request is about: the one in the path,
	// else X-Organization-ID, else the token's. Role is the caller's role in it, or NoRole
	// if they are not a member in good standing: then only a platform administrator may
	// act in it.
	OrganizationID uuid.NullUUID
	Role           Role

	// Standing is the caller's standing in that organization, as the gate read it.
	Standing Standing

	commandLine     bool // a command on the server, without an account
	asPlatformAdmin bool // the action needs more than any role allows

	byKey bool // the caller presented an API key

	rule    Rule
	request Request
	written int64 // the last transaction in which their session wrote
	read    any   // the value of the rule's Row, for the handler
}

// ActsAsPlatformAdmin reports whether the caller acts as a platform administrator, because
// their role in the organization does not suffice.
func (c Caller) ActsAsPlatformAdmin(needed Role) bool {
	return !c.Role.Includes(needed) && c.PlatformAdmin
}

// Active returns the organization to act in. It refuses a caller without one
// (ErrOrganizationRequired).
func (c Caller) Active() (uuid.UUID, error) {
	if !c.OrganizationID.Valid {
		return uuid.Nil, ErrOrganizationRequired
	}
	return c.OrganizationID.UUID, nil
}

// ByKey reports whether the caller presented an API key. SessionID is the key's, and the key
// acts in OrganizationID alone, without the rights of a platform administrator.
func (c Caller) ByKey() bool { return c.byKey }

// SessionEnds returns when the caller's session expires.
func (c Caller) SessionEnds() time.Time { return c.Standing.until }

// By returns the account that acts, or NULL for the command line.
func (c Caller) By() uuid.NullUUID {
	return uuid.NullUUID{UUID: c.UserID, Valid: c.UserID != uuid.Nil}
}

func (c Caller) isNobody() bool { return c.UserID == uuid.Nil && !c.commandLine }

type callerKey struct{}

// With returns a context with the caller, which From returns. Without a caller From
// returns the zero Caller, which may do nothing.
func With(ctx context.Context, c Caller) context.Context {
	if !c.isNobody() {
		ctx = database.For(ctx, database.Tenant{OrganizationID: c.OrganizationID, UserID: c.UserID, All: c.PlatformAdmin})
	}
	return context.WithValue(ctx, callerKey{}, c)
}

// ActorOf returns the caller as the actor of audit events. It implements audit.ActorOf.
func ActorOf(ctx context.Context) (audit.Actor, bool) {
	c := From(ctx)
	return audit.Actor{UserID: c.UserID, SessionID: c.SessionID, As: c.as()}, !c.isNobody()
}

// as returns the role in which the caller acts, for the audit log.
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

// AsPlatformAdmin returns a context in which the audit log records the caller as a
// platform administrator, regardless of their role in the organization.
func AsPlatformAdmin(ctx context.Context) context.Context {
	c := From(ctx)
	c.asPlatformAdmin = true
	return With(ctx, c)
}

// OutsideOrganizations returns a context in which the audit log records no role of the
// caller in an organization, and not from where they act: for an event about their own
// account in the log of an organization.
func OutsideOrganizations(ctx context.Context) context.Context {
	c := From(ctx)
	c.OrganizationID, c.Role = uuid.NullUUID{}, NoRole
	return request.With(With(ctx, c), request.Info{ID: request.From(ctx).ID}, nil)
}

// From returns the caller of the request.
func From(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

// May reports whether the caller has the role in the organization or is a platform
// administrator.
func (c Caller) May(needed Role) bool { return c.PlatformAdmin || c.Role.Includes(needed) }
