package field

import (
	"encoding"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"guildhall/platform/fault"
)

func TestValues(t *testing.T) {
	long := func(n int) string { return strings.Repeat("é", n) }
	for _, c := range []struct {
		into  encoding.TextUnmarshaler
		text  string
		fails bool
	}{
		{new(Name), "Ada", false}, {new(Name), long(255), false}, {new(Name), long(256), true}, {new(Name), " \t ", true},
		{new(Bio), "", false}, {new(Bio), long(2001), true}, {new(Reason), "", true}, {new(Reason), long(1000), false},
		{new(Name), "a\x00b", true}, {new(Name), "a\xffb", true},
		{new(AvatarURL), "HTTPS://example.com", false}, {new(AvatarURL), "https://[::1]/", true}, {new(AvatarURL), "ftp://example.com", true},
		{new(Email), "a.b+c@example.co.uk", false}, {new(Email), "a@localhost", false}, {new(Email), "a..b@example.com", true}, {new(Email), "a@example.com.", true},
		{new(Login), "whatever", false}, {new(Login), "", true}, {new(Password), long(512), false}, {new(Password), long(513), true},
		{new(NewPassword), "éééééééé", false}, {new(NewPassword), "ééééééé", true}, {new(NewPassword), strings.Repeat("x", 1025), true}, {new(NewPassword), "12345\x006789", true},
		{new(Credential), "x", false}, {new(Credential), strings.Repeat("x", 4097), true},
		{new(Time), "2026-01-31T12:00:00Z", false}, {new(Time), "2026-01-31t12:00:00.123456789+02:00", false}, {new(Time), "2026-01-31", true},
		{new(Time), "2026-01-31T1:00:00Z", true}, {new(Time), "2026-01-31T12:00:00,5Z", true}, {new(Time), "2026-01-31T12:00:00+24:00", true}, {new(Time), "2026-01-31T12:00:00+23:60", true},
		{new(Limit), "+5", true}, {new(Offset), "+5", true}, {new(Cursor), "AAAAAAAAAAAAAAAAAAAAAA\n", true},
		{new(Limit), "1000", false}, {new(Limit), "1001", true}, {new(Offset), "0", false}, {new(Offset), "-1", true},
		{new(Cursor), "AAAAAAAAAAAAAAAAAAAAAA", false}, {new(Cursor), "AAAAAAAAAAAAAAAAAAAAA=", true}, {new(All), "all", false}, {new(All), "ALL", true},
	} {
		err := c.into.UnmarshalText([]byte(c.text))
		var problem fault.Problem
		if (err != nil) != c.fails || err != nil && (!errors.As(err, &problem) || !strings.HasSuffix(err.Error(), ".")) {
			t.Errorf("%T %.40q: %v", c.into, c.text, err)
		}
	}
	for host, ok := range map[string]bool{
		"example.com": true, "a.b.example.com:8443": true, "xn--bcher-kva.example": true, "EXAMPLE.COM": true, "1.example.com": true,
		"2130706433": false, "127.1": false, "0x7f.0.0.1": false, "127.0.0.1": false, "127.0.0.1.": false, "\uff11\uff12\uff17.1": false, "localhost": false, ".": false, "a..b": false,
		"example.com.": false, "-a.com": false, "a-.com": false, "a_b.com": false, "example.com:99999": false, "example.com:0": false, "example.com:": false, "[::1]": false, "u@example.com": false,
		"example.com\u202e": false, "b\u00fccher.example": false, "example.0xff": false, strings.Repeat("a.", 127) + "com": false, strings.Repeat("a", 64) + ".com": false,
	} {
		if err := new(AvatarURL).UnmarshalText([]byte("https://" + host + "/x")); (err == nil) != ok {
			t.Errorf("%q: %v", host, err)
		}
	}
	var at Time
	if err := at.UnmarshalText([]byte("2026-01-31T14:00:00.123456789+02:00")); err != nil || at.String() != "2026-01-31 12:00:00.123456 +0000 UTC" {
		t.Errorf("%v %v", at, err)
	}
	if NewPassword("secret").String() == "secret" || Password("secret").String() == "secret" || Credential("secret").String() == "secret" {
		t.Error("a secret prints itself")
	}
}

func TestCanonicalEmailIgnoresCase(t *testing.T) {
	for given, want := range map[string]string{"Ada@Example.COM": "ada@example.com", " a@b ": "a@b", "İ@example.com": "İ@example.com", "\u212a@example.com": "\u212a@example.com", "bücher": "bücher", "A@B@é": "a@b@xn--9ca"} {
		if got := Login(given).CanonicalEmail(); got != want {
			t.Errorf("%q became %q", given, got)
		}
	}
}

// TestUnicodeDomainBecomesALabels: all spellings of a domain have the same stored form.
func TestUnicodeDomainBecomesALabels(t *testing.T) {
	for want, spellings := range map[string][]string{
		"xn--bcher-kva.example":    {"bücher.example", "BÜCHER.Example", "bu\u0308cher.example", "bücher。example", "bücher．ｅｘａｍｐｌｅ", "bü\u00adcher.example", "xn--bcher-kva.example", "XN--Bcher-KVA.EXAMPLE"},
		"example.com":              {"ｅｘａｍｐｌｅ.com", "EXAMPLE｡com", "𝐞xample.com", "ex\u200bample.com"},
		"xn--strae-oqa.example":    {"straße.example", "STRAẞE.example"},
		"xn--istanbul-o0e.example": {"İstanbul.example", "i\u0307stanbul.example"},
		"xn--stanbul-qfb.example":  {"ıstanbul.example"},
		"xn--11b2ezcw70k.example":  {"क\u094d\u200dष.example"}, // a joiner that the script needs
		"xn--4dbc.example":         {"אב.example"},
		"xn--paypl-7ve.example":    {"paypаl.example"}, // with a Cyrillic а: another domain, visibly so as A-labels
		"xn--a.example":            {"xn--a.example", "XN--A.example"},
	} {
		for _, domain := range spellings {
			var email Email
			if err := email.UnmarshalText([]byte(" Ada@" + domain)); err != nil || email.Canonical() != "ada@"+want || Login("ADA@"+domain+" ").CanonicalEmail() != "ada@"+want {
				t.Errorf("%+q became %q (%v), not at %s", domain, email, err, want)
			}
			if kept := "Ada@" + domain; string(email) != kept && string(email) != "Ada@"+want {
				t.Errorf("%+q is kept as %q", domain, email)
			}
			if !isASCII(string(email)) {
				t.Errorf("%+q is kept as %q", domain, email)
			}
		}
	}
}

// FuzzDomain: for any domain, the canonical form is its own canonical form, and a stored
// address is ASCII.
func FuzzDomain(f *testing.F) {
	for _, seed := range []string{"example.com", "bücher。Example", "XN--BCHER-KVA", "xn--a.é", "İ.ẞ.ς", "אב.1", "क\u094d\u200dष", "\u200d\u00ad", "𝐞\u0301", "⒈\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, domain string) {
		looked := Login("a@" + domain).CanonicalEmail()
		if again := Login(looked).CanonicalEmail(); again != looked {
			t.Errorf("%+q is looked up as %+q, and that as %+q", domain, looked, again)
		}
		var email Email
		if email.UnmarshalText([]byte("a@"+domain)) == nil && (!isASCII(string(email)) || email.Canonical() != looked) {
			t.Errorf("%+q is kept as %+q and looked up as %+q", domain, email, looked)
		}
	})
}

func FuzzText(f *testing.F) {
	for _, seed := range []string{"", "Ada", "a@b.c", "https://example.com/x", "2026-01-31T12:00:00Z", "AAAAAAAAAAAAAAAAAAAAAA", "\x00", "\xff", "1e3"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var name Name
		var email Email
		var chosen NewPassword
		var at Time
		for _, into := range []encoding.TextUnmarshaler{&name, new(Bio), new(Reason), new(AvatarURL), &email, new(Login), new(Password), &chosen, new(Credential), &at, new(Limit), new(Offset), new(Cursor), new(All)} {
			err := into.UnmarshalText(text)
			var problem fault.Problem
			if err != nil && !errors.As(err, &problem) {
				t.Errorf("%T: %v is no answer to a client", into, err)
			}
		}
		for _, kept := range []string{string(name), string(email), string(chosen)} {
			if !utf8.ValidString(kept) || strings.ContainsRune(kept, 0) {
				t.Errorf("%q was let through", kept)
			}
		}
		if c := email.Canonical(); Email(c).Canonical() != c || len(c) > 254 {
			t.Errorf("%q has the canonical form %q", email, c)
		}
		if y := at.UTC().Year(); !at.IsZero() && (y < 1 || y > 9999) {
			t.Errorf("the year %d", y)
		}
	})
}
