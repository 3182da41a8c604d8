package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"guildhall/platform/fault"
	"guildhall/platform/field"
)

// refusalOf returns what a client would get: status, code and the invalid locations.
func refusalOf(t *testing.T, err error) (status int, code string, locations []string) {
	t.Helper()
	if err == nil {
		return http.StatusOK, "", nil
	}
	var refusal *fault.Error
	if !errors.As(err, &refusal) {
		t.Fatalf("%v is no refusal", err)
	}
	for _, f := range refusal.Fields {
		locations = append(locations, f.Location)
	}
	slices.Sort(locations)
	return statusOf[refusal.Kind], refusal.Code, locations
}

func TestDecodeEveryKind(t *testing.T) {
	for _, c := range []struct {
		body   string
		status int
		want   string // the locations
	}{
		{`{"name":"x"}`, 200, ""},
		{" \r\n\t{\"name\" : \"x\"}\n", 200, ""},
		{`{"na\u006de":"x"}`, 200, ""},
		{`{"name":"\ud83d\ude00"}`, 200, ""},
		{`{"name":"x","bio":""}`, 200, ""},
		{`{"name":"x","flag":true,"again":"y"}`, 200, ""},
		// Syntax.
		{``, 400, ""}, {` `, 400, ""}, {`{`, 400, ""}, {`}`, 400, ""}, {`{"name":"x"`, 400, ""}, {`{"name":"x",}`, 400, ""}, {`{name:"x"}`, 400, ""}, {`{"name":"x"} x`, 400, ""},
		{`[}`, 400, ""}, {`[] []`, 400, ""}, {`"x`, 400, ""}, {`nul`, 400, ""}, {`truee`, 400, ""}, {`01`, 400, ""}, {`1.`, 400, ""}, {`+1`, 400, ""}, {`.5`, 400, ""}, {`Infinity`, 400, ""},
		{"\ufeff{}", 400, ""}, {"{\"name\":\"a\nb\"}", 400, ""}, {"{\"name\":\"a\x00b\"}", 400, ""}, {`{"name":"\x"}`, 400, ""}, {`{"name":"\u12"}`, 400, ""}, {"\x00", 400, ""}, {"{}\x00", 400, ""},
		{strings.Repeat("[", 20_000), 400, ""}, {strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000), 400, ""},
		// Not an object.
		{`null`, 422, "body"}, {`[]`, 422, "body"}, {`""`, 422, "body"}, {`0`, 422, "body"}, {`-0.0e+1`, 422, "body"}, {`false`, 422, "body"}, {`[{"name":"x"}]`, 422, "body"}, {`[{"a":1,"a":1}]`, 422, "body"},
		// Names.
		{`{}`, 422, "body.name"}, {`{"Name":"x"}`, 422, "body.Name body.name"}, {`{"name":"x","":1}`, 422, "body."}, {`{"name":"x","a.b":1}`, 422, "body.a.b"}, {`{"name":"x","id":"y"}`, 422, "body.id"},
		{`{"name":"x","limit":1}`, 422, "body.limit"}, {`{"name":"x","PageInput":1}`, 422, "body.PageInput"}, {`{"name":"x","name":"x"}`, 422, "body.name"}, {`{"name":"x","\u006eame":"x"}`, 422, "body.name"},
		{`{"name":"x","a/b":1,"a/b":1}`, 422, "body.a/b"}, {`{"name":"x","~":1,"~":1}`, 422, "body.~"},
		// Kinds of values.
		{`{"name":null}`, 422, "body.name"}, {`{"name":1}`, 422, "body.name"}, {`{"name":true}`, 422, "body.name"}, {`{"name":{}}`, 422, "body.name"}, {`{"name":["x"]}`, 422, "body.name"},
		{`{"name":"x","again":null,"flag":null,"until":null,"friend":null}`, 422, "body.again body.flag body.friend body.until"},
		{`{"name":"x","flag":1}`, 422, "body.flag"}, {`{"name":"x","flag":"true"}`, 422, "body.flag"}, {`{"name":"x","flag":[true]}`, 422, "body.flag"},
		{`{"name":"x","bio":1}`, 422, "body.bio"}, {`{"name":"x","bio":{"Set":true}}`, 422, "body.bio"},
		{`{"name":"x","until":0}`, 422, "body.until"}, {`{"name":"x","until":""}`, 422, "body.until"}, {`{"name":"x","friend":"` + id[:35] + `"}`, 422, "body.friend"}, {`{"name":"x","friend":"{` + id + `}"}`, 422, "body.friend"},
		{`{"name":"x","friend":"` + strings.ReplaceAll(id, "-", "x") + `"}`, 422, "body.friend"},
		// Characters.
		{`{"name":"\u0000"}`, 422, "body.name"}, {`{"name":"\ud800"}`, 422, "body.name"}, {`{"name":"\udc00\ud800"}`, 422, "body.name"}, {`{"name":"\ud800","again":"\udfff"}`, 422, "body.again body.name"},
		{"{\"name\":\"\xff\"}", 422, "body"}, {"{\"name\":\"x\",\"\xff\":1}", 422, "body"}, {"{\"name\":\"\xed\xa0\x80\"}", 422, "body"}, {"{\"name\":\"\xc0\x80\"}", 422, "body"},
	} {
		got, err := decode("application/json", "", c.body)
		status, code, locations := refusalOf(t, err)
		wantCode := map[int]string{200: "", 400: "malformed_body", 422: "validation_failed"}[c.status]
		if status != c.status || code != wantCode || strings.Join(locations, " ") != c.want {
			t.Errorf("%.60q: %d %s %v, want %d %s %q", c.body, status, code, locations, c.status, wantCode, c.want)
		}
		if err == nil && got.Name == "" {
			t.Errorf("%.60q: no name", c.body)
		}
	}
}

func TestDecodeForms(t *testing.T) {
	for _, c := range []struct {
		form   string
		status int
		want   string
	}{
		{"name=x", 200, ""}, {"name=x&unknown=1&unknown=2", 200, ""}, {"name=+x+", 200, ""}, {"name=x&flag=false&friend=" + id, 200, ""}, {"name=null", 200, ""},
		{"", 400, ""}, {"name=%", 400, ""}, {"name=%2", 400, ""}, {"name=x;flag=true", 400, ""},
		{"x", 422, "body.name"}, {"name", 422, "body.name"}, {"name=", 422, "body.name"}, {"Name=x", 422, "body.name"}, {"name=x&name=x", 422, "body.name"}, {"name=x&name=", 422, "body.name"},
		{"name=%00", 422, "body.name"}, {"name=%ff", 422, "body.name"}, {"name=\xff", 422, "body.name"}, {"name=%ed%a0%80", 422, "body.name"},
		{"name=x&flag=", 200, ""}, {"name=x&flag=&flag=", 422, "body.flag"}, {"name=x&flag=yes", 422, "body.flag"}, {"name=x&friend=x&until=x", 422, "body.friend body.until"}, {"name[]=x", 422, "body.name"},
		{strings.Repeat("&", 20_000), 400, ""}, // net/url's limit of parameters
	} {
		_, err := decode("application/x-www-form-urlencoded", "", c.form)
		status, _, locations := refusalOf(t, err)
		if c.form != "" && strings.Trim(c.form, "&") == "" && status == 422 {
			continue // before net/url had that limit
		}
		if status != c.status || strings.Join(locations, " ") != c.want {
			t.Errorf("%.40q: %d %v, want %d %q", c.form, status, locations, c.status, c.want)
		}
	}
}

func TestDecodeAllSourcesTogether(t *testing.T) {
	_, err := decode("application/json", "limit=x&count=x", `{"again":1,"x":1}`)
	if status, _, got := refusalOf(t, err); status != 422 || strings.Join(got, " ") != "body.again body.name body.x query.count query.limit" {
		t.Errorf("%d %v", status, got)
	}
	// A syntax error is reported alone.
	_, err = decode("application/json", "limit=%x", `{}`)
	if status, code, _ := refusalOf(t, err); status != 400 || code != "malformed_query" {
		t.Errorf("%d %s", status, code)
	}
	_, err = decode("application/json", "limit=x", `{`)
	if status, code, _ := refusalOf(t, err); status != 400 || code != "malformed_body" {
		t.Errorf("%d %s", status, code)
	}
}

func TestMediaTypes(t *testing.T) {
	for _, c := range []struct {
		contentType, encoding string
		form                  bool
		want                  bodyKind
	}{
		{"application/json", "", false, jsonBody}, {"Application/JSON", "", false, jsonBody}, {"application/json; charset=utf-8", "", false, jsonBody}, {`application/json;charset="UTF-8"`, "", false, jsonBody},
		{"application/json; profile=x", "", false, jsonBody}, {"application/json", "identity", false, jsonBody}, {"application/json", "Identity", true, jsonBody},
		{"application/x-www-form-urlencoded", "", true, formBody}, {"application/x-www-form-urlencoded; charset=UTF-8", "", true, formBody},
		{"application/x-www-form-urlencoded", "", false, noBody}, {"", "", true, noBody}, {"*/*", "", true, noBody}, {"application/*", "", true, noBody}, {"json", "", true, noBody}, {"application/json; charset=latin1", "", true, noBody},
		{"application/json; charset=", "", true, noBody}, {"application/json; charset=utf-8; charset=latin1", "", true, noBody}, {"application/json,application/json", "", true, noBody}, {"application/json\x00", "", true, noBody},
		{"application/json", "gzip", true, noBody}, {"application/json", "identity,gzip", true, noBody}, {"multipart/form-data", "", true, noBody}, {"text/json", "", true, noBody}, {"application/ld+json", "", true, noBody},
	} {
		h := http.Header{"Content-Type": {c.contentType}}
		if c.encoding != "" {
			h.Set("Content-Encoding", c.encoding)
		}
		kind, err := mediaType(h, accepted{form: c.form})
		if kind != c.want || (err == nil) != (c.want != noBody) || err != nil && !errors.Is(err, errMediaType) {
			t.Errorf("%q %q (form %t): %d %v", c.contentType, c.encoding, c.form, kind, err)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestReadBody(t *testing.T) {
	read := func(body io.Reader, length int64) (int, error) {
		c, _ := gin.CreateTestContext(httptest.NewRecorder())
		c.Request = httptest.NewRequest("POST", "/", body)
		c.Request.ContentLength = length
		c.Request.Header.Set("Content-Type", "application/json")
		got, _, err := readBody(c, accepted{})
		return len(got), err
	}
	spaces := func(n int) io.Reader { return bytes.NewReader(bytes.Repeat([]byte(" "), n)) }
	for _, c := range []struct {
		size   int
		length int64
		want   error
	}{{maxBody, maxBody, nil}, {maxBody, -1, nil}, {maxBody + 1, maxBody + 1, errBodyTooLarge}, {maxBody + 1, -1, errBodyTooLarge}, {maxBody * 100, -1, errBodyTooLarge}, {0, 0, nil}, {0, -1, nil}, {10, maxBody + 1, errBodyTooLarge}, {1, 1 << 62, errBodyTooLarge}} {
		n, err := read(spaces(c.size), c.length)
		if !errors.Is(err, c.want) && c.want != nil || c.want == nil && (err != nil || n != c.size) {
			t.Errorf("%d bytes with Content-Length %d: %d %v", c.size, c.length, n, err)
		}
	}
	if _, err := read(failing{io.ErrUnexpectedEOF}, 10); !errors.Is(err, errMalformedBody) {
		t.Errorf("a client that went away: %v", err)
	}
}

func TestWindow(t *testing.T) {
	limit, offset, count, cursor := field.Limit(7), field.Offset(9), true, field.Cursor{ID: uuid.MustParse(id)}
	for _, c := range []struct {
		in   PageInput
		want Window
	}{
		{PageInput{}, Window{Limit: 100}},
		{PageInput{Limit: &limit}, Window{Limit: 7}},
		{PageInput{Offset: &offset, Count: new(bool)}, Window{Limit: 100, Offset: 9}},
		{PageInput{Cursor: &cursor, Count: &count}, Window{Limit: 100, After: uuid.MustParse(id), Count: true}},
	} {
		if got, err := c.in.Window(); err != nil || got != c.want {
			t.Errorf("%+v %v, want %+v", got, err, c.want)
		}
	}
	_, err := PageInput{Cursor: &cursor, Offset: new(field.Offset)}.Window()
	if status, _, locations := refusalOf(t, err); status != 422 || !slices.Equal(locations, []string{"query.offset"}) {
		t.Errorf("%d %v", status, locations)
	}
	p := NewPage([]int{}, Window{Limit: 1}, func(int) uuid.UUID { panic("no key is needed") })
	if text, err := json.Marshal(p.Items); err != nil || string(text) != "[]" {
		t.Errorf("%s %v", text, err)
	}
}

func TestNextLink(t *testing.T) {
	after := field.Cursor{ID: uuid.MustParse(id)}
	for given, want := range map[string]string{
		"/x":                             "/x?cursor=CURSOR",
		"/x?cursor=a&cursor=b":           "/x?cursor=CURSOR",
		"/x?offset=1&offset=2":           "/x?cursor=CURSOR",
		"/x?scope=all&count=true":        "/x?count=true&cursor=CURSOR&scope=all",
		"/x?a=%3E%3B%20rel%3D%22x%22":    "/x?a=%3E%3B+rel%3D%22x%22&cursor=CURSOR",
		"/x%3E?a=%0D%0AX:y":              "/x%3E?a=%0D%0AX%3Ay&cursor=CURSOR",
		"/x%2Fy%22":                      "/x%2Fy%22?cursor=CURSOR",
		"https://evil.example/x?limit=1": "/x?cursor=CURSOR&limit=1", // only the path, without the host
	} {
		u, err := url.Parse(given)
		if err != nil {
			t.Fatal(err)
		}
		want = "<" + strings.ReplaceAll(want, "CURSOR", after.String()) + `>; rel="next"`
		if got := linkHeader(u, []link{{"next", &after}}); got != want {
			t.Errorf("%s: %s, want %s", given, got, want)
		}
	}
	var back field.Cursor
	if err := back.UnmarshalText([]byte(after.String())); err != nil || back != after {
		t.Errorf("%v %v", back, err)
	}
}

// challengeOf matches what RFC 6750 §3 and RFC 9110 §11.6.1 allow in this header.
var challengeOf = regexp.MustCompile(`^Bearer realm="guildhall"(, error="invalid_token", error_description="[\x20\x21\x23-\x5b\x5d-\x7e]+")?$`)

func TestChallenge(t *testing.T) {
	for code, hasError := range map[string]bool{"authentication_required": false, "invalid_credentials": false, "invalid_token": true, "invalid_refresh_token": true} {
		got := bearerChallenge(fault.New(fault.Unauthenticated, code, "A plain sentence."))
		if !challengeOf.MatchString(got) || strings.Contains(got, "error=") != hasError {
			t.Errorf("%s: %s", code, got)
		}
	}
}

func TestClipKeepsWholeCharacters(t *testing.T) {
	for _, s := range []string{"", "x", strings.Repeat("x", 64), strings.Repeat("x", 65), strings.Repeat("x", 63) + "é", strings.Repeat("x", 62) + "😀", strings.Repeat("😀", 16), strings.Repeat("😀", 17), strings.Repeat("x", 100_000)} {
		got := clip(s)
		if len(s) <= 64 && got != s || len(got) > 67 || !utf8.ValidString(got) || !strings.HasPrefix(s, strings.TrimSuffix(got, "…")) {
			t.Errorf("%.80q became %q", s, got)
		}
	}
}

// TestProblems: every kind has a status, every response has all members, and an unexpected
// error reveals no details.
func TestProblems(t *testing.T) {
	a, err := New(Options{Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	oauth := false
	answer := func(given error) (*httptest.ResponseRecorder, tokenProblem) {
		w := httptest.NewRecorder()
		c, _ := gin.CreateTestContext(w)
		c.Set(oauthKey, oauth)
		c.Request = httptest.NewRequest("GET", "/", nil)
		c.Header("X-Request-ID", "r")
		c.Header("Location", "/stale")
		a.refuse(c, given)
		var p tokenProblem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Fatalf("%s: %v", w.Body, err)
		}
		return w, p
	}
	for kind := fault.Malformed; kind <= fault.Internal; kind++ {
		oauth = true
		w, p := answer(fault.New(kind, "a_code", "A sentence."))
		if p.Error == "" || p.ErrorDescription != "A sentence." || p.Code != "a_code" || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("kind %d for an OAuth client: %v %s", kind, w.Header(), w.Body)
		}
		if transient := w.Code == 429 || w.Code >= 500; transient && p.Error != "temporarily_unavailable" && p.Error != "server_error" || (p.Error == "invalid_grant") != (w.Code == 401 || w.Code == 403) {
			t.Errorf("kind %d: %d is called %s", kind, w.Code, p.Error)
		}
		oauth = false
		w, p = answer(fmt.Errorf("wrapped: %w", fault.New(kind, "a_code", "A sentence.").WithCause(errors.New("SELECT secret")).WithRetryAfter(1500*time.Millisecond)))
		if w.Code < 400 || p.Status != w.Code || p.Title == "" || p.Title != http.StatusText(w.Code) || p.Error != "" || p.Type != "urn:guildhall:problem:a_code" || p.Code != "a_code" || p.Detail != "A sentence." || p.RequestID != "r" ||
			w.Header().Get("Retry-After") != "2" || w.Header().Get("Location") != "" || strings.Contains(w.Body.String(), "secret") || (w.Header().Get("WWW-Authenticate") != "") != (w.Code == 401) {
			t.Errorf("kind %d: %d %v %s", kind, w.Code, w.Header(), w.Body)
		}
	}
	for given, want := range map[error]int{
		errors.New("SELECT secret"): 500, context.Canceled: 503, fmt.Errorf("x: %w", context.DeadlineExceeded): 503, io.EOF: 500, Invalid("body.x", fault.Required): 422,
	} {
		w, p := answer(given)
		if w.Code != want || strings.Contains(w.Body.String(), "secret") || p.RequestID != "r" || w.Code == 503 && w.Header().Get("Retry-After") == "" {
			t.Errorf("%v: %d %s", given, w.Code, w.Body)
		}
	}
}

// FuzzObject compares with encoding/json: an accepted object is one for it too, with the
// same members, and a malformed body is malformed for it too, except for the depth, where
// their limits differ.
func FuzzObject(f *testing.F) {
	for _, seed := range []string{"", "{}", "null", `{"a":1}`, `{"a":1,"a":2}`, `{"a":{"b":1,"b":2}}`, "{\"\xff\":1}", `{"\ud800":1}`, "[1,2]", `"x"`, "1e5", "\ufeff{}", " {} ", "{}{}", `{"a":01}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > maxBody || bytes.Count(text, []byte("["))+bytes.Count(text, []byte("{")) > 5000 {
			t.Skip()
		}
		var theirs map[string]json.RawMessage
		theirErr := json.Unmarshal(text, &theirs)
		ours, err := parseObject(text)
		status, code, _ := refusalOf(t, err)
		switch {
		case status == 200 && (theirErr != nil || len(ours) != len(theirs)):
			t.Errorf("%q: read as %v, by encoding/json as %v (%v)", text, ours, theirs, theirErr)
		case status == 400 && (code != "malformed_body" || json.Valid(text)):
			t.Errorf("%q: %s, though it is JSON", text, code)
		// A repeated name is found before a syntax error after it.
		case status == 422 && !json.Valid(text) && !strings.Contains(fmt.Sprint(refusalMessages(err)), fault.Repeated.Error()):
			t.Errorf("%q: %v, though it is no JSON", text, refusalMessages(err))
		}
	})
}

func refusalMessages(err error) (all []string) {
	var refusal *fault.Error
	if errors.As(err, &refusal) {
		for _, f := range refusal.Fields {
			all = append(all, f.Problem.Error())
		}
	}
	return all
}

// FuzzQuery: every query is decoded or refused; a repeated name is always refused.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{"", "limit=1", "limit=1&limit=1", "cursor=AAAAAAAAAAAAAAAAAAAAAA&offset=0", "count=true", "limit=%31", "%6cimit=2", "a;b", "limit=%", "offset=-0"} {
		f.Add(seed)
	}
	plan := planInput(reflect.TypeFor[PageInput](), http.MethodGet, accepted{})
	f.Fuzz(func(t *testing.T, query string) {
		c, _ := gin.CreateTestContext(httptest.NewRecorder())
		c.Request = httptest.NewRequest("GET", "/", nil)
		c.Request.URL.RawQuery = query
		var in PageInput
		err := plan.decode(c, requestBody{}, reflect.ValueOf(&in).Elem())
		if status, _, _ := refusalOf(t, err); status != 200 {
			if status != 400 && status != 422 {
				t.Errorf("%q: %v", query, err)
			}
			return
		}
		w, err := in.Window()
		if err != nil {
			return
		}
		values, _ := url.ParseQuery(query)
		for _, name := range []string{"limit", "offset", "cursor", "count"} {
			if len(values[name]) > 1 {
				t.Errorf("%q: %s is given twice", query, name)
			}
		}
		if w.Limit < 1 || w.Limit > 1000 || w.Offset < 0 || w.Offset > 1_000_000_000 {
			t.Errorf("%q: %+v", query, w)
		}
		link := linkHeader(c.Request.URL, []link{{"next", &field.Cursor{Key: w.Key, ID: w.After}}})
		if strings.ContainsAny(link, "\r\n\x00 ") != strings.Contains(link, "; rel") || strings.Count(link, ">") != 1 {
			t.Errorf("%q: %q", query, link)
		}
	})
}
