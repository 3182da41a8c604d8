package moving

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/database"
	"guildhall/platform/fault"
	"guildhall/platform/lifecycle"
)

// Two systems run side by side until a product has switched over. Meanwhile people change in
// the other one. A later import of the same name takes that over for accounts that are still
// the import's alone: it has made them, and nothing has happened to the person here since,
// except for failed attempts to log in, and memberships by other imports.

// Name is the form of Options.Name. It needs no escaping in JSON or SQL.
var Name = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,39}$`)

// current is what an account is that the import may change.
type current struct {
	name                string
	bio, avatar, locale *string
	externalID          *string
	verified            bool
	hash                string
	standing            standing
	owns                bool // an organization that is not archived
}

// change is what an import changes of an account that exists.
type change struct {
	person *person
	id     uuid.UUID
	now    current
	// What differs.
	profile, verified, password, standing bool
	roles                                 []joining   // members who become admins, or the other way round
	ended                                 []uuid.UUID // organizations that the person is no longer in
}

func (c *change) any() bool {
	return c.profile || c.verified || c.password || c.standing || len(c.roles)+len(c.ended) > 0
}

// bySame is the condition that this import has recorded an event.
func (im *importing) bySame() string {
	return `e.details LIKE '%"import":"` + im.options.Name + `"%'` // mutant: other-imports
}

// addCurrent adds to accounts what the import may change.
func (im *importing) addCurrent(ctx context.Context, accounts map[string]account, ids []string) error {
	if im.options.Name == "" {
		return nil
	}
	rows, err := im.DB.Rows(ctx, `SELECT u.email_canonical, u.email_verified_at IS NOT NULL, u.locale, u.external_id, p.name, p.bio, p.avatar_url, h.password_hash,
			sa.id IS NOT NULL, ss.reason, ss.suspended_until, sx.reason,
			EXISTS (SELECT 1 FROM organization_owners w WHERE w.user_id = u.id
				AND NOT EXISTS (SELECT 1 FROM organization_archives x WHERE x.organization_id = w.organization_id AND `+access.OpenArchive("x")+`))
		FROM (SELECT `+im.DB.Param("timestamptz")+` AS now) k CROSS JOIN users u
		JOIN user_profile p ON p.user_id = u.id JOIN user_login_password h ON h.user_id = u.id
		LEFT JOIN user_active_status sa ON sa.user_id = u.id AND sa.organization_id IS NULL AND sa.deactivated_at IS NULL
		LEFT JOIN user_suspensions ss ON ss.user_id = u.id AND ss.organization_id IS NULL AND `+access.OpenSuspension("ss", "k.now")+`
		LEFT JOIN user_archives sx ON sx.user_id = u.id AND `+access.OpenArchive("sx")+`
		WHERE `+im.DB.Among("u.id", "uuid")+` AND EXISTS (SELECT 1 FROM audit_events e WHERE e.chain_id = u.id AND e.sequence = 1 AND `+im.bySame()+`)
			AND NOT EXISTS (SELECT 1 FROM audit_events e WHERE e.user_id = u.id AND NOT `+im.bySame()+` AND e.action NOT IN ('`+string(audit.LogInFailed)+`', '`+string(audit.OperationForbidden)+`') AND NOT (e.action = '`+string(audit.MemberAdded)+`' AND e.details LIKE '%"import":"%'))`, // mutant: used-accounts
		im.now, asList(ids))
	if err != nil {
		return fmt.Errorf("find what accounts are: %w", err)
	}
	_, err = database.Collect(rows, func(scan func(...any) error) (none struct{}, err error) {
		var email string
		var c current
		var active bool
		var reason, archiveReason sql.NullString
		var until sql.NullTime
		if err := scan(&email, &c.verified, &c.locale, &c.externalID, &c.name, &c.bio, &c.avatar, &c.hash, &active, &reason, &until, &archiveReason, &c.owns); err != nil {
			return none, err
		}
		c.standing = standing{deactivated: !active, suspended: reason.Valid, reason: reason.String, archived: archiveReason.Valid, archiveReason: archiveReason.String}
		if until.Valid {
			c.standing.until = &until.Time
		}
		a := accounts[email]
		a.current = &c
		accounts[email] = a
		return none, nil
	})
	if err != nil {
		return fmt.Errorf("find what accounts are: %w", err)
	}
	return nil
}

// mayChange refuses a standing that the account of an owner must not get.
func (p *person) mayChange(now *current) (string, *fault.Problem) {
	if p.standing.archived && !now.standing.archived && now.owns { // mutant: archived-owner
		return "standing", &ownerArchived
	}
	return "", nil
}

// decideAgain decides on changes once more, within the transaction that writes them: since
// the batch was planned, a person may have logged in, or somebody may have changed something.
// Whoever does that records an event, and waits until this transaction ends.
func (im *importing) decideAgain(ctx context.Context, b *batch) error {
	if len(b.changes) == 0 {
		return nil
	}
	var chains []uuid.UUID
	var emails []string
	for p, c := range b.changes { // mutant: decided-once
		emails = append(emails, p.email.Canonical())
		chains = append(chains, c.id)
		for _, j := range c.roles {
			chains = append(chains, j.organizationID)
		}
		chains = append(chains, c.ended...)
	}
	if err := im.events.Lock(ctx, chains); err != nil {
		return err
	}
	accounts, err := im.accountsOf(ctx, emails)
	if err != nil {
		return err
	}
	for p := range b.changes {
		a := accounts[p.email.Canonical()]
		if a.current != nil && !a.admin {
			if _, wrong := p.mayChange(a.current); wrong == nil {
				if c := im.changeOf(p, a); c.any() {
					b.changes[p] = c
					continue
				}
			}
		}
		delete(b.changes, p)
	}
	return nil
}

// changeOf compares a row with the account that an earlier import has made of it.
func (im *importing) changeOf(p *person, a account) *change {
	c := &change{person: p, id: a.id, now: *a.current}
	if p.externalID == nil { // a smaller export: it does not take the id away
		p.externalID = c.now.externalID
	}
	c.profile = p.name != c.now.name || differ(p.bio, c.now.bio) || differ(p.avatar, c.now.avatar) || differ(p.locale, c.now.locale) || differ(p.externalID, c.now.externalID)
	c.verified = p.verified && im.options.TrustVerified && !c.now.verified
	c.password = p.stored != ""
	c.standing = !p.standing.same(c.now.standing)
	in := map[uuid.UUID]bool{}
	for _, m := range p.memberships {
		at := im.index.find(m.organization)
		if at < 0 {
			continue
		}
		e := &im.index.entries[at]
		in[e.id] = true
		role := a.organizations[e.id]
		if e.ours && m.role != role && access.Member <= min(m.role, role) && max(m.role, role) <= access.Admin {
			c.roles = append(c.roles, joining{a.id, e.id, m.role, m})
		}
	}
	for id, role := range a.organizations {
		// Only if the files say who is in the organization now.
		if at, described := im.index.here[id]; described && !in[id] && role != access.NoRole && role < access.Owner {
			if e := &im.index.entries[at]; e.ours && e.line > 0 && e.owner != p.key {
				c.ended = append(c.ended, id)
			}
		}
	}
	return c
}

func differ(a, b *string) bool { return (a == nil) != (b == nil) || a != nil && *a != *b }

func (s standing) same(other standing) bool {
	if s.String() != other.String() || s.suspended && s.reason != other.reason {
		return false
	}
	return !s.suspended || (s.until == nil) == (other.until == nil) && (s.until == nil || s.until.Equal(*other.until))
}

// change writes a change, and adds its events.
func (im *importing) change(ctx context.Context, in *inserts, c *change) error {
	p, id := c.person, c.id
	record := func(action audit.Action, organizationID uuid.NullUUID, details map[string]string) {
		if details == nil {
			details = map[string]string{}
		}
		details["import"] = im.id
		in.events = append(in.events, audit.Event{Action: action, OrganizationID: organizationID, UserID: id, Details: details})
	}
	var failed error
	write := func(statement string, args ...any) {
		if failed == nil {
			failed = im.DB.Queue(ctx, statement, args...)
		}
	}
	if c.profile {
		write("UPDATE user_profile SET name = ?, bio = ?, avatar_url = ? WHERE user_id = ?", p.name, orNil(p.bio), orNil(p.avatar), id)
		write("UPDATE users SET locale = ?, external_id = ?, updated_at = ? WHERE id = ?", orNil(p.locale), orNil(p.externalID), im.now, id)
		record(audit.ProfileChanged, uuid.NullUUID{}, nil)
	}
	if c.verified {
		write("UPDATE users SET email_verified_at = ?, updated_at = ? WHERE id = ?", im.now, im.now, id)
		record(audit.EmailVerified, uuid.NullUUID{}, nil)
	}
	if c.password {
		write("UPDATE user_login_password SET password_hash = ?, updated_at = ? WHERE user_id = ? AND password_hash = ?", p.stored, im.now, id, c.now.hash)
		record(audit.PasswordChanged, uuid.NullUUID{}, nil)
	}
	for _, j := range c.roles {
		organizationID := audit.In(j.organizationID)
		if j.role == access.Admin {
			write("INSERT INTO organization_admins (organization_id, user_id, granted_at) VALUES (?, ?, ?)", j.organizationID, id, im.now)
			record(audit.AdminGranted, organizationID, nil)
		} else {
			write("DELETE FROM organization_admins WHERE organization_id = ? AND user_id = ?", j.organizationID, id)
			record(audit.AdminRevoked, organizationID, nil)
		}
	}
	for _, organizationID := range c.ended {
		write("DELETE FROM organization_members WHERE organization_id = ? AND user_id = ?", organizationID, id) // with the admin's role
		record(audit.MemberRemoved, audit.In(organizationID), nil)
	}
	if c.standing && failed == nil {
		failed = im.stand(ctx, c, record)
	}
	if failed != nil {
		return fmt.Errorf("change an account: %w", failed)
	}
	return nil
}

// stand gives an account its new standing.
func (im *importing) stand(ctx context.Context, c *change, record func(audit.Action, uuid.NullUUID, map[string]string)) error {
	accounts := lifecycle.NewStore(im.DB, lifecycle.Tables{
		Activity: "user_active_status", Suspensions: "user_suspensions", Archives: "user_archives", Key: []string{"user_id", "organization_id"}, SharesReasons: true,
	})
	subject := append(lifecycle.Of(c.id), uuid.NullUUID{})
	nobody := uuid.NullUUID{}
	was, is := c.now.standing, c.person.standing
	lift := func() error { return accounts.Lift(ctx, subject, nobody, im.now) }
	for _, step := range []struct {
		due     bool
		action  audit.Action
		details map[string]string
		do      func() error
	}{
		{was.archived && !is.archived, audit.UserUnarchived, nil, func() error { return accounts.Unarchive(ctx, subject, nil, nobody, im.now) }},
		{was.suspended && !is.suspended, audit.UserActivated, nil, lift},
		{is.suspended && !was.same(is), audit.UserSuspended, audit.ReasonDetails(is.reason, is.until), func() error {
			if err := lift(); err != nil {
				return err
			}
			return accounts.Suspend(ctx, subject, lifecycle.Suspension{Reason: is.reason, SuspendedUntil: is.until, SuspendedAt: im.now})
		}},
		{is.archived && !was.archived, audit.UserArchived, audit.ReasonDetails(is.archiveReason, nil), func() error {
			return accounts.Archive(ctx, subject, is.archiveReason, nobody, im.now)
		}},
		{is.deactivated && !is.archived && (was.archived || !was.deactivated), audit.UserDeactivated, nil, func() error {
			return accounts.Deactivate(ctx, subject, nobody, im.now)
		}},
		{was.deactivated && !was.archived && !is.deactivated, audit.UserActivated, nil, func() error { return accounts.Activate(ctx, subject, nobody, im.now) }},
	} {
		if !step.due {
			continue
		}
		record(step.action, nobody, step.details)
		if err := step.do(); err != nil {
			return err
		}
	}
	return nil
}

// listGone passes on the active accounts that imports of this name have made, and that no row
// is about any more.
func (im *importing) listGone(ctx context.Context) error {
	if im.options.Name == "" {
		return nil
	}
	return pages(func(after uuid.UUID) (last uuid.UUID, err error) {
		rows, err := im.DB.Rows(ctx, `SELECT u.id, u.email, u.email_canonical, e.chain_id IS NOT NULL AND sa.id IS NOT NULL
			FROM (SELECT id FROM users WHERE id > ? ORDER BY id LIMIT ?) page JOIN users u ON u.id = page.id
			LEFT JOIN audit_events e ON e.chain_id = u.id AND e.sequence = 1 AND `+im.bySame()+`
			LEFT JOIN user_active_status sa ON sa.user_id = u.id AND sa.organization_id IS NULL AND sa.deactivated_at IS NULL ORDER BY u.id`, after, batchSize)
		if err != nil {
			return last, fmt.Errorf("find accounts of earlier imports: %w", err)
		}
		_, err = database.Collect(rows, func(scan func(...any) error) (none struct{}, err error) {
			var email, canonical string
			var active bool
			if err := scan(&last, &email, &canonical, &active); err != nil {
				return none, err
			}
			_, is := im.seen.emails[keyOf("email", canonical)]
			_, refused := im.seen.unread[keyOf("email", canonical)]
			if !active || is || refused {
				return none, nil
			}
			im.summary.Gone++
			if im.options.Gone != nil {
				return none, im.options.Gone(email)
			}
			return none, nil
		})
		return last, err
	})
}
