package config

import (
	"fmt"
	"slices"
	"strings"
)

const minSecret = 32 // bytes; RFC 7518 §3.2: at least as long as HS256's hash

// knownSecrets are published examples that look random enough to pass every other
// check, or that people may extend to 32 bytes.
func knownSecrets() []string {
	return []string{
		"your-secret-key-here",         // the FastAPI service's README
		"your-refresh-secret-key-here", // the same
		"09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7", // FastAPI's tutorial
		"a-string-secret-at-least-256-bits-long",                           // jwt.io
	}
}

// placeholders are words from examples, in lower case and without separators. They are
// very unlikely to occur in 32 random bytes.
func placeholders() []string {
	return []string{
		"changeme", "changethis", "replaceme", "placeholder", "example",
		"yoursecret", "yourrefreshsecret", "secretkeyhere", "supersecret",
		"strongrandomsecret", "secret256bit", "256bitsecret",
	}
}

// secretWeakness returns why a signing key is not fit for production, as the end of a
// sentence, or an empty string.
func secretWeakness(s Secret) string {
	text := s.Reveal()
	if slices.Contains(knownSecrets(), text) {
		return "is a published example"
	}
	bare := strings.NewReplacer("-", "", "_", "", " ", "", ".", "").Replace(strings.ToLower(text))
	for _, word := range placeholders() {
		if strings.Contains(bare, word) {
			return "is a placeholder"
		}
	}
	switch {
	case len(text) < minSecret:
		return fmt.Sprintf("is shorter than %d bytes", minSecret)
	case repeats(text) || distinctBytes(text) < 6:
		return "is a pattern, not random"
	}
	return ""
}

// repeats reports whether s consists of repetitions of a shorter string: in that case s
// occurs in s+s also at other positions than the start and the middle.
func repeats(s string) bool {
	return len(s) > 1 && strings.Contains((s + s)[1:2*len(s)-1], s)
}

func distinctBytes(s string) int {
	seen := map[byte]bool{}
	for i := range len(s) {
		seen[s[i]] = true
	}
	return len(seen)
}
