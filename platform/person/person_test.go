package person

import (
	"reflect"
	"testing"

	"github.com/google/uuid"

	"time"

	"guildhall/platform/schema"
)

// TestExportsAreBounded: a list that is too long is cut, and says so.
func TestExportsAreBounded(t *testing.T) {
	t.Parallel()
	l := list{most: 2}
	if !l.add(1) || !l.add("two") || l.isCut {
		t.Errorf("%+v", l)
	}
	if l.add(3) || !l.isCut || string(l.text) != `1,"two"` {
		t.Errorf("%+v", l)
	}
}

func TestParametersAreBound(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 12, 14, 9, 0, 0, 0, time.UTC)
	p := &People{now: func() time.Time { return at }}
	who := Identity{ID: uuid.New(), Email: "ada@example.com"}
	const statement = "a = " + schema.OwnAddress + " OR a = " + schema.Address + " AND id = " + schema.Person + " AND at = " + schema.Moment
	for verified, own := range map[bool]string{true: "ada@example.com", false: ""} {
		who.Verified = verified
		text, args := p.bind(statement, who)
		if text != "a = ? OR a = ? AND id = ? AND at = ?" || !reflect.DeepEqual(args, []any{own, who.Email, who.ID, at}) {
			t.Errorf("%s %v", text, args)
		}
	}
}

// TestNothingIsNotErased: without declarations, an erasure must not look like one.
func TestNothingIsNotErased(t *testing.T) {
	t.Parallel()
	p := &People{}
	if p.Erase(t.Context(), Identity{}) == nil {
		t.Error("erased without tables")
	}
	if _, err := p.Export(t.Context(), Identity{}); err == nil {
		t.Error("exported without tables")
	}
}
