package moving

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/database"
	"guildhall/platform/field"
)

// tablesOf returns the tables that an import writes, with the columns that it writes.
func tablesOf(known map[string]database.Table) (map[string]database.Table, error) {
	tables := map[string]database.Table{}
	for name, columns := range map[string][]string{
		"users":                      {"id", "email", "email_canonical", "external_id", "locale", "email_verified_at", "created_at", "updated_at"},
		"user_profile":               {"user_id", "name", "bio", "avatar_url"},
		"user_login_password":        {"user_id", "password_hash", "updated_at"},
		"user_active_status":         {"id", "user_id", "organization_id", "activated_at", "deactivated_at"},
		"user_suspensions":           {"id", "user_id", "organization_id", "reason", "suspended_at", "suspended_until"},
		"user_archives":              {"id", "user_id", "reason", "archived_at"},
		"organizations":              {"id", "name", "external_id", "created_at", "updated_at"},
		"organization_active_status": {"id", "organization_id", "activated_at", "deactivated_at"},
		"organization_suspensions":   {"id", "organization_id", "reason", "by_operator", "suspended_at", "suspended_until"},
		"organization_archives":      {"id", "organization_id", "reason", "archived_at"},
		"organization_members":       {"organization_id", "user_id", "joined_at"},
		"organization_admins":        {"organization_id", "user_id", "granted_at"},
		"organization_owners":        {"organization_id", "user_id", "since"},
	} {
		t, err := known[name].Only(columns...)
		if err != nil {
			return nil, err
		}
		tables[name] = t
	}
	return tables, nil
}

// inserts are rows of tables, in the order in which foreign keys allow them.
type inserts struct {
	rows   map[string][][]any
	events []audit.Event
}

var insertOrder = []string{
	"users", "user_profile", "user_login_password", "organizations", "organization_active_status", "organization_suspensions", "organization_archives",
	"organization_members", "organization_admins", "organization_owners", "user_active_status", "user_suspensions", "user_archives",
}

func (in *inserts) add(table string, values ...any) {
	if in.rows == nil {
		in.rows = map[string][][]any{}
	}
	in.rows[table] = append(in.rows[table], values)
}

func (im *importing) write(ctx context.Context, in *inserts) error {
	for _, table := range insertOrder {
		if err := im.DB.InsertAll(ctx, im.tables[table], in.rows[table]); err != nil {
			return err
		}
	}
	if len(in.events) == 0 {
		return nil
	}
	return im.events.Record(ctx, in.events)
}

// insert writes a planned batch within the transaction of the context.
func (im *importing) insert(ctx context.Context, b *batch) error {
	if err := im.decideAgain(ctx, b); err != nil {
		return err
	}
	var in inserts
	var invited []Invited
	for _, p := range b.people {
		if _, found := b.accounts[p.email.Canonical()]; found || b.refused[p] != nil {
			continue
		}
		im.account(&in, p)
		if p.hash == "" && im.invites() {
			i := Invited{ID: p.id, Email: string(p.email), Name: p.name}
			if p.locale != nil {
				i.Locale = field.Locale(*p.locale)
			}
			invited = append(invited, i)
		}
	}
	for _, j := range b.joining {
		im.member(&in, j)
	}
	for _, c := range b.changes {
		if err := im.change(ctx, &in, c); err != nil {
			return err
		}
	}
	if err := im.write(ctx, &in); err != nil {
		return err
	}
	for _, i := range invited {
		if err := im.Invite(ctx, i); err != nil {
			return fmt.Errorf("invite a person: %w", err)
		}
	}
	return nil
}

// account adds the rows of a new account.
func (im *importing) account(in *inserts, p *person) {
	id := p.id.String()
	var verifiedAt any
	if p.verified && im.options.TrustVerified { // mutant: trust-verified
		verifiedAt = im.now
	}
	hash := p.stored
	if hash == "" {
		hash = im.Unusable()
	}
	in.add("users", id, string(p.email), p.email.Canonical(), orNil(p.externalID), orNil(p.locale), verifiedAt, p.created, im.now)
	in.add("user_profile", id, p.name, orNil(p.bio), orNil(p.avatar))
	in.add("user_login_password", id, hash, im.now)
	im.standing(in, id, nil, p.created, p.standing)
	if p.standing.archived {
		in.add("user_archives", newID().String(), id, p.standing.archiveReason, im.now)
	}
	in.events = append(in.events, audit.Event{
		Action: audit.UserCreated, UserID: p.id, First: true, Details: map[string]string{"import": im.id, "standing": p.standing.String()},
	})
}

// standing adds the standing of a person's account or membership.
func (im *importing) standing(in *inserts, userID string, organizationID any, since time.Time, s standing) {
	in.add("user_active_status", newID().String(), userID, organizationID, since, im.endOf(s))
	if s.suspended {
		in.add("user_suspensions", newID().String(), userID, organizationID, s.reason, im.now, until(s))
	}
}

// member adds the rows of a membership.
func (im *importing) member(in *inserts, j joining) {
	organizationID, userID := j.organizationID.String(), j.userID.String()
	if j.joined.IsZero() {
		j.joined = im.now
	}
	in.add("organization_members", organizationID, userID, j.joined)
	im.standing(in, userID, organizationID, j.joined, j.standing)
	switch j.role {
	case access.Admin:
		in.add("organization_admins", organizationID, userID, im.now)
	case access.Owner:
		in.add("organization_owners", organizationID, userID, j.joined)
	}
	in.events = append(in.events, audit.Event{
		Action: audit.MemberAdded, OrganizationID: audit.In(j.organizationID), UserID: j.userID,
		Details: map[string]string{"role": j.role.String(), "import": im.id, "standing": j.standing.String()},
	})
}

// organization adds the rows of a new organization, without those of its owner.
func (im *importing) organization(in *inserts, id uuid.UUID, o *organization, ownerID uuid.UUID) {
	in.add("organizations", id.String(), o.name, orNil(o.externalID), o.created, im.now)
	in.add("organization_active_status", newID().String(), id.String(), o.created, im.endOf(o.standing))
	if o.standing.suspended {
		in.add("organization_suspensions", newID().String(), id.String(), o.standing.reason, !o.standing.byOwner, im.now, until(o.standing))
	}
	if o.standing.archived {
		in.add("organization_archives", newID().String(), id.String(), o.standing.archiveReason, im.now)
	}
	in.events = append(in.events, audit.Event{
		Action: audit.OrganizationCreated, OrganizationID: audit.In(id), UserID: ownerID, First: true,
		Details: map[string]string{"import": im.id, "standing": o.standing.String()},
	})
}

// endOf returns when an activity ended: now, if the standing says that it has.
func (im *importing) endOf(s standing) any {
	if s.deactivated {
		return im.now
	}
	return nil
}

func until(s standing) any {
	if s.until == nil {
		return nil
	}
	return *s.until
}

func orNil(s *string) any {
	if s == nil {
		return nil
	}
	return *s
}
