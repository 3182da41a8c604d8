// Package request is what the context of a request carries besides the caller:
// its id, who sent it from where, and the headers of its answer.
package request

import (
	"context"
	"net/http"
	"strings"
	"unicode"
)

// Info is about one request. Outside of any, as on the command line, it is empty.
type Info struct {
	ID      string // X-Request-ID
	Address string // of the client: the peer's, or what a trusted proxy says of it
	Client  string // what it calls itself (User-Agent), at most 255 characters

	header http.Header
}

type key struct{}

// With keeps the information for whoever serves the request.
func With(ctx context.Context, info Info, header http.Header) context.Context {
	info.Client = printable(info.Client)
	info.header = header
	return context.WithValue(ctx, key{}, info)
}

// From finds it.
func From(ctx context.Context) Info {
	info, _ := ctx.Value(key{}).(Info)
	return info
}

// SetHeader sets a header of the answer, whatever it will be.
func SetHeader(ctx context.Context, name, value string) {
	if h := From(ctx).header; h != nil {
		h.Set(name, value)
	}
}

// printable keeps what both databases store and a terminal shows as it is.
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

// plain says that there is nothing but what ASCII prints, as nearly always.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
