// Package request stores information about an HTTP request in its context: its id, the
// client's address and User-Agent, and the headers of its response.
package request

import (
	"context"
	"net/http"
	"strings"
	"time"
	"unicode"
)

// Info describes one request. It is empty outside of a request, as on the command line.
type Info struct {
	ID      string // X-Request-ID
	Address string // of the client: the peer's, or the one that a trusted proxy reports
	Client  string // the User-Agent, at most 255 characters
	Locale  string // the language that the client prefers, of those that there are; empty if it names none
	Began   time.Time

	header http.Header
}

type key struct{}

// With returns a context with the information, which From returns.
func With(ctx context.Context, info Info, header http.Header) context.Context {
	info.Client = printable(info.Client)
	info.header = header
	return context.WithValue(ctx, key{}, info)
}

// From returns the information of the request.
func From(ctx context.Context) Info {
	info, _ := ctx.Value(key{}).(Info)
	return info
}

// SetHeader sets a header of the response, whether it succeeds or fails.
func SetHeader(ctx context.Context, name, value string) {
	if h := From(ctx).header; h != nil {
		h.Set(name, value)
	}
}

// printable keeps the characters that both databases can store and a terminal prints
// unchanged.
func printable(s string) string {
	if len(s) <= 255 && plain(s) {
		return s
	}
	s = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsGraphic(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if r := []rune(s); len(r) > 255 {
		s = string(r[:255])
	}
	return s
}

// plain reports whether a text is printable ASCII, the common case.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
