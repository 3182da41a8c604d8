package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"guildhall/platform/platformtest"
)

// document runs a command with --json and decodes the one document that it prints.
func document[T any](t *testing.T, environ []string, want int, args ...string) (result T) {
	t.Helper()
	out, errs, status := separately(t, "", t.TempDir(), environ, append(args, "--json")...)
	if status != want {
		t.Fatalf("%v: %d, want %d\n%s%s", args, status, want, out, errs)
	}
	decoder := json.NewDecoder(strings.NewReader(out))
	if err := decoder.Decode(&result); err != nil || decoder.More() {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	if strings.Contains(out, "null") {
		t.Errorf("%v: a script would have to expect null:\n%s", args, out)
	}
	return result
}

type (
	object = map[string]any
	list   = []map[string]any
)

// hasMembers asserts that an object has exactly these members, because scripts rely on
// their names.
func hasMembers(t *testing.T, of object, names string) {
	t.Helper()
	is, want := slices.Sorted(maps.Keys(of)), strings.Fields(names)
	slices.Sort(want)
	if !slices.Equal(is, want) {
		t.Errorf("it has %v, want %v", is, want)
	}
}

func TestResultsAsJSON(t *testing.T) {
	fromEachToEach(t, func(t *testing.T, from, to string) {
		s := start(t, from)
		root := s.operator("Root")
		ada := s.person("Ada")
		environ, dir := s.environ(), t.TempDir()

		admins := document[list](t, environ, 0, "admin", "list")
		if hasMembers(t, admins[0], "user_id email name granted_at"); len(admins) != 1 || admins[0]["email"] != root.email || !strings.HasSuffix(admins[0]["granted_at"].(string), "Z") {
			t.Errorf("admins: %v", admins)
		}
		status := document[list](t, environ, 0, "migrate", "status")
		if hasMembers(t, status[0], "id state"); len(status) != len(s.app.Migrations()) || status[0]["state"] != "applied" {
			t.Errorf("status: %v", status)
		}
		trail := document[object](t, environ, 0, "audit", "verify")
		if hasMembers(t, trail, "chains events forgotten broken digest"); trail["events"].(float64) < 2 || len(trail["broken"].([]any)) != 0 {
			t.Errorf("audit verify: %v", trail)
		}
		hasMembers(t, document[list](t, environ, 0, "sweep")[0], "kind forgotten")

		file := filepath.Join(dir, "b.db")
		taken := document[object](t, environ, 0, "backup", file)
		if hasMembers(t, taken, "file bytes digest sound problems audit_events audit_digest seconds"); taken["file"] != file || taken["sound"] != true || taken["audit_digest"] != trail["digest"] {
			t.Errorf("backup: %v", taken)
		}
		archive := filepath.Join(dir, "a.gz")
		sent := document[object](t, environ, 0, "export", ada.organization, "-o", archive)
		if hasMembers(t, sent, "file organization_id people members admins events password_hashes"); sent["file"] != archive || sent["organization_id"] != ada.organization || sent["members"] != 1.0 {
			t.Errorf("export: %v", sent)
		}
		there := inProduction(to)
		copied := document[object](t, nil, 0, "copy", "--from", from, "--to", to)
		if hasMembers(t, copied, "tables rows resumed seconds"); copied["resumed"] != false || copied["rows"].(float64) < 5 {
			t.Errorf("copy: %v", copied)
		}
		hasMembers(t, copied["tables"].([]any)[0].(object), "table rows digest")
		taken2 := document[object](t, there, 0, "import", archive)
		if hasMembers(t, taken2, "organization_id people members admins events password_hashes dry_run unchanged accounts_found accounts_made accounts_without_password skipped"); taken2["unchanged"] != true {
			t.Errorf("import: %v", taken2)
		}

		s.exec("DELETE FROM user_profile WHERE user_id = '" + ada.id + "'")
		unsound := document[object](t, environ, 1, "backup", filepath.Join(dir, "c.db"))
		if problem := unsound["problems"].([]any)[0].(object); unsound["sound"] != false || unsound["file"] != filepath.Join(dir, "c.db.unsound") || problem["rows"].([]any)[0] != ada.id {
			t.Errorf("an unsound backup: %v", unsound)
		}
	})
}

func TestNewDatabasesAsJSON(t *testing.T) {
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, databaseURL string) {
		environ := inProduction(databaseURL, "MIGRATE_ON_START=true")
		if done := document[list](t, environ, 0, "migrate", "up"); done[0]["state"] != "applied" {
			t.Errorf("migrate up: %v", done)
		}
		if none := document[list](t, environ, 0, "migrate", "up"); len(none) != 0 {
			t.Errorf("migrate up again: %v", none)
		}
		if none := document[list](t, environ, 0, "admin", "list"); len(none) != 0 {
			t.Errorf("admin list: %v", none)
		}
		made := document[object](t, environ, 0, "seed", "--users=5", "--organizations=1", "--members=3", "--yes-in=production")
		hasMembers(t, made, "users organizations memberships seconds first_email last_email password organization_id organization_members")
		start(t, databaseURL).logIn(made["last_email"].(string), made["password"].(string)).is(200)
		if undone := document[list](t, environ, 0, "migrate", "down"); len(undone) != 1 || undone[0]["state"] != "rolled_back" {
			t.Errorf("migrate down: %v", undone)
		}
		checked := document[list](t, environ, 1, "check")
		if hasMembers(t, checked[0], "ok warn name message"); !slices.ContainsFunc(checked, func(f object) bool { return f["name"] == "schema" && f["ok"] == false }) {
			t.Errorf("check: %v", checked)
		}
	})
	if faults := document[list](t, []string{"ENVIRONMENT=production"}, 1, "check"); !slices.ContainsFunc(faults, func(f object) bool {
		return f["name"] == "JWT_SECRET_KEY" && strings.Contains(f["message"].(string), "openssl rand")
	}) {
		t.Errorf("settings that can't be loaded: %v", faults)
	}
}

// TestJSONIsDocumented checks that help and configs/README.md name every member.
func TestJSONIsDocumented(t *testing.T) {
	t.Parallel()
	counted := 0
	guide, err := os.ReadFile("../../configs/README.md")
	if err != nil {
		t.Fatal(err)
	}
	everyLeaf(func(path []string, c *cobra.Command) {
		if f := c.Flags().Lookup("json"); f != nil {
			counted++
			if !strings.Contains(f.Usage, "{") && !strings.Contains(f.Usage, "the API") && c.Name() != "version" {
				t.Errorf("%v: %s", path, f.Usage)
			}
			for _, members := range regexp.MustCompile(`\{[^}]+\}`).FindAllString(f.Usage, -1) {
				if !strings.Contains(string(guide), "`"+members+"`") {
					t.Errorf("%v: %s is not in the guide", path, members)
				}
			}
		}
	})
	if counted < 28 {
		t.Errorf("only %d commands have it", counted)
	}
	for _, args := range []string{"backup -", "export x -o -"} {
		if out, errs, status := separately(t, "", t.TempDir(), inProduction(platformtest.SQLiteURL(t), "MIGRATE_ON_START=true"), append(strings.Fields(args), "--json")...); status != 2 || out != "" {
			t.Errorf("%s: %d %s", args, status, errs)
		}
	}
}

// TestThePlanIsSQL checks that the plan has only SQL statements.
func TestThePlanIsSQL(t *testing.T) {
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, databaseURL string) {
		app, err := describe()
		if err != nil {
			t.Fatal(err)
		}
		all := len(app.Migrations())
		if path, isFile := sqlitePath(databaseURL); isFile {
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		out, status := run(t, t.TempDir(), inProduction(databaseURL), "migrate", "plan")
		if status != 0 || strings.Count(out, "-- 2026") != all || strings.Contains(out, "\n;") || strings.Contains(out, ";;") {
			t.Errorf("%d\n%s", status, out)
		}
	})
}
