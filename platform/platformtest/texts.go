package platformtest

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// CheckTexts checks that the texts of a module's pages are the same in all languages, and
// that its templates or its Go files, in the working directory, use each of them. Keys that
// are put together match computed.
func CheckTexts(t *testing.T, files fs.FS, locales []string, computed *regexp.Regexp) {
	t.Helper()
	var used strings.Builder
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range sources {
		code, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		used.Write(code)
	}
	templates, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range templates {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		used.Write(text)
	}
	all := map[string][]string{}
	for _, locale := range locales {
		raw, err := fs.ReadFile(files, "locales/"+locale+".json")
		if err != nil {
			t.Fatal(err)
		}
		var texts map[string]string
		if err := json.Unmarshal(raw, &texts); err != nil {
			t.Fatal(err)
		}
		for key, text := range texts {
			if all[key] = append(all[key], locale); strings.TrimSpace(text) == "" {
				t.Errorf("%s: %s is empty", locale, key)
			}
		}
	}
	for key, in := range all {
		if !slices.Equal(in, locales) {
			t.Errorf("%s is only in %v", key, in)
		}
		if !strings.Contains(used.String(), `"`+key+`"`) && !computed.MatchString(key) {
			t.Errorf("%s is not used", key)
		}
	}
}
