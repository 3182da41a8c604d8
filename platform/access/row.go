package access

import "context"

// Row adds columns to the gate's query, for a route that shows the caller or the
// organization, so that the request costs one statement.
type Row[T any] struct {
	// Columns are selected from the tables that the gate joins: k, with user_id,
	// organization_id and now; u, the caller's users row; o, the organization's row, if
	// any. Joins adds tables to them. It must neither drop nor duplicate a row: use LEFT
	// JOIN by a key.
	Columns, Joins string
	// Into returns the destinations of the columns. A column of a LEFT JOIN may be NULL.
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

// Reading returns a rule with which the gate reads the row, and a handler that gets it.
func Reading[T, In, Out any](rule Rule, r *Row[T], handler func(context.Context, In, *T) (Out, error)) (Rule, func(context.Context, In) (Out, error)) {
	rule.row = r
	return rule, func(ctx context.Context, in In) (Out, error) {
		read, _ := From(ctx).read.(*T) // nil without a caller, whom the rule does not require
		return handler(ctx, in, read)
	}
}

// queryKey is what the text of the gate's query depends on.
type queryKey struct {
	row    row
	proved bool
}

// queryOf returns the gate's query for a rule.
func (g *Gate) queryOf(rule Rule) string {
	if rule.row == nil && !rule.readsProof() {
		return g.standingSQL
	}
	key := queryKey{rule.row, rule.readsProof()}
	if known, ok := g.rowSQL.Load(key); ok {
		return known.(string)
	}
	var columns, joins string
	if rule.readsProof() {
		columns = proofColumns
	}
	if rule.row != nil {
		more, from := rule.row.columns()
		columns, joins = columns+", "+more, from
	}
	text := g.standing(g.parameterRow(), columns, joins)
	g.rowSQL.Store(key, text)
	return text
}
