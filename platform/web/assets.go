package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"strings"
)

//go:embed assets
var assetFiles embed.FS

// assets are served by a name that contains their hash, so that a browser keeps them for
// ever, and a new version has a new name.
type assets struct {
	prefix string
	names  map[string]string // style.css → style.1f3a….css
	files  map[string][]byte // by the name that is served
}

// contentTypes are fixed, because package mime asks the system, which may say otherwise.
var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

func newAssets(prefix string) (*assets, error) {
	a := &assets{prefix: prefix, names: map[string]string{}, files: map[string][]byte{}}
	entries, err := assetFiles.ReadDir("assets")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		content, err := assetFiles.ReadFile("assets/" + e.Name())
		if err != nil {
			return nil, err
		}
		sum, extension := sha256.Sum256(content), path.Ext(e.Name())
		served := strings.TrimSuffix(e.Name(), extension) + "." + hex.EncodeToString(sum[:6]) + extension
		a.names[e.Name()], a.files[served] = served, content
	}
	return a, nil
}

func (a *assets) path(name string) string { return a.prefix + a.names[name] }

func (a *assets) serve(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	content, found := a.files[name]
	if !found {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", contentTypes[path.Ext(name)])
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(content)
}
