package web

import (
	"html/template"
	"strings"
)

// Markup is HTML that is put together in Go, for the rows of a list that has to be fast: a
// template takes about a microsecond for each value, more than the database
// (BenchmarkMembersPage). Everything else is a template.
type Markup struct{ b strings.Builder }

// constant is a text of the program: no other can be converted to it outside of this package.
type constant string

// HTML appends markup of the program, and text that is escaped.
func (m *Markup) HTML(markup constant, text string) {
	m.b.WriteString(string(markup))
	template.HTMLEscape(&m.b, []byte(text))
}

// Done returns all of it.
func (m *Markup) Done() template.HTML { return template.HTML(m.b.String()) } //nolint:gosec // constants, and escaped text

// Choices are the options of a field that restricts a list: the one that is chosen, all the
// values, and the texts of prefix and value. The first one restricts nothing.
func (r *Request) Choices(chosen, every, prefix string, values ...string) template.HTML {
	var m Markup
	if every != "" {
		m.HTML(`<option value="">`, r.Text(every))
	}
	for _, value := range values {
		m.HTML(`<option value="`, value)
		if value == chosen {
			m.HTML(`" selected="`, "")
		}
		m.HTML(`">`, r.Text(prefix+value))
	}
	return m.Done()
}
