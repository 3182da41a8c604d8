package account

import (
	"encoding/json"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"guildhall/platform/web"
)

// TestEveryTextIsThereAndUsed checks that the languages have the same texts, and that the
// pages use all of them.
func TestEveryTextIsThereAndUsed(t *testing.T) {
	var used []byte
	for _, name := range []string{"pages.go", "invitation.go"} {
		code, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		used = append(used, code...)
	}
	err := fs.WalkDir(files, "templates", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(files, path)
		used = append(used, text...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for _, locale := range web.Locales {
		raw, err := fs.ReadFile(files, "locales/"+locale+".json")
		if err != nil {
			t.Fatal(err)
		}
		var texts map[string]string
		if err := json.Unmarshal(raw, &texts); err != nil {
			t.Fatal(err)
		}
		for key, text := range texts {
			all[key] = append(all[key], locale)
			if strings.TrimSpace(text) == "" {
				t.Errorf("%s: %s is empty", locale, key)
			}
		}
	}
	computed := regexp.MustCompile(`^role_`)
	for key, locales := range all {
		if !slices.Equal(locales, web.Locales) {
			t.Errorf("%s is only in %v", key, locales)
		}
		if !strings.Contains(string(used), `"`+key+`"`) && !computed.MatchString(key) {
			t.Errorf("%s is not used", key)
		}
	}
}
