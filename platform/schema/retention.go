package schema

import "context"

// Retention says how long the rows of a table are kept.
type Retention struct {
	how   string
	kind  string
	sweep Sweep
}

// Sweep deletes a batch of the rows that are no longer needed. It returns how many it
// deleted, even with an error. The kernel calls it until it deletes none.
type Sweep func(ctx context.Context) (int64, error)

// Kept is for a table without a sweep. The text says why its rows are kept, or what else
// deletes them.
func Kept(why string) Retention { return Retention{how: why} }

// Swept is for a table whose old rows a sweep deletes. The kind names the rows in output,
// such as "sessions".
func Swept(kind, when string, sweep Sweep) Retention {
	if kind == "" || sweep == nil {
		return Retention{}
	}
	return Retention{how: when, kind: kind, sweep: sweep}
}

// Kind returns the kind of the rows that Sweep deletes, or "".
func (r Retention) Kind() string { return r.kind }

// Sweep returns the table's sweep, or nil if its rows are kept.
func (r Retention) Sweep() Sweep { return r.sweep }
