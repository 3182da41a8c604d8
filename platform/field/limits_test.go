package field

import (
	"encoding"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"guildhall/platform/fault"

	"github.com/google/uuid"
	"github.com/swaggest/jsonschema-go"
)

// every returns every type of this package, by its name.
func every() map[string]encoding.TextUnmarshaler {
	return map[string]encoding.TextUnmarshaler{
		"Name": new(Name), "Bio": new(Bio), "Reason": new(Reason), "AvatarURL": new(AvatarURL), "Email": new(Email), "Login": new(Login), "Password": new(Password),
		"NewPassword": new(NewPassword), "Credential": new(Credential), "Time": new(Time), "Limit": new(Limit), "Offset": new(Offset), "Cursor": new(Cursor), "All": new(All),
	}
}

func TestEveryLimit(t *testing.T) {
	n := strings.Repeat
	domain := n("d", 63) + "." + n("d", 63) + "." + n("d", 58) // 186, so that 64+1+186 is 251
	good := map[string][]string{
		"Name":      {"x", n("x", 255), n("😀", 255), " \u2003x\n", n(" ", 1000) + n("x", 255), n("e\u0301", 255), "<>&\"'"},
		"Bio":       {"", " ", n("x", 2000), n("😀", 2000), "a\r\nb"},
		"Reason":    {"x", n("x", 1000), n("😀", 1000), "\t" + n("x", 1000) + "\t"},
		"AvatarURL": {"https://x.example", "https://example.com", "hTTps://EXAMPLE.com:443/a?b#c", "https://example.com/" + n("x", 2028), "https://xn--exmple-cua.com/%20", "https://example.com:8443"},
		"Email": {"a@b", "a@1", "A.b+c!#$%&'*+/=?^_`{|}~-@Example.COM", n("l", 64) + "@" + domain + ".ab", " a@b\n", "a@xn--exmple-cua.com", "1@2.3",
			"a@é", "a@b\u200b", "a@xn--a", "a@ab--cd.example", n("l", 64) + "@" + n("d", 63) + "." + n("d", 63) + "." + n("ü", 49)},
		"Login":       {" ", "x", n("x", 1024), n("😀", 1024), "anything at all"},
		"Password":    {" ", "x", n("x", 1024), n("é", 512), "\x01"},
		"NewPassword": {"12345678", "        ", n("x", 1024), n("é", 8), n("e\u0301", 8), n("語", 8), n("😀", 8), n("😀", 256), "\x01\x02\x03\x04\x05\x06\x07\x08"},
		"Credential":  {"x", " ", n("x", 4096)},
		"Time":        {"0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "2024-02-29T23:59:59z", "2026-01-31t12:00:00+23:59", "2026-01-31T12:00:00-00:00", "0001-01-01T00:00:00.000001Z"},
		"Limit":       {"1", "1000", "007"},
		"Offset":      {"0", "1000000000"},
		"Cursor":      {n("A", 22), "-_-_-_-_-_-_-_-_-_-_-Q", n("_", 21) + "w"},
		"All":         {"all"},
	}
	bad := map[string][]string{
		"Name":      {"", " ", "\u2003\u00a0\u0085\n", n("x", 256), n("😀", 256), "\x00", "x\x00", "\xff", "\xed\xa0\x80", "\xc0\x80", "\xf4\x90\x80\x80"},
		"Bio":       {n("x", 2001), "\x00", "\xff"},
		"Reason":    {"", "\n", n("x", 1001), "\x00", "\xff"},
		"AvatarURL": {"", "https", "https://", "https:///x", "http://example.com", "https://example.com/" + n("x", 2029), "https://u@example.com", "https://:443", "https://127.0.0.1", "https://[::1]:443", "https://[::1%25eth0]", "https://a b", "https://a\n", "https://a\x00", "https://a/\xff", `https://a\b`, "https://a/<b>", "https://a/\"", " https://a", "javascript:https://a", "https://a:b"},
		"Email": {"", "a", "@", "a@", "@b", "a@@b", "a@b@c", "a b@c", "a@b c", ".a@b", "a.@b", "a..b@c", "a@.b", "a@b.", "a@b..c", "a@-b", "a@b-", "a@b_c", "é@b", "\"a\"@b", "a@[127.0.0.1]", "a@b\x00", "a\n@b", "<a@b>", "a@b,c@d", n("l", 65) + "@b", n("l", 64) + "@" + domain + ".abcdef", "a@" + n("d", 64), "a@\xff", "ａ@b",
			"é@é", "a＠b", "a@é@b", "a@é\xff", "a@.é", "a@é.", "a@é。", "a@é..b", "a@-é", "a@é-", "a@é b", "a@é_", "a@\u200b", "a@xn--a.é", "a@xn--.é", "a@xn--é", "a@\ufffd", "a@\u202eé", "a@≠",
			"a@a\u200db", "a@a\u200cb", "a@אa", "a@1א", "a@⒈com", "a@℀", "a@" + n("ü", 60), n("l", 64) + "@" + n("d", 63) + "." + n("d", 63) + "." + n("ü", 56), "a@" + n("e\u0301", 127), "a@é" + n("\u00ad", 252)},
		"Login":       {"", n("x", 1025), "\x00", "\xff"},
		"Password":    {"", n("x", 1025), n("é", 513), "\x00", "\xff"},
		"NewPassword": {"", "1234567", n("é", 7), n("e\u0301", 7), n("語", 4), n("😀", 7), n("x", 1025), n("é", 513), "1234567\x00", "12345678\x00", "1234567\xff"},
		"Credential":  {"", n("x", 4097), "\x00", "\xff"},
		"Time":        {"", "now", "0", "2026-01-31", "12:00:00", "2026-01-31 12:00:00Z", "2026-01-31T12:00:00", "2026-01-31T12:00Z", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z", "2026-00-10T00:00:00Z", "2026-01-31T24:00:00Z", "2026-01-31T12:60:00Z", "2026-01-31T12:00:60Z", "10000-01-01T00:00:00Z", "0000-01-01T00:00:00Z", "0000-12-31T23:59:59-01:00", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "-001-01-01T00:00:00Z", "2026-01-31T12:00:00Zx", " 2026-01-31T12:00:00Z", "2026-01-31T12:00:00+1", "2026-01-31T12:00:00UTC", "\x00", "\xff"},
		"Limit":       {"", "0", "-1", "1001", "1e2", "1.0", " 1", "1 ", "0x1", "1_0", "١", "99999999999999999999", "true", "\x00", "\xff"},
		"Offset":      {"", "-1", "1000000001", "1e2", "1.0", "0x1", "99999999999999999999", "\x00", "\xff"},
		"Cursor":      {"", n("A", 21), n("A", 23), n("A", 21) + "B", n("A", 22) + "==", n("A", 21) + "+", n("A", 21) + "/", n("A", 21) + " ", n("A", 16), n("A", 32), n("\x00", 22), "\xff"},
		"All":         {"", "ALL", "All", "all ", "alle", "\x00", "\xff"},
	}
	for name := range every() {
		if len(good[name]) == 0 || len(bad[name]) == 0 {
			t.Errorf("%s is not tried", name)
		}
		for _, text := range good[name] {
			if err := every()[name].UnmarshalText([]byte(text)); err != nil {
				t.Errorf("%s %.40q (%d bytes): %v", name, text, len(text), err)
			}
		}
		for _, text := range bad[name] {
			var problem fault.Problem
			if err := every()[name].UnmarshalText([]byte(text)); !errors.As(err, &problem) {
				t.Errorf("%s %.40q (%d bytes): %v", name, text, len(text), err)
			} else if problem.Code == "" || !strings.HasPrefix(problem.Error(), "must ") || !strings.HasSuffix(problem.Error(), ".") || strings.Contains(problem.Error(), "{") {
				t.Errorf("%s answers %q", name, problem)
			}
		}
	}
}

func TestDefaultsAndPrinting(t *testing.T) {
	var none *Limit
	one := Limit(1)
	if none.N() != 100 || one.N() != 1 {
		t.Error(none.N(), one.N())
	}
	secret := "tr0ub4dor"
	for _, v := range []any{Password(secret), NewPassword(secret), Credential(secret)} {
		for _, verb := range []string{"%v", "%s", "%+v", "%q"} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, secret) {
				t.Errorf("%T prints itself with %s: %s", v, verb, got)
			}
		}
		if got := fmt.Sprintf("%v %+v", struct{ V any }{v}, []any{v}); strings.Contains(got, secret) {
			t.Errorf("%T prints itself within others: %s", v, got)
		}
	}
	id := uuid.New()
	for _, want := range []Cursor{{ID: id}, {Key: "ada", ID: id}, {Key: strings.Repeat("ß", maxCursorKey/2), ID: id}, {ID: id, Backward: true}, {Key: "ada", ID: id, Backward: true}} {
		var c Cursor
		if err := c.UnmarshalText([]byte(want.String())); err != nil || c != want {
			t.Errorf("%v became %v (%v)", want, c, err)
		}
	}
	for _, wrong := range []string{"\x00", "\x02ada", "\x00a\x00", "\x00\xff", "\x00" + strings.Repeat("a", maxCursorKey+1)} {
		var c Cursor
		if err := c.UnmarshalText([]byte(base64.RawURLEncoding.EncodeToString(append([]byte(wrong), id[:]...)))); err == nil {
			t.Errorf("%q became %v", wrong, c)
		}
	}
}

func TestNullable(t *testing.T) {
	var n Nullable[Bio]
	if n.Set || n.Value != nil {
		t.Errorf("%+v", n)
	}
	n.Null()
	if !n.Set || n.Value != nil {
		t.Errorf("%+v", n)
	}
	if err := n.Fill().(*Bio).UnmarshalText([]byte("x")); err != nil || !n.Set || *n.Value != "x" {
		t.Errorf("%+v %v", n, err)
	}
	plain, err := Bio("").JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	nullable, err := n.JSONSchema()
	if err != nil || *nullable.MaxLength != *plain.MaxLength || nullable.Type.SimpleTypes != nil || len(nullable.Type.SliceOfSimpleTypeValues) != 2 {
		t.Errorf("%+v %v", nullable, err)
	}
	if s, err := (Nullable[int]{}).JSONSchema(); err != nil || s.Type != nil {
		t.Errorf("%+v %v", s, err)
	}
}

// kept returns the value that a type has after it accepted a text, as in JSON.
func kept(into encoding.TextUnmarshaler) (text string, number int64, isText bool) {
	switch v := reflect.ValueOf(into).Elem(); {
	case v.Kind() == reflect.String:
		return v.String(), 0, true
	case v.CanInt():
		return "", v.Int(), false
	}
	switch v := into.(type) {
	case *Cursor:
		return v.String(), 0, true
	case *Time:
		return v.Format(time.RFC3339Nano), 0, true
	}
	panic(fmt.Sprintf("what does a %T hold?", into))
}

// FuzzAcceptedIsDocumented: a value that a type accepts matches its JSON schema in the
// OpenAPI document, and is accepted again unchanged.
func FuzzAcceptedIsDocumented(f *testing.F) {
	for _, seed := range []string{
		"", " x ", "Ada", "a@b.c", " A@B.C\n", "https://example.com/x", "HTTPS://x", "2026-01-31T12:00:00.5+02:00", "9999-12-31T23:59:59Z", "AAAAAAAAAAAAAAAAAAAAAA", "1", "1000", "all",
		"éééé", "a@bücher.example", "A@XN--BCHER-KVA。Example", "a@ẞ\u00ad.İ", "a@xn--a.é", "\x00", "\xff", "😀😀", strings.Repeat("x", 256), strings.Repeat("é", 1025), strings.Repeat("x", 4096),
	} {
		f.Add([]byte(seed))
	}
	schemas := map[string]jsonschema.Schema{}
	patterns := map[string]*regexp.Regexp{}
	for name, v := range every() {
		e, ok := reflect.ValueOf(v).Elem().Interface().(jsonschema.Exposer)
		if !ok {
			continue // All has an Enum
		}
		s, err := e.JSONSchema()
		if err != nil {
			f.Fatal(err)
		}
		if schemas[name] = s; s.Pattern != nil {
			patterns[name] = regexp.MustCompile(*s.Pattern)
		}
	}
	f.Fuzz(func(t *testing.T, given []byte) {
		for name, into := range every() {
			before := string(given)
			err := into.UnmarshalText(given)
			if string(given) != before {
				t.Fatalf("%s changes what it reads", name)
			}
			var problem fault.Problem
			if err != nil {
				if !errors.As(err, &problem) {
					t.Errorf("%s: %v is no answer to a client", name, err)
				}
				continue
			}
			s := schemas[name]
			text, number, isText := kept(into)
			if isText {
				n := int64(utf8.RuneCountInString(text))
				if n < s.MinLength || s.MaxLength != nil && n > *s.MaxLength || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
					t.Errorf("%s kept %q of %q, which its schema does not allow", name, text, given)
				}
				if p := patterns[name]; p != nil && !p.MatchString(text) {
					t.Errorf("%s kept %q, not of the pattern %s", name, text, p)
				}
				again := every()[name]
				if err := again.UnmarshalText([]byte(text)); err != nil || !reflect.DeepEqual(again, into) {
					t.Errorf("%s kept %q and reads it as %v (%v)", name, text, again, err)
				}
				continue
			}
			if s.Minimum != nil && float64(number) < *s.Minimum || s.Maximum != nil && float64(number) > *s.Maximum {
				t.Errorf("%s kept %d, which its schema does not allow", name, number)
			}
		}
		// A mailbox has one canonical form, which log-in computes too.
		var email Email
		if email.UnmarshalText(given) == nil {
			c := email.Canonical()
			var again Email
			if err := again.UnmarshalText([]byte(c)); err != nil || again.Canonical() != c || string(again) != c || Login(given).CanonicalEmail() != c || Login(email).CanonicalEmail() != c || !strings.EqualFold(c, string(email)) || !isASCII(c) {
				t.Errorf("%q has the canonical form %q, and that %q (%v)", email, c, again.Canonical(), err)
			}
		} else if c := Login(given).CanonicalEmail(); Login(c).CanonicalEmail() != c {
			t.Errorf("%q is looked up as %q, and that as %q", given, c, Login(c).CanonicalEmail())
		}
	})
}

func TestWholeNumbersAndDomains(t *testing.T) {
	for text, fine := range map[string]bool{"1": true, "720": true, "721": false, "0": false, "-1": false, "+5": false, "1.0": false, "1e1": false, "": false, " 1": false, `"1"`: false, "1_0": false} {
		var h Hours
		if err := h.UnmarshalText([]byte(text)); (err == nil) != fine {
			t.Errorf("%q: %d, %v", text, h, err)
		}
	}
	for text, want := range map[string]Domain{"Example.COM": "example.com", " bücher.example ": "xn--bcher-kva.example", "": "", "a@example.com": "", "@": "", "-": "", "example.com.": "", "exa mple.com": ""} {
		var d Domain
		if err := d.UnmarshalText([]byte(text)); d != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", text, d, err)
		}
	}
}
