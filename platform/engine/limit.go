package engine

import (
	"regexp"
	"strings"
)

// Limit is something that an engine does not take, or does otherwise than
// PostgreSQL, as its makers write.
type Limit struct {
	Engine Engine
	What   string
	Source string // where that is written
	// Instead is what is done where a statement of ours meets the limit, or why it
	// may. Where it is empty none may.
	Instead string
	Omit    bool // migrating leaves the statement out
	Example string
	meets   func(normal string) bool
}

// Limits are all that are known.
func Limits() []Limit { return append([]Limit(nil), limits...) }

func matches(pattern string) func(string) bool { return regexp.MustCompile(pattern).MatchString }

// matchesBut is matches for statements that don't match another pattern.
func matchesBut(pattern, but string) func(string) bool {
	yes, no := matches(pattern), matches(but)
	return func(s string) bool { return yes(s) && !no(s) }
}

var (
	comment = regexp.MustCompile(`--[^\n]*|(?s:/\*.*?\*/)`)
	literal = regexp.MustCompile(`'(?:[^']|'')*'`)
	quoted  = regexp.MustCompile(`"(\w+)"`)
	space   = regexp.MustCompile(`\s+`)
)

// Normal is a statement in lower case and on one line, without comments, without
// what stands in literals and without quotes around names.
func Normal(statement string) string {
	s := literal.ReplaceAllString(comment.ReplaceAllString(statement, " "), "''")
	s = quoted.ReplaceAllString(s, "$1")
	return strings.ToLower(strings.TrimSpace(space.ReplaceAllString(s, " ")))
}
