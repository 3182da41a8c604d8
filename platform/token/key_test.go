package token

import (
	"regexp"
	"strings"
	"testing"
)

func TestAKeyIsRecognizedByScanners(t *testing.T) {
	scanner := regexp.MustCompile(`^[a-z][a-z0-9]{1,14}_key_[0-9A-Za-z]{49}$`)
	seen := map[KeyHash]bool{}
	for range 1000 {
		key, hint := NewKey("guildhall")
		hash, ok := ParseKey(key)
		if !ok || !scanner.MatchString(key) || seen[hash] || !strings.HasPrefix(key, hint) || len(hint) != len("guildhall_key_0000") {
			t.Fatalf("%q, hint %q, valid %t, repeated %t", key, hint, ok, seen[hash])
		}
		seen[hash] = true
	}
}

// TestNoSingleChangeOfAKeyPasses: a mistyped key is never looked up.
func TestNoSingleChangeOfAKeyPasses(t *testing.T) {
	for range 20 {
		key, _ := NewKey("acme")
		for i := range key {
			for c := range byte(128) {
				if changed := key[:i] + string(rune(c)) + key[i+1:]; changed != key {
					if _, ok := ParseKey(changed); ok {
						t.Errorf("%s passes for %s", changed, key)
					}
				}
			}
			if _, ok := ParseKey(key[:i] + key[i+1:]); ok {
				t.Errorf("%s passes without character %d", key, i)
			}
		}
	}
}

func TestKeyPrefixes(t *testing.T) {
	for prefix, want := range map[string]bool{
		"guildhall": true, "ab": true, "a1": true, "abcdefghijklmno": true, "a": false, "": false, "abcdefghijklmnop": false,
		"Acme": false, "1a": false, "a_b": false, "a-b": false, "ghp": false, "gh": false, "gamma": true, "é": false,
	} {
		if IsKeyPrefix(prefix) != want {
			t.Errorf("%q: %t", prefix, !want)
		}
		key, _ := NewKey(prefix)
		if _, ok := ParseKey(key); ok != want {
			t.Errorf("a key with prefix %q: %t", prefix, ok)
		}
	}
}

func BenchmarkKey(b *testing.B) {
	key, _ := NewKey("guildhall")
	for b.Loop() {
		if _, ok := ParseKey(key); !ok {
			b.Fatal(key)
		}
	}
}
