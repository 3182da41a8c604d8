package schema

import "context"

// Retention is how long the rows of a table stay.
type Retention struct {
	how   string
	kind  string
	sweep Sweep
}

// Sweep deletes some of the rows that are no longer needed and returns how many, also
// where it fails in the end: the kernel calls it until there is none left.
type Sweep func(ctx context.Context) (int64, error)

// Kept is a table that no sweep deletes from. It says why the rows stay, or what else
// deletes them.
func Kept(why string) Retention { return Retention{how: why} }

// Swept is a table whose old rows a sweep deletes. The kind names them for people:
// "sessions".
func Swept(kind, when string, sweep Sweep) Retention {
	if kind == "" || sweep == nil {
		return Retention{}
	}
	return Retention{how: when, kind: kind, sweep: sweep}
}

// Kind of the rows that Sweep deletes; "" where there is none.
func (r Retention) Kind() string { return r.kind }

// Sweep is nil where rows are kept.
func (r Retention) Sweep() Sweep { return r.sweep }
