package schema

import "guildhall/platform/seed"

// Sample is what `guildhall seed` puts into a table.
type Sample struct {
	reason string
	rows   func(s seed.Size) []seed.Rows
}

// Sampled is for a table that gets these rows.
func Sampled(rows func(s seed.Size) []seed.Rows) Sample { return Sample{rows: rows} }

// NoSample is for a table that gets no sample data, for a reason.
func NoSample(reason string) Sample { return Sample{reason: reason} }

// Rows returns the rows for a size.
func (s Sample) Rows(size seed.Size) []seed.Rows {
	if s.rows == nil {
		return nil
	}
	return s.rows(size)
}
