package config

import (
	"net"
	"net/url"
	"strconv"
	"strings"

	"guildhall/platform/databaseurl"
)

// originFault returns why an origin can't be allowed for CORS, as the end of a
// sentence, or an empty string. The form is that of RFC 6454 §6.2, which browsers send:
// an origin that differs in one byte would never match.
func originFault(origin string) string {
	switch {
	case strings.Contains(origin, "*"):
		return "is a wildcard; list the origins"
	case origin == "null":
		return "is the origin of every sandboxed page"
	case !isExactOrigin(origin):
		return "is not scheme://host[:port] in lower case, with no path, trailing slash or default port"
	}
	return ""
}

func isExactOrigin(origin string) bool {
	u, err := url.Parse(origin)
	if err != nil || origin != strings.ToLower(u.Scheme+"://"+u.Host) {
		return false
	}
	if !isHostName(u.Hostname()) && net.ParseIP(u.Hostname()) == nil {
		return false
	}
	return isExactPort(u)
}

func isExactPort(u *url.URL) bool {
	if u.Port() == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil || port < 1 || port > 65535 || u.Port() != strconv.Itoa(port) {
		return false
	}
	return !(u.Scheme == "http" && port == 80) && !(u.Scheme == "https" && port == 443)
}

// isClearOrigin reports whether pages of the origin are transferred without encryption,
// so that an attacker on the network can inject a script.
func isClearOrigin(origin string) bool {
	u, err := url.Parse(origin)
	return err != nil || u.Scheme == "http" && !databaseurl.IsLocal(u.Host)
}
