package mail

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	texttemplate "text/template"
	"time"
)

//go:embed templates
var embedded embed.FS

// Locales are the languages of the mails. The first is the default of MAIL_DEFAULT_LOCALE.
var Locales = []string{"en", "de"}

// Templates write the mails. Each kind has one file per language, which lists the blocks
// of the mail: paragraphs, a code, a button. The same blocks become the text and the HTML,
// so that the two never differ. layout.html is the look of all of them.
type Templates struct {
	sources  []fs.FS // the first that has a file wins
	fallback string
	layout   func() (*template.Template, error)
	bodies   sync.Map // of *texttemplate.Template, by "locale/kind": they are parsed when they are first used
}

// LoadTemplates returns the built-in templates. Those in a directory replace them:
// layout.html, en/KIND.tmpl, de/KIND.tmpl. It writes every mail of a directory once, so
// that a broken template prevents the start; a test does so with the built-in ones.
func LoadTemplates(directory, defaultLocale string) (*Templates, error) {
	builtIn, err := fs.Sub(embedded, "templates")
	if err != nil {
		return nil, err
	}
	if defaultLocale == "" {
		defaultLocale = Locales[0]
	}
	t := &Templates{fallback: defaultLocale, sources: []fs.FS{builtIn}}
	t.layout = sync.OnceValues(t.parseLayout)
	if directory == "" {
		return t, nil
	}
	t.sources = append([]fs.FS{os.DirFS(directory)}, t.sources...)
	if err := onlyKnown(t.sources[0]); err != nil {
		return nil, fmt.Errorf("%s: %w", directory, err)
	}
	for _, locale := range Locales {
		for _, kind := range Kinds() {
			for _, data := range Fixtures() {
				if _, err := t.Write(kind, locale, data); err != nil {
					return nil, err
				}
			}
		}
	}
	return t, nil
}

func (t *Templates) parseLayout() (*template.Template, error) {
	text, err := t.read("layout.html")
	if err != nil {
		return nil, err
	}
	return template.New("layout").Parse(text)
}

func (t *Templates) body(kind Kind, locale string) (*texttemplate.Template, error) {
	name := locale + "/" + string(kind)
	if known, ok := t.bodies.Load(name); ok {
		return known.(*texttemplate.Template), nil
	}
	text, err := t.read(name + ".tmpl")
	if err != nil {
		return nil, err
	}
	parsed, err := texttemplate.New(name).Funcs(new(document).functions(locale)).Parse(text)
	if err != nil {
		return nil, err
	}
	t.bodies.Store(name, parsed)
	return parsed, nil
}

func (t *Templates) read(name string) (string, error) {
	for _, source := range t.sources {
		text, err := fs.ReadFile(source, name)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return string(text), err
		}
	}
	return "", fmt.Errorf("there is no mail template %s", name)
}

// onlyKnown refuses a file that replaces nothing: its name is probably misspelled.
func onlyKnown(directory fs.FS) error {
	known := []string{"layout.html"}
	for _, locale := range Locales {
		for _, kind := range Kinds() {
			known = append(known, locale+"/"+string(kind)+".tmpl")
		}
	}
	return fs.WalkDir(directory, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(entry.Name(), ".") || slices.Contains(known, path) {
			return err
		}
		return fmt.Errorf("%s is not the name of a template; there are %s", path, strings.Join(known, ", "))
	})
}

// Written is a mail in its two forms.
type Written struct{ Subject, Text, HTML string }

// block is a part of a mail.
type block struct {
	Paragraph, Code, Note string
	Button, Link          string
}

// document collects the blocks of one mail.
type document struct {
	Locale, Subject string
	Blocks          []block
}

// functions are what a template is written with. Each returns nothing: it adds to the
// document.
func (d *document) functions(locale string) texttemplate.FuncMap {
	add := func(b block) string {
		d.Blocks = append(d.Blocks, b)
		return ""
	}
	return texttemplate.FuncMap{
		"subject": func(format string, values ...any) string {
			d.Subject = oneLine(fmt.Sprintf(format, values...))
			return ""
		},
		"para": func(format string, values ...any) string {
			return add(block{Paragraph: fmt.Sprintf(format, values...)})
		},
		"note":   func(format string, values ...any) string { return add(block{Note: fmt.Sprintf(format, values...)}) },
		"code":   func(code string) string { return add(block{Code: code}) },
		"button": func(label, link string) string { return add(block{Button: label, Link: link}) },
		"name":   neutral,
		"time":   func(t time.Time) string { return timeIn(locale, t) },
	}
}

// Write writes a mail.
func (t *Templates) Write(kind Kind, locale string, data Data) (Written, error) {
	if !slices.Contains(Locales, locale) {
		locale = t.fallback
	}
	body, err := t.body(kind, locale)
	if err != nil {
		return Written{}, err
	}
	layout, err := t.layout()
	if err != nil {
		return Written{}, err
	}
	d := &document{Locale: locale}
	clone, err := body.Clone()
	if err != nil {
		return Written{}, err
	}
	var rest bytes.Buffer
	if err := clone.Funcs(d.functions(locale)).Execute(&rest, data); err != nil {
		return Written{}, err
	}
	if text := strings.TrimSpace(rest.String()); text != "" {
		return Written{}, fmt.Errorf("mail template %s/%s: %.40q is outside of para, note, code and button", locale, kind, text)
	}
	if d.Subject == "" || len(d.Blocks) == 0 {
		return Written{}, fmt.Errorf("mail template %s/%s has no subject or no blocks", locale, kind)
	}
	var html bytes.Buffer
	if err := layout.Execute(&html, d); err != nil {
		return Written{}, err
	}
	return Written{Subject: d.Subject, Text: d.text(), HTML: html.String()}, nil
}

// text is the mail without HTML.
func (d *document) text() string {
	var b strings.Builder
	for i, block := range d.Blocks {
		if i > 0 {
			b.WriteString("\n")
		}
		switch {
		case block.Link != "":
			b.WriteString(block.Button + ":\n" + block.Link + "\n")
		case block.Code != "":
			b.WriteString("    " + block.Code + "\n")
		case block.Note != "":
			b.WriteString(wrap(block.Note))
		default:
			b.WriteString(wrap(block.Paragraph))
		}
	}
	return b.String()
}

// wrap breaks lines after 76 characters, between words (RFC 5322 §2.1.1).
func wrap(text string) string {
	var b strings.Builder
	width := 0
	for word := range strings.FieldsSeq(text) {
		n := len([]rune(word))
		switch {
		case width == 0:
		case width+1+n > 76:
			b.WriteString("\n")
			width = 0
		default:
			b.WriteString(" ")
			width++
		}
		b.WriteString(word)
		width += n
	}
	return b.String() + "\n"
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// neutral returns a name that somebody else chose, so that mail programs make no link of
// it: a word joiner follows each dot, slash, colon and @.
func neutral(name string) string {
	const joiner = "\u2060"
	name = oneLine(name)
	if r := []rune(name); len(r) > 80 {
		name = string(r[:79]) + "…"
	}
	return strings.NewReplacer(".", "."+joiner, "/", "/"+joiner, ":", ":"+joiner, "@", "@"+joiner).Replace(name)
}

var monthsOfDe = []string{"Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember"}

// timeIn writes a time in UTC, because nobody's time zone is known.
func timeIn(locale string, t time.Time) string {
	t = t.UTC()
	if locale == "de" {
		return fmt.Sprintf("%d. %s %d, %02d:%02d Uhr UTC", t.Day(), monthsOfDe[t.Month()-1], t.Year(), t.Hour(), t.Minute())
	}
	return t.Format("2 January 2006, 15:04 UTC")
}
