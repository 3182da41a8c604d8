package httpapi

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"guildhall/platform/fault"
)

// TestEveryTextHasGerman finds the refusals in the source: those of no route too.
func TestEveryTextHasGerman(t *testing.T) {
	texts := map[string]bool{}
	for _, status := range statusOf {
		texts[http.StatusText(status)] = true
	}
	for _, p := range fault.Problems() {
		texts[p.Text] = true
	}
	for _, subject := range subjects {
		texts[subject] = true
	}
	declared := 0
	for _, dir := range []string{"../../platform", "../../modules", "../../cmd"} {
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok && isFaultNew(call) {
					declared++
					texts[literal(t, path, call.Args[2])] = true
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if declared < 60 {
		t.Errorf("only %d refusals were found", declared)
	}
	for text := range texts {
		if german[text] == "" {
			t.Errorf("no German for %q", text)
		}
	}
	for text, translated := range german {
		if !texts[text] {
			t.Errorf("nothing says %q", text)
		}
		for _, parameter := range []string{"{min}", "{max}", "{values}"} {
			if strings.Count(text, parameter) != strings.Count(translated, parameter) {
				t.Errorf("%q has other parameters than %q", translated, text)
			}
		}
	}
}

func isFaultNew(call *ast.CallExpr) bool {
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || f.Sel.Name != "New" || len(call.Args) != 3 {
		return false
	}
	from, ok := f.X.(*ast.Ident)
	return ok && from.Name == "fault"
}

// literal returns the value of a string literal or of several, joined by +.
func literal(t *testing.T, path string, e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil {
			return text
		}
	case *ast.BinaryExpr:
		return literal(t, path, e.X) + literal(t, path, e.Y)
	}
	t.Errorf("%s: the detail of a refusal is not a literal", path)
	return ""
}

func TestTongueOf(t *testing.T) {
	for header, want := range map[string]string{
		"": "en", "de": "de", "de-AT": "de", "de-CH, fr;q=0.9": "de", "fr, de;q=0.5": "de", "en, de": "en", "en;q=0.5, de": "de", "de;q=0": "en",
		"fr": "en", "*": "en", "zz-invalid-!": "en", strings.Repeat("a-", 2000): "en", "\xff": "en", "DE": "de",
	} {
		if got := tongueOf(http.Header{"Accept-Language": {header}}); got.tag != want {
			t.Errorf("%.40q: %s, not %s", header, got.tag, want)
		}
	}
	if got := tongueOf(http.Header{"Accept-Language": {"fr", "de"}}); got.tag != "de" {
		t.Errorf("two fields: %s", got.tag)
	}
	if got := tongueOf(http.Header{}); got.tag != "en" {
		t.Errorf("none: %s", got.tag)
	}
}

func TestSentence(t *testing.T) {
	for _, c := range []struct {
		location    string
		problem     fault.Problem
		english, de string
	}{
		{"body.name", fault.Required, "The name is required.", "Der Name ist erforderlich."},
		{"body", fault.NotAnObject, "The body must be a JSON object.", "Der Inhalt der Anfrage muss ein JSON-Objekt sein."},
		{"body.bio", fault.Above.To(2000), "The biography must have at most 2,000 characters.", "Die Beschreibung darf höchstens 2.000 Zeichen haben."},
		{"query.offset", fault.NotInRange.From(0).To(1_000_000_000), "The offset must be a whole number from 0 to 1,000,000,000.", "Der Offset muss eine ganze Zahl von 0 bis 1.000.000.000 sein."},
		{"body.scope", fault.NotInEnum.Of("organization", "account"), "The scope must be organization or account.", "Der Geltungsbereich muss organization oder account sein."},
		{"query.scope", fault.NotInEnum.Of("all"), "The scope must be all.", "Der Geltungsbereich muss all sein."},
		{"body.colour.red", fault.UnknownField, "“colour.red” is not a known field.", "„colour.red“ ist kein bekanntes Feld."},
		{"body.invitations[3].email", fault.AlreadyInvited, "The email address number 4 belongs to a person who is invited already.", "Die E-Mail-Adresse Nummer 4 gehört zu einer Person, die schon eingeladen ist."},
		{"body.invitations[3]", fault.NotAnObject, "The invitation number 4 must be a JSON object.", "Die Einladung Nummer 4 muss ein JSON-Objekt sein."},
		{"row 17", fault.WrongColumns, "Row 17 must have as many values as the first line.", "Zeile 17 muss so viele Werte haben wie die erste Zeile."},
		{"body.name", fault.UnknownField, "“name” is not a known field.", "„name“ ist kein bekanntes Feld."},
		{"header.X-Organization-ID", fault.NotAUUID, "The X-Organization-ID header must be a UUID.", "Der Header X-Organization-ID muss eine UUID sein."},
	} {
		f := fault.Field{Location: c.location, Problem: c.problem}
		if got := inEnglish.sentence(f); got != c.english {
			t.Errorf("%q, not %q", got, c.english)
		}
		if got := inGerman.sentence(f); got != c.de {
			t.Errorf("%q, not %q", got, c.de)
		}
	}
}
