package mail

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func load(t *testing.T, directory string) *Templates {
	t.Helper()
	all, err := LoadTemplates(directory, "en")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestEveryKindIsWrittenInEveryLanguage(t *testing.T) {
	t.Parallel()
	all := load(t, "")
	for _, kind := range Kinds() {
		subjects := map[string]bool{}
		for _, locale := range Locales {
			for i, data := range Fixtures() {
				w, err := all.Write(kind, locale, data)
				if err != nil {
					t.Fatal(err)
				}
				for _, bad := range []string{"%!", "<no value>", "{{", "0001"} {
					if strings.Contains(w.Subject+w.Text+w.HTML, bad) {
						t.Errorf("%s in %s, fixture %d, has %q:\n%s", kind, locale, i, bad, w.Text)
					}
				}
				for line := range strings.Lines(w.Text) {
					if len([]rune(line)) > 77 && !strings.HasPrefix(line, "https://") {
						t.Errorf("%s in %s has a long line: %s", kind, locale, line)
					}
				}
				if greeting, _, _ := strings.Cut(w.Text, "\n"); locale == "de" && strings.HasSuffix(greeting, ",") {
					t.Errorf("%s goes on with a capital letter after %q", kind, greeting)
				}
				subjects[w.Subject] = true
			}
		}
		if len(subjects) < 2 {
			t.Errorf("%s has the same subject in both languages: %v", kind, subjects)
		}
	}
}

// TestWhatPeopleChooseIsText: it is neither markup nor a link, and makes no new header.
func TestWhatPeopleChooseIsText(t *testing.T) {
	t.Parallel()
	evil := "<img src=x onerror=alert(1)> https://evil.example/login \r\nBcc: victim@example.com {{.Code}} %s"
	all := load(t, "")
	for _, kind := range Kinds() {
		for _, locale := range Locales {
			w, err := all.Write(kind, locale, Data{Name: evil, Organization: evil, Actor: evil, Client: evil, Email: evil, Code: "1234 5678"})
			if err != nil {
				t.Fatal(err)
			}
			for _, bad := range []string{"https://evil.example", "evil.example", "victim@example.com"} {
				if strings.Contains(w.HTML+w.Text+w.Subject, bad) {
					t.Errorf("%s in %s has %q", kind, locale, bad)
				}
			}
			if strings.Contains(w.HTML, "<img") {
				t.Errorf("%s in %s has markup", kind, locale)
			}
			if strings.ContainsAny(w.Subject, "\r\n") {
				t.Errorf("%s in %s: subject %q", kind, locale, w.Subject)
			}
		}
	}
}

func TestALongNameIsCutOff(t *testing.T) {
	t.Parallel()
	if got := neutral(strings.Repeat("ä", 200)); len([]rune(got)) != 80 {
		t.Errorf("%d characters", len([]rune(got)))
	}
}

func TestTemplatesOfADirectory(t *testing.T) {
	t.Parallel()
	write := func(name, text string) string {
		directory := t.TempDir()
		path := filepath.Join(directory, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return directory
	}
	ours := load(t, write("de/test.tmpl", `{{subject "Probe"}}{{para "Nur Text & mehr."}}`))
	if w, err := ours.Write(Test, "de", Data{At: time.Now()}); err != nil || w.Subject != "Probe" || !strings.Contains(w.HTML, "Nur Text &amp; mehr.") || w.Text != "Nur Text & mehr.\n" {
		t.Errorf("%+v %v", w, err)
	}
	if w, err := ours.Write(Test, "en", Data{At: time.Now()}); err != nil || w.Subject != "Test mail" {
		t.Errorf("%+v %v", w, err)
	}
	if w, err := ours.Write(Test, "fr", Data{At: time.Now()}); err != nil || w.Subject != "Test mail" {
		t.Errorf("an unknown language: %+v %v", w, err)
	}
	for name, text := range map[string]string{
		"de/tets.tmpl": `{{subject "x"}}{{para "y"}}`,
		"fr/test.tmpl": `{{subject "x"}}{{para "y"}}`,
		"en/test.tmpl": `{{subject "x"}}{{para .Nope}}`,
		"layout.html":  `{{.Nope}}`,
	} {
		if _, err := LoadTemplates(write(name, text), "en"); err == nil {
			t.Errorf("%s: %s is accepted", name, text)
		}
	}
	for _, text := range []string{`{{subject "x"`, `{{para "y"}}`, `{{subject "x"}}`, `{{subject "x"}}{{para "y"}} loose`, `{{subject "x"}}{{para}}`} {
		if _, err := LoadTemplates(write("en/test.tmpl", text), "en"); err == nil {
			t.Errorf("%s is accepted", text)
		}
	}
	if _, err := LoadTemplates(filepath.Join(t.TempDir(), "absent"), "en"); err == nil {
		t.Error("a directory that does not exist is accepted")
	}
}
