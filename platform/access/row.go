package access

import "context"

// Row is what a route has the gate's query read as well, so that the request costs
// one statement: more columns of the same row, for a view of the caller or of the
// organization.
type Row[T any] struct {
	// Columns are selected over what the gate joins: k, with user_id,
	// organization_id and now; u, the caller's users row; o, the organization's row
	// if there is one. Joins adds to that. It must neither lose a row nor multiply it:
	// LEFT JOIN, by a key.
	Columns, Joins string
	// Into returns where the columns are scanned to. A column of a LEFT JOIN may be
	// NULL.
	Into func(*T) []any
}

// row is a Row of any type.
type row interface {
	columns() (columns, joins string)
	scan() (value any, into []any)
}

func (r *Row[T]) columns() (columns, joins string) { return r.Columns, r.Joins }

func (r *Row[T]) scan() (value any, into []any) {
	t := new(T)
	return t, r.Into(t)
}

// Reading returns a rule that has the gate read the row, and the handler that gets it.
func Reading[T, In, Out any](rule Rule, r *Row[T], handler func(context.Context, In, *T) (Out, error)) (Rule, func(context.Context, In) (Out, error)) {
	rule.row = r
	return rule, func(ctx context.Context, in In) (Out, error) { return handler(ctx, in, From(ctx).read.(*T)) }
}

// queryOf is the gate's query for a rule.
func (g *Gate) queryOf(rule Rule) string {
	if rule.row == nil {
		return g.standingSQL
	}
	if known, ok := g.rowSQL.Load(rule.row); ok {
		return known.(string)
	}
	columns, joins := rule.row.columns()
	text := g.standing(g.askedOf(), ", "+columns, joins)
	g.rowSQL.Store(rule.row, text)
	return text
}
