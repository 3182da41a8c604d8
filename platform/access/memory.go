package access

import (
	"context"
	"regexp"
	"strings"
	"sync/atomic"

	"github.com/google/uuid"

	"guildhall/platform/database"
	"guildhall/platform/recent"
	"guildhall/platform/schema"
	"guildhall/platform/token"
)

// memory is what the gate knows without asking, on SQLite: callers in good
// standing, for as long as nothing that their standing rests on is written
// (database.Watch) and their session lasts. Whoever is not, or whose standing
// ends by itself at some time, is looked up each time.
type memory struct {
	watch  *database.Watch // nil: there is none
	known  *recent.Map[asked, answered]
	tables *declared
}

// asked is everything that an answer of the gate depends on, but the time.
type asked struct {
	userID, sessionID uuid.UUID
	organizationID    uuid.NullUUID
	row               row
}

type answered struct {
	epoch    int64
	standing Standing
	read     any // never changed by who gets it
}

func newMemory(db *database.DB) memory {
	tables := &declared{}
	return memory{watch: db.Watch(tables.harmless), known: recent.New[asked, answered](8192), tables: tables}
}

// Know tells the gate which tables there are. Until then it takes every statement to
// change everybody's standing.
func (g *Gate) Know(tables []schema.Table) {
	byName := make(map[string]schema.Standing, len(tables))
	for _, t := range tables {
		byName[t.Name] = t.Standing
	}
	g.memory.tables.byName.Store(&byName)
}

// declared are the tables of all modules, once they are known.
type declared struct {
	byName atomic.Pointer[map[string]schema.Standing]
}

func (d *declared) of(table string) schema.Standing {
	if byName := d.byName.Load(); byName != nil {
		return (*byName)[table]
	}
	return schema.Standing{}
}

// look reads the caller's standing, and what the rule reads along.
func (g *Gate) look(ctx context.Context, rule Rule, claims token.Access, organizationID uuid.NullUUID) (Standing, any, error) {
	now := g.now()
	key := asked{claims.UserID, claims.SessionID, organizationID, rule.row}
	var epoch int64
	var met, sure bool
	if g.memory.watch != nil {
		var a answered
		if a, met = g.memory.known.Find(key); met {
			epoch, sure = g.memory.watch.Epoch()
		}
		if sure && a.epoch == epoch && now.Before(a.standing.until) {
			return a.standing, a.read, nil
		}
	}
	var read any
	var into []any
	if rule.row != nil {
		read, into = rule.row.scan()
	}
	standing, err := g.query(ctx, g.queryOf(rule), claims.UserID, claims.SessionID, organizationID, now, into...)
	switch {
	case err != nil || g.memory.watch == nil || !standing.good(organizationID.Valid):
	case !met: // what a stranger asks costs a query, and not the epoch as well
		g.memory.known.Keep(key, answered{epoch: never})
	case sure:
		g.memory.known.Keep(key, answered{epoch, standing, read})
	}
	return standing, read, err
}

// never is no epoch: it marks a caller who was met once, and has no standing kept yet.
const never = -1

// good is a standing that only a statement which is not harmless can change.
func (s Standing) good(inOrganization bool) bool {
	return s.SessionLive && s.AccountGood() &&
		(!inOrganization || s.Present() && s.MembershipGood() && !s.OrganizationSuspended)
}

// harmless says of a statement that it can't change a good standing, nor what is
// read along with one. It knows the statements that are run often; of any other
// it says no.
func (d *declared) harmless(statement string) bool {
	if strings.Contains(statement, ";") { // there may be another behind it
		return false
	}
	verb, rest := word(statement)
	switch verb {
	case "SELECT":
		return true
	case "INSERT":
		into, rest := word(rest)
		table, _ := word(rest)
		standing := d.of(table)
		return into == "INTO" && standing.HarmlessInsert() && (standing.HarmlessDelete() || !changes.MatchString(rest))
	case "DELETE":
		from, rest := word(rest)
		table, _ := word(rest)
		return from == "FROM" && d.of(table).HarmlessDelete()
	case "UPDATE":
		table, rest := word(rest)
		standing := d.of(table)
		return standing.HarmlessDelete() || sets(rest, standing.HarmlessUpdate)
	default:
		return false
	}
}

// changes finds an upsert, which may change a row that is there. A column called
// updated_at is none.
var changes = regexp.MustCompile(`(?i)\bUPDATE\b`)

// sets says whether all columns that an UPDATE sets are of these.
func sets(set string, harmless func(column string) bool) bool {
	keyword, rest := word(set)
	assignments, _, found := strings.Cut(rest, "WHERE")
	if keyword != "SET" || !found || strings.Contains(assignments, "(") { // a query in it would have a WHERE of its own
		return false
	}
	for assignment := range strings.SplitSeq(assignments, ",") {
		if column, _ := word(assignment); !harmless(column) {
			return false
		}
	}
	return true
}

// word is the first word of SQL, without quotes, and the rest.
func word(text string) (first, rest string) {
	text = strings.TrimLeft(text, " \t\n")
	end := strings.IndexAny(text, " \t\n(=")
	if end < 0 {
		end = len(text)
	}
	return strings.Trim(text[:end], "`\""), text[end:]
}
