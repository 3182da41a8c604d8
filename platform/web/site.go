// Package web serves pages for people. A page has no rights and no data of its own: it calls
// the service's API inside the process, on behalf of whoever looks at it, and the gate
// decides as for any other client.
package web

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"guildhall/platform/httpapi"
	"guildhall/platform/token"
)

//go:embed templates locales
var ownFiles embed.FS

// Locales are the languages of the pages. The first is the default.
var Locales = []string{"en", "de"}

// policy allows what the pages need, and nothing from other hosts.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
	"frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// Options of a Site.
type Options struct {
	PublicURL string // empty in development
	Tokens    *token.Service
	Log       *slog.Logger
	Now       func() time.Time
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
}

// AssetPath is the path of the style sheet, the script and the images.
const AssetPath = "/assets"

// New returns a site without pages, over the API.
func New(api *httpapi.API, o Options) (*Site, error) {
	public, err := url.Parse(o.PublicURL)
	if err != nil {
		return nil, err
	}
	s := &Site{options: o, api: api, base: public.Path, secure: public.Scheme == "https", mux: http.NewServeMux()}
	if s.assets, err = newAssets(s.base + AssetPath + "/"); err != nil {
		return nil, err
	}
	s.mux.HandleFunc("GET "+AssetPath+"/{name}", s.assets.serve)
	own := http.NewCrossOriginProtection()
	if public.Host != "" {
		if err := own.AddTrustedOrigin(public.Scheme + "://" + public.Host); err != nil {
			return nil, err
		}
	}
	s.handler = own.Handler(s.mux) // mutant: cross-origin
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
	site *Site
	load func() (*words, error) // once, for the first page: commands build the app, too
}

// words are what the pages of a module are written with.
type words struct {
	templates map[string]map[string]*template.Template // by locale and name
	texts     map[string]texts
}

// Pages returns the module's pages. The files are templates/NAME.html, each of which defines
// "main", and locales/LOCALE.json with the texts by their keys.
func (s *Site) Pages(files fs.FS) *Pages {
	return &Pages{site: s, load: sync.OnceValues(func() (*words, error) { return s.read(files) })}
}

func (s *Site) read(files fs.FS) (*words, error) {
	p := &words{templates: map[string]map[string]*template.Template{}, texts: map[string]texts{}}
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
			"asset": s.assets.path,
			"path":  func(p string) string { return s.base + p },
			"t":     texts.of,
			"dict":  dict,
		}
		p.templates[locale] = map[string]*template.Template{}
		layout, err := template.New("layout.html").Funcs(functions).ParseFS(ownFiles, "templates/layout.html")
		if err != nil {
			return nil, err
		}
		add := func(from fs.FS, name string) error {
			page, err := layout.Clone()
			if err == nil {
				page, err = page.ParseFS(from, name)
			}
			p.templates[locale][strings.TrimSuffix(path.Base(name), ".html")] = page
			return err
		}
		if err := add(ownFiles, "templates/message.html"); err != nil {
			return nil, err
		}
		for _, name := range names {
			if err := add(files, name); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

// texts are the texts of one language by their keys.
type texts map[string]string

func textsOf(locale string, sources ...fs.FS) (texts, error) {
	t := texts{}
	for _, files := range sources {
		raw, err := fs.ReadFile(files, "locales/"+locale+".json")
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(raw, &t); err != nil {
			return nil, fmt.Errorf("locales/%s.json: %w", locale, err)
		}
	}
	return t, nil
}

// of returns a text. An unknown key is an error, so that a test finds it.
func (t texts) of(key string, args ...any) (string, error) {
	text, known := t[key]
	if !known {
		return "", fmt.Errorf("there is no text %q", key)
	}
	if len(args) > 0 {
		text = fmt.Sprintf(text, args...)
	}
	return text, nil
}

// Handle serves a method and a path, such as "GET /account", with a page.
func (p *Pages) Handle(pattern string, page func(*Request) error) {
	p.site.mux.HandleFunc(pattern, func(w http.ResponseWriter, hr *http.Request) {
		words, err := p.load()
		if err != nil {
			p.site.options.Log.ErrorContext(hr.Context(), "the pages can't be read", "cause", err)
			http.Error(w, "Something went wrong.", http.StatusInternalServerError)
			return
		}
		r := &Request{Request: hr, site: p.site, words: words, w: w}
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

// Page is what a template shows.
type Page struct {
	Title   string // a key of the texts
	Done    string // a key of what has just been done
	Problem *Problem
	Data    any
	R       *Request
}

// write writes a page, whole or not at all.
func (r *Request) write(status int, name string, p Page) error {
	var b bytes.Buffer
	if err := r.words.templates[r.Locale][name].Execute(&b, p); err != nil {
		return fmt.Errorf("write the page %s: %w", name, err)
	}
	r.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	r.w.Header().Set("Content-Language", r.Locale)
	r.w.WriteHeader(status)
	_, _ = r.w.Write(b.Bytes())
	return nil
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
