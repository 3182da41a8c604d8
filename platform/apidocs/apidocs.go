// Package apidocs serves the documentation pages: Swagger UI at /docs and ReDoc at
// /redoc. Their assets are in the binary; the pages load nothing from other hosts.
// scripts/docs-assets updates the assets.
package apidocs

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

//go:embed assets
var assets embed.FS

// page is one documentation page: its path, its assets and its Content-Security-Policy,
// which allows only what the page needs and nothing from other hosts.
type page struct{ prefix, dir, policy string }

const common = "default-src 'none'; script-src 'self'; connect-src 'self'; font-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "

func pages() []page {
	return []page{
		// Both pages set style attributes, which a policy can't allow by hash.
		{"/docs", "assets/swagger-ui", common + "style-src 'self' 'unsafe-inline'; img-src 'self' data:"},
		// ReDoc's search runs in a worker that it creates from a blob.
		{"/redoc", "assets/redoc", common + "style-src 'self' 'unsafe-inline'; img-src 'self' data:; worker-src blob:"},
	}
}

var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".txt":  "text/plain; charset=utf-8",
}

// Serve serves either page or one of its assets. It returns false and writes nothing if
// the path is neither.
func Serve(w http.ResponseWriter, r *http.Request) bool {
	for _, p := range pages() {
		if r.URL.Path == p.prefix || strings.HasPrefix(r.URL.Path, p.prefix+"/") {
			return p.serve(w, r)
		}
	}
	return false
}

func (p page) serve(w http.ResponseWriter, r *http.Request) bool {
	name := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, p.prefix), "/")
	if name == "" {
		name = "index.html"
	}
	contentType, known := contentTypes[path.Ext(name)]
	if !known || strings.Contains(name, "/") {
		return false
	}
	content, zipped, err := read(p.dir + "/" + name)
	if err != nil {
		return false
	}
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Security-Policy", p.policy)
	h.Set("Cache-Control", "no-cache")
	h.Set("Vary", "Accept-Encoding")
	sum := sha256.Sum256(content)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	h.Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return true
	}
	if zipped && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		zipped = false
	}
	body := io.Reader(bytes.NewReader(content))
	if zipped {
		if body, err = gzip.NewReader(body); err != nil {
			return false
		}
	}
	_, _ = io.Copy(w, body) //nolint:gosec // our own asset, of known size
	return true
}

// read returns an asset. Large ones are stored compressed (zipped).
func read(name string) (content []byte, zipped bool, err error) {
	if content, err = fs.ReadFile(assets, name); err == nil {
		return content, false, nil
	}
	content, err = fs.ReadFile(assets, name+".gz")
	return content, true, err
}
