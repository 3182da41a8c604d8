package main

import (
	"maps"
	"slices"
	"testing"

	"guildhall/platform/schema"
)

// TestEveryTableIsDeclared, once, by the module whose migrations make it.
func TestEveryTableIsDeclared(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		there, err := s.kernel.DB.Tables(s.ctx)
		if err != nil {
			t.Fatal(err)
		}
		var declared []string
		for _, table := range s.app.Tables() {
			declared = append(declared, table.Name)
		}
		slices.Sort(declared)
		if names := slices.Sorted(maps.Keys(there)); !slices.Equal(names, declared) {
			t.Errorf("there are %v,\ndeclared are %v", names, declared)
		}
	})
}

func TestATableCannotStaySilent(t *testing.T) {
	t.Parallel()
	whole := schema.Table{Name: "notes", Tenants: schema.KeptApart(), Standing: schema.Unread()}
	if err := schema.Check([]schema.Table{whole}); err != nil {
		t.Error(err)
	}
	nameless, open, silent := whole, whole, whole
	nameless.Name, open.Tenants, silent.Standing = "", schema.Tenants{}, schema.Standing{}
	for _, tables := range [][]schema.Table{{nameless}, {open}, {silent}, {whole, whole}, {{Name: "notes", Tenants: schema.Shared(""), Standing: schema.Decides()}}} {
		if schema.Check(tables) == nil {
			t.Errorf("accepted: %+v", tables)
		}
	}
}
