package httpapi

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/rs/cors"
)

// corsFor allows the pages of exact origins to call the API, with any request headers:
// front ends also send tracing headers (traceparent, baggage, sentry-trace), and no header
// here is more powerful than Authorization. It allows no credentials: a page sends tokens
// in a header that it sets itself, never in a cookie.
func corsFor(origins []string) *cors.Cors {
	return cors.New(cors.Options{
		// The library treats an empty list of origins as "all".
		AllowOriginVaryRequestFunc: func(r *http.Request, origin string) (granted bool, vary []string) {
			listed := slices.Contains(origins, origin) || slices.Contains(origins, "*")
			return listed && len(r.Header["Origin"]) == 1 && len(r.Header["Access-Control-Request-Method"]) <= 1 &&
				areHeaderNames(r.Header["Access-Control-Request-Headers"]), nil // the library sets Vary already
		},
		AllowedMethods: []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete},
		AllowedHeaders: []string{"*"}, // the response lists the headers of the preflight
		ExposedHeaders: []string{replayedHeader, "ETag", "Link", "Location", "RateLimit", "RateLimit-Policy", "Retry-After", "WWW-Authenticate", "X-Request-ID", "X-Total-Count"},
		MaxAge:         600, // seconds
	})
}

// maxHeaderNames limits the bytes of header names in a preflight, because the response
// repeats them.
const maxHeaderNames = 2 << 10

// headerNames matches a list of tokens (RFC 9110 §5.6.1, §5.6.2). Some gateways send each
// token in its own field.
var headerNames = regexp.MustCompile("^[ \t]*[A-Za-z0-9!#$%&'*+.^_`|~-]+([ \t]*,[ \t]*[A-Za-z0-9!#$%&'*+.^_`|~-]+)*[ \t]*$")

func areHeaderNames(fields []string) bool {
	all := strings.Join(fields, ",")
	return all == "" || len(all) <= maxHeaderNames && headerNames.MatchString(all)
}
