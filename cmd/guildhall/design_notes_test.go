package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"guildhall/platform"
	"guildhall/platform/access"
	"guildhall/platform/clone"
	"guildhall/platform/config"
	"guildhall/platform/database"
	"guildhall/platform/doctor"
	"guildhall/platform/httpapi"
	"guildhall/platform/migrate"
	"guildhall/platform/platformtest"
	"guildhall/platform/schema"
	"guildhall/platform/schema/column"
	"guildhall/platform/seed"
	"guildhall/platform/seeding"
	"guildhall/platform/transfer"
)

// notes is a module with one table that no other code mentions.
type notes struct{ kernel *platform.Kernel }

func (notes) Name() string           { return "notes" }
func (notes) Routes(*httpapi.Router) {}

func (n notes) Tables() []schema.Table {
	return []schema.Table{{
		Name: "notes", Owner: schema.OfBoth("organization_id", "author_id"), Tenants: schema.Isolated(), Standing: schema.Unread(),
		Archive: schema.Exported(schema.Line{Type: "note", Key: "id", Optional: true, Columns: []column.Column{
			column.ID("id"), column.Person("author_id"), column.Written("text", 1, 100), column.Past("written_at"),
		}}),
		Erasure:   schema.Blanked("UPDATE notes SET text = '" + schema.Erased + "' WHERE author_id = " + schema.Person),
		Copy:      schema.Copied("notes", "author_id = "+schema.Person, "organization_id", "text", "written_at").Omitting("ids of the row and of the export", "id", "author_id"),
		Retention: schema.Swept("notes", "after a week", n.sweep),
		Invariants: schema.Require(schema.Invariant{
			Name: "N1 a note says something", Query: "SELECT id FROM notes WHERE text = ''", Remedy: "ask its author",
		}),
		Sample: schema.Sampled(func(s seed.Size) []seed.Rows {
			return []seed.Rows{{Columns: []string{"id", "organization_id", "author_id", "text", "written_at"}, Count: s.Organizations, Row: func(i int64) []any {
				owner, _ := s.OwnerOf(i)
				return []any{seed.Kind(7).ID(i), seed.OrganizationID(i), seed.UserID(owner), fmt.Sprint("note ", i), seed.Kind(7).At(i)}
			}}}
		}),
	}}
}

func (notes) Migrations() []migrate.Migration {
	return []migrate.Migration{{
		ID: "209901010000_notes_notes",
		Up: func(driver database.Driver) []string {
			return append([]string{`CREATE TABLE notes (
				id uuid NOT NULL PRIMARY KEY,
				organization_id uuid NOT NULL REFERENCES organizations (id),
				author_id uuid NOT NULL REFERENCES users (id),
				text text NOT NULL,
				written_at timestamptz NOT NULL
			)`}, database.TenantPolicy(driver, "notes", "organization_id = "+database.TenantOrganization)...)
		},
		Down: func(database.Driver) []string { return []string{"DROP TABLE notes"} },
	}}
}

func (n notes) sweep(ctx context.Context) (swept int64, err error) {
	err = n.kernel.DB.InTx(ctx, func(ctx context.Context) error {
		r := n.kernel.DB.Conn(ctx).Exec("DELETE FROM notes WHERE written_at < ?", n.kernel.Now().Add(-7*day))
		swept = r.RowsAffected
		return r.Error
	})
	return swept, err
}

// withNotes builds the service with the notes module added.
func withNotes(t testing.TB, k *platform.Kernel) *platform.App {
	t.Helper()
	_, modules := wire(k)
	app, err := platform.New(k, version, append(modules, notes{k})...)
	if err != nil {
		t.Fatal(err)
	}
	return app
}

// startWithNotes starts a service with notes on a new database.
func startWithNotes(t testing.TB, databaseURL string, change ...func(*config.Config)) *service {
	t.Helper()
	s := start(t, databaseURL, change...)
	owner, err := openBare(everything, databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.DB.Close()
	if _, err := migrate.Up(everything, owner.DB, withNotes(t, owner.Kernel).Migrations()); err != nil {
		t.Fatal(err)
	}
	if owner.DB.Driver() == database.Postgres {
		err := owner.DB.InTx(everything, func(ctx context.Context) error {
			return owner.DB.Conn(ctx).Exec("GRANT SELECT, INSERT, UPDATE, DELETE ON notes TO PUBLIC").Error
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	s.app = withNotes(t, s.kernel)
	return s
}

func (s *service) note(author *actor, text string) (id string) {
	s.t.Helper()
	id = uuid.Must(uuid.NewV7()).String()
	s.exec("INSERT INTO notes (id, organization_id, author_id, text, written_at) VALUES (?, ?, ?, ?, ?)", id, author.organization, author.id, text, s.kernel.Now())
	return id
}

// allNotes returns every note, as text.
func allNotes(t testing.TB, db *database.DB) (all []string) {
	t.Helper()
	rows, err := db.Conn(everything).Raw("SELECT id, organization_id, author_id, text FROM notes ORDER BY id").Rows()
	if err != nil {
		t.Fatal(err)
	}
	all, err = database.Collect(rows, func(scan func(...any) error) (string, error) {
		var id, organization, author, text string
		err := scan(&id, &organization, &author, &text)
		return strings.Join([]string{id, organization, author, text}, " "), err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// eachWithNotes is each with the notes module.
func eachWithNotes(t *testing.T, test func(t *testing.T, s *service)) {
	t.Helper()
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, databaseURL string) { test(t, startWithNotes(t, databaseURL)) })
}

// TestANewTableTravels exports an organization with notes and imports it, between any two
// databases. A server without the module reports the unknown lines and imports the rest.
func TestANewTableTravels(t *testing.T) {
	eachWithNotes(t, func(t *testing.T, source *service) {
		ada, eve := source.person("Ada"), source.person("Eve")
		// Grace is no longer a member; her note still refers to her.
		grace := source.person("Grace").joins(ada, false)
		grace.organization = ada.organization
		id := source.note(grace, "“gears” & wheels")
		ada.delete(ada.org("/members/" + grace.id)).is(204)
		source.note(eve, "another's")
		var archive bytes.Buffer
		if _, err := transfers(source.kernel, source.app).Export(everything, &archive, uuid.MustParse(ada.organization), transfer.ExportOptions{}); err != nil {
			t.Fatal(err)
		}
		lines := slices.DeleteFunc(unpacked(t, archive.Bytes()), func(line string) bool { return !strings.HasPrefix(line, `{"type":"note"`) })
		if want := `{"type":"note","optional":true,"id":"` + id + `","author_id":"` + grace.id + `","text":"“gears” & wheels","written_at":`; len(lines) != 1 || !strings.HasPrefix(lines[0], want) {
			t.Errorf("the archive has %v, want %s", lines, want)
		}
		for name, databaseURL := range map[string]func(testing.TB) string{"to sqlite": platformtest.SQLiteURL, "to postgres": platformtest.PostgresURL} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				target := startWithNotes(t, databaseURL(t))
				// Grace has another id there.
				there := target.actorOf(target.do("POST", "/api/v1/auth/register", "", body("email", grace.email, "password", password, "name", "G")).is(201))
				sum, err := transfers(target.kernel, target.app).Import(everything, bytes.NewReader(archive.Bytes()), transfer.ImportOptions{})
				if err != nil || len(sum.Skipped) > 0 {
					t.Fatalf("%v, %v", sum.Skipped, err)
				}
				if got, want := allNotes(t, target.kernel.DB), id+" "+ada.organization+" "+there.id+" “gears” & wheels"; len(got) != 1 || got[0] != want {
					t.Errorf("it has %v, want %s", got, want)
				}

				older := start(t, databaseURL(t))
				path := filepath.Join(t.TempDir(), "archive")
				if err := os.WriteFile(path, archive.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
				out := older.commandIs(0, `lines of the type "note" were skipped`, "import", path)
				if !strings.Contains(out, "was imported: people 2, members 1") {
					t.Errorf("it said %s", out)
				}
				older.commandIs(0, `"skipped": [`, "import", path, "--json")
				if broken := invariants(t, older.kernel.DB); len(broken) > 0 {
					t.Error(broken)
				}
			})
		}
	})
}

// TestANewTableIsCopied copies the table between any two databases.
func TestANewTableIsCopied(t *testing.T) {
	fromEachToEach(t, func(t *testing.T, from, to string) {
		source := startWithNotes(t, from)
		source.note(source.person("Ada"), "gears")
		target, err := openBare(everything, to)
		if err != nil {
			t.Fatal(err)
		}
		defer target.DB.Close()
		_, err = clone.Copy(everything, clone.Options{From: source.kernel.DB, To: target.DB, Migrations: source.app.Migrations(), Without: access.ServerLocalTables()})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := allNotes(t, target.DB), allNotes(t, source.kernel.DB); len(got) != 1 || !slices.Equal(got, want) {
			t.Errorf("copied are %v, not %v", got, want)
		}
	})
}

// TestANewTableIsLookedAfter checks that doctor reports a violation of the table's
// invariant, and that old rows are deleted.
func TestANewTableIsLookedAfter(t *testing.T) {
	eachWithNotes(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		id := s.note(ada, "gears")
		s.note(ada, "wheels")
		data := func() doctor.Finding {
			findings := doctor.Examine(everything, doctor.Options{
				Config: s.kernel.Config, DB: s.kernel.DB, Migrations: s.app.Migrations(), Tables: s.app.Tables(), Invariants: s.app.Invariants(), Keys: s.kernel.Keyset, Now: s.kernel.Now,
			})
			i := slices.IndexFunc(findings, func(f doctor.Finding) bool { return f.Name == "data" })
			if i < 0 {
				t.Fatal(findings)
			}
			return findings[i]
		}
		if f := data(); f.Level != doctor.OK {
			t.Error(f)
		}
		s.exec("UPDATE notes SET text = '' WHERE id = ?", id)
		if f := data(); f.Level != doctor.Fail || f.Message != "N1 a note says something: "+id || f.Remedy != "ask its author" {
			t.Error(f)
		}
		if n := s.swept()["notes"]; n != 0 {
			t.Errorf("%d new notes were swept", n)
		}
		s.later(8 * day)
		if n := s.swept()["notes"]; n != 2 || len(allNotes(t, s.kernel.DB)) != 0 {
			t.Errorf("%d old notes were swept", n)
		}
	})
}

// TestANewTableIsKeptApart adds the table while row-level security is on, and checks that
// it isolates the notes.
func TestANewTableIsKeptApart(t *testing.T) {
	t.Parallel()
	s := startWithNotes(t, platformtest.PostgresURL(t), func(c *config.Config) { underRowSecurity(t, c) })
	if err := s.kernel.DB.CheckRowSecurity(everything, s.app.Tables()); err != nil {
		t.Error(err)
	}
	ada, eve := s.person("Ada"), s.person("Eve")
	s.note(ada, "gears")
	for who, want := range map[*actor]int{ada: 1, eve: 0} {
		tenant := database.Tenant{OrganizationID: uuid.NullUUID{UUID: uuid.MustParse(who.organization), Valid: true}, UserID: uuid.MustParse(who.id)}
		if n := s.countAs(database.For(context.Background(), tenant), "SELECT COUNT(*) FROM notes"); n != want {
			t.Errorf("%s sees %d notes, not %d", who.email, n, want)
		}
	}
}

// TestANewTableGetsSampleData checks that the table's sample data breaks no invariant.
func TestANewTableGetsSampleData(t *testing.T) {
	eachWithNotes(t, func(t *testing.T, s *service) {
		s.asOwner()
		err := seeding.Fill(everything, seeding.Options{DB: s.kernel.DB, Tables: s.app.Tables(), Size: seed.Size{Users: 10, Organizations: 3, Members: 12}})
		if err != nil {
			t.Fatal(err)
		}
		if all := allNotes(t, s.kernel.DB); len(all) != 3 || !strings.HasSuffix(all[2], " note 2") {
			t.Errorf("it has %v", all)
		}
		if broken := invariants(t, s.kernel.DB); len(broken) > 0 {
			t.Error(broken)
		}
	})
}
