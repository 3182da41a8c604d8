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

// Gate authorizes every request.
type Gate struct {
	db          *database.DB
	tokens      *token.Service
	now         func() time.Time
	standingSQL string
	pairSQL     string
	rowSQL      sync.Map // standingSQL with the columns of each Row
	sharedSQL   string
	formerSQL   string
	cache       *standingCache
}

// NewGate returns the gate over the tables of all modules.
func NewGate(db *database.DB, tokens *token.Service, now func() time.Time) *Gate {
	g := &Gate{
		db:        db,
		tokens:    tokens,
		now:       now,
		sharedSQL: fmt.Sprintf(sharedQuery, db.Param("uuid"), db.Param("timestamptz")),
		formerSQL: fmt.Sprintf("SELECT %s FROM (SELECT %[2]s AS user_id, %[2]s AS organization_id) k", wasMember, db.Param("uuid")),
	}
	g.standingSQL = g.standing(g.parameterRow(), "", "")
	g.pairSQL = g.standing(g.parameterRows(), ", k.target, "+wasMember, "")
	g.cache = newStandingCache(db)
	if db.ReadsStandbys() {
		db.BeforeCommit(g.keepCallersWrite)
	}
	return g
}

// standing returns the gate's query over k, with additional columns and joins.
func (g *Gate) standing(k, columns, joins string) string {
	written, writes := "0", ""
	if g.db.ReadsStandbys() {
		written, writes = "COALESCE(w.transaction_id, 0)", "LEFT JOIN session_writes w ON w.session_id = k.session_id"
	}
	return "SELECT " + standingBits + ", " + written + ", s.expires_at" + columns + "\nFROM (" + k + ") k" + standingJoins + "\n" + writes + "\n" + joins
}

// parameterRow returns a table k with one row of parameters: a person, their session, an
// organization and now.
func (g *Gate) parameterRow() string {
	id, now := g.db.Param("uuid"), g.db.Param("timestamptz")
	return fmt.Sprintf("SELECT %[1]s AS user_id, %[1]s AS session_id, %[1]s AS organization_id, %[2]s AS now", id, now)
}

// parameterRows returns a table k with a second row: another person, an organization and
// now.
func (g *Gate) parameterRows() string {
	id, now := g.db.Param("uuid"), g.db.Param("timestamptz")
	return g.parameterRow() + fmt.Sprintf(", 0 AS target UNION ALL SELECT %[1]s, NULL, %[1]s, %[2]s, 1", id, now)
}

// Request is what the gate needs of a request.
type Request struct {
	Organization       uuid.NullUUID // named in the path, else in X-Organization-ID
	OrganizationInPath bool
	User               uuid.UUID // named in the path, if the rule is about a person
}

// Authenticate verifies an access token. It refuses a missing token
// (ErrAuthenticationRequired) and an invalid one (ErrInvalidToken). Admit checks whether
// its session is still live.
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

// Admit authorizes the bearer of the claims by a rule, or returns the refusal. If the
// person is authenticated but not authorized, it also returns the Caller.
func (g *Gate) Admit(ctx context.Context, rule Rule, claims token.Access, request Request) (Caller, error) {
	named := request.Organization.Valid
	if !named {
		request.Organization = claims.OrganizationID
	}
	standing, read, err := g.lookUp(ctx, rule, claims, request.Organization)
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
		// The audit log needs the caller. It names the organization only if they are a
		// member of it or a platform administrator.
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
		return decideOrganization(c.rule, s, c.rule.orSelf && c.request.User == c.UserID)
	case activeOrg, overUser:
		if c.PlatformAdmin && !named && (!s.OrganizationExists || s.OrganizationArchived) {
			c.OrganizationID, c.Role = uuid.NullUUID{}, NoRole // the organization in their token must not block them
		}
		if !c.OrganizationID.Valid {
			if c.PlatformAdmin {
				return nil
			}
			return ErrOrganizationRequired
		}
		err := decideOrganization(c.rule, s, false)
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
		case c.rule.withoutPerson:
			return ErrPlatformAdminRequired
		default:
			return g.refuseAbout(ctx, c, ErrPlatformAdminRequired)
		}
	case signedIn, public: // public, if the rule recognizes callers
		return g.decideNamed(c, s, named)
	default:
		return fmt.Errorf("access: rule %q can't be decided", c.rule)
	}
}

// decideOrganization orders its checks so that no refusal reveals what the caller may not
// know: first whether the organization exists for them, then their own standing in it,
// then the organization's standing, then their role. Own says that the request is about
// the caller themselves by a rule with OrSelf: then their own standing and role in it do
// not matter.
func decideOrganization(rule Rule, s Standing, own bool) error {
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
	if s.MembershipSuspended && !own {
		return ErrMembershipSuspended
	}
	if !s.MembershipActive && !own {
		return ErrMembershipInactive
	}
	if s.OrganizationSuspended && !rule.suspended {
		return ErrOrganizationSuspended
	}
	if !own && !s.Role.Includes(rule.min) {
		return ErrInsufficientRole
	}
	return nil
}

// decideNamed decides for routes about the caller, for which the active organization is
// optional. If the request names an organization, they must be a member of it. If they
// have lost the membership in the token's organization, none is active.
func (g *Gate) decideNamed(c *Caller, s Standing, named bool) error {
	switch {
	case !c.OrganizationID.Valid:
	case s.OrganizationExists && s.PlatformAdmin && !s.OrganizationArchived:
	case s.Present() && s.MembershipGood() && !(named && c.rule.standing && s.OrganizationSuspended):
	case !named:
		c.OrganizationID, c.Role = uuid.NullUUID{}, NoRole
	case !s.Present():
		return ErrOrganizationNotFound
	case s.MembershipSuspended:
		return ErrMembershipSuspended
	case !s.MembershipActive:
		return ErrMembershipInactive
	default:
		return ErrOrganizationSuspended
	}
	return nil
}

// refuseAbout returns the refusal if the caller may see the person, and ErrUserNotFound
// otherwise.
func (g *Gate) refuseAbout(ctx context.Context, c *Caller, refusal error) error {
	visible, err := g.maySee(ctx, *c, c.request.User)
	if err != nil {
		return err
	}
	if !visible { // mutant: visible-people
		return ErrUserNotFound
	}
	return refusal
}

// sharedQuery checks that the viewer may see the other person: both are members of an
// organization in which the viewer is in good standing, or the viewer is the other person
// or a platform administrator.
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

func (g *Gate) maySee(ctx context.Context, c Caller, other uuid.UUID) (bool, error) {
	var n int64
	ctx = database.ForAll(database.OnPrimary(ctx))
	err := g.db.Row(ctx, g.sharedSQL, c.UserID, other, g.now()).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("find a shared organization: %w", err)
	}
	return n > 0, nil
}
