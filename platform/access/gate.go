package access

import (
	"context"
	"fmt"
	"strings"
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
	rowSQL      sync.Map // standingSQL with more columns, by queryKey
	sharedSQL   string
	formerSQL   string
	twoSQL      string
	cache       *standingCache
	keys        *keys
	mostSince   time.Duration // how long ago a proof may be, where a rule asks for a recent one
}

// NewGate returns the gate over the tables of all modules.
func NewGate(db *database.DB, tokens *token.Service, now func() time.Time) *Gate {
	g := &Gate{
		db:        db,
		tokens:    tokens,
		now:       now,
		sharedSQL: fmt.Sprintf(sharedQuery, db.Param("uuid"), db.Param("timestamptz"), db.Param("bigint")),
		formerSQL: fmt.Sprintf("SELECT %s, %s FROM (SELECT %[3]s AS user_id, %[3]s AS organization_id) k", wasMember, IsService("k"), db.Param("uuid")),
	}
	g.standingSQL = g.standing(g.parameterRow(), "", "")
	g.pairSQL = g.standing(g.parameterRows(), ", k.target, "+wasMember+", "+IsService("k"), "")
	g.twoSQL = g.standing(g.parameterRow()+", 0 AS which UNION ALL "+g.parameterRow()+", 1", ", k.which", "")
	g.cache, g.keys = newStandingCache(db), newKeys()
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
	Reads              bool      // it changes nothing (GET)
}

// Authenticate verifies an access token or an API key. It refuses a missing credential
// (ErrAuthenticationRequired) and an invalid one (ErrInvalidToken). Admit checks whether
// its session is still live.
func (g *Gate) Authenticate(ctx context.Context, raw string) (token.Access, error) {
	if raw == "" {
		return token.Access{}, ErrAuthenticationRequired
	}
	if !strings.Contains(raw, ".") { // no JWT
		return g.authenticateKey(ctx, raw)
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
	caller, err := g.admit(ctx, rule, claims, request)
	g.keys.judged(claims, err)
	return caller, err
}

func (g *Gate) admit(ctx context.Context, rule Rule, claims token.Access, request Request) (Caller, error) {
	standing, read, err := g.lookUp(ctx, rule, claims, activeIn(claims, request))
	if err != nil {
		return Caller{}, err
	}
	return g.judge(ctx, rule, claims, request, standing, read)
}

// activeIn returns the organization whose standing a request needs. A key acts in its own.
func activeIn(claims token.Access, request Request) uuid.NullUUID {
	if claims.IsKey() || !request.Organization.Valid {
		return claims.OrganizationID
	}
	return request.Organization
}

// judge decides by the standing that was read.
func (g *Gate) judge(ctx context.Context, rule Rule, claims token.Access, request Request, standing Standing, read any) (Caller, error) {
	if !standing.SessionLive || !standing.AccountGood() {
		return Caller{}, ErrInvalidToken
	}
	named := request.Organization.Valid
	if !named {
		request.Organization = claims.OrganizationID
	}
	if claims.IsKey() {
		return g.judgeKey(ctx, rule, claims, request, standing, read)
	}
	caller := callerOf(claims, rule, request, standing, read)
	if err := g.decide(ctx, &caller, standing, named); err != nil {
		// The audit log needs the caller. It names the organization only if they are a
		// member of it or a platform administrator.
		if standing.Role == NoRole && !standing.PlatformAdmin {
			caller.OrganizationID = uuid.NullUUID{}
		}
		return caller, err
	}
	return caller, g.checkProof(rule.stepUp, standing)
}

func callerOf(claims token.Access, rule Rule, request Request, standing Standing, read any) Caller {
	caller := Caller{
		UserID:         claims.UserID,
		SessionID:      claims.SessionID,
		PlatformAdmin:  standing.PlatformAdmin,
		OrganizationID: request.Organization,
		Standing:       standing,
		byKey:          claims.IsKey(),
		rule:           rule,
		request:        request,
		written:        standing.written,
		read:           read,
	}
	if standing.MembershipGood() {
		caller.Role = standing.Role
	}
	return caller
}

func (g *Gate) decide(ctx context.Context, c *Caller, s Standing, named bool) error {
	switch c.rule.scope {
	case pathOrg:
		return decideOrganization(c.rule.about(c.UserID, c.request.User), s, c.rule.orSelf && c.request.User == c.UserID)
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
	case ofAPI:
		if !c.byKey || !c.rule.organizationKey { // mutant: api-only
			return ErrAPIOnly
		}
		return decideOrganization(c.rule, s, false)
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
	if own || rule.beforeFactor {
		return nil
	}
	return s.FactorRefusal()
}

// decideNamed decides for routes about the caller, for which the active organization is
// optional. If the request names an organization, they must be a member of it. If they
// have lost the membership in the token's organization, none is active. That holds for a
// platform administrator, too, where the rule says AsMember.
func (g *Gate) decideNamed(c *Caller, s Standing, named bool) error {
	switch {
	case !c.OrganizationID.Valid:
	case s.OrganizationExists && s.PlatformAdmin && !s.OrganizationArchived && !c.rule.asMember: // mutant: as-member
	case s.Present() && s.MembershipGood() && c.rule.asMember && s.OrganizationSuspended: // mutant: suspended-as-member
		return ErrOrganizationSuspended
	case s.Present() && s.MembershipGood() && !(named && c.rule.standing && s.OrganizationSuspended):
		if c.rule.asMember || named && c.rule.standing { // mutant: policy-as-member
			return s.FactorRefusal()
		}
		if refusal := s.FactorRefusal(); refusal != nil && c.rule.scope == acquaintance && c.request.User != c.UserID { // mutant: policy-of-acquaintance
			if named {
				return refusal
			}
			c.OrganizationID, c.Role = uuid.NullUUID{}, NoRole // the answer shows no standing in it
		}
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
// or a platform administrator. An API key sees only its own organization. An organization that
// asks for a second factor shows its members only to a session that proved two.
var sharedQuery = `
SELECT COUNT(*) FROM (SELECT %[1]s AS viewer, %[1]s AS other, %[1]s AS only, %[2]s AS now, %[3]s AS strong) k
JOIN users u ON u.id = k.other
WHERE k.viewer = k.other
OR k.only IS NULL AND EXISTS (SELECT 1 FROM platform_administrators pa WHERE pa.user_id = k.viewer)
OR EXISTS (
	SELECT 1 FROM organization_members mine
	JOIN organization_members theirs ON theirs.organization_id = mine.organization_id AND theirs.user_id = k.other
	JOIN user_active_status ma ON ma.user_id = k.viewer AND ma.organization_id = mine.organization_id AND ma.deactivated_at IS NULL
	WHERE mine.user_id = k.viewer AND (k.only IS NULL OR mine.organization_id = k.only)
	AND (k.strong = 1 OR NOT ` + AsksForFactor("mine", "k.now") + `)
	AND NOT EXISTS (SELECT 1 FROM user_suspensions ms WHERE ms.user_id = k.viewer AND ms.organization_id = mine.organization_id
		AND ` + OpenSuspension("ms", "k.now") + `)
	AND NOT EXISTS (SELECT 1 FROM organization_archives oa WHERE oa.organization_id = mine.organization_id AND ` + OpenArchive("oa") + `)
	AND NOT EXISTS (SELECT 1 FROM organization_suspensions os WHERE os.organization_id = mine.organization_id
		AND ` + OpenSuspension("os", "k.now") + `))`

func (g *Gate) maySee(ctx context.Context, c Caller, other uuid.UUID) (bool, error) {
	var n int64
	var only uuid.NullUUID
	strong := 0
	if c.Standing.Strong { // mutant: visible-before-factor
		strong = 1
	}
	if c.byKey { // mutant: key-sees-one-organization
		only = c.OrganizationID
	}
	ctx = database.ForAll(database.OnPrimary(ctx))
	err := g.db.Row(ctx, g.sharedSQL, c.UserID, other, only, g.now(), strong).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("find a shared organization: %w", err)
	}
	return n > 0, nil
}
