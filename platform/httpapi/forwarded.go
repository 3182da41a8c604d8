package httpapi

import (
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"

	"guildhall/platform/request"
)

// forwarding notices proxies that say who their clients are and are not believed:
// all of those clients then share the proxy's address, and its limits.
type forwarding struct {
	trusted request.Peers
	log     *slog.Logger
	said    atomic.Bool // once for a process: anybody can send these headers
}

func (f *forwarding) note(r *http.Request) {
	if f.said.Load() {
		return
	}
	_, addresses := r.Header["X-Forwarded-For"]
	_, standard := r.Header["Forwarded"]
	_, single := r.Header["X-Real-Ip"]
	if !addresses && !standard && !single {
		return
	}
	warning := ""
	switch trusted := f.trusted.Include(r.RemoteAddr); {
	case !trusted:
		warning = "a peer that TRUSTED_PROXIES does not name sends on clients' addresses, which are not believed: if it is your proxy, " +
			"all of its clients share its address and its rate limits until TRUSTED_PROXIES names it"
	case !addresses:
		warning = "a peer that TRUSTED_PROXIES names sends no X-Forwarded-For, the only header that is read: all of its clients share its address and its rate limits"
	}
	if warning == "" || !f.said.CompareAndSwap(false, true) {
		return
	}
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		peer = r.RemoteAddr
	}
	f.log.WarnContext(r.Context(), warning, "peer", peer)
}
