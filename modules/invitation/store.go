package invitation

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/database"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
)

type store struct{ db *database.DB }

// offer is a row of either table: an invitation of one person, or a link for many.
type offer struct {
	isLink         bool
	id             uuid.UUID
	organizationID uuid.UUID
	inviterID      uuid.UUID
	role           access.Role
	created        time.Time
	expires        time.Time
	closedAt       sql.NullTime

	// Of an invitation.
	email, canonical string
	delivered        bool // only our mail had the token
	closedAs         status

	// Of a link.
	domains []string
	maxUses sql.NullInt64
	uses    int64
}

const invitationColumns = "i.organization_id, i.id, i.email, i.email_canonical, i.role, i.delivered, i.invited_by, i.created_at, i.expires_at, i.closed_at, COALESCE(i.closed_as, '')"

func (o *offer) scanInvitation(scan func(...any) error, more ...any) error {
	var role string
	err := scan(append([]any{&o.organizationID, &o.id, &o.email, &o.canonical, &role, &o.delivered, &o.inviterID, &o.created, &o.expires, &o.closedAt, &o.closedAs}, more...)...)
	o.role = roleNamed(role)
	return err
}

func roleNamed(name string) access.Role {
	if name == access.Admin.String() {
		return access.Admin
	}
	return access.Member
}

const linkColumns = "i.organization_id, i.id, i.domains, i.max_uses, i.uses, i.invited_by, i.created_at, i.expires_at, i.closed_at"

func (o *offer) scanLink(scan func(...any) error, more ...any) error {
	var domains string
	err := scan(append([]any{&o.organizationID, &o.id, &domains, &o.maxUses, &o.uses, &o.inviterID, &o.created, &o.expires, &o.closedAt}, more...)...)
	o.isLink, o.role, o.domains = true, access.Member, strings.Fields(domains)
	return err
}

// byToken returns the invitation or the link of a token. It refuses an unknown one
// (invitation_not_found).
func (s *store) byToken(ctx context.Context, hash string) (o offer, err error) {
	ctx = database.ForAll(database.OnPrimary(ctx)) // its organization is not known yet
	err = o.scanInvitation(s.db.Row(ctx, "SELECT "+invitationColumns+" FROM organization_invitations i WHERE i.token_hash = ?", hash).Scan)
	if database.IsNotFound(err) {
		err = o.scanLink(s.db.Row(ctx, "SELECT "+linkColumns+" FROM invitation_links i WHERE i.token_hash = ?", hash).Scan)
	}
	return o, found("an invitation", err)
}

// byEmail returns an invitation of an address. It refuses any other (invitation_not_found).
func (s *store) byEmail(ctx context.Context, id uuid.UUID, canonical string) (o offer, err error) {
	ctx = database.ForAll(database.OnPrimary(ctx))
	err = o.scanInvitation(s.db.Row(ctx, "SELECT "+invitationColumns+" FROM organization_invitations i WHERE i.email_canonical = ? AND i.id = ?", canonical, id).Scan)
	return o, found("an invitation", err)
}

// of returns an invitation of an organization. It refuses any other
// (invitation_not_found).
func (s *store) of(ctx context.Context, organizationID, id uuid.UUID) (o offer, err error) {
	err = o.scanInvitation(s.db.Row(ctx, "SELECT "+invitationColumns+" FROM organization_invitations i WHERE i.organization_id = ? AND i.id = ?", organizationID, id).Scan)
	return o, found("an invitation", err)
}

func found(what string, err error) error {
	if database.IsNotFound(err) {
		return errNotFound
	}
	if err != nil {
		return fmt.Errorf("find %s: %w", what, err)
	}
	return nil
}

// names are shown with an invitation.
type names struct{ organization, inviter string }

func (s *store) names(ctx context.Context, organizationID, inviterID uuid.UUID) (n names, err error) {
	ctx = database.For(ctx, database.Tenant{OrganizationID: uuid.NullUUID{UUID: organizationID, Valid: true}})
	err = s.db.Row(ctx, "SELECT o.name, p.name FROM (SELECT "+s.db.Param("uuid")+" AS organization_id, "+s.db.Param("uuid")+" AS user_id) k"+
		" JOIN organizations o ON o.id = k.organization_id JOIN user_profile p ON p.user_id = k.user_id", organizationID, inviterID).
		Scan(&n.organization, &n.inviter)
	if err != nil {
		return n, fmt.Errorf("read the names of an invitation: %w", err)
	}
	return n, nil
}

// account is what an acceptance needs of an account.
type account struct {
	id        uuid.UUID
	canonical string
	verified  bool
}

func (s *store) account(ctx context.Context, id uuid.UUID) (account, error) {
	a := account{id: id}
	err := s.db.Row(database.OnPrimary(ctx), "SELECT email_canonical, email_verified_at IS NOT NULL FROM users WHERE id = ?", id).Scan(&a.canonical, &a.verified)
	if err != nil {
		return a, fmt.Errorf("find account: %w", err)
	}
	return a, nil
}

// members returns which of these addresses belong to members.
func (s *store) members(ctx context.Context, organizationID uuid.UUID, canonical []string) (map[string]bool, error) {
	return s.among(ctx, `SELECT u.email_canonical FROM (SELECT `+s.db.Param("uuid")+` AS organization_id) k
		JOIN users u ON u.email_canonical IN ?
		JOIN organization_members m ON m.organization_id = k.organization_id AND m.user_id = u.id`, organizationID, canonical)
}

// invited returns which of these addresses have an open invitation.
func (s *store) invited(ctx context.Context, organizationID uuid.UUID, canonical []string, now time.Time) (map[string]bool, error) {
	return s.among(ctx, `SELECT email_canonical FROM organization_invitations
		WHERE organization_id = ? AND email_canonical IN ? AND closed_at IS NULL AND expires_at > ?`, organizationID, canonical, now)
}

func (s *store) among(ctx context.Context, query string, args ...any) (map[string]bool, error) {
	rows, err := s.db.Conn(ctx).Raw(query, args...).Rows()
	if err != nil {
		return nil, fmt.Errorf("find addresses: %w", err)
	}
	list, err := database.Collect(rows, func(scan func(...any) error) (email string, err error) { return email, scan(&email) })
	if err != nil {
		return nil, fmt.Errorf("find addresses: %w", err)
	}
	set := make(map[string]bool, len(list))
	for _, email := range list {
		set[email] = true
	}
	return set, nil
}

// add stores an invitation. An expired one of the same address ends.
func (s *store) add(ctx context.Context, o offer, hash string) error {
	err := s.db.Queue(ctx, `UPDATE organization_invitations SET closed_at = expires_at, closed_as = 'expired'
		WHERE organization_id = ? AND email_canonical = ? AND closed_at IS NULL AND expires_at <= ?`, o.organizationID, o.canonical, o.created)
	if err == nil {
		err = s.db.Queue(ctx, `INSERT INTO organization_invitations (organization_id, id, email, email_canonical, role, token_hash, delivered, invited_by, created_at, expires_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, o.organizationID, o.id, o.email, o.canonical, o.role.String(), hash, o.delivered, o.inviterID, o.created, o.expires)
	}
	if err != nil {
		return fmt.Errorf("store an invitation: %w", err)
	}
	return nil
}

// renew gives an open invitation a new token and a new expiry.
func (s *store) renew(ctx context.Context, o offer, hash string) error {
	return s.one(ctx, errClosed, "UPDATE organization_invitations SET token_hash = ?, delivered = ?, expires_at = ? WHERE organization_id = ? AND id = ? AND closed_at IS NULL",
		hash, o.delivered, o.expires, o.organizationID, o.id)
}

// close closes an open invitation, or refuses: another request has closed it.
func (s *store) close(ctx context.Context, o offer, as status, otherwise error, now time.Time) error {
	return s.one(ctx, otherwise, "UPDATE organization_invitations SET closed_at = ?, closed_as = ? WHERE organization_id = ? AND id = ? AND closed_at IS NULL",
		now, as, o.organizationID, o.id)
}

// use counts a use of an open link.
func (s *store) use(ctx context.Context, o offer) error {
	return s.one(ctx, errUsed, `UPDATE invitation_links SET uses = uses + 1 WHERE organization_id = ? AND id = ? AND closed_at IS NULL
		AND (max_uses IS NULL OR uses < max_uses)`, o.organizationID, o.id)
}

// one runs a statement that has to write one row.
func (s *store) one(ctx context.Context, otherwise error, statement string, args ...any) error {
	n, err := s.db.Exec(ctx, statement, args...)
	switch {
	case err != nil:
		return fmt.Errorf("change an invitation: %w", err)
	case n == 0:
		return otherwise
	default:
		return nil
	}
}

func (s *store) addLink(ctx context.Context, o offer, hash string) error {
	err := s.db.Queue(ctx, `INSERT INTO invitation_links (organization_id, id, domains, max_uses, uses, token_hash, invited_by, created_at, expires_at)
		VALUES (?, ?, ?, ?, 0, ?, ?, ?, ?)`, o.organizationID, o.id, strings.Join(o.domains, " "), o.maxUses, hash, o.inviterID, o.created, o.expires)
	if err != nil {
		return fmt.Errorf("store an invitation link: %w", err)
	}
	return nil
}

// closeLink revokes a link that was not revoked yet.
func (s *store) closeLink(ctx context.Context, organizationID, id uuid.UUID, now time.Time) error {
	var before sql.NullTime
	err := s.db.Row(ctx, "SELECT closed_at FROM invitation_links WHERE organization_id = ? AND id = ?", organizationID, id).Scan(&before)
	if database.IsNotFound(err) {
		return errLinkNotFound
	}
	if err != nil {
		return fmt.Errorf("find an invitation link: %w", err)
	}
	return s.one(ctx, errClosed, "UPDATE invitation_links SET closed_at = ? WHERE organization_id = ? AND id = ? AND closed_at IS NULL", now, organizationID, id)
}

// withdraw revokes what a person has open in one organization or in all: their invitations
// of admins or, if not only those, all of their invitations and links. It returns how many
// it revoked, by organization.
func (s *store) withdraw(ctx context.Context, inviterID uuid.UUID, organizationID uuid.NullUUID, onlyAdmins bool, now time.Time) (map[uuid.UUID]int, error) {
	ctx = database.ForAll(ctx)
	if some, err := s.hasOpen(ctx, inviterID); err != nil || !some {
		return nil, err
	}
	which, args := "invited_by = ? AND closed_at IS NULL", []any{inviterID}
	if organizationID.Valid {
		which, args = which+" AND organization_id = ?", append(args, organizationID.UUID)
	}
	statements := []string{"UPDATE organization_invitations SET closed_at = ?, closed_as = 'revoked' WHERE " + which}
	if onlyAdmins {
		statements[0] += " AND role = 'admin'"
	} else {
		statements = append(statements, "UPDATE invitation_links SET closed_at = ? WHERE "+which)
	}
	counts := map[uuid.UUID]int{}
	for _, statement := range statements {
		rows, err := s.db.Rows(ctx, statement+" RETURNING organization_id", append([]any{now}, args...)...)
		if err != nil {
			return nil, fmt.Errorf("withdraw invitations: %w", err)
		}
		ids, err := database.Collect(rows, func(scan func(...any) error) (id uuid.UUID, err error) { return id, scan(&id) })
		if err != nil {
			return nil, fmt.Errorf("withdraw invitations: %w", err)
		}
		for _, id := range ids {
			counts[id]++
		}
	}
	return counts, nil
}

// hasOpen reports whether a person has any invitation or link open: few people have.
func (s *store) hasOpen(ctx context.Context, inviterID uuid.UUID) (some bool, err error) {
	err = s.db.Row(ctx, `SELECT EXISTS (SELECT 1 FROM organization_invitations i WHERE i.invited_by = k.id AND i.closed_at IS NULL)
		OR EXISTS (SELECT 1 FROM invitation_links l WHERE l.invited_by = k.id AND l.closed_at IS NULL)
		FROM (SELECT `+s.db.Param("uuid")+` AS id) k`, inviterID).Scan(&some)
	if err != nil {
		return false, fmt.Errorf("find open invitations: %w", err)
	}
	return some, nil
}

// view returns an invitation as admins see it.
func (o offer) view(inviter string, now time.Time) invitationView {
	v := invitationView{
		ID: o.id, OrganizationID: o.organizationID, Email: o.email, Role: o.role, Delivered: o.delivered, Status: o.status(now),
		InvitedBy: inviterView{ID: o.inviterID, Name: inviter}, CreatedAt: o.created.UTC(), ExpiresAt: o.expires.UTC(),
	}
	if o.closedAt.Valid && o.closedAs != expired {
		v.ClosedAt = new(o.closedAt.Time.UTC())
	}
	return v
}

func (o offer) linkView(inviter string, now time.Time) invitationLinkView {
	v := invitationLinkView{
		ID: o.id, OrganizationID: o.organizationID, Domains: o.domains, Uses: o.uses, Status: o.status(now),
		InvitedBy: inviterView{ID: o.inviterID, Name: inviter}, CreatedAt: o.created.UTC(), ExpiresAt: o.expires.UTC(),
	}
	if v.Domains == nil {
		v.Domains = []string{}
	}
	if o.maxUses.Valid {
		v.MaxUses = &o.maxUses.Int64
	}
	if o.closedAt.Valid {
		v.ClosedAt = new(o.closedAt.Time.UTC())
	}
	return v
}

// filter is which invitations a list shows.
type filter struct {
	status wantedStatus
	prefix string
}

// where returns the condition of the filter.
func (f filter) where(now time.Time) (condition string, args []any) {
	switch status(f.status) {
	case open:
		condition, args = " AND i.closed_at IS NULL AND i.expires_at > ?", []any{now}
	case expired:
		condition, args = " AND (i.closed_as = 'expired' OR i.closed_at IS NULL AND i.expires_at <= ?)", []any{now}
	case accepted, declined, revoked:
		condition, args = " AND i.closed_as = ?", []any{string(f.status)}
	}
	if f.prefix != "" {
		// Not LIKE, for which SQLite would prepare the statement again for each value.
		condition, args = condition+" AND substr(i.email_canonical, 1, ?) = ?", append(args, utf8.RuneCountInString(f.prefix), f.prefix)
	}
	return condition, args
}

func (s *store) list(ctx context.Context, organizationID uuid.UUID, f filter, w httpapi.Window, now time.Time) (page httpapi.Page[invitationView], err error) {
	condition, args := f.where(now)
	rows, err := s.db.Rows(ctx, "SELECT "+invitationColumns+", p.name FROM organization_invitations i JOIN user_profile p ON p.user_id = i.invited_by"+
		" WHERE i.organization_id = ? AND i.id > ?"+condition+" ORDER BY i.id LIMIT ? OFFSET ?",
		slices.Concat([]any{organizationID, w.After}, args, []any{w.Limit + 1, w.Offset})...)
	if err != nil {
		return page, fmt.Errorf("list invitations: %w", err)
	}
	list, err := database.Collect(rows, func(scan func(...any) error) (invitationView, error) {
		var o offer
		var inviter string
		err := o.scanInvitation(scan, &inviter)
		return o.view(inviter, now), err
	})
	if err != nil {
		return page, fmt.Errorf("list invitations: %w", err)
	}
	page = httpapi.NewPage(list, w, func(v invitationView) uuid.UUID { return v.ID })
	if w.Count {
		page.Total, err = s.db.Count(ctx, "SELECT COUNT(*) FROM organization_invitations i WHERE i.organization_id = ?"+condition, append([]any{organizationID}, args...)...)
	}
	return page, err
}

func (s *store) listLinks(ctx context.Context, organizationID uuid.UUID, w httpapi.Window, now time.Time) (page httpapi.Page[invitationLinkView], err error) {
	rows, err := s.db.Rows(ctx, "SELECT "+linkColumns+`, p.name FROM invitation_links i JOIN user_profile p ON p.user_id = i.invited_by
		WHERE i.organization_id = ? AND i.id > ? ORDER BY i.id LIMIT ? OFFSET ?`, organizationID, w.After, w.Limit+1, w.Offset)
	if err != nil {
		return page, fmt.Errorf("list invitation links: %w", err)
	}
	list, err := database.Collect(rows, func(scan func(...any) error) (invitationLinkView, error) {
		var o offer
		var inviter string
		err := o.scanLink(scan, &inviter)
		return o.linkView(inviter, now), err
	})
	if err != nil {
		return page, fmt.Errorf("list invitation links: %w", err)
	}
	page = httpapi.NewPage(list, w, func(v invitationLinkView) uuid.UUID { return v.ID })
	if w.Count {
		page.Total, err = s.db.Count(ctx, "SELECT COUNT(*) FROM invitation_links WHERE organization_id = ?", organizationID)
	}
	return page, err
}

// ofAddress lists the open invitations of an address to organizations that are not
// archived.
func (s *store) ofAddress(ctx context.Context, canonical string, w httpapi.Window, now time.Time) (page httpapi.Page[myInvitationView], err error) {
	ctx = database.ForAll(ctx)
	const from = ` FROM organization_invitations i WHERE i.email_canonical = ? AND i.closed_at IS NULL AND i.expires_at > ?
		AND NOT EXISTS (SELECT 1 FROM organization_archives oa WHERE oa.organization_id = i.organization_id AND `
	which := from + access.OpenArchive("oa") + ")"
	rows, err := s.db.Rows(ctx, "SELECT i.id, i.organization_id, o.name, p.name, i.role, i.created_at, i.expires_at"+
		strings.Replace(which, " WHERE ", " JOIN organizations o ON o.id = i.organization_id JOIN user_profile p ON p.user_id = i.invited_by WHERE ", 1)+
		" AND i.id > ? ORDER BY i.id LIMIT ? OFFSET ?", canonical, now, w.After, w.Limit+1, w.Offset)
	if err != nil {
		return page, fmt.Errorf("list invitations of an address: %w", err)
	}
	list, err := database.Collect(rows, func(scan func(...any) error) (v myInvitationView, err error) {
		var role string
		err = scan(&v.ID, &v.OrganizationID, &v.OrganizationName, &v.InvitedByName, &role, &v.CreatedAt, &v.ExpiresAt)
		v.Role, v.CreatedAt, v.ExpiresAt = roleNamed(role), v.CreatedAt.UTC(), v.ExpiresAt.UTC()
		return v, err
	})
	if err != nil {
		return page, fmt.Errorf("list invitations of an address: %w", err)
	}
	page = httpapi.NewPage(list, w, func(v myInvitationView) uuid.UUID { return v.ID })
	if w.Count {
		page.Total, err = s.db.Count(ctx, "SELECT COUNT(*)"+which, canonical, now)
	}
	return page, err
}

// matches reports whether an account may use the offer by its address.
func (o offer) matches(canonical string) bool {
	if o.isLink {
		return len(o.domains) == 0 || slices.Contains(o.domains, string(field.Email(canonical).Domain()))
	}
	return o.canonical == canonical
}
