package config

import (
	"net/url"
	"regexp"
	"strings"
)

// maskURL hides the password of a URL, in its user part and in its query (both
// are taken by PostgreSQL's drivers). It works on text, not on a parsed URL,
// because what can't be parsed has to be masked too; in doubt it hides more.
func maskURL(raw string) string {
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

var postgresURL = regexp.MustCompile(`postgres(ql)?(\+\w+)?://[^\n]*`)

// MaskURLs hides the passwords of PostgreSQL's URLs in a text that somebody else
// wrote, as a parser of arguments does that quotes what it does not know.
func MaskURLs(text string) string { return postgresURL.ReplaceAllStringFunc(text, maskURL) }

func maskCredentials(s string) string {
	user, _, hasPassword := strings.Cut(s, ":")
	switch {
	case strings.ContainsAny(user, "/?#"): // the @ stands in a path, a query or a stray password
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
