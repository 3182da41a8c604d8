package access

import "context"

// Along is what a route has the gate's query read as well, so that the request
// costs one statement: columns of one row more, for a view of the caller
// themselves or of the organization in question.
type Along[T any] struct {
	// Columns are selected over what the gate joins: k, with user_id,
	// organization_id and now; u, the caller's users row; o, the organization's
	// row if there is one. Joins adds to that, and must neither lose a row nor
	// multiply it: LEFT JOIN, by a key.
	Columns, Joins string
	// Into are where the columns are scanned to. Any of them may be NULL that
	// comes from a LEFT JOIN.
	Into func(*T) []any
}

// along is an Along of any type.
type along interface {
	columns() (columns, joins string)
	row() (row any, into []any)
}

func (a *Along[T]) columns() (columns, joins string) { return a.Columns, a.Joins }

func (a *Along[T]) row() (row any, into []any) {
	t := new(T)
	return t, a.Into(t)
}

// Reading has the gate's query read something for the handler, which finds it
// with Read.
func (r Rule) Reading(a along) Rule { r.along = a; return r }

// Read is what the gate read for the handler of a route whose rule is Reading a
// *Along[T].
func Read[T any](ctx context.Context) *T { return From(ctx).read.(*T) }

// asking is the gate's query for a rule.
func (g *Gate) asking(rule Rule) string {
	if rule.along == nil {
		return g.standingSQL
	}
	if known, ok := g.alongSQL.Load(rule.along); ok {
		return known.(string)
	}
	columns, joins := rule.along.columns()
	text := g.standing(g.askedOf(), ", "+columns, joins)
	g.alongSQL.Store(rule.along, text)
	return text
}
