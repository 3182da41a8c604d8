package httpapi

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/rs/cors"
)

// corsFor lets the pages of exact origins call, with whatever headers they ask
// for: front ends send those of their tracing as well (traceparent, baggage,
// sentry-trace), and here no header is more powerful than Authorization. No
// credentials: tokens travel in a header that a page sets itself, never in a cookie.
func corsFor(origins []string) *cors.Cors {
	return cors.New(cors.Options{
		// The library takes an empty list for "all".
		AllowOriginVaryRequestFunc: func(r *http.Request, origin string) (granted bool, vary []string) {
			listed := slices.Contains(origins, origin) || slices.Contains(origins, "*")
			return listed && len(r.Header["Origin"]) == 1 && len(r.Header["Access-Control-Request-Method"]) <= 1 &&
				areHeaderNames(r.Header["Access-Control-Request-Headers"]), nil // what it varies by is named already
		},
		AllowedMethods: []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPatch, http.MethodDelete},
		AllowedHeaders: []string{"*"}, // those of the preflight are sent back, one by one
		ExposedHeaders: []string{replayedHeader, "Link", "Location", "RateLimit", "RateLimit-Policy", "Retry-After", "WWW-Authenticate", "X-Request-ID", "X-Total-Count"},
		MaxAge:         600, // seconds
	})
}

// maxHeaderNames is how many bytes of header names a preflight may ask for: they
// are sent back.
const maxHeaderNames = 2 << 10

// A list of tokens (RFC 9110 §5.6.1, §5.6.2). Some gateways send each in a field
// of its own.
var headerNames = regexp.MustCompile("^[ \t]*[A-Za-z0-9!#$%&'*+.^_`|~-]+([ \t]*,[ \t]*[A-Za-z0-9!#$%&'*+.^_`|~-]+)*[ \t]*$")

func areHeaderNames(fields []string) bool {
	all := strings.Join(fields, ",")
	return all == "" || len(all) <= maxHeaderNames && headerNames.MatchString(all)
}
