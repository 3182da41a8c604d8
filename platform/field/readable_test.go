package field

import (
	"strings"
	"testing"
)

// TestNamesInAllScriptsAreUnchanged, except for the conversion to NFC.
func TestNamesInAllScriptsAreUnchanged(t *testing.T) {
	for _, s := range []string{
		"Ada", "O’Brien & Söhne GmbH", "محمد علی", "می\u200cخواهم", "امیر\u200cحسین", "हिन्दी", "क्\u200dष", "ക്\u200d", "한국어", "日本語 株式会社", "葛\U000E0100城",
		"Ελλάδα", "Nguyễn Văn", "שלום", "👩\u200d👩\u200d👧\u200d👦", "🏳\ufe0f\u200d🌈", "❤\ufe0f", "1\ufe0f\u20e3", "👍🏽", "🇩🇪", "½ & ﬁ", "—",
	} {
		var name Name
		if err := name.UnmarshalText([]byte(" " + s + "\n")); err != nil || string(name) != s {
			t.Errorf("%+q became %+q: %v", s, name, err)
		}
	}
	for given, want := range map[string]string{"e\u0301": "é", "\u1112\u1161\u11ab": "한", "Å": "Å", "a\u0323\u0307": "ạ̇"} {
		var name Name
		if err := name.UnmarshalText([]byte(given)); err != nil || string(name) != want {
			t.Errorf("%+q became %+q: %v", given, name, err)
		}
	}
}

func TestTextThatHidesSomethingIsRefused(t *testing.T) {
	hidden := []string{
		"\u200b", "a\u200bb", "\u2060", "\ufeff", "\u00ad", "a\u202eb", "\u2066a\u2069", "\u200ea", "\u061ca", // zero width, directions
		"\u3164", "\uffa0", "\u115f", "\u17b4", "\u2800", "\u0301", "a\u034fb", // blank letters, symbols and marks
		"\u200d", "a\u200d", "\u200cb", "a \u200db", "a\u200d\u200db", "a.\u200db", "\ufe0f", "a\ufe0f\ufe0f", " \ufe0fa", // out of place
		"\ue000", "\U000f0000", "\u0378", "\uffff", "\U000e0041", "🏴\U000e0067\U000e007f", // private, unassigned, tags
		"a\x1b[31m", "a\u0085b", "a\u2028b", "a\u2029b", "a\x7f", "a\x0bb", "a\tb",
	}
	for _, s := range hidden {
		if err := new(Name).UnmarshalText([]byte(s)); err == nil {
			t.Errorf("a name: %+q", s)
		}
		if err := new(Reason).UnmarshalText([]byte(s)); err == nil {
			t.Errorf("a reason: %+q", s)
		}
		if err := new(Bio).UnmarshalText([]byte(s)); err == nil && s != "\u2800" && s != "\u0301" { // a biography may be blank
			t.Errorf("a biography: %+q", s)
		}
	}
}

// TestANameWithASuffixIsAName, at every length at which it is cut.
func TestANameWithASuffixIsAName(t *testing.T) {
	for _, unit := range []string{"x", "👩\u200d👧 ", "می\u200cخ", "❤\ufe0f\u200d🔥", "e\u0323\u0301"} {
		for n := range 30 {
			given := strings.Repeat("y", 220+n) + strings.Repeat(unit, 20)
			made := NameOf(given, "'s Organization")
			var name Name
			if err := name.UnmarshalText([]byte(made)); err != nil || name != made && !strings.HasPrefix(unit, "e") || !strings.HasSuffix(string(made), "'s Organization") {
				t.Fatalf("%+q: %v", made, err)
			}
		}
	}
	if got := NameOf("Ada", "'s Organization"); got != "Ada's Organization" {
		t.Error(got)
	}
}
