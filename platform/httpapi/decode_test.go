package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"guildhall/platform/fault"
	"guildhall/platform/field"
)

type everything struct {
	ID     uuid.UUID                 `path:"id"`
	Name   field.Name                `json:"name"`
	Again  *field.Name               `json:"again,omitempty"`
	Bio    field.Nullable[field.Bio] `json:"bio,omitempty"`
	Flag   *bool                     `json:"flag,omitempty"`
	Until  *field.Time               `json:"until,omitempty"`
	Friend *uuid.UUID                `json:"friend,omitempty"`
	PageInput
}

const id = "0193e3a8-5b7c-7d2e-9f10-2b3c4d5e6f70"

func decode(contentType, query, body string) (everything, error) {
	gin.SetMode(gin.ReleaseMode)
	c, _ := gin.CreateTestContext(httptest.NewRecorder())
	c.Request = httptest.NewRequest("POST", "/", strings.NewReader(body))
	c.Request.URL.RawQuery = query
	c.Request.Header.Set("Content-Type", contentType)
	c.Params = gin.Params{{Key: "id", Value: id}}
	plan := planInput(reflect.TypeFor[everything](), http.MethodPost, accepted{form: true})
	var got everything
	whole, err := plan.read(c)
	if err == nil {
		err = plan.decode(c, whole, reflect.ValueOf(&got).Elem())
	}
	return got, err
}

func TestDecode(t *testing.T) {
	got, err := decode("application/json", "limit=7&count=true",
		`{"name":" Ada ","bio":null,"flag":false,"until":"2026-01-31T12:00:00Z","friend":"`+id+`"}`)
	if err != nil || got.ID.String() != id || got.Name != "Ada" || got.Again != nil || !got.Bio.Set || got.Bio.Value != nil ||
		got.Flag == nil || *got.Flag || got.Until.Year() != 2026 || got.Friend.String() != id || got.Limit.N() != 7 || !*got.Count {
		t.Errorf("%+v %v", got, err)
	}
	got, err = decode("application/x-www-form-urlencoded", "", "name=Ada&flag=true&other=1")
	if err != nil || got.Name != "Ada" || !*got.Flag {
		t.Errorf("%+v %v", got, err)
	}
	_, err = decode("application/json", "limit=0&offset=x", `{"again":1,"friend":"x","flag":"no","extra":1}`)
	var refusal *fault.Error
	if !errors.As(err, &refusal) || refusal.Code != "validation_failed" {
		t.Fatal(err)
	}
	var named []string
	for _, f := range refusal.Fields {
		named = append(named, f.Location)
	}
	all := strings.Join(named, " ")
	for _, want := range []string{"query.limit", "query.offset", "body.name", "body.again", "body.friend", "body.flag", "body.extra"} {
		if !strings.Contains(all, want) {
			t.Errorf("%s is not named among %s", want, all)
		}
	}
}

// FuzzBody and FuzzForm: every input is decoded or refused, and decoded values are within
// their limits.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{"", "{}", `{"name":"Ada"}`, `{"name":"Ada","name":"B"}`, `{"name":"\ud800"}`, `{"Name":"x"}`, `{"name":null}`, "[]", "nul", "{\"name\":\"\xff\"}", strings.Repeat("[", 20000)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) { check(t, "application/json", "", body) })
}

func FuzzForm(f *testing.F) {
	for _, seed := range []string{"", "name=Ada", "name=a&name=b", "name=%zz", "name=%00", "name=a;b", "limit=1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		check(t, "application/x-www-form-urlencoded", text, text)
	})
}

func check(t *testing.T, contentType, query, body string) {
	t.Helper()
	got, err := decode(contentType, query, body)
	var refusal *fault.Error
	if err != nil {
		if !errors.As(err, &refusal) || statusOf[refusal.Kind] < 400 || statusOf[refusal.Kind] >= 500 {
			t.Errorf("%q: %v", body, err)
		}
		return
	}
	if n := len([]rune(string(got.Name))); n < 1 || n > 255 || strings.ContainsRune(string(got.Name), 0) {
		t.Errorf("%q gave the name %q", body, got.Name)
	}
}

func TestPages(t *testing.T) {
	ids := []uuid.UUID{uuid.New(), uuid.New(), uuid.New()}
	key := func(id uuid.UUID) uuid.UUID { return id }
	if p := NewPage(ids, Window{Limit: 3}, key); len(p.Items) != 3 || p.Next != nil {
		t.Errorf("%+v", p)
	}
	if p := NewPage(ids, Window{Limit: 2}, key); len(p.Items) != 2 || p.Next.ID != ids[1] {
		t.Errorf("%+v", p)
	}
	header := linkHeader(httptest.NewRequest("GET", "/x?limit=2&offset=4&cursor=old", nil).URL, []link{{"next", &field.Cursor{}}, {"prev", nil}})
	if header != `</x?cursor=AAAAAAAAAAAAAAAAAAAAAA&limit=2>; rel="next"` {
		t.Error(header)
	}
}

func TestClip(t *testing.T) {
	if got := clip(strings.Repeat("é", 100)); len(got) > 70 || !strings.HasSuffix(got, "…") || strings.ContainsRune(got, '\ufffd') {
		t.Errorf("%q", got)
	}
}

// TestFieldsThatNoRequestCouldFill: they panic at start-up, not at the first request.
func TestFieldsThatNoRequestCouldFill(t *testing.T) {
	for name, input := range map[string]any{
		"string": struct {
			A string `query:"a"`
		}{}, "int": struct {
			A int `query:"a"`
		}{}, "slice": struct {
			A []string `json:"a"`
		}{}, "pointer": struct {
			A *string `json:"a"`
		}{}, "path": struct {
			A int64 `path:"a"`
		}{}, "no tag": struct {
			A map[string]string
		}{},
	} {
		func() {
			defer func() {
				if said := fmt.Sprint(recover()); !strings.Contains(said, "A is a ") {
					t.Errorf("%s: %s", name, said)
				}
			}()
			planInput(reflect.TypeOf(input), http.MethodGet, accepted{})
		}()
	}
}
