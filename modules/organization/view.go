package organization

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/swaggest/jsonschema-go"

	"guildhall/platform/access"
	"guildhall/platform/database"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
	"guildhall/platform/lifecycle"
	"guildhall/platform/search"
)

// The columns of an organizationView and the joins that they need. They use o
// (organizations) and k.now.
var (
	viewColumns = `o.id, o.name, o.external_id, o.created_at, o.updated_at,
	(CASE WHEN sa.id IS NULL THEN 0 ELSE 1 END) + (CASE WHEN ss.id IS NULL THEN 0 ELSE 2 END) + (CASE WHEN sx.id IS NULL THEN 0 ELSE 4 END)`
	viewJoins = `
LEFT JOIN organization_active_status sa ON sa.organization_id = o.id AND sa.deactivated_at IS NULL
LEFT JOIN organization_suspensions ss ON ss.organization_id = o.id AND ` + access.OpenSuspension("ss", "k.now") + `
LEFT JOIN organization_archives sx ON sx.organization_id = o.id AND ` + access.OpenArchive("sx")
	// visible selects which of a person's organizations a list shows: those that are not
	// archived and, on request, the archived ones that the person owns.
	visible = `
	AND (NOT EXISTS (SELECT 1 FROM organization_archives a WHERE a.organization_id = om.organization_id AND ` + access.OpenArchive("a") + `)
		OR (%[3]s = 1 AND EXISTS (SELECT 1 FROM organization_owners w WHERE w.organization_id = om.organization_id AND w.user_id = om.user_id)))`
)

func newStore(db *database.DB) *store {
	id, now, flag := db.Param("uuid"), db.Param("timestamptz"), db.Param("int")
	build := func(query string) string { return fmt.Sprintf(query, id, now, flag) }
	// The page is selected before the joins, so that its cost does not depend on the number of
	// later rows.
	of := `
			FROM (SELECT om.organization_id, om.user_id, om.joined_at FROM organization_members om
				WHERE om.user_id = ? AND om.organization_id {>} ?` + visible + `
				ORDER BY om.organization_id{order} LIMIT ? OFFSET ?) m
			CROSS JOIN (SELECT %[2]s AS now) k
			JOIN organizations o ON o.id = m.organization_id`
	return &store{
		db:    db,
		terms: search.NewStore(db, organizationsTerms),
		lifecycle: lifecycle.NewStore(db, lifecycle.Tables{
			Activity: "organization_active_status", Suspensions: "organization_suspensions", Archives: "organization_archives",
			Key: []string{"organization_id"}, ByPlatform: true,
			AlreadySuspended: errAlreadySuspended, NotSuspended: errNotSuspended, AlreadyArchived: errAlreadyArchived, NotArchived: errNotArchived,
		}),
		findSQL: build("SELECT " + viewColumns + `
			FROM (SELECT %[1]s AS id, %[2]s AS now) k JOIN organizations o ON o.id = k.id` + viewJoins),
		mineSQL: database.InOrder(build("SELECT " + access.RoleColumn + ", m.joined_at, " + viewColumns + of + access.RoleJoins + viewJoins + `
			ORDER BY o.id{order}`)),
		ofSQL: database.InOrder(build("SELECT ma.id IS NOT NULL, ms.id IS NOT NULL, " + access.RoleColumn + ", m.joined_at, " + viewColumns + of +
			access.RoleJoins + access.MembershipJoins + viewJoins + `
			ORDER BY o.id{order}`)),
		// What joins to a page of all organizations a person's membership, if any.
		ofPageSQL: build(`
			CROSS JOIN (SELECT %[1]s AS user_id, %[2]s AS now) k
			JOIN organizations o ON o.id = page.organization_id
			LEFT JOIN organization_members m ON m.organization_id = o.id AND m.user_id = k.user_id` + access.RoleJoins + viewJoins),
		choicesSQL: build("SELECT " + access.RoleColumn + `, m.joined_at, o.id, o.name, (CASE WHEN ms.id IS NOT NULL THEN '` +
			access.ErrMembershipSuspended.Code + `' WHEN ma.id IS NULL THEN '` + access.ErrMembershipInactive.Code + `' WHEN os.id IS NOT NULL THEN '` +
			access.ErrOrganizationSuspended.Code + `' ELSE '` + string(goodChoice) + `' END),
			(CASE WHEN ` + access.AsksForFactor("m", "k.now") + ` THEN 1 ELSE 0 END)
			FROM (SELECT %[1]s AS user_id, %[2]s AS now) k
			JOIN organization_members m ON m.user_id = k.user_id
			JOIN organizations o ON o.id = m.organization_id` + access.RoleJoins + access.MembershipJoins + `
			LEFT JOIN organization_suspensions os ON os.organization_id = m.organization_id AND ` + access.OpenSuspension("os", "k.now") + `
			WHERE NOT EXISTS (SELECT 1 FROM organization_archives a WHERE a.organization_id = m.organization_id AND ` + access.OpenArchive("a") + `)
			ORDER BY m.organization_id`),
	}
}

func scanView(scan func(...any) error, first ...any) (v organizationView, err error) {
	var standing int64
	err = scan(append(first, &v.ID, &v.Name, &v.externalID, &v.CreatedAt, &v.UpdatedAt, &standing)...)
	v.CreatedAt, v.UpdatedAt = v.CreatedAt.UTC(), v.UpdatedAt.UTC()
	v.IsActive, v.IsSuspended, v.IsArchived = standing&1 != 0, standing&2 != 0, standing&4 != 0
	return v, err
}

// choiceStanding says whether a person can switch to an organization, or the code of the
// refusal.
type choiceStanding string

const goodChoice choiceStanding = "good"

// JSONSchema lists the values for the OpenAPI document.
func (choiceStanding) JSONSchema() (jsonschema.Schema, error) {
	return field.OpenEnum(string(goodChoice), access.ErrMembershipSuspended.Code, access.ErrMembershipInactive.Code, access.ErrOrganizationSuspended.Code,
		access.ErrStepUpRequired.Code, access.ErrFactorRequired.Code), nil
}

// shown is what the gate reads of the organization in the path. The organization exists,
// because otherwise the gate refuses the request.
type shown struct {
	name             sql.NullString
	externalID       *string
	created, updated sql.NullTime
	active           bool
}

var organizationRow = &access.Row[shown]{
	Columns: "o.name, o.external_id, o.created_at, o.updated_at, (CASE WHEN sa.id IS NULL THEN 0 ELSE 1 END)",
	Joins:   "LEFT JOIN organization_active_status sa ON sa.organization_id = k.organization_id AND sa.deactivated_at IS NULL",
	Into:    func(r *shown) []any { return []any{&r.name, &r.externalID, &r.created, &r.updated, &r.active} },
}

// fromGate returns the organization in the path, which the gate has read.
func fromGate(id uuid.UUID, r *shown, standing access.Standing) organizationView {
	return organizationView{
		ID: id, Name: r.name.String, externalID: r.externalID, CreatedAt: r.created.Time.UTC(), UpdatedAt: r.updated.Time.UTC(),
		IsActive: r.active, IsSuspended: standing.OrganizationSuspended, IsArchived: standing.OrganizationArchived,
		Role: standing.Role.OrNil(),
	}
}

func (s *store) find(ctx context.Context, id uuid.UUID, now time.Time) (organizationView, error) {
	v, err := scanView(s.db.Row(ctx, s.findSQL, id, now).Scan)
	if database.IsNotFound(err) {
		return v, access.ErrOrganizationNotFound
	}
	if err != nil {
		return v, fmt.Errorf("find organization: %w", err)
	}
	return v, nil
}

// list reads one page of a person's organizations, as a membershipView.
func (s *store) list(ctx context.Context, userID uuid.UUID, archived bool, w httpapi.Window, now time.Time) (page httpapi.Page[membershipView], err error) {
	rows, err := s.db.Rows(ctx, s.mineSQL.Text(w.Backward), userID, w.After, flag(archived), w.Limit+1, w.Offset, now)
	if err != nil {
		return page, fmt.Errorf("list organizations: %w", err)
	}
	found, err := database.Collect(rows, func(scan func(...any) error) (membershipView, error) { return scanMembership(scan) })
	if err != nil {
		return page, fmt.Errorf("list organizations: %w", err)
	}
	page = httpapi.NewPage(found, w, func(v membershipView) uuid.UUID { return v.ID })
	if w.Count {
		page.Total, err = s.countMine(ctx, userID, archived)
	}
	return page, err
}

// listOf reads one page of a person's organizations.
func (s *store) listOf(ctx context.Context, userID uuid.UUID, archived bool, w httpapi.Window, now time.Time) (page httpapi.Page[userMembershipView], err error) {
	rows, err := s.db.Rows(ctx, s.ofSQL.Text(w.Backward), userID, w.After, flag(archived), w.Limit+1, w.Offset, now)
	if err != nil {
		return page, fmt.Errorf("list organizations of a person: %w", err)
	}
	found, err := database.Collect(rows, func(scan func(...any) error) (v userMembershipView, err error) {
		standing := access.Standing{}
		v.organizationView, err = scanView(scan, &standing.MembershipActive, &standing.MembershipSuspended, &v.Role, &v.JoinedAt)
		v.JoinedAt, v.Standing = v.JoinedAt.UTC(), lifecycle.OfMembership(standing)
		return v, err
	})
	if err != nil {
		return page, fmt.Errorf("list organizations of a person: %w", err)
	}
	page = httpapi.NewPage(found, w, func(v userMembershipView) uuid.UUID { return v.ID })
	if w.Count {
		page.Total, err = s.countMine(ctx, userID, archived)
	}
	return page, err
}

// flag returns a condition as the parameter of a query.
func flag(is bool) int {
	if is {
		return 1
	}
	return 0
}

// listAll reads one page of all organizations, of those that match a search, and of those in
// a standing. Archived ones are in it if archived says so, or the standing.
func (s *store) listAll(ctx context.Context, userID uuid.UUID, q *search.Query, standing *listedStanding, archived bool, w httpapi.Window, now time.Time) (page httpapi.Page[membershipView], err error) {
	text, order := "SELECT t.id AS organization_id, '' AS term FROM organizations t WHERE t.id {>} ?", "page.organization_id{order}"
	id, start, args := "t.id", []any{uuid.Nil}, []any{w.After}
	if q != nil {
		text, order = organizationsTerms.Matching(), "page.term{order}, page.organization_id{order}"
		id, start, args = "t.organization_id", q.Args("", uuid.Nil, false), q.Args(w.Key, w.After, w.Backward)
	}
	condition, more := s.inStanding(id, standing, archived, now)
	text += condition
	query := "SELECT page.term, " + access.RoleColumn + ", m.joined_at, " + viewColumns + " FROM (" + text + " ORDER BY " + strings.ReplaceAll(order, "page.", "") + " LIMIT ? OFFSET ?) page" + s.ofPageSQL + " ORDER BY " + order
	rows, err := s.db.Rows(ctx, database.InOrder(query).Text(w.Backward), slices.Concat(args, more, []any{w.Limit + 1, w.Offset, userID, now})...)
	if err != nil {
		return page, fmt.Errorf("list all organizations: %w", err)
	}
	found, err := database.Collect(rows, func(scan func(...any) error) (v membershipView, err error) {
		var term string
		v, err = scanMembership(scan, &term)
		v.term = term
		return v, err
	})
	if err != nil {
		return page, fmt.Errorf("list all organizations: %w", err)
	}
	page = httpapi.NewKeyedPage(found, w, func(v membershipView) field.Cursor { return field.Cursor{Key: v.term, ID: v.ID} })
	if w.Count {
		page.Total, err = s.db.Count(ctx, "SELECT COUNT(*) FROM ("+database.InOrder(text).Text(false)+") found", slices.Concat(start, more)...)
	}
	return page, err
}

// scanMembership also scans the columns before those of a membership.
func scanMembership(scan func(...any) error, first ...any) (v membershipView, err error) {
	var role access.Role
	var joined sql.NullTime
	v.organizationView, err = scanView(scan, append(first, &role, &joined)...)
	v.Role = role.OrNil()
	if joined.Valid {
		v.JoinedAt = new(joined.Time.UTC())
	}
	return v, err
}

// inStanding returns the condition that the organization with an id is in a standing and,
// unless archived, not archived.
func (s *store) inStanding(id string, standing *listedStanding, archived bool, now time.Time) (condition string, args []any) {
	isArchivedNow := "EXISTS (SELECT 1 FROM organization_archives a WHERE a.organization_id = " + id + " AND " + access.OpenArchive("a") + ")"
	isSuspendedNow := "EXISTS (SELECT 1 FROM (SELECT " + s.db.Param("timestamptz") + " AS now) k JOIN organization_suspensions x ON x.organization_id = " + id + " AND " + access.OpenSuspension("x", "k.now") + ")"
	switch {
	case standing == nil && archived:
		return "", nil
	case standing == nil:
		return " AND NOT " + isArchivedNow, nil
	case *standing == isArchived:
		return " AND " + isArchivedNow, nil
	case *standing == isSuspended:
		return " AND " + isSuspendedNow + " AND NOT " + isArchivedNow, []any{now}
	default:
		return " AND NOT " + isSuspendedNow + " AND NOT " + isArchivedNow, []any{now}
	}
}

// countMine counts a person's organizations.
func (s *store) countMine(ctx context.Context, userID uuid.UUID, archived bool) (*int64, error) {
	return s.db.Count(ctx, "SELECT COUNT(*) FROM organization_members om WHERE om.user_id = ?"+
		fmt.Sprintf(visible, "", "", s.db.Param("int")), userID, flag(archived))
}

func (s *store) choices(ctx context.Context, userID uuid.UUID, now time.Time) ([]choiceView, error) {
	rows, err := s.db.Rows(ctx, s.choicesSQL, userID, now)
	if err != nil {
		return nil, fmt.Errorf("list choices: %w", err)
	}
	return database.Collect(rows, func(scan func(...any) error) (c choiceView, err error) {
		err = scan(&c.Role, &c.JoinedAt, &c.ID, &c.Name, &c.Standing, &c.asksForFactor)
		c.JoinedAt = c.JoinedAt.UTC()
		return c, err
	})
}
