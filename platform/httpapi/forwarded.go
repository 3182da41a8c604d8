package httpapi

import (
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"

	"guildhall/platform/request"
)

// forwarding logs a warning about a proxy whose forwarded client addresses are ignored: all
// of its clients then share the proxy's address and its rate limits.
type forwarding struct {
	trusted request.Peers
	log     *slog.Logger
	warned  atomic.Bool // once per process, because any client can send these headers
}

func (f *forwarding) note(r *http.Request) {
	if f.warned.Load() {
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
		warning = "a peer that TRUSTED_PROXIES does not name sends client addresses, which are ignored: if it is your proxy, " +
			"all of its clients share its address and its rate limits until TRUSTED_PROXIES names it"
	case !addresses:
		warning = "a peer that TRUSTED_PROXIES names sends no X-Forwarded-For, the only header that is read: all of its clients share its address and its rate limits"
	}
	if warning == "" || !f.warned.CompareAndSwap(false, true) {
		return
	}
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		peer = r.RemoteAddr
	}
	f.log.WarnContext(r.Context(), warning, "peer", peer)
}
