package password

import (
	"slices"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	const (
		short = "must have at least 8 characters."
		long  = "must have at most 1,024 bytes."
		email = "must not be the email address, nor the part of it before the @."
		guess = "must not be a password that is common or known from a data breach: others would guess it."
	)
	rules := NewRules(RulesOptions{})
	for _, c := range []struct{ password, email, problem string }{
		{"correct horse battery", "ada@example.com", ""},
		{"        ", "ada@example.com", ""},
		{"日本語!", "ada@example.com", short}, {"日本語で長い合言葉", "ada@example.com", ""},
		{strings.Repeat("x1", 512), "ada@example.com", ""},
		{"", "ada@example.com", short},
		{"sevenxx", "ada@example.com", short},
		{strings.Repeat("x1", 512) + "x", "ada@example.com", long},
		{"broken \xff utf", "ada@example.com", "must be valid UTF-8."},
		{"broken \x00 nul", "ada@example.com", "must not hold a NUL character."},
		{"ada@example.com", "ada@example.com", email},
		{"ADA@Example.COM", "ada@example.com", email},
		{"ada@example.com", " Ada@example.com ", email},
		{"ada@bücher.example", "ada@xn--bcher-kva.example", email},
		{"Ada@BÜCHER.example ", "ada@xn--bcher-kva.example", email},
		{"lovelace", "lovelace@example.com", email},
		{"LoveLace", "LOVELACE@example.com", email},
		{"lovelace1", "lovelace@example.com", ""},
		{"example.com", "ada@example.com", ""},
		{"password", "ada@example.com", guess},
		{"PassWord", "ada@example.com", guess},
		{"PASSWORD1", "", guess},
		{"12345678", "", guess},
		{"qwertyuiop", "", guess},
		{"password\n", "", ""},
		{"password\npassword1", "", ""},
	} {
		got := ""
		if err := rules.Check(t.Context(), c.password, c.email); err != nil {
			got = err.Error()
		}
		if got != c.problem {
			t.Errorf("%.40q of %s: %q, not %q", c.password, c.email, got, c.problem)
		}
	}
}

func TestCommonListIsSortedAndFoundWhole(t *testing.T) {
	if !strings.HasSuffix(common, "\n") {
		t.Fatal("the last line has no end")
	}
	lines := strings.Split(strings.TrimSuffix(common, "\n"), "\n")
	if len(lines) < 10_000 {
		t.Errorf("only %d entries", len(lines))
	}
	if !slices.IsSorted(lines) || len(slices.Compact(slices.Clone(lines))) != len(lines) {
		t.Error("not in order, or not unique")
	}
	for _, line := range lines {
		if len(line) < 8 || line != strings.ToLower(line) {
			t.Errorf("%q can't be met", line)
		}
		if !isCommon(line) || !isCommon(strings.ToUpper(line)) {
			t.Errorf("%q is not found", line)
		}
		for _, near := range []string{line[:len(line)-1], line + "\x01", "\x01" + line, line + "~~~~"} {
			if isCommon(near) != found(lines, near) {
				t.Errorf("%q: %v", near, isCommon(near))
			}
		}
	}
	for _, outside := range []string{"", "\x00", "\n", "\xff\xff", "~~~~~~~~~~", common[:40]} {
		if isCommon(outside) {
			t.Errorf("%q is found", outside)
		}
	}
}

func found(lines []string, word string) bool {
	_, ok := slices.BinarySearch(lines, word)
	return ok
}

func BenchmarkCheck(b *testing.B) {
	rules := NewRules(RulesOptions{})
	b.ReportAllocs()
	for b.Loop() {
		_ = rules.Check(b.Context(), "correct horse battery", "ada@example.com")
	}
}
