package access

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/database"
	"guildhall/platform/token"
)

// Gate decides on every request.
type Gate struct {
	db          *database.DB
	tokens      *token.Service
	now         func() time.Time
	standingSQL string
	pairSQL     string
	rowSQL      sync.Map // standingSQL with what each Row adds
	sharedSQL   string
	cache       *standingCache
}

// NewGate returns the gate over the tables of all modules.
func NewGate(db *database.DB, tokens *token.Service, now func() time.Time) *Gate {
	g := &Gate{
		db:        db,
		tokens:    tokens,
		now:       now,
		sharedSQL: fmt.Sprintf(sharedQuery, db.Param("uuid"), db.Param("timestamptz")),
	}
	g.standingSQL = g.standing(g.askedOf(), "", "")
	g.pairSQL = g.standing(g.askedOfTwo(), ", k.target", "")
	g.cache = newStandingCache(db)
	if db.ReadsStandbys() {
		db.BeforeCommit(g.keepCallersWrite)
	}
	return g
}

// standing is the gate's query over k, with what else it is to read.
func (g *Gate) standing(k, columns, joins string) string {
	written, writes := "0", ""
	if g.db.ReadsStandbys() {
		written, writes = "COALESCE(w.transaction_id, 0)", "LEFT JOIN session_writes w ON w.session_id = k.session_id"
	}
	return "SELECT " + standingBits + ", " + written + ", s.expires_at" + columns + "\nFROM (" + k + ") k" + standingJoins + "\n" + writes + "\n" + joins
}

// askedOf is a k of parameters: a person, their session, an organization, now.
func (g *Gate) askedOf() string {
	id, now := g.db.Param("uuid"), g.db.Param("timestamptz")
	return fmt.Sprintf("SELECT %[1]s AS user_id, %[1]s AS session_id, %[1]s AS organization_id, %[2]s AS now", id, now)
}

// askedOfTwo adds another person, an organization and now.
func (g *Gate) askedOfTwo() string {
	id, now := g.db.Param("uuid"), g.db.Param("timestamptz")
	return g.askedOf() + fmt.Sprintf(", 0 AS target UNION ALL SELECT %[1]s, NULL, %[1]s, %[2]s, 1", id, now)
}

// Request is what the gate reads of a request.
type Request struct {
	Organization       uuid.NullUUID // named in the path, else in X-Organization-ID
	OrganizationInPath bool
	User               uuid.UUID // named in the path, where the rule is about a person
}

// Authenticate reads an access token. Admit checks whether its session is still live.
func (g *Gate) Authenticate(raw string) (token.Access, error) {
	if raw == "" {
		return token.Access{}, ErrAuthenticationRequired
	}
	claims, err := g.tokens.ParseAccess(raw)
	if err != nil {
		return token.Access{}, ErrInvalidToken.WithCause(err)
	}
	return claims, nil
}

// Admit authorizes the bearer of the claims, or returns the refusal. If what they may
// do is refused, the Caller says who they are.
func (g *Gate) Admit(ctx context.Context, rule Rule, claims token.Access, request Request) (Caller, error) {
	named := request.Organization.Valid
	if !named {
		request.Organization = claims.OrganizationID
	}
	standing, read, err := g.look(ctx, rule, claims, request.Organization)
	if err != nil {
		return Caller{}, err
	}
	if !standing.SessionLive || !standing.AccountGood() {
		return Caller{}, ErrInvalidToken
	}
	caller := Caller{
		UserID:         claims.UserID,
		SessionID:      claims.SessionID,
		PlatformAdmin:  standing.PlatformAdmin,
		OrganizationID: request.Organization,
		Standing:       standing,
		rule:           rule,
		request:        request,
		written:        standing.written,
		read:           read,
	}
	if standing.MembershipGood() {
		caller.Role = standing.Role
	}
	if err := g.decide(ctx, &caller, standing, named); err != nil {
		// Who it was, for the audit log, and in which organization if they are in it.
		if standing.Role == NoRole && !standing.PlatformAdmin {
			caller.OrganizationID = uuid.NullUUID{}
		}
		return caller, err
	}
	return caller, nil
}

func (g *Gate) decide(ctx context.Context, c *Caller, s Standing, named bool) error {
	switch c.rule.scope {
	case pathOrg:
		return decideOrganization(c.rule, s)
	case activeOrg, overUser:
		if c.PlatformAdmin && !named && (!s.OrganizationExists || s.OrganizationArchived) {
			c.OrganizationID, c.Role = uuid.NullUUID{}, NoRole // an organization that their token carries must not block them
		}
		if !c.OrganizationID.Valid {
			if c.PlatformAdmin {
				return nil
			}
			return ErrOrganizationRequired
		}
		err := decideOrganization(c.rule, s)
		if err != nil && c.rule.scope == overUser && ErrInsufficientRole.Is(err) {
			return g.refuseAbout(ctx, c, err)
		}
		return err
	case self:
		if (c.request.User == c.UserID && !c.commandLine) || (c.rule.orPlatformAdmin && c.PlatformAdmin) {
			return g.decideNamed(c, s, named)
		}
		return g.refuseAbout(ctx, c, ErrNotYours)
	case acquaintance:
		if err := g.decideNamed(c, s, named); err != nil {
			return err
		}
		return g.refuseAbout(ctx, c, nil)
	case platformAdmin:
		switch {
		case c.PlatformAdmin:
			return g.decideNamed(c, s, named)
		case c.rule.aboutNobody:
			return ErrPlatformAdminRequired
		default:
			return g.refuseAbout(ctx, c, ErrPlatformAdminRequired)
		}
	case signedIn:
		return g.decideNamed(c, s, named)
	default:
		return fmt.Errorf("access: rule %q can't be decided", c.rule)
	}
}

// decideOrganization orders the answers so that each says only what the caller
// may know: first whether there is such an organization for them, then their
// own standing in it, then the organization's, then their role.
func decideOrganization(rule Rule, s Standing) error {
	known := s.OrganizationExists && (s.Role >= Member || s.PlatformAdmin) // mutant: foreign-as-unknown
	if !known {
		return ErrOrganizationNotFound
	}
	if s.OrganizationArchived && !(rule.archived && (s.PlatformAdmin || (s.MembershipGood() && s.Role == Owner))) {
		return ErrOrganizationNotFound
	}
	if s.PlatformAdmin {
		return nil
	}
	if s.MembershipSuspended {
		return ErrMembershipSuspended
	}
	if !s.MembershipActive {
		return ErrMembershipInactive
	}
	if s.OrganizationSuspended && !rule.suspended {
		return ErrOrganizationSuspended
	}
	if !s.Role.Includes(rule.min) {
		return ErrInsufficientRole
	}
	return nil
}

// decideNamed decides for routes about the person, which only read the active
// organization. One that the request names must be theirs. One that the token carries
// may have been lost since; then none is active.
func (g *Gate) decideNamed(c *Caller, s Standing, named bool) error {
	switch {
	case !c.OrganizationID.Valid:
	case s.OrganizationExists && s.PlatformAdmin && !s.OrganizationArchived:
	case s.Present() && s.MembershipGood():
	case !named:
		c.OrganizationID, c.Role = uuid.NullUUID{}, NoRole
	case !s.Present():
		return ErrOrganizationNotFound
	case s.MembershipSuspended:
		return ErrMembershipSuspended
	default:
		return ErrMembershipInactive
	}
	return nil
}

// refuseAbout returns the refusal if the caller may see the person, and else that
// there is no such person.
func (g *Gate) refuseAbout(ctx context.Context, c *Caller, refusal error) error {
	visible, err := g.acquainted(ctx, *c, c.request.User)
	if err != nil {
		return err
	}
	if !visible { // mutant: visible-people
		return ErrUserNotFound
	}
	return refusal
}

// sharedQuery finds one organization in which the viewer, in good standing
// there, and the other are both members. A person who asks about themselves and a
// platform administrator need none.
var sharedQuery = `
SELECT COUNT(*) FROM (SELECT %[1]s AS viewer, %[1]s AS other, %[2]s AS now) k
JOIN users u ON u.id = k.other
WHERE k.viewer = k.other
OR EXISTS (SELECT 1 FROM platform_administrators pa WHERE pa.user_id = k.viewer)
OR EXISTS (
	SELECT 1 FROM organization_members mine
	JOIN organization_members theirs ON theirs.organization_id = mine.organization_id AND theirs.user_id = k.other
	JOIN user_active_status ma ON ma.user_id = k.viewer AND ma.organization_id = mine.organization_id AND ma.deactivated_at IS NULL
	WHERE mine.user_id = k.viewer
	AND NOT EXISTS (SELECT 1 FROM user_suspensions ms WHERE ms.user_id = k.viewer AND ms.organization_id = mine.organization_id
		AND ` + OpenSuspension("ms", "k.now") + `)
	AND NOT EXISTS (SELECT 1 FROM organization_archives oa WHERE oa.organization_id = mine.organization_id AND ` + OpenArchive("oa") + `)
	AND NOT EXISTS (SELECT 1 FROM organization_suspensions os WHERE os.organization_id = mine.organization_id
		AND ` + OpenSuspension("os", "k.now") + `))`

func (g *Gate) acquainted(ctx context.Context, c Caller, other uuid.UUID) (bool, error) {
	var n int64
	ctx = database.ForAll(database.OnPrimary(ctx))
	err := g.db.Row(ctx, g.sharedSQL, c.UserID, other, g.now()).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("look for a shared organization: %w", err)
	}
	return n > 0, nil
}
