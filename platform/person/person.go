// Package person erases a person, and exports what the service holds about them. What that
// is in a table is declared with the table (schema.Erasure and schema.Copy).
package person

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/audit"
	"guildhall/platform/database"
	"guildhall/platform/schema"
)

// People erases and exports the people of a database.
type People struct {
	db     *database.DB
	trail  *audit.Trail
	now    func() time.Time
	tables []schema.Table
	most   int
}

// mostRows limits the rows of one list of an export, so that its size has a limit.
const mostRows = 100_000

// New returns the people of a database. Call SetTables before the first use.
func New(db *database.DB, trail *audit.Trail, now func() time.Time) *People {
	return &People{db: db, trail: trail, now: now, most: mostRows}
}

// SetTables sets what the modules declare.
func (p *People) SetTables(tables []schema.Table) { p.tables = tables }

// Identity is by what rows are a person's.
type Identity struct {
	ID       uuid.UUID
	Email    string // canonical
	Verified bool   // the address is proved
}

// errUndeclared is the error before SetTables. Erasing nothing must not look like success.
var errUndeclared = errors.New("person: no tables are declared")

var parameters = regexp.MustCompile(schema.Person + `\b|` + schema.Address + `\b|` + schema.OwnAddress + `\b|` + schema.Moment + `\b`)

// bind returns a statement as the database takes it, with its arguments.
func (p *People) bind(statement string, who Identity) (string, []any) {
	own := ""
	if who.Verified { // mutant: erasure-of-proved-address
		own = who.Email
	}
	values := map[string]any{schema.Person: who.ID, schema.Address: who.Email, schema.OwnAddress: own, schema.Moment: p.now()}
	var args []any
	return parameters.ReplaceAllStringFunc(statement, func(name string) string {
		args = append(args, values[name])
		return "?"
	}), args
}

// Erase erases what the tables hold about a person, and what the audit log does, within the
// caller's transaction, which has locked the account.
func (p *People) Erase(ctx context.Context, who Identity) error {
	if len(p.tables) == 0 {
		return errUndeclared
	}
	ctx = database.ForAll(ctx) // in every organization
	for _, t := range p.tables {
		for _, statement := range t.Erasure.Statements() {
			text, args := p.bind(statement, who)
			if _, err := p.db.Exec(ctx, text, args...); err != nil {
				return fmt.Errorf("erase a person in %s: %w", t.Name, err)
			}
		}
	}
	own, err := p.ownOrganizations(ctx, who)
	if err != nil {
		return err
	}
	return p.trail.Erase(ctx, who.ID, own...)
}

// ownOrganizations returns the organizations that nobody but the person is in.
func (p *People) ownOrganizations(ctx context.Context, who Identity) ([]uuid.UUID, error) {
	query, args := p.bind(schema.OwnOrganizations, who)
	rows, err := p.db.Rows(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("find a person's own organizations: %w", err)
	}
	return database.Collect(rows, func(scan func(...any) error) (id uuid.UUID, err error) { return id, scan(&id) })
}

// Export is what the service holds about a person.
type Export struct {
	UserID     uuid.UUID       `json:"user_id"`
	ExportedAt time.Time       `json:"exported_at"`
	Data       json.RawMessage `json:"data"`       // lists by their names
	Incomplete []string        `json:"incomplete"` // the names of lists that are too long to be whole
}

// Export returns what the service holds about a person, as of one moment.
func (p *People) Export(ctx context.Context, who Identity) (x Export, err error) {
	if len(p.tables) == 0 {
		return x, errUndeclared
	}
	tables, err := p.db.Tables(ctx)
	if err != nil {
		return x, err
	}
	x = Export{UserID: who.ID, ExportedAt: p.now(), Incomplete: []string{}}
	err = p.db.Snapshot(database.ForAll(ctx), func(ctx context.Context) error {
		data := append(x.Data[:0], '{')
		for _, t := range p.tables {
			if t.Copy.Name() == "" {
				continue
			}
			l := list{most: p.most}
			if err := p.read(ctx, t, tables[t.Name], who, &l); err != nil {
				return fmt.Errorf("export a person from %s: %w", t.Name, err)
			}
			if len(data) > 1 {
				data = append(data, ',')
			}
			data = append(append(data, '"'), t.Copy.Name()...)
			data = append(append(append(data, `":[`...), l.text...), ']')
			if l.isCut {
				x.Incomplete = append(x.Incomplete, t.Copy.Name())
			}
		}
		x.Data = append(data, '}')
		return nil
	})
	return x, err
}

func (p *People) read(ctx context.Context, t schema.Table, described database.Table, who Identity, l *list) error {
	if len(t.Copy.Columns()) == 0 {
		return p.trail.EachOwn(ctx, who.ID, func(e audit.OwnEvent) bool { return l.add(e) })
	}
	columns, err := described.Only(t.Copy.Columns()...)
	if err != nil {
		return err
	}
	where, args := p.bind(t.Copy.Where(), who)
	names := columns.ColumnNames()
	return p.db.SomeRows(ctx, columns, where, args, p.most+1, func(values []any) error {
		row := make(map[string]any, len(names))
		for i, name := range names {
			row[name] = values[i]
		}
		t.Copy.Show(row, who.ID)
		l.add(row)
		return l.failed
	})
}

// list is the JSON of the items of a list.
type list struct {
	text   []byte
	count  int
	most   int
	isCut  bool
	failed error
}

// add returns false when the list takes no more items.
func (l *list) add(item any) bool {
	if l.isCut = l.count == l.most; l.isCut { // mutant: export-bounded
		return false
	}
	encoded, err := json.Marshal(item)
	if err != nil {
		l.failed = err
		return false
	}
	if l.count++; l.count > 1 {
		l.text = append(l.text, ',')
	}
	l.text = append(l.text, encoded...)
	return true
}
