package machine

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/database"
	"guildhall/platform/httpapi"
	"guildhall/platform/lifecycle"
	"guildhall/platform/token"
)

type store struct {
	db                 *database.DB
	keySQL, accountSQL string
	apiKeysSQL         string
	keysSQL, ownSQL    database.Ordered
	mineSQL            database.Ordered
	accountsSQL        database.Ordered
}

// apiKey is a session of the kind key.
type apiKey struct {
	id, holderID           uuid.UUID
	organizationID         uuid.NullUUID // none: the key of a registered API
	name, hint             string
	scopes                 []string
	created, expires, used time.Time
	rotated                bool
	creatorID              uuid.NullUUID
	assurance              int // what the session of who made it has proved (NIST SP 800-63B)
	creator                sql.NullString
	holder                 string
	role                   access.Role // of the holder
	isService              bool
}

// keyColumns are of s, a session, and need keyJoins.
var (
	keyColumns = `s.id, s.organization_id, s.user_id, s.name, s.hint, s.scopes, s.created_at, s.expires_at, s.rotated_at, s.superseded <> '',
		s.created_by, c.name, p.name, ` + access.RoleColumn + ", " + access.IsService("s")
	keyJoins = `
JOIN user_profile p ON p.user_id = s.user_id
LEFT JOIN user_profile c ON c.user_id = s.created_by
LEFT JOIN organization_members m ON m.organization_id = s.organization_id AND m.user_id = s.user_id` + access.RoleJoins
)

func newStore(db *database.DB) *store {
	id, now := db.Param("uuid"), db.Param("timestamptz")
	page := func(of, more string) database.Ordered {
		return database.InOrder("SELECT " + keyColumns + ` FROM (SELECT id FROM sessions WHERE ` + of + ` = ? AND id {>} ? AND kind = 'key'
	AND revoked_at IS NULL AND expires_at > ?` + more + ` ORDER BY id{order} LIMIT ? OFFSET ?) page
JOIN sessions s ON s.id = page.id` + keyJoins + ` ORDER BY s.id{order}`)
	}
	accountColumns := "m.user_id, m.organization_id, p.name, a.description, u.created_at, " + access.PersonBits
	accountJoins := `
JOIN users u ON u.id = m.user_id
JOIN user_profile p ON p.user_id = m.user_id` + access.PersonJoins
	return &store{
		db: db,
		keySQL: "SELECT " + keyColumns + " FROM (SELECT " + id + " AS organization_id, " + id + " AS id, " + now + ` AS now) k
JOIN sessions s ON s.id = k.id AND s.organization_id = k.organization_id AND s.kind = 'key' AND s.revoked_at IS NULL AND s.expires_at > k.now` + keyJoins,
		apiKeysSQL: "SELECT " + keyColumns + " FROM (SELECT " + id + " AS user_id, " + now + ` AS now) k
JOIN sessions s ON s.user_id = k.user_id AND s.organization_id IS NULL AND s.kind = 'key' AND s.revoked_at IS NULL AND s.expires_at > k.now` + keyJoins + ` ORDER BY s.id`,
		keysSQL: page("organization_id", ""),
		ownSQL:  page("organization_id", " AND user_id = ?"),
		mineSQL: page("user_id", ""),
		accountSQL: "SELECT " + accountColumns + " FROM (SELECT " + id + " AS organization_id, " + id + " AS user_id, " + now + ` AS now) k
JOIN service_accounts a ON a.user_id = k.user_id
JOIN organization_members m ON m.organization_id = k.organization_id AND m.user_id = k.user_id` + accountJoins,
		accountsSQL: database.InOrder("SELECT " + accountColumns + ` FROM (SELECT s.user_id, s.organization_id FROM service_accounts s
	JOIN organization_members n ON n.organization_id = s.organization_id AND n.user_id = s.user_id
	WHERE s.organization_id = ? AND s.user_id {>} ? ORDER BY s.user_id{order} LIMIT ? OFFSET ?) page
CROSS JOIN (SELECT ` + now + ` AS now) k
JOIN organization_members m ON m.organization_id = page.organization_id AND m.user_id = page.user_id
JOIN service_accounts a ON a.user_id = page.user_id` + accountJoins + ` ORDER BY m.user_id{order}`),
	}
}

func scanKey(scan func(...any) error) (k apiKey, err error) {
	var scopes string
	err = scan(&k.id, &k.organizationID, &k.holderID, &k.name, &k.hint, &scopes, &k.created, &k.expires, &k.used, &k.rotated, &k.creatorID, &k.creator, &k.holder, &k.role, &k.isService)
	k.scopes, k.created, k.expires, k.used = strings.Fields(scopes), k.created.UTC(), k.expires.UTC(), k.used.UTC()
	return k, err
}

func (k apiKey) view() apiKeyView {
	v := apiKeyView{
		ID: k.id, OrganizationID: k.organizationID.UUID, Name: k.name, Hint: k.hint, Scopes: k.scopes, CreatedAt: k.created, IsRotated: k.rotated,
		Holder: holderView{ID: k.holderID, Name: k.holder, Role: k.role, Kind: access.KindOf(k.isService)},
	}
	if !k.expires.Equal(never) {
		v.ExpiresAt = &k.expires
	}
	if k.used.After(k.created) {
		v.LastUsedAt = &k.used
	}
	if k.creatorID.Valid {
		v.CreatedBy = &creatorView{ID: k.creatorID.UUID, Name: k.creator.String}
	}
	return v
}

func (s *store) add(ctx context.Context, k apiKey, hash token.KeyHash) error {
	err := s.db.Queue(ctx, `INSERT INTO sessions (id, kind, user_id, organization_id, name, hint, scopes, secret_hash, created_by, aal, generation, created_at, rotated_at, expires_at)
		VALUES (?, 'key', ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?)`, k.id, k.holderID, k.organizationID, k.name, k.hint, strings.Join(k.scopes, " "), hash.String(), k.creatorID, k.assurance, k.created, k.created, k.expires)
	if err != nil {
		return fmt.Errorf("add an API key: %w", err)
	}
	return nil
}

// find returns a live key of an organization (api_key_not_found).
func (s *store) find(ctx context.Context, organizationID, id uuid.UUID, now time.Time) (apiKey, error) {
	k, err := scanKey(s.db.Row(ctx, s.keySQL, organizationID, id, now).Scan)
	if database.IsNotFound(err) {
		return k, errKeyNotFound
	}
	if err != nil {
		return k, fmt.Errorf("find an API key: %w", err)
	}
	return k, nil
}

// list returns a page of the live keys of an organization: of all, or of one holder.
func (s *store) list(ctx context.Context, organizationID uuid.UUID, only uuid.NullUUID, w httpapi.Window, now time.Time) (httpapi.Page[apiKeyView], error) {
	if only.Valid {
		return s.page(ctx, s.ownSQL, "organization_id = ? AND user_id = ?", []any{organizationID, w.After, now, only.UUID}, []any{organizationID, only.UUID}, w, now)
	}
	return s.page(ctx, s.keysSQL, "organization_id = ?", []any{organizationID, w.After, now}, []any{organizationID}, w, now)
}

// mine returns a page of the live keys of a holder, in all organizations.
func (s *store) mine(ctx context.Context, holderID uuid.UUID, w httpapi.Window, now time.Time) (httpapi.Page[apiKeyView], error) {
	return s.page(ctx, s.mineSQL, "user_id = ?", []any{holderID, w.After, now}, []any{holderID}, w, now)
}

// page returns the rows of a query, and counts those of the condition.
func (s *store) page(ctx context.Context, query database.Ordered, where string, args, of []any, w httpapi.Window, now time.Time) (page httpapi.Page[apiKeyView], err error) {
	rows, err := s.db.Rows(ctx, query.Text(w.Backward), append(args, w.Limit+1, w.Offset)...)
	if err != nil {
		return page, fmt.Errorf("list API keys: %w", err)
	}
	found, err := database.Collect(rows, func(scan func(...any) error) (apiKeyView, error) {
		k, err := scanKey(scan)
		return k.view(), err
	})
	if err != nil {
		return page, fmt.Errorf("list API keys: %w", err)
	}
	page = httpapi.NewPage(found, w, func(v apiKeyView) uuid.UUID { return v.ID })
	if w.Count {
		page.Total, err = s.db.Count(ctx, "SELECT COUNT(*) FROM sessions WHERE "+where+" AND kind = 'key' AND revoked_at IS NULL AND expires_at > ?", append(of, now)...)
	}
	return page, err
}

// supersede sets the end of a key that another one replaces. It refuses one that was replaced
// or ended in the meantime.
func (s *store) supersede(ctx context.Context, k apiKey, by uuid.UUID, end, now time.Time) error {
	if k.rotated {
		return errAlreadyRotated
	}
	n, err := s.db.Exec(ctx, `UPDATE sessions SET superseded = ?, expires_at = ?
		WHERE id = ? AND kind = 'key' AND superseded = '' AND revoked_at IS NULL AND expires_at > ?`, by.String(), end, k.id, now)
	if err != nil {
		return fmt.Errorf("end a rotated API key: %w", err)
	}
	if n == 0 {
		return errAlreadyRotated
	}
	return nil
}

// revoke ends a live key (api_key_not_found).
func (s *store) revoke(ctx context.Context, k apiKey, reason string, now time.Time) error {
	n, err := s.db.Exec(ctx, `UPDATE sessions SET revoked_at = ?, revoked_reason = ? WHERE id = ? AND kind = 'key' AND revoked_at IS NULL`, now, reason, k.id)
	if err != nil {
		return fmt.Errorf("revoke an API key: %w", err)
	}
	if n == 0 {
		return errKeyNotFound
	}
	return nil
}

// revokeAll ends the keys of a person in an organization.
func (s *store) revokeAll(ctx context.Context, organizationID, userID uuid.UUID, reason string, now time.Time) error {
	err := s.db.Queue(ctx, `UPDATE sessions SET revoked_at = ?, revoked_reason = ?
		WHERE user_id = ? AND organization_id = ? AND kind = 'key' AND revoked_at IS NULL`, now, reason, userID, organizationID)
	if err != nil {
		return fmt.Errorf("revoke the API keys of a former member: %w", err)
	}
	return nil
}

func (s *store) addAccount(ctx context.Context, organizationID uuid.NullUUID, userID uuid.UUID, description *string) error {
	err := s.db.Queue(ctx, "INSERT INTO service_accounts (user_id, organization_id, description) VALUES (?, ?, ?)", userID, organizationID, description)
	if err != nil {
		return fmt.Errorf("add a service account: %w", err)
	}
	return nil
}

func scanAccount(scan func(...any) error) (v serviceAccountView, err error) {
	var bits access.Bits
	err = scan(&v.ID, &v.OrganizationID, &v.Name, &v.Description, &v.CreatedAt, &bits)
	st := bits.Standing()
	v.CreatedAt, v.Role, v.Standing = v.CreatedAt.UTC(), st.Role, lifecycle.OfMember(st)
	return v, err
}

func (s *store) account(ctx context.Context, organizationID, userID uuid.UUID, now time.Time) (serviceAccountView, error) {
	v, err := scanAccount(s.db.Row(ctx, s.accountSQL, organizationID, userID, now).Scan)
	if err != nil {
		return v, fmt.Errorf("find a service account: %w", err)
	}
	return v, nil
}

// accounts returns a page of the service accounts that are members of an organization.
func (s *store) accounts(ctx context.Context, organizationID uuid.UUID, w httpapi.Window, now time.Time) (page httpapi.Page[serviceAccountView], err error) {
	rows, err := s.db.Rows(ctx, s.accountsSQL.Text(w.Backward), organizationID, w.After, w.Limit+1, w.Offset, now)
	if err != nil {
		return page, fmt.Errorf("list service accounts: %w", err)
	}
	found, err := database.Collect(rows, scanAccount)
	if err != nil {
		return page, fmt.Errorf("list service accounts: %w", err)
	}
	page = httpapi.NewPage(found, w, func(v serviceAccountView) uuid.UUID { return v.ID })
	if w.Count {
		page.Total, err = s.db.Count(ctx, `SELECT COUNT(*) FROM service_accounts s
			JOIN organization_members m ON m.organization_id = s.organization_id AND m.user_id = s.user_id WHERE s.organization_id = ?`, organizationID)
	}
	return page, err
}
