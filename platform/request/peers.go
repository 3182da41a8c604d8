package request

import (
	"net/netip"
	"slices"
)

// Peers are those at the other end of a connection that are trusted.
type Peers []netip.Prefix

// PeersOf reads addresses and CIDR ranges that the configuration has checked.
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

// Include says whether the peer of a connection, HOST:PORT, is one of them.
func (p Peers) Include(peer string) bool {
	address, err := netip.ParseAddrPort(peer)
	return err == nil && slices.ContainsFunc(p, func(one netip.Prefix) bool { return one.Contains(address.Addr().Unmap()) })
}
