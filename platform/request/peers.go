package request

import (
	"net/netip"
	"slices"
)

// Peers are the addresses of trusted proxies.
type Peers []netip.Prefix

// PeersOf parses addresses and CIDR ranges, which the configuration has validated.
func PeersOf(list []string) (all Peers) {
	for _, text := range list {
		if p, err := netip.ParsePrefix(text); err == nil {
			all = append(all, p)
		} else if a, err := netip.ParseAddr(text); err == nil {
			all = append(all, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return all
}

// Include reports whether the peer of a connection, as HOST:PORT, is one of them.
func (p Peers) Include(peer string) bool {
	address, err := netip.ParseAddrPort(peer)
	return err == nil && slices.ContainsFunc(p, func(one netip.Prefix) bool { return one.Contains(address.Addr().Unmap()) })
}
