package databaseurl

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Mask hides the password of a URL, in its user part and in its query (PostgreSQL's
// drivers accept both). It works on text, not on a parsed URL, because it has to mask
// invalid URLs too. In doubt it hides more.
func Mask(raw string) string {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return raw
	}
	credentials := ""
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		credentials, rest = maskCredentials(rest[:at])+"@", rest[at+1:]
	}
	if path, query, ok := strings.Cut(rest, "?"); ok {
		rest = path + "?" + maskQuery(query)
	}
	return scheme + "://" + credentials + rest
}

const mask = "********"

var postgresURL = regexp.MustCompile(`postgres(ql)?(\+\w+)?://[^\n]*`)

// MaskAll hides the passwords of PostgreSQL URLs in a text from another source, such as
// an argument parser's error that quotes an unknown argument.
func MaskAll(text string) string { return postgresURL.ReplaceAllStringFunc(text, Mask) }

func maskCredentials(s string) string {
	user, _, hasPassword := strings.Cut(s, ":")
	switch {
	case strings.ContainsAny(user, "/?#"): // the @ is in a path, a query or a part of a password
		return mask
	case hasPassword:
		return user + ":" + mask
	}
	return user
}

func maskQuery(query string) string {
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		name, _, _ := strings.Cut(pair, "=")
		plain, err := url.QueryUnescape(name)
		if err != nil || strings.Contains(strings.ToLower(plain), "pass") {
			pairs[i] = name + "=" + mask
		}
	}
	return strings.Join(pairs, "&")
}

// fragment is the length of the shortest part of a secret that is masked: a URL that is
// split at the wrong place leaves parts of a password.
const fragment = 4

// Redact masks every part of a text that is also a part of a secret, in plain or
// URL-encoded form.
func Redact(text string, secrets ...string) string {
	hidden := make([]bool, len(text))
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		for _, s := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret)} {
			size := min(len(s), fragment)
			for i := 0; i+size <= len(text); i++ {
				if strings.Contains(s, text[i:i+size]) {
					for j := range size {
						hidden[i+j] = true
					}
				}
			}
		}
	}
	if !slices.Contains(hidden, true) {
		return text
	}
	var b strings.Builder
	for i := range len(text) {
		switch {
		case !hidden[i]:
			b.WriteByte(text[i])
		case i == 0 || !hidden[i-1]:
			b.WriteString(mask)
		}
	}
	return b.String()
}
