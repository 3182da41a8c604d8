// Package roster reads pages of people: of the members of an organization, or of all
// accounts. It selects whom a list shows and in which order; modules add what they show of
// each.
package roster

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/database"
	"guildhall/platform/fault"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
	"guildhall/platform/lifecycle"
	"guildhall/platform/search"
)

// The tables of terms, by which people are found and sorted. The service of users stores
// them.
var (
	EverybodysTerms = search.Table{Name: "user_terms", Of: "user_id"}
	MembersTerms    = search.Table{Name: "member_terms", Of: "user_id", Tenant: "organization_id"}
)

// Selection says whom a list shows, and in which order. The zero value is everybody, in the
// order of their ids.
type Selection struct {
	Role     *access.Role        // only in a list of members
	Standing *lifecycle.Standing // of a member as OfMember returns it, of an account as OfAccount
	Search   *search.Query
	Sort     Sort
}

// Window returns the window of a page of the selection.
func (s Selection) Window(in httpapi.PageInput) (httpapi.Window, error) {
	if s.Sort == "" && s.Search == nil {
		return in.Window()
	}
	return in.KeyedWindow()
}

// Page is the query for one page of a selection.
type Page struct {
	text, order, count string
	args, countArgs    []any
	backward           bool // the query reads the list from its end
	byJoining          bool
}

// Item is a person in a list, as far as their position needs it.
type Item struct {
	ID     uuid.UUID
	Term   string    // page.term
	Joined time.Time // of a member
}

// Read returns the query with the given columns and, after FROM, joins. They use page, with
// user_id, term and for members organization_id. Its arguments are the page's and then
// those of the joins.
func (p Page) Read(columns, joins string, args ...any) (text string, all []any) {
	return database.InOrder("SELECT " + columns + " FROM (" + p.text + ") page" + joins + " ORDER BY " + p.order).Text(p.backward), append(p.args, args...)
}

// Count returns the query that counts the whole selection.
func (p Page) Count() (text string, args []any) { return p.count, p.countArgs }

// Position returns the position of a person in the list.
func (p Page) Position(i Item) field.Cursor {
	if p.byJoining {
		i.Term = i.Joined.UTC().Format(time.RFC3339Nano)
	}
	return field.Cursor{Key: i.Term, ID: i.ID}
}

// Members returns the query for a page of an organization's members. It refuses a cursor
// that the list did not give.
func (s Selection) Members(db *database.DB, organizationID uuid.UUID, w httpapi.Window, now time.Time) (Page, error) {
	members := "organization_members"
	if s.Role != nil && s.Sort == "" && s.Search == nil && *s.Role > access.Member {
		members = access.TableOf(*s.Role) // there are fewer
	}
	return s.page(db, MembersTerms, members, []any{organizationID}, w, now)
}

// Everybody returns the query for a page of all accounts. It refuses a cursor that the list
// did not give.
func (s Selection) Everybody(db *database.DB, w httpapi.Window, now time.Time) (Page, error) {
	return s.page(db, EverybodysTerms, "(SELECT u.id AS user_id FROM users u)", nil, w, now)
}

// page returns the query for a page of people, who are in a table with the columns of
// terms' key, within an organization if one is given.
func (s Selection) page(db *database.DB, terms search.Table, people string, organization []any, w httpapi.Window, now time.Time) (p Page, err error) {
	back := w.Backward != s.Sort.isDown()
	var text string
	var start, position []any // where the list and the page begin
	keys := []string{"user_id"}
	from := "SELECT t." + strings.Join(terms.Key(), ", t.") + ", '' AS term"
	where := " FROM " + people + " t WHERE "
	if organization != nil {
		where += "t.organization_id = ? AND "
	}
	switch {
	case s.Sort == byJoining || s.Sort == byJoiningDown:
		p.byJoining, keys = true, []string{"joined_at", "user_id"}
		text = from + ", t.joined_at" + where + "(t.joined_at, t.user_id) {>} (?, ?)"
		start = []any{time.Time{}, uuid.Nil}
		if position, err = joiningPosition(w, back); err != nil {
			return p, err
		}
	case s.Sort != "":
		keys, text = []string{"term", "user_id"}, terms.ByName()
		start, position = search.NameArgs("", uuid.Nil, false), search.NameArgs(w.Key, w.After, back)
	case s.Search != nil:
		keys, text = []string{"term", "user_id"}, terms.Matching()
		start, position = s.Search.Args("", uuid.Nil, false), s.Search.Args(w.Key, w.After, back)
	default:
		text = from + where + "t.user_id {>} ?"
		start, position = []any{uuid.Nil}, []any{w.After}
	}
	conditions, args := s.conditions(db, terms, organization, now)
	text += conditions
	list := "t."
	if s.Search != nil && s.Sort != "" {
		// What matches is found first and sorted then. Without the limit, PostgreSQL may read
		// the list in its order, for matches that are rare.
		text, list = "SELECT * FROM ("+text+" LIMIT 1000000000 OFFSET 0) found", "found."
	}
	p.backward = back
	p.text = text + " ORDER BY " + inOrder(list, keys) + " LIMIT ? OFFSET ?"
	p.order = inOrder("page.", keys)
	p.count = database.InOrder("SELECT COUNT(*) FROM (" + text + ") found").Text(false)
	p.args = slices.Concat(organization, position, args, []any{w.Limit + 1, w.Offset})
	p.countArgs = slices.Concat(organization, start, args)
	return p, nil
}

// conditions returns what else holds for those whom the selection shows.
func (s Selection) conditions(db *database.DB, terms search.Table, organization []any, now time.Time) (text string, args []any) {
	if s.Search != nil && s.Sort != "" {
		text += " AND t.user_id IN (SELECT found.user_id FROM (" + database.InOrder(terms.Matching()).Text(false) + ") found)"
		args = slices.Concat(organization, s.Search.Args("", uuid.Nil, false))
	}
	if s.Role != nil {
		text += " AND " + access.HasRole("t", *s.Role)
	}
	if s.Standing != nil {
		condition := s.Standing.Is(db, "t", organization != nil)
		text += " AND " + condition
		for range strings.Count(condition, "?") {
			args = append(args, now)
		}
	}
	return text, args
}

// joiningPosition returns when the person beside the page joined, and their id.
func joiningPosition(w httpapi.Window, back bool) ([]any, error) {
	if w.Key == "" {
		if back {
			return []any{time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), uuid.Max}, nil
		}
		return []any{time.Time{}, uuid.Nil}, nil
	}
	joined, err := time.Parse(time.RFC3339Nano, w.Key)
	if err != nil {
		return nil, httpapi.Invalid("query.cursor", fault.NotACursor)
	}
	return []any{joined.UTC(), w.After}, nil
}

// inOrder returns the columns of ORDER BY for database.InOrder.
func inOrder(prefix string, keys []string) string {
	return prefix + strings.Join(keys, "{order}, "+prefix) + "{order}"
}
