// Package web serves pages for people. A page has no rights and no data of its own: it calls
// the service's API inside the process, on behalf of whoever looks at it, and the gate
// decides as for any other client.
package web

import (
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"guildhall/platform/keyring"
	"guildhall/platform/token"
)

//go:embed templates locales
var ownFiles embed.FS

// Locales are the languages of the pages. The first is the default.
var Locales = []string{"en", "de"}

// policy allows what the pages need, and nothing from other hosts.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
	"frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types ui"

// Options of a Site.
type Options struct {
	PublicURL  string        // empty in development
	Account    bool          // serves the pages of accounts
	Console    bool          // serves the console
	Name       string        // of the product, on the pages of accounts
	ThemeDir   string        // has theme.css and logo.svg for them; empty for none
	Links      []string      // at their foot, each as Text=URL
	KeyLongest time.Duration // the life of an API key; 0: any
	Tokens     *token.Service
	Sealer     *keyring.Sealer // of what browsers keep
	Log        *slog.Logger
	Now        func() time.Time
}

// Site serves the pages of all modules.
type Site struct {
	options Options
	api     http.Handler
	base    string // the path of PUBLIC_URL, which a proxy removes
	secure  bool
	mux     *http.ServeMux
	handler http.Handler
	assets  *assets
	brand   Brand // of the pages of accounts

	declared []Declared
}

// AssetPath is the path of the style sheet, the script and the images.
const AssetPath = "/assets"

// New returns a site without pages, over the API.
func New(api http.Handler, o Options) (*Site, error) {
	public, err := url.Parse(o.PublicURL)
	if err != nil {
		return nil, err
	}
	s := &Site{options: o, api: api, base: public.Path, secure: public.Scheme == "https", mux: http.NewServeMux()}
	if s.assets, err = newAssets(s.base + AssetPath + "/"); err != nil {
		return nil, err
	}
	if s.brand, err = s.newBrand(); err != nil {
		return nil, err
	}
	s.mux.HandleFunc("GET "+AssetPath+"/{name}", s.assets.serve)
	own := s.Pages(ownFiles)
	own.Handle("/", notFound)
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(own.page(crossOrigin))
	if public.Host != "" {
		if err := guard.AddTrustedOrigin(public.Scheme + "://" + public.Host); err != nil {
			return nil, err
		}
	}
	s.handler = guard.Handler(s.mux) // mutant: cross-origin
	return s, nil
}

// ServeHTTP implements http.Handler.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	// Not no-referrer, with which a form's Origin is null.
	h.Set("Referrer-Policy", "same-origin")
	s.handler.ServeHTTP(w, r)
}

// Pages are the pages of one module: its handlers, templates and texts.
type Pages struct {
	site  *Site
	brand Brand
	load  func() (*words, error) // once, for the first page: commands build the app, too
}

// Branded returns the same pages with the operator's name, logo and colours.
func (p *Pages) Branded() *Pages { return &Pages{site: p.site, brand: p.site.brand, load: p.load} }

// words are what the pages of a module are written with. A page is parsed when it is first shown
// in a language: each has a copy of the layout, and all of them are 5 MB.
type words struct {
	templates map[string]map[string]parsedOnce // by locale and name
	texts     map[string]texts
}

type parsedOnce func() (*template.Template, error)

// Check parses every page of a module in every language, for its tests.
func Check(files fs.FS) error {
	site, err := New(nil, Options{})
	if err != nil {
		return err
	}
	words, err := site.read(files)
	if err != nil {
		return err
	}
	for locale, pages := range words.templates {
		for name, parsed := range pages {
			if _, err := parsed(); err != nil {
				return fmt.Errorf("%s in %s: %w", name, locale, err)
			}
		}
	}
	return nil
}

// Pages returns the module's pages. The files are templates/NAME.html, each of which defines
// "main", templates/parts.html with what they share, and locales/LOCALE.json with the texts by their keys.
func (s *Site) Pages(files fs.FS) *Pages {
	return &Pages{site: s, brand: s.ownBrand(), load: sync.OnceValues(func() (*words, error) { return s.read(files) })}
}

func (s *Site) read(files fs.FS) (*words, error) {
	p := &words{templates: map[string]map[string]parsedOnce{}, texts: map[string]texts{}}
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	for _, locale := range Locales {
		texts, err := textsOf(locale, ownFiles, files)
		if err != nil {
			return nil, err
		}
		p.texts[locale] = texts
		functions := template.FuncMap{
			"asset":    s.assets.path,
			"path":     func(p string) string { return s.base + p },
			"t":        texts.of,
			"dict":     dict,
			"time":     texts.time,
			"day":      texts.day,
			"event":    texts.event,
			"initials": Initials,
		}
		p.templates[locale] = map[string]parsedOnce{}
		parse := func(into *template.Template, from fs.FS, name string) error {
			source, err := fs.ReadFile(from, name)
			if err != nil {
				return err
			}
			text, err := s.fill(texts, string(source))
			if err == nil {
				_, err = into.New(path.Base(name)).Parse(text)
			}
			return err
		}
		layout := template.New("").Funcs(functions)
		if err := parse(layout, ownFiles, "templates/layout.html"); err != nil {
			return nil, err
		}
		if slices.Contains(names, "templates/parts.html") {
			if err := parse(layout, files, "templates/parts.html"); err != nil {
				return nil, err
			}
		}
		add := func(from fs.FS, name string) {
			p.templates[locale][strings.TrimSuffix(path.Base(name), ".html")] = sync.OnceValues(func() (*template.Template, error) {
				page, err := layout.Clone()
				if err != nil {
					return nil, err
				}
				return page, parse(page, from, name)
			})
		}
		for _, name := range []string{"message", "form", "api-key", "proof"} {
			add(ownFiles, "templates/"+name+".html")
		}
		for _, name := range names {
			if path.Base(name) != "parts.html" { // which is no page
				add(files, name)
			}
		}
	}
	return p, nil
}

// constantPart matches a part of a template that is the same on all pages of a language.
var constantPart = regexp.MustCompile(`\{\{(t|path|asset) "([^"]*)"\}\}`)

// fill puts the texts and addresses that never change into a template, once and not for each
// page.
func (s *Site) fill(texts texts, source string) (filled string, err error) {
	filled = constantPart.ReplaceAllStringFunc(source, func(part string) string {
		match := constantPart.FindStringSubmatch(part)
		value := ""
		switch match[1] {
		case "path":
			value = s.base + match[2]
		case "asset":
			value = s.assets.path(match[2])
		default:
			var unknown error
			if value, unknown = texts.of(match[2]); unknown != nil {
				err = unknown
			}
		}
		return template.HTMLEscapeString(value)
	})
	return filled, err
}

// Handle serves a pattern, such as "GET /account/log-in", with a page. The page can call
// these operations of the API and no others.
func (p *Pages) Handle(pattern string, page func(*Request) error, operations ...string) {
	p.site.declared = append(p.site.declared, Declared{pattern, operations})
	p.site.mux.Handle(pattern, p.page(page, operations...))
}

// Private serves a page for people who are logged in.
func (p *Pages) Private(pattern string, page func(*Request) error, operations ...string) {
	p.Handle(pattern, func(r *Request) error {
		if _, err := r.Me(); err != nil {
			return err
		}
		return page(r)
	}, operations...)
}

// Form serves a private page that shows a form and carries it out.
func (p *Pages) Form(path string, page func(*Request) error, operations ...string) {
	p.Private("GET "+path, page, operations...)
	p.Private("POST "+path, page, operations...)
}

func (p *Pages) page(page func(*Request) error, operations ...string) http.Handler {
	operations = append(operations, ownOperations...)
	return http.HandlerFunc(func(w http.ResponseWriter, hr *http.Request) {
		words, err := p.load()
		if err != nil {
			p.site.options.Log.ErrorContext(hr.Context(), "the pages can't be read", "cause", err)
			http.Error(w, "Something went wrong.", http.StatusInternalServerError)
			return
		}
		r := &Request{Request: hr, site: p.site, words: words, brand: p.brand, operations: operations, w: w, status: http.StatusOK}
		r.identify()
		if err := r.readForm(); err != nil {
			r.fail(err)
			return
		}
		if err := page(r); err != nil {
			r.fail(err)
		}
	})
}

// crossOrigin answers a form that another site has sent.
func crossOrigin(r *Request) error {
	return &Problem{Status: http.StatusForbidden, Detail: r.Text("cross_origin")}
}

// Declared is a page with the operations that it can call.
type Declared struct {
	Pattern    string
	Operations []string
}

// Declared returns all pages.
func (s *Site) Declared() []Declared { return s.declared }

// answers reports whether there is a page for the method and the path.
func (s *Site) answers(method, path string) bool {
	_, pattern := s.mux.Handler(&http.Request{Method: method, URL: &url.URL{Path: path}})
	return strings.HasPrefix(pattern, method+" ")
}

// HasConsole reports whether the console is on.
func (s *Site) HasConsole() bool { return s.options.Console }

// HasAccount reports whether the pages of accounts are on.
func (s *Site) HasAccount() bool { return s.options.Account }

// Address returns the address of a page: its path below that of PUBLIC_URL.
func (s *Site) Address(path string) string { return s.base + path }

// Start is where people begin.
func (s *Site) Start() string { return s.areas()[0] }

// Paths are those that the site serves, with everything below them. People log in at
// /account, also where its other pages are off.
func (s *Site) Paths() []string {
	paths := []string{AssetPath, "/account"}
	if s.options.Console {
		paths = append(paths, "/console")
	}
	return paths
}

// areas are the paths below which the pages are.
func (s *Site) areas() (paths []string) {
	if s.options.Account {
		paths = append(paths, "/account")
	}
	if s.options.Console {
		paths = append(paths, "/console")
	}
	return paths
}

func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict needs pairs, not %d values", len(pairs))
	}
	d := map[string]any{}
	for pair := range slices.Chunk(pairs, 2) {
		name, is := pair[0].(string)
		if !is {
			return nil, fmt.Errorf("dict needs names, not %v", pair[0])
		}
		d[name] = pair[1]
	}
	return d, nil
}
