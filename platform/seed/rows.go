// Package seed is what sample data is made of: how much of what there is, who is in
// which organization, ids, times and names. All of it follows from numbers, so that it
// is the same in each run and on either database. Each module makes the rows of its
// tables of it (schema.Sampled).
package seed

// Rows of a table, made by number. Where Row returns nil, there is none.
type Rows struct {
	Columns []string
	Count   int64
	Row     func(i int64) []any
}
