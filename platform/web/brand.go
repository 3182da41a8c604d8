package web

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Brand is what a page shows of the product that it belongs to.
type Brand struct {
	Name  string
	Logo  string // path
	Theme string // path of a style sheet, or empty
	Links []Link
}

// Link leads to another page, or to another site.
type Link struct{ Text, URL string }

// ownBrand is that of the console.
func (s *Site) ownBrand() Brand { return Brand{Name: "Guildhall", Logo: s.assets.path("mark.svg")} }

// maxThemeFile is the size of a file of a theme in bytes.
const maxThemeFile = 256 << 10

// newBrand returns that of the pages of accounts, which the operator chooses. A browser takes
// nothing from other hosts, whatever a theme says.
func (s *Site) newBrand() (Brand, error) {
	b := s.ownBrand()
	if s.options.Name != "" {
		b.Name = s.options.Name
	}
	for _, link := range s.options.Links {
		text, target, _ := strings.Cut(link, "=")
		b.Links = append(b.Links, Link{strings.TrimSpace(text), target})
	}
	if s.options.ThemeDir == "" {
		return b, nil
	}
	found := false
	for name, path := range map[string]*string{"theme.css": &b.Theme, "logo.svg": &b.Logo} {
		content, err := os.ReadFile(filepath.Join(s.options.ThemeDir, name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return b, fmt.Errorf("THEME_DIR: %w", err)
		case len(content) > maxThemeFile:
			return b, fmt.Errorf("THEME_DIR: %s has more than %d bytes", name, maxThemeFile)
		}
		s.assets.add(name, content)
		*path, found = s.assets.path(name), true
	}
	if !found {
		return b, fmt.Errorf("THEME_DIR: %s has neither theme.css nor logo.svg", s.options.ThemeDir)
	}
	return b, nil
}
