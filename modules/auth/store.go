package auth

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/database"
	"guildhall/platform/field"
)

type store struct {
	db                                 *database.DB
	byEmailSQL, byIDSQL, logInStateSQL string
}

// person is what a log-in needs of an account.
type person struct {
	id          uuid.UUID
	email, name string
	hash        string
	locale      string // of mails; empty if unknown
	verified    bool   // the email address is proved
	archived    bool
	enrolled    bool // they have a second factor
}

func (p person) canonical() string { return field.Login(p.email).CanonicalEmail() }

var personQuery = `SELECT u.id, u.email, p.name, h.password_hash, COALESCE(u.locale, ''), u.email_verified_at IS NOT NULL, u.factor_enrolled_at IS NOT NULL,
		EXISTS (SELECT 1 FROM user_archives x WHERE x.user_id = u.id AND ` + access.OpenArchive("x") + `) FROM (SELECT %s AS key) k
	JOIN users u ON u.%s = k.key
	JOIN user_profile p ON p.user_id = u.id
	JOIN user_login_password h ON h.user_id = u.id`

// findByEmail returns the account with an email address, or nil.
func (s *store) findByEmail(ctx context.Context, canonicalEmail string) (*person, error) {
	p, err := s.one(ctx, s.byEmailSQL, canonicalEmail)
	if database.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find account: %w", err)
	}
	return &p, nil
}

func (s *store) find(ctx context.Context, id uuid.UUID) (person, error) {
	p, err := s.one(ctx, s.byIDSQL, id)
	if database.IsNotFound(err) {
		return p, access.ErrUserNotFound
	}
	if err != nil {
		return p, fmt.Errorf("find account: %w", err)
	}
	return p, nil
}

func (s *store) one(ctx context.Context, query string, key any) (p person, err error) {
	return p, s.db.Row(ctx, query, key).Scan(&p.id, &p.email, &p.name, &p.hash, &p.locale, &p.verified, &p.enrolled, &p.archived)
}

func (s *store) hash(ctx context.Context, userID uuid.UUID) (hash string, err error) {
	err = s.db.Row(ctx, "SELECT password_hash FROM user_login_password WHERE user_id = ?", userID).Scan(&hash)
	if err != nil {
		return "", fmt.Errorf("read password hash: %w", err)
	}
	return hash, nil
}

func (s *store) savePassword(ctx context.Context, userID uuid.UUID, hash string, now time.Time) error {
	err := s.db.Queue(ctx, `INSERT INTO user_login_password (user_id, password_hash, updated_at) VALUES (?, ?, ?)
		ON CONFLICT (user_id) DO UPDATE SET password_hash = excluded.password_hash, updated_at = excluded.updated_at`, userID, hash, now)
	if err != nil {
		return fmt.Errorf("save password: %w", err)
	}
	return nil
}

// logInState is what decides on a log-in after the password was verified.
type logInState struct {
	hash      string
	standing  access.Standing
	preferred uuid.NullUUID // the organization that becomes active
	asks      bool          // it asks the person for a second factor
	known     bool          // the person has logged in with this client before, or never
	enrolled  bool          // they have a second factor
}

// versions are the characters of version numbers in a User-Agent.
const versions = "0123456789._"

// anyVersion returns a User-Agent without its version numbers.
func anyVersion(client string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(versions, r) { // mutant: client-version
			return -1
		}
		return r
	}, client)
}

// anyVersionSQL is anyVersion for a column.
func anyVersionSQL(column string) string {
	for _, c := range versions {
		column = "REPLACE(" + column + ", '" + string(c) + "', '')"
	}
	return column
}

// logInState reads the state. The caller must have locked the account.
func (s *store) logInState(ctx context.Context, userID uuid.UUID, client string, now time.Time) (e logInState, err error) {
	var bits access.Bits
	err = s.db.Row(ctx, s.logInStateSQL, now, now, anyVersion(client), now, userID).Scan(&e.hash, &bits, &e.preferred, &e.known, &e.asks)
	if err != nil {
		return e, fmt.Errorf("read the state of an account: %w", err)
	}
	e.standing = bits.Standing()
	e.enrolled = e.standing.Enrolled
	return e, nil
}

func newStore(db *database.DB) *store {
	return &store{
		db:         db,
		byEmailSQL: fmt.Sprintf(personQuery, db.Param("text"), "email_canonical"),
		byIDSQL:    fmt.Sprintf(personQuery, db.Param("uuid"), "id"),
		logInStateSQL: "SELECT e.password_hash, e.standing, e.organization_id, e.known, " + access.AsksForFactor("e", "e.now") + `
			FROM (SELECT h.user_id, h.password_hash, (` + access.StandingOf(db, "h.user_id", db.Null("uuid")) + ") AS standing, (" +
			preferredOrganization(db) + ") AS organization_id, " + isKnownClient + " AS known, " + db.Param("timestamptz") + ` AS now
				FROM user_login_password h WHERE h.user_id = ?) e`,
	}
}

// isKnownClient selects whether one of the last sessions of h.user_id has the parameter's
// client, in any version, or there are none.
var isKnownClient = `NOT EXISTS (SELECT 1 FROM sessions d WHERE d.user_id = h.user_id AND d.kind = 'log_in')
	OR EXISTS (SELECT 1 FROM (SELECT s.client FROM sessions s WHERE s.user_id = h.user_id AND s.kind = 'log_in' ORDER BY s.rotated_at DESC LIMIT 100) page WHERE ` + anyVersionSQL("page.client") + ` = ?)`

// preferredOrganization selects, of the organizations in which h.user_id may act, the last
// one used, or else the first one joined. Its only parameter is now.
func preferredOrganization(db *database.DB) string {
	return "SELECT m.organization_id" + mayActIn(db, "h.user_id") + `
	ORDER BY CASE WHEN m.organization_id = (SELECT s.organization_id FROM sessions s
		WHERE s.user_id = k.user_id AND s.kind = 'log_in' AND s.organization_id IS NOT NULL ORDER BY s.rotated_at DESC, s.id DESC LIMIT 1) THEN 0 ELSE 1 END,
		m.joined_at, m.organization_id
	LIMIT 1`
}

// mayActIn returns the memberships m of the organizations in which a person may act, from
// FROM to the end of WHERE. The id is an expression of the surrounding statement; the only
// parameter is now.
func mayActIn(db *database.DB, userID string) string {
	return `
	FROM (SELECT ` + userID + ` AS user_id, ` + db.Param("timestamptz") + ` AS now) k
	JOIN organization_members m ON m.user_id = k.user_id
	JOIN user_active_status ma ON ma.user_id = m.user_id AND ma.organization_id = m.organization_id AND ma.deactivated_at IS NULL
	WHERE NOT EXISTS (SELECT 1 FROM user_suspensions ms WHERE ms.user_id = m.user_id AND ms.organization_id = m.organization_id
		AND ` + access.OpenSuspension("ms", "k.now") + `)
	AND NOT EXISTS (SELECT 1 FROM organization_archives oa WHERE oa.organization_id = m.organization_id AND ` + access.OpenArchive("oa") + `)
	AND NOT EXISTS (SELECT 1 FROM organization_suspensions os WHERE os.organization_id = m.organization_id
		AND ` + access.OpenSuspension("os", "k.now") + `)`
}

// isReserved reports whether a person may still take back an address by a disavowal.
func (s *store) isReserved(ctx context.Context, canonicalEmail string, except uuid.UUID, now time.Time) (bool, error) {
	n, err := s.db.Count(ctx, "SELECT COUNT(*) FROM challenges WHERE email_canonical = ? AND purpose = 'disavow' AND consumed_at IS NULL AND expires_at > ? AND user_id <> ?", canonicalEmail, now, except)
	if err != nil {
		return false, fmt.Errorf("find a reserved address: %w", err)
	}
	return *n > 0, nil
}

// recentAddresses returns the IP addresses from which the sessions of an account were last
// used.
func (s *store) recentAddresses(ctx context.Context, canonicalEmail string) ([]string, error) {
	rows, err := s.db.Conn(ctx).Raw(`SELECT s.address FROM users u JOIN sessions s ON s.user_id = u.id AND s.kind = 'log_in'
		WHERE u.email_canonical = ? ORDER BY s.rotated_at DESC LIMIT 100`, canonicalEmail).Rows()
	if err != nil {
		return nil, fmt.Errorf("find addresses: %w", err)
	}
	return database.Collect(rows, func(scan func(...any) error) (a string, err error) { return a, scan(&a) })
}
