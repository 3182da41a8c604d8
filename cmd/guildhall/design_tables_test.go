package main

import (
	"maps"
	"slices"
	"testing"

	"guildhall/platform/schema"
)

// TestEveryTableIsDeclared checks that each table is declared once, by the module whose
// migrations create it.
func TestEveryTableIsDeclared(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		there, err := s.kernel.DB.Tables(s.ctx)
		if err != nil {
			t.Fatal(err)
		}
		var declared []string
		for _, table := range s.app.Tables() {
			declared = append(declared, table.Name)
			for _, column := range []string{table.Owner.Organization(), table.Owner.Person()} {
				if column != "" && !slices.Contains(there[table.Name].ColumnNames(), column) {
					t.Errorf("%s has no column %s, which says whose its rows are", table.Name, column)
				}
			}
		}
		slices.Sort(declared)
		if names := slices.Sorted(maps.Keys(there)); !slices.Equal(names, declared) {
			t.Errorf("there are %v,\ndeclared are %v", names, declared)
		}
	})
}

func TestATableCannotStaySilent(t *testing.T) {
	t.Parallel()
	whole := schema.Table{Name: "notes", Owner: schema.OfOrganization("organization_id"), Archive: schema.NotExported("a test"), Tenants: schema.Isolated(), Standing: schema.Unread(), Erasure: schema.Remains("only this test has the table"), Copy: schema.NotCopied("only this test has the table"), Retention: schema.Kept("for ever"), Invariants: schema.ByConstraints(), Sample: schema.NoSample("a test")}
	if err := schema.Check([]schema.Table{whole}); err != nil {
		t.Error(err)
	}
	line, other := whole, whole
	line.Archive, other.Name = schema.Exported(schema.Line{Type: "note", Key: "id"}), "other"
	other.Archive = line.Archive
	refused := map[string][]schema.Table{"the same twice": {whole, whole}, "a line twice": {line, other}}
	for field, silence := range map[string]func(t *schema.Table){
		"Name":    func(t *schema.Table) { t.Name = "" },
		"Owner":   func(t *schema.Table) { t.Owner = schema.Owner{} },
		"Archive": func(t *schema.Table) { t.Archive = schema.Archive{} },
		"no organization": func(t *schema.Table) {
			t.Owner, t.Tenants, t.Archive = schema.OfPerson("user_id"), schema.Shared("a test"), schema.Exported(schema.Line{Type: "note"})
		},
		"optional, but required": func(t *schema.Table) {
			t.Archive = schema.Exported(schema.Line{Type: "note", Optional: true})
		},
		"nobody's":            func(t *schema.Table) { t.Owner = schema.OfPerson("user_id") },
		"Tenants":             func(t *schema.Table) { t.Tenants = schema.Tenants{} },
		"no reason":           func(t *schema.Table) { t.Tenants = schema.Shared("") },
		"Standing":            func(t *schema.Table) { t.Standing = schema.Standing{} },
		"Retention":           func(t *schema.Table) { t.Retention = schema.Retention{} },
		"Erasure":             func(t *schema.Table) { t.Erasure = schema.Erasure{} },
		"why it remains":      func(t *schema.Table) { t.Erasure = schema.Remains("it does") },
		"Copy":                func(t *schema.Table) { t.Copy = schema.Copy{} },
		"why it has no copy":  func(t *schema.Table) { t.Copy = schema.NotCopied("no") },
		"a copy of everybody": func(t *schema.Table) { t.Copy = schema.Copied("notes", "", "text") },
		"why a copy omits": func(t *schema.Table) {
			t.Copy = schema.Copied("notes", "author_id = "+schema.Person, "text").Omitting("", "id")
		},
		"no sweep":   func(t *schema.Table) { t.Retention = schema.Swept("notes", "after a day", nil) },
		"Sample":     func(t *schema.Table) { t.Sample = schema.Sample{} },
		"Invariants": func(t *schema.Table) { t.Invariants = schema.Invariants{} },
	} {
		silent := whole
		silence(&silent)
		refused[field] = []schema.Table{silent}
	}
	for what, tables := range refused {
		if schema.Check(tables) == nil {
			t.Errorf("accepted: %s: %+v", what, tables)
		}
	}
}
