package search

import (
	"cmp"
	"slices"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/swaggest/jsonschema-go"

	"guildhall/platform/fault"
)

const (
	mostWords = 3
	longest   = 255 // characters
)

// Query is what a list is searched for: one to three words. An item is found if for each of
// them it has a term that begins with it.
type Query struct {
	words []string // mostWords of them, the longest first
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (q *Query) UnmarshalText(text []byte) error {
	switch {
	case !utf8.Valid(text):
		return fault.NotUTF8
	case utf8.RuneCount(text) > longest:
		return fault.TooLong.From(1).To(longest)
	}
	found := distinct(words(string(text)))
	if len(found) == 0 || len(found) > mostWords {
		return fault.NotASearch.From(1).To(mostWords)
	}
	// The longest word is usually the rarest: its matches are read, and the others are
	// looked up for each.
	slices.SortStableFunc(found, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for len(found) < mostWords { // the statement has so many
		found = append(found, found[0])
	}
	q.words = found
	return nil
}

// InlineJSONSchema keeps the type out of the document's definitions.
func (Query) InlineJSONSchema() {}

// JSONSchema describes the parameter for the OpenAPI document.
func (Query) JSONSchema() (jsonschema.Schema, error) {
	var s jsonschema.Schema
	s.AddType(jsonschema.String)
	s.WithMinLength(1).WithMaxLength(longest).WithExamples("ada love").
		WithDescription("One to three beginnings of words, without regard to case and accents. All of them must match. The list is then in the order of the words that match the longest of them.")
	return s, nil
}

// end returns the end of the range of terms that begin with a word: no character is
// greater, and both databases compare bytes.
func end(word string) string { return word + string(utf8.MaxRune) }

// beside returns the arguments for the terms beside a position that begin with a word.
func beside(word, term string, id uuid.UUID, back bool) []any {
	first, last := word, end(word)
	switch { // the position of another search, or none
	case term == "" && back, term > last:
		term, id = last, uuid.Nil
	case term < first:
		term, id = first, uuid.Nil
	}
	if back {
		return []any{term, id, first}
	}
	return []any{term, id, last}
}

// NameArgs returns the arguments of Table.ByName for what is beside a position.
func NameArgs(term string, id uuid.UUID, back bool) []any { return beside(wholeName, term, id, back) }

// Args returns the arguments of Matching for what is beside a position, after the
// organization if the table has that column.
func (q Query) Args(term string, id uuid.UUID, back bool) []any {
	args := append(beside(q.words[0], term, id, back), q.words[0])
	for _, word := range q.words[1:] {
		args = append(args, word, end(word))
	}
	return args
}
