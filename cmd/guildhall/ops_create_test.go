package main

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"guildhall/platform/database"
	"guildhall/platform/databaseurl"
	"guildhall/platform/platformtest"
)

// beginDatabases are the only commands that may create a database.
var beginDatabases = []string{"copy", "import", "import people", "migrate up", "restore", "seed", "serve"}

// argumentsFor returns valid arguments for a command's usage line.
func argumentsFor(t *testing.T, c *cobra.Command, values map[string]string) (args []string) {
	t.Helper()
	usage, _, _ := strings.Cut(c.Use, "[") // the rest is optional
	for _, word := range strings.Fields(usage)[1:] {
		value, known := values[word]
		if !known {
			t.Fatalf("%s: this test knows no %s", c.CommandPath(), word)
		}
		args = append(args, value)
	}
	c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if f.Annotations[cobra.BashCompOneRequiredFlag] != nil {
			args = append(args, "--"+f.Name+"=for this test")
		}
	})
	return args
}

// TestOnlyWhatBeginsADatabaseMakesOne runs each command with a mistyped path and on an
// empty PostgreSQL database: the others must report it and create nothing.
func TestOnlyWhatBeginsADatabaseMakesOne(t *testing.T) {
	t.Parallel()
	source := platformtest.SQLiteURL(t)
	s := start(t, source)
	ada := s.person("Ada")
	files := t.TempDir()
	backup, archive := filepath.Join(files, "b.db"), filepath.Join(files, "a.jsonl.gz")
	people := filepath.Join(files, "people.jsonl")
	if err := os.WriteFile(people, []byte(`{"email":"grace@example.com","name":"Grace"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"backup", backup}, {"export", ada.organization, "-o", archive}} {
		if out, status := run(t, files, inProduction(source), args...); status != 0 {
			t.Fatalf("%v: %d\n%s", args, status, out)
		}
	}
	platformtest.Each(t, func(t *testing.T, empty string) {
		onSQLite := strings.HasPrefix(empty, "sqlite")
		for _, more := range [][]string{{"MIGRATE_ON_START=true"}, {"MIGRATE_ON_START=false"}} {
			if !onSQLite && more[0] == "MIGRATE_ON_START=false" {
				continue // even less
			}
			var began []string
			everyLeaf(func(path []string, c *cobra.Command) {
				name := strings.Join(path, " ")
				dir := t.TempDir()
				databaseURL, file := empty, filepath.Join(dir, "sub", "mistyped.db")
				if onSQLite {
					databaseURL = "sqlite://" + file
				}
				args := append(path, argumentsFor(t, c, map[string]string{
					"EMAIL": "nobody@example.com", "ADDRESS": "ada@example.com", "EMAIL|ID": "nobody@example.com", "ID|NAME": uuid.NewString(), "ORGANIZATION": uuid.NewString(),
					"FILE":    map[string]string{"restore": backup, "import": archive, "backup": filepath.Join(dir, "new.db")}[name],
					"FILE...": people,
					"--from":  "--from=" + source, "--to": "--to=" + databaseURL, "URL": "", "URI": "https://orders.example.com",
				})...)
				args = slices.DeleteFunc(args, func(arg string) bool { return arg == "" })
				if name == "seed" {
					args = append(args, "--yes-in=production")
				}
				if !onSQLite && slices.Contains(beginDatabases, name) {
					return // the database exists already
				}
				environ := inProduction(databaseURL, append(more, "HOST=203.0.113.1")...) // serve can't listen on this address
				_, errs, status := separately(t, "a long password\n", dir, environ, args...)
				if _, err := os.Stat(file); err == nil {
					began = append(began, name)
					if !strings.Contains(errs, file) {
						t.Errorf("%s does not report that it created %s:\n%s", name, file, errs)
					}
				} else if left, err := os.ReadDir(filepath.Dir(file)); !errors.Is(err, fs.ErrNotExist) && len(left) > 0 {
					t.Errorf("%s left %v", name, left)
				} else if strings.Contains(errs, "DATABASE_URL names a file that does not exist") && status != 1 {
					t.Errorf("%s: %d %s", name, status, errs)
				}
			})
			slices.Sort(began)
			want := beginDatabases
			if more[0] == "MIGRATE_ON_START=false" { // without a schema the database would be useless
				want = []string{"copy", "migrate up", "restore"}
			}
			if onSQLite && !slices.Equal(began, want) {
				t.Errorf("with %s, %q create a database, want %q", more[0], began, want)
			}
		}
		if onSQLite {
			return
		}
		db, err := database.Open(context.Background(), database.Options{URL: databaseurl.Must(empty)})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if tables, err := db.Tables(context.Background()); err != nil || len(tables) > 0 {
			t.Errorf("there are %v %v", slices.Collect(maps.Keys(tables)), err)
		}
	})
}

// TestARefusedDatabaseLeavesNoFile checks that an invalid URL creates no file.
func TestARefusedDatabaseLeavesNoFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, databaseURL := range []string{"sqlite:////", "sqlite://?", "sqlite:///" + dir + "/x.db?mode=rw", "sqlite://" + dir + "/:memory:", "sqlite://" + dir, "sqlite://" + dir + "/" + strings.Repeat("long", 100)} {
		if out, status := run(t, dir, inProduction(databaseURL), "migrate", "up"); status != 1 {
			t.Errorf("%s: %d\n%s", databaseURL, status, out)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("they left %v", entries)
	}
}
