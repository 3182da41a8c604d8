package membership

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/database"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
	"guildhall/platform/lifecycle"
	"guildhall/platform/roster"
)

type store struct {
	db                    *database.DB
	ownerSQL, memberSQL   string
	ofPage                string // joins what memberColumns needs to a page
	membersSQL, adminsSQL database.Ordered
}

// named is a person that a request names.
type named struct {
	id         uuid.UUID
	unverified bool // named by an email address that nobody has proved
}

// named returns the person that a request names by id or email address.
func (s *store) named(ctx context.Context, in addInput) (n named, err error) {
	if in.UserID != nil {
		return named{id: *in.UserID}, nil
	}
	err = s.db.Row(ctx, "SELECT u.id, u.email_verified_at IS NULL FROM users u WHERE u.email_canonical = ?", in.Email.Canonical()).Scan(&n.id, &n.unverified)
	if database.IsNotFound(err) {
		return n, access.ErrUserNotFound
	}
	if err != nil {
		return n, fmt.Errorf("find account: %w", err)
	}
	return n, nil
}

// add adds a member. The caller must have locked the organization and checked that the
// person is not a member yet, and then call Users.Welcome.
func (s *store) add(ctx context.Context, organizationID, userID uuid.UUID, now time.Time) error {
	err := s.db.Queue(ctx, "INSERT INTO organization_members (organization_id, user_id, joined_at, searchable) VALUES (?, ?, ?, TRUE)", organizationID, userID, now)
	if err != nil {
		return fmt.Errorf("add member: %w", err)
	}
	return nil
}

// remove removes a member. The foreign key's cascade deletes their admin grant.
func (s *store) remove(ctx context.Context, organizationID, userID uuid.UUID) error {
	err := s.db.Queue(ctx, "DELETE FROM organization_members WHERE organization_id = ? AND user_id = ?", organizationID, userID)
	if err != nil {
		return fmt.Errorf("remove member: %w", err)
	}
	return nil
}

func (s *store) setOwner(ctx context.Context, organizationID, userID uuid.UUID, now time.Time) error {
	err := s.db.Queue(ctx, "INSERT INTO organization_owners (organization_id, user_id, since) VALUES (?, ?, ?)", organizationID, userID, now)
	if err != nil {
		return fmt.Errorf("set owner: %w", err)
	}
	return nil
}

func (s *store) grant(ctx context.Context, organizationID, userID uuid.UUID, by uuid.NullUUID, now time.Time) (grantView, error) {
	err := s.db.Conn(ctx).Create(&admin{OrganizationID: organizationID, UserID: userID, GrantedAt: now, GrantedBy: by}).Error
	if err != nil {
		return grantView{}, fmt.Errorf("grant admin: %w", err)
	}
	var m member
	err = s.db.Conn(ctx).Where("organization_id = ? AND user_id = ?", organizationID, userID).Take(&m).Error
	if err != nil {
		return grantView{}, fmt.Errorf("find member: %w", err)
	}
	return grantView{OrganizationID: organizationID, UserID: userID, Role: access.Admin, JoinedAt: m.JoinedAt.UTC()}, nil
}

func (s *store) revoke(ctx context.Context, organizationID, userID uuid.UUID) error {
	err := s.db.Conn(ctx).Where("organization_id = ? AND user_id = ?", organizationID, userID).Delete(&admin{}).Error
	if err != nil {
		return fmt.Errorf("revoke admin: %w", err)
	}
	return nil
}

// transfer changes the owner and returns the former one, who stays as an admin.
func (s *store) transfer(ctx context.Context, organizationID, newOwnerID uuid.UUID, by uuid.NullUUID, now time.Time) (uuid.UUID, error) {
	conn := s.db.Conn(ctx)
	var former owner
	if err := conn.Where("organization_id = ?", organizationID).Take(&former).Error; err != nil {
		return uuid.Nil, fmt.Errorf("find owner: %w", err)
	}
	if err := s.revoke(ctx, organizationID, newOwnerID); err != nil { // an owner needs no grant
		return uuid.Nil, err
	}
	err := conn.Model(&owner{}).Where("organization_id = ?", organizationID).
		Updates(map[string]any{"user_id": newOwnerID, "since": now}).Error
	if err != nil {
		return uuid.Nil, fmt.Errorf("change owner: %w", err)
	}
	err = conn.Create(&admin{OrganizationID: organizationID, UserID: former.UserID, GrantedAt: now, GrantedBy: by}).Error
	if err != nil {
		return uuid.Nil, fmt.Errorf("keep the former owner as admin: %w", err)
	}
	return former.UserID, nil
}

// These select from m (organization_members).
var (
	memberColumns = `m.user_id, u.email, p.name, p.avatar_url, m.joined_at, ` + access.IsService("m") + ", " + access.PersonBits
	memberJoins   = `
JOIN users u ON u.id = m.user_id
JOIN user_profile p ON p.user_id = m.user_id` + access.PersonJoins
)

func newStore(db *database.DB) *store {
	// The page is selected before the joins, so that its cost does not depend on the number
	// of later rows.
	const pageOf = ` WHERE organization_id = ? AND user_id {>} ? ORDER BY user_id{order} LIMIT ? OFFSET ?) `
	id, now := db.Param("uuid"), db.Param("timestamptz")
	ofPage := `
CROSS JOIN (SELECT ` + now + ` AS now) k
JOIN organization_members m ON m.organization_id = page.organization_id AND m.user_id = page.user_id` + memberJoins
	return &store{
		db: db,
		membersSQL: database.InOrder("SELECT " + memberColumns + ` FROM (SELECT organization_id, user_id, joined_at FROM organization_members` + pageOf + `m
CROSS JOIN (SELECT ` + now + ` AS now) k` + memberJoins + ` ORDER BY m.user_id{order}`),
		adminsSQL: database.InOrder("SELECT " + memberColumns + ` FROM (SELECT organization_id, user_id FROM organization_admins` + pageOf + `page` + ofPage + ` ORDER BY m.user_id{order}`),
		ofPage:    ofPage,
		ownerSQL: "SELECT " + memberColumns + ` FROM (SELECT ` + id + ` AS organization_id, ` + now + ` AS now) k
JOIN organization_owners o ON o.organization_id = k.organization_id
JOIN organization_members m ON m.organization_id = o.organization_id AND m.user_id = o.user_id` + memberJoins,
		memberSQL: "SELECT " + memberColumns + ` FROM (SELECT ` + id + ` AS organization_id, ` + id + ` AS user_id, ` + now + ` AS now) k
JOIN organization_members m ON m.organization_id = k.organization_id AND m.user_id = k.user_id` + memberJoins,
	}
}

func scanMember(scan func(...any) error) (v memberView, err error) { return scanMemberAnd(scan) }

// scanMemberAnd also scans the columns after those of a member.
func scanMemberAnd(scan func(...any) error, last ...any) (v memberView, err error) {
	var bits access.Bits
	err = scan(append([]any{&v.ID, &v.Email, &v.Name, &v.AvatarURL, &v.JoinedAt, &v.isService, &bits}, last...)...)
	s := bits.Standing()
	v.Kind = access.KindOf(v.isService)
	v.JoinedAt, v.Role, v.Standing = v.JoinedAt.UTC(), s.Role, lifecycle.OfMember(s)
	return v, err
}

// list reads one page of members: of all, or of those with the admin grant.
func (s *store) list(ctx context.Context, query database.Ordered, table string, organizationID uuid.UUID, w httpapi.Window, now time.Time) (page httpapi.Page[memberView], err error) {
	rows, err := s.db.Rows(ctx, query.Text(w.Backward), organizationID, w.After, w.Limit+1, w.Offset, now)
	if err != nil {
		return page, fmt.Errorf("list members: %w", err)
	}
	found, err := database.Collect(rows, scanMember)
	if err != nil {
		return page, fmt.Errorf("list members: %w", err)
	}
	page = httpapi.NewPage(found, w, func(v memberView) uuid.UUID { return v.ID })
	if w.Count {
		page.Total, err = s.db.Count(ctx, "SELECT COUNT(*) FROM "+table+" WHERE organization_id = ?", organizationID)
	}
	return page, err
}

// selected reads one page of a selection of the members.
func (s *store) selected(ctx context.Context, organizationID uuid.UUID, selection roster.Selection, w httpapi.Window, now time.Time) (page httpapi.Page[memberView], err error) {
	list, err := selection.Members(s.db, organizationID, w, now)
	if err != nil {
		return page, err
	}
	query, args := list.Read(memberColumns+", page.term", s.ofPage, now)
	rows, err := s.db.Rows(ctx, query, args...)
	if err != nil {
		return page, fmt.Errorf("list selected members: %w", err)
	}
	found, err := database.Collect(rows, func(scan func(...any) error) (v memberView, err error) {
		var term string
		v, err = scanMemberAnd(scan, &term)
		v.term = term
		return v, err
	})
	if err != nil {
		return page, fmt.Errorf("list selected members: %w", err)
	}
	page = httpapi.NewKeyedPage(found, w, func(v memberView) field.Cursor {
		return list.Position(roster.Item{ID: v.ID, Term: v.term, Joined: v.JoinedAt})
	})
	if w.Count {
		count, args := list.Count()
		page.Total, err = s.db.Count(ctx, count, args...)
	}
	return page, err
}

func (s *store) owner(ctx context.Context, organizationID uuid.UUID, now time.Time) (memberView, error) {
	v, err := scanMember(s.db.Row(ctx, s.ownerSQL, organizationID, now).Scan)
	if err != nil {
		return v, fmt.Errorf("find owner: %w", err)
	}
	return v, nil
}

func (s *store) member(ctx context.Context, organizationID, userID uuid.UUID, now time.Time) (memberView, error) {
	v, err := scanMember(s.db.Row(ctx, s.memberSQL, organizationID, userID, now).Scan)
	if database.IsNotFound(err) {
		return v, access.ErrMemberNotFound
	}
	if err != nil {
		return v, fmt.Errorf("find member: %w", err)
	}
	return v, nil
}
