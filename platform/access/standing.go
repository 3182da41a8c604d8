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

// Standing is what the gate's query reads about a person, their session and one
// organization.
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

	Strong   bool // the session proved two factors (AAL2)
	Enrolled bool // the person has a second factor

	ownKey           bool // the session is an API key that its holder made
	factorOfEveryone bool // the organization asks every member for a second factor
	factorOfAdmins   bool // or its admins and its owner
	factorLater      bool // or will, at a time that has not come

	proved  time.Time // when the person proved who they are last; only for a rule that asks
	written int64     // the last transaction in which the session wrote; only with standbys
	until   time.Time // the end of the session, if it is live
}

// AccountGood reports whether the account as a whole may act.
func (s Standing) AccountGood() bool {
	return s.AccountActive && !s.AccountSuspended && !s.AccountArchived
}

// MembershipGood reports whether the person may act within the organization. It does not
// check the standing of the organization itself.
func (s Standing) MembershipGood() bool {
	return s.Role >= Member && s.MembershipActive && !s.MembershipSuspended
}

// Present reports whether the person is a member of an organization that is not archived.
func (s Standing) Present() bool {
	return s.Role >= Member && !s.OrganizationArchived
}

// The gate's query does one indexed look-up per table and returns one integer. Its
// parameters are bound once, in a table k of one row that the rest joins: SQLite would
// prepare the statement again whenever a parameter that its planner looked at changes.
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

// read returns the standing of a person, optionally with a session and an organization. A
// person who does not exist has the zero Standing.
func (g *Gate) read(ctx context.Context, userID, sessionID uuid.UUID, organizationID uuid.NullUUID, now time.Time) (Standing, error) {
	return g.query(ctx, g.standingSQL, userID, sessionID, organizationID, now)
}

// query is read with a given query text, which may select more columns.
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

// scanStanding scans the columns of the gate's query, and more columns after them.
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
		Strong:                has(sessionStrong),
		Enrolled:              has(factorEnrolled),
		ownKey:                has(ownKey),
		factorOfEveryone:      has(factorOfEveryone),
		factorOfAdmins:        has(factorOfAdmins),
		factorLater:           has(factorLater),
	}
	switch {
	case !has(isMember):
		s.Role = NoRole // a role needs a membership
	case has(isOwner):
		s.Role = Owner
	case has(isAdmin):
		s.Role = Admin
	default:
		s.Role = Member
	}
	return s
}

// StandingOf returns a subquery for the Bits of a person in an organization, without a
// session. The two ids are expressions of the surrounding statement; its only parameter
// is now.
func StandingOf(db *database.DB, userID, organizationID string) string {
	return "SELECT " + standingBits + "\nFROM (SELECT " + userID + " AS user_id, " + db.Null("uuid") + " AS session_id, " + organizationID + " AS organization_id, " +
		db.Param("timestamptz") + " AS now) k" + standingJoins
}

// Of returns a person's standing outside of their own requests: at log-in, at a refresh,
// or as the target of another person's request.
func (g *Gate) Of(ctx context.Context, userID uuid.UUID, organizationID uuid.NullUUID) (Standing, error) {
	return g.read(ctx, userID, uuid.Nil, organizationID, g.now())
}

var errNoCaller = errors.New("access: no caller passed the gate")
