package user

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/database"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
	"guildhall/platform/lifecycle"
	"guildhall/platform/roster"
	"guildhall/platform/search"
)

// verified selects whether u has proved its address.
const verified = "u.email_verified_at IS NOT NULL"

// The columns of a userView and the joins that they need. They use u (users), m (the
// membership in the viewer's active organization, if any) and k.now.
var (
	viewColumns = `u.id, u.email, p.name, p.bio, p.avatar_url, ` + verified + `, u.locale, u.external_id, u.erase_at, u.erased_at, u.created_at, u.updated_at, ` + access.PersonBits
	viewJoins   = `
JOIN user_profile p ON p.user_id = u.id` + access.PersonJoins
	oneUser = `
FROM (SELECT %[1]s AS user_id, %[1]s AS organization_id, %[2]s AS now) k
JOIN users u ON u.id = k.user_id
LEFT JOIN organization_members m ON m.organization_id = k.organization_id AND m.user_id = u.id`
	// The page is selected before the joins, so that its cost does not depend on the number
	// of later rows.
	memberPage = `
FROM (SELECT organization_id, user_id FROM organization_members
	WHERE organization_id = ? AND user_id {>} ? ORDER BY user_id{order} LIMIT ? OFFSET ?) m
CROSS JOIN (SELECT %[2]s AS now) k
JOIN users u ON u.id = m.user_id`
	everybodyPage = `
FROM (SELECT id FROM users WHERE id {>} ? ORDER BY id{order} LIMIT ? OFFSET ?) page
CROSS JOIN (SELECT %[1]s AS organization_id, %[2]s AS now) k
JOIN users u ON u.id = page.id
LEFT JOIN organization_members m ON m.organization_id = k.organization_id AND m.user_id = u.id`
	// ofPage joins what viewColumns needs to a page of selected people.
	ofPage = `
CROSS JOIN (SELECT %[1]s AS organization_id, %[2]s AS now) k
JOIN users u ON u.id = page.user_id
LEFT JOIN organization_members m ON m.organization_id = k.organization_id AND m.user_id = u.id`
	// namedPage selects people by their ids: those who are or were members, those who acted
	// in the organization, or with the flag everybody. A standing stays when a member leaves.
	namedPage = `
FROM (SELECT %[1]s AS organization_id, %[2]s AS now, %[3]s AS everybody) k
JOIN users u ON u.id IN (` + strings.Repeat("?, ", mostNamed-1) + `?)
LEFT JOIN organization_members m ON m.organization_id = k.organization_id AND m.user_id = u.id`
	known = `
WHERE k.everybody = 1 OR m.user_id IS NOT NULL
	OR EXISTS (SELECT 1 FROM user_active_status fa WHERE fa.user_id = u.id AND fa.organization_id = k.organization_id)
	OR EXISTS (SELECT 1 FROM audit_events e WHERE e.chain_id = k.organization_id AND e.actor_user_id = u.id)
ORDER BY u.id`
)

// mostNamed limits the ids of a request. The statement always has so many parameters, so
// that it is prepared once.
const mostNamed = 100

func newStore(db *database.DB) *store {
	build := func(columns, from string) string {
		return fmt.Sprintf("SELECT "+columns+from+viewJoins, db.Param("uuid"), db.Param("timestamptz"), db.Param("int"))
	}
	// A member may just be removed: the lock waits for that, and then leaves them out.
	lockMember := ""
	if db.ForUpdate() != "" {
		lockMember = " FOR KEY SHARE"
	}
	return &store{
		db:             db,
		terms:          search.NewStore(db, roster.EverybodysTerms),
		memberTermsSQL: copyTerms + "(SELECT organization_id, user_id FROM organization_members WHERE user_id = ?" + lockMember + ") m JOIN user_terms t ON t.user_id = m.user_id",
		copyTermsSQL:   copyTerms + "(SELECT " + db.Param("uuid") + " AS organization_id, " + db.Param("uuid") + " AS user_id) m JOIN user_terms t ON t.user_id = m.user_id",
		ofPage:         fmt.Sprintf(ofPage, db.Param("uuid"), db.Param("timestamptz")) + viewJoins,
		lifecycle: lifecycle.NewStore(db, lifecycle.Tables{
			Activity: "user_active_status", Suspensions: "user_suspensions", Archives: "user_archives", Key: []string{"user_id", "organization_id"},
			SharesReasons: true, AlreadySuspended: errAlreadySuspended, NotSuspended: errNotSuspended, AlreadyArchived: errAlreadyArchived, NotArchived: errNotArchived,
		}),
		findSQL:  build(viewColumns, oneUser),
		pagedSQL: database.InOrder(build("FALSE, "+viewColumns, memberPage) + "\nORDER BY u.id{order}"),
		allSQL:   database.InOrder(build("FALSE, "+viewColumns, everybodyPage) + "\nORDER BY u.id{order}"),
		namedSQL: build("k.everybody = 0 AND m.user_id IS NULL, "+viewColumns, namedPage) + known,
	}
}

// scanView scans viewColumns, after the columns that the query selects first.
func scanView(scan func(...any) error, first ...any) (v userView, err error) {
	var bits access.Bits
	err = scan(append(first, &v.ID, &v.Email, &v.Name, &v.Bio, &v.AvatarURL, &v.Verified, &v.Locale, &v.externalID, &v.eraseAt, &v.erasedAt, &v.CreatedAt, &v.UpdatedAt, &bits)...)
	v.CreatedAt, v.UpdatedAt, v.eraseAt, v.erasedAt = v.CreatedAt.UTC(), v.UpdatedAt.UTC(), database.InUTC(v.eraseAt), database.InUTC(v.erasedAt)
	v.setStanding(bits.Standing())
	return v, err
}

// setStanding sets the members about the person's standing. Without a role, s says nothing
// of a membership.
func (v *userView) setStanding(s access.Standing) {
	isMember := s.Role >= access.Member
	v.IsActive = s.AccountActive && (!isMember || s.MembershipActive)
	v.IsSuspended = s.AccountSuspended || isMember && s.MembershipSuspended
	v.IsArchived = s.AccountArchived
	v.Role, v.Standing.Account = s.Role.OrNil(), lifecycle.OfAccount(s)
	if isMember {
		v.Standing.Organization = new(lifecycle.OfMembership(s))
	}
}

func (s *store) find(ctx context.Context, id uuid.UUID, viewedFrom uuid.NullUUID, now time.Time) (userView, error) {
	v, err := scanView(s.db.Row(ctx, s.findSQL, id, viewedFrom, now).Scan)
	if database.IsNotFound(err) {
		return v, access.ErrUserNotFound
	}
	if err != nil {
		return v, fmt.Errorf("find user: %w", err)
	}
	return v, nil
}

// self is what the gate reads of the caller and of their organization.
type self struct {
	email, name      string
	bio, avatarURL   *string
	verified         bool
	locale           *field.Locale
	externalID       *string
	created, updated time.Time
	organization     *string
}

var selfRow = &access.Row[self]{
	Columns: "u.email, COALESCE(p.name, ''), p.bio, p.avatar_url, " + verified + ", u.locale, u.external_id, u.created_at, u.updated_at, o.name",
	Joins:   "LEFT JOIN user_profile p ON p.user_id = k.user_id",
	Into: func(r *self) []any {
		return []any{&r.email, &r.name, &r.bio, &r.avatarURL, &r.verified, &r.locale, &r.externalID, &r.created, &r.updated, &r.organization}
	},
}

// viewOfSelf returns the caller as they see themselves.
func viewOfSelf(c access.Caller, r *self) meView {
	s := c.Standing
	me := meView{userView: userView{
		ID: c.UserID, Email: r.email, Name: r.name, Bio: r.bio, AvatarURL: r.avatarURL,
		Verified: r.verified, Locale: r.locale, externalID: r.externalID, CreatedAt: r.created.UTC(), UpdatedAt: r.updated.UTC(),
	}}
	if !c.OrganizationID.Valid { // the gate may have read a standing in one that is not active
		s.Role = access.NoRole
	}
	me.setStanding(s)
	me.reveal(c)
	me.PlatformAdmin = c.PlatformAdmin
	if c.Role != access.NoRole && r.organization != nil {
		me.Organization = &activeOrganizationView{ID: c.OrganizationID.UUID, Name: *r.organization, Role: c.Role, IsSuspended: s.OrganizationSuspended}
	}
	return me
}

func (s *store) listMembers(ctx context.Context, organizationID uuid.UUID, w httpapi.Window, now time.Time) (httpapi.Page[listedUserView], error) {
	page, err := s.page(ctx, w, s.pagedSQL.Text(w.Backward), organizationID, w.After, w.Limit+1, w.Offset, now)
	if err != nil || !w.Count {
		return page, err
	}
	page.Total, err = s.db.Count(ctx, "SELECT COUNT(*) FROM organization_members WHERE organization_id = ?", organizationID)
	return page, err
}

func (s *store) listAll(ctx context.Context, viewedFrom uuid.NullUUID, w httpapi.Window, now time.Time) (httpapi.Page[listedUserView], error) {
	page, err := s.page(ctx, w, s.allSQL.Text(w.Backward), w.After, w.Limit+1, w.Offset, viewedFrom, now)
	if err != nil || !w.Count {
		return page, err
	}
	page.Total, err = s.db.Count(ctx, "SELECT COUNT(*) FROM users")
	return page, err
}

// listSelected returns a page of a selection of the members, or of all accounts.
func (s *store) listSelected(ctx context.Context, organizationID uuid.NullUUID, all bool, selection roster.Selection, w httpapi.Window, now time.Time) (page httpapi.Page[listedUserView], err error) {
	var list roster.Page
	if all {
		list, err = selection.Everybody(s.db, w, now)
	} else {
		list, err = selection.Members(s.db, organizationID.UUID, w, now)
	}
	if err != nil {
		return page, err
	}
	query, args := list.Read("page.term, "+viewColumns, s.ofPage, organizationID, now)
	found, err := s.people(ctx, byTerm, query, args...)
	if err != nil {
		return page, err
	}
	page = httpapi.NewKeyedPage(found, w, func(v listedUserView) field.Cursor { return list.Position(roster.Item{ID: v.ID, Term: v.term}) })
	if w.Count {
		count, args := list.Count()
		page.Total, err = s.db.Count(ctx, count, args...)
	}
	return page, err
}

// listNamed returns the people with these ids whom the organization knows, or all of them.
func (s *store) listNamed(ctx context.Context, organizationID uuid.NullUUID, all bool, ids []uuid.UUID, w httpapi.Window, now time.Time) (httpapi.Page[listedUserView], error) {
	everybody := 0
	if all {
		everybody = 1
	}
	args := []any{organizationID, now, everybody}
	for i := range mostNamed {
		args = append(args, ids[min(i, len(ids)-1)])
	}
	found, err := s.people(ctx, isFormer, s.namedSQL, args...)
	if err != nil {
		return httpapi.Page[listedUserView]{}, err
	}
	for i, v := range found {
		if v.IsFormer {
			found[i] = former(v)
		}
	}
	return httpapi.PageOf(found, w, keyOf), nil
}

// former returns what a former member shows: their id and name. The id contains when the
// account was created.
func former(v listedUserView) listedUserView {
	return listedUserView{userView: userView{ID: v.ID, Name: v.Name, CreatedAt: v.CreatedAt, UpdatedAt: v.CreatedAt}, IsFormer: true}
}

func (s *store) page(ctx context.Context, w httpapi.Window, query string, args ...any) (httpapi.Page[listedUserView], error) {
	found, err := s.people(ctx, isFormer, query, args...)
	if err != nil {
		return httpapi.Page[listedUserView]{}, err
	}
	return httpapi.NewPage(found, w, keyOf), nil
}

func keyOf(v listedUserView) uuid.UUID { return v.ID }

// These are where people scans the first column to.
func isFormer(v *listedUserView) any { return &v.IsFormer }
func byTerm(v *listedUserView) any   { return &v.term }

func (s *store) people(ctx context.Context, first func(*listedUserView) any, query string, args ...any) ([]listedUserView, error) {
	rows, err := s.db.Rows(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	found, err := database.Collect(rows, func(scan func(...any) error) (v listedUserView, err error) {
		v.userView, err = scanView(scan, first(&v))
		email, standing := v.userView.Email, v.userView.Standing
		v.Email, v.Standing = &email, &standing
		return v, err
	})
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	return found, nil
}
