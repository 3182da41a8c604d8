package transfer

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"guildhall/platform/audit"
	"guildhall/platform/database"
	"guildhall/platform/field"
)

// settle finds people's accounts by their email addresses, and creates those that do
// not exist. An existing account is not changed: an organization has no authority over
// it.
func (l *load) settle(ctx context.Context, batch []entry) error {
	emails := make([]string, len(batch))
	for i, e := range batch {
		emails[i] = field.Email(e.text("email")).Canonical()
	}
	// The ids must be checked first. If a person registers meanwhile, the next query
	// finds that account by its address.
	taken, err := l.taken(ctx, batch)
	if err != nil {
		return err
	}
	here, err := l.accounts(ctx, emails)
	if err != nil {
		return err
	}
	var missing []entry
	for i, e := range batch {
		p := &l.people[l.settled]
		l.settled++
		if id, found := here[emails[i]]; found {
			p.here = id
			l.result.Found++
			continue
		}
		if taken[p.id] {
			return fmt.Errorf("the id %s is already used here for another account or object", p.id)
		}
		p.here = p.id
		missing = append(missing, e)
	}
	return l.makeAccounts(ctx, missing)
}

func (l *load) accounts(ctx context.Context, emails []string) (map[string]uuid.UUID, error) {
	rows, err := l.db.Conn(ctx).Raw("SELECT email_canonical, id FROM users WHERE email_canonical IN ?", emails).Rows()
	if err != nil {
		return nil, fmt.Errorf("find accounts: %w", err)
	}
	here := map[string]uuid.UUID{}
	_, err = database.Collect(rows, func(scan func(...any) error) (none struct{}, err error) {
		var email string
		var id uuid.UUID
		err = scan(&email, &id)
		here[email] = id
		return none, err
	})
	if err != nil {
		return nil, fmt.Errorf("find accounts: %w", err)
	}
	return here, nil
}

// taken returns which of the people's ids are in use here. settle refuses such an id
// unless it is the person's own account, because events that name it would be
// attributed to another one.
func (l *load) taken(ctx context.Context, people []entry) (map[uuid.UUID]bool, error) {
	ids := make([]uuid.UUID, len(people))
	for i, e := range people {
		ids[i] = e.id("id")
	}
	rows, err := l.db.Conn(ctx).Raw("SELECT id FROM users WHERE id IN ? UNION SELECT id FROM audit_chains WHERE id IN ?", ids, ids).Rows()
	if err != nil {
		return nil, fmt.Errorf("query the ids: %w", err)
	}
	found, err := database.Collect(rows, func(scan func(...any) error) (id uuid.UUID, err error) { return id, scan(&id) })
	if err != nil {
		return nil, fmt.Errorf("query the ids: %w", err)
	}
	taken := map[uuid.UUID]bool{}
	for _, id := range found {
		taken[id] = true
	}
	return taken, nil
}

// makeAccounts creates active accounts, under the ids that the people had.
func (l *load) makeAccounts(ctx context.Context, people []entry) error {
	if len(people) == 0 {
		return nil
	}
	var users, profiles, passwords, statuses []any
	var events []audit.Event
	now := l.reading.now
	for _, e := range people {
		id, address := e.id("id"), e.text("email")
		hash := e.text("password_hash")
		if !l.options.PasswordHashes || hash == "" { // mutant: import-passwords-option
			hash = l.hasher.Unusable()
			l.result.WithoutPassword++
		}
		users = append(users, id, address, field.Email(address).Canonical(), e.value("created_at"), e.value("updated_at"))
		profiles = append(profiles, id, e.value("name"), e.value("bio"), e.value("avatar_url"))
		passwords = append(passwords, id, hash, now)
		statuses = append(statuses, uuid.Must(uuid.NewV7()), id, now)
		events = append(events, audit.Event{
			Action: audit.UserRegistered, UserID: id, Details: map[string]string{"imported_with": l.organizationID.String()},
		})
	}
	for _, rows := range []struct {
		table   string
		columns []string
		values  []any
	}{
		{"users", []string{"id", "email", "email_canonical", "created_at", "updated_at"}, users},
		{"user_profile", []string{"user_id", "name", "bio", "avatar_url"}, profiles},
		{"user_login_password", []string{"user_id", "password_hash", "updated_at"}, passwords},
		{"user_active_status", []string{"id", "user_id", "activated_at"}, statuses},
	} {
		if err := l.insertInto(ctx, rows.table, rows.columns, rows.values); err != nil {
			return fmt.Errorf("make accounts: %w", err)
		}
	}
	l.result.Made += int64(len(people))
	return l.trail.RecordFirst(ctx, events)
}
