package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"strings"
	"sync"
)

//go:embed assets
var assetFiles embed.FS

// assets are served by a name that contains their hash, so that a browser keeps them for
// ever, and a new version has a new name.
type assets struct {
	prefix string
	names  map[string]string // style.css → style.1f3a….css
	files  map[string]asset  // by the name that is served
}

type asset struct {
	plain  []byte
	zipped func() []byte // once, for the first browser: commands build the site, too
}

// contentTypes are fixed, because package mime asks the system, which may say otherwise.
var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

func newAssets(prefix string) (*assets, error) {
	a := &assets{prefix: prefix, names: map[string]string{}, files: map[string]asset{}}
	entries, err := assetFiles.ReadDir("assets")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		content, err := assetFiles.ReadFile("assets/" + e.Name())
		if err != nil {
			return nil, err
		}
		a.add(e.Name(), content)
	}
	return a, nil
}

// add serves a file.
func (a *assets) add(name string, content []byte) {
	sum, extension := sha256.Sum256(content), path.Ext(name)
	served := strings.TrimSuffix(name, extension) + "." + hex.EncodeToString(sum[:6]) + extension
	a.names[name] = served
	a.files[served] = asset{content, sync.OnceValue(func() []byte { return zipped(content) })}
}

func zipped(content []byte) []byte {
	var b bytes.Buffer // takes everything
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	_, _ = z.Write(content)
	_ = z.Close()
	return b.Bytes()
}

func (a *assets) path(name string) string { return a.prefix + a.names[name] }

func (a *assets) serve(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	file, found := a.files[name]
	if !found {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", contentTypes[path.Ext(name)])
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Add("Vary", "Accept-Encoding")
	if acceptsGzip(r) {
		h.Set("Content-Encoding", "gzip")
		_, _ = w.Write(file.zipped())
		return
	}
	_, _ = w.Write(file.plain)
}
