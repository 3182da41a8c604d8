package access

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/database"
)

// Standing is everything the gate's one query reads about a person, their
// session and one organization.
type Standing struct {
	AccountExists    bool
	SessionLive      bool
	AccountActive    bool
	AccountSuspended bool
	AccountArchived  bool
	PlatformAdmin    bool

	OrganizationExists    bool
	OrganizationSuspended bool
	SuspendedByPlatform   bool
	OrganizationArchived  bool
	Role                  Role
	MembershipActive      bool
	MembershipSuspended   bool

	written int64     // the transaction in which the session wrote last, where that matters
	until   time.Time // the end of the session, where it is live
}

// AccountGood says whether the account as a whole may act.
func (s Standing) AccountGood() bool {
	return s.AccountActive && !s.AccountSuspended && !s.AccountArchived
}

// MembershipGood says whether the person may act within the organization,
// leaving aside whether the organization itself may.
func (s Standing) MembershipGood() bool {
	return s.Role >= Member && s.MembershipActive && !s.MembershipSuspended
}

// Present says whether the person is a member of an organization that is not
// archived.
func (s Standing) Present() bool {
	return s.Role >= Member && !s.OrganizationArchived
}

// The gate's query: one indexed look-up a table, one integer out. Its parameters
// are bound once, in a table k of one row that the rest joins: SQLite would
// prepare a statement again whenever a parameter that its planner looked at changes.
var (
	organizationBits  = sumOf(ofOrganization)
	organizationJoins = `
LEFT JOIN organizations o ON o.id = k.organization_id
LEFT JOIN organization_suspensions os ON os.organization_id = k.organization_id AND ` + OpenSuspension("os", "k.now") + `
LEFT JOIN organization_archives oa ON oa.organization_id = k.organization_id AND ` + OpenArchive("oa")
	standingBits  = sumOf(ofEverything)
	standingJoins = `
JOIN users u ON u.id = k.user_id
LEFT JOIN sessions s ON s.id = k.session_id AND s.user_id = u.id
	AND s.revoked_at IS NULL AND s.expires_at > k.now
LEFT JOIN user_active_status ua ON ua.user_id = k.user_id
	AND ua.organization_id IS NULL AND ua.deactivated_at IS NULL
LEFT JOIN user_suspensions us ON us.user_id = k.user_id
	AND us.organization_id IS NULL AND ` + OpenSuspension("us", "k.now") + `
LEFT JOIN user_archives ux ON ux.user_id = k.user_id AND ` + OpenArchive("ux") + `
LEFT JOIN platform_administrators pa ON pa.user_id = k.user_id` + organizationJoins + `
LEFT JOIN organization_members m ON m.organization_id = k.organization_id AND m.user_id = k.user_id
LEFT JOIN organization_admins ad ON ad.organization_id = k.organization_id AND ad.user_id = k.user_id
LEFT JOIN organization_owners ow ON ow.organization_id = k.organization_id AND ow.user_id = k.user_id
LEFT JOIN user_active_status ma ON ma.user_id = k.user_id
	AND ma.organization_id = k.organization_id AND ma.deactivated_at IS NULL
LEFT JOIN user_suspensions ms ON ms.user_id = k.user_id
	AND ms.organization_id = k.organization_id AND ` + OpenSuspension("ms", "k.now")
)

// read asks the database about a person, a session (or none) and an
// organization (or none). A person who does not exist has the zero Standing.
func (g *Gate) read(ctx context.Context, userID, sessionID uuid.UUID, organizationID uuid.NullUUID, now time.Time) (Standing, error) {
	return g.query(ctx, g.standingSQL, userID, sessionID, organizationID, now)
}

// query is read by a text that may have more columns.
func (g *Gate) query(ctx context.Context, text string, userID, sessionID uuid.UUID, organizationID uuid.NullUUID, now time.Time, more ...any) (Standing, error) {
	ctx = database.For(database.OnPrimary(ctx), database.Tenant{OrganizationID: organizationID, UserID: userID})
	s, err := scanStanding(g.db.Row(ctx, text, userID, sessionID, organizationID, now).Scan, more...)
	if database.IsNotFound(err) {
		return Standing{}, nil
	}
	if err != nil {
		return Standing{}, fmt.Errorf("read standing: %w", err)
	}
	return s, nil
}

// scanStanding reads what the gate's query selects, and more behind it.
func scanStanding(scan func(...any) error, more ...any) (Standing, error) {
	var bits Bits
	var written int64
	var until sql.NullTime
	if err := scan(append([]any{&bits, &written, &until}, more...)...); err != nil {
		return Standing{}, err
	}
	s := bits.Standing()
	s.written, s.until = written, until.Time
	return s, nil
}

// Standing decodes the bits.
func (b Bits) Standing() Standing {
	has := func(bit Bits) bool { return b&bit != 0 }
	s := Standing{
		AccountExists:         has(accountExists),
		SessionLive:           has(sessionLive),
		AccountActive:         has(accountActive),
		AccountSuspended:      has(accountSuspended),
		AccountArchived:       has(accountArchived),
		PlatformAdmin:         has(isPlatformAdmin),
		OrganizationExists:    has(organizationExists),
		OrganizationSuspended: has(organizationSuspended),
		SuspendedByPlatform:   has(suspendedByPlatform),
		OrganizationArchived:  has(organizationArchived),
		MembershipActive:      has(membershipActive),
		MembershipSuspended:   has(membershipSuspended),
	}
	switch {
	case !has(isMember):
		s.Role = NoRole // a role needs a membership, whatever else is on record
	case has(isOwner):
		s.Role = Owner
	case has(isAdmin):
		s.Role = Admin
	default:
		s.Role = Member
	}
	return s
}

// StandingOf is a subquery for the Bits of a person and an organization that the
// statement around it names, without a session; its one parameter is now.
func StandingOf(db *database.DB, userID, organizationID string) string {
	return "SELECT " + standingBits + "\nFROM (SELECT " + userID + " AS user_id, " + db.Null("uuid") + " AS session_id, " + organizationID + " AS organization_id, " +
		db.Param("timestamptz") + " AS now) k" + standingJoins
}

// Of reads a person's standing outside of any request of theirs: at log-in, at a
// refresh, or as the target of another person's request.
func (g *Gate) Of(ctx context.Context, userID uuid.UUID, organizationID uuid.NullUUID) (Standing, error) {
	return g.read(ctx, userID, uuid.Nil, organizationID, g.now())
}

var errNoCaller = errors.New("access: no caller passed the gate")
