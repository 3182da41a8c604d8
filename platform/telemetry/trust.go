package telemetry

import "net/netip"

// prefixes reads addresses and CIDR ranges that the configuration has checked.
func prefixes(list []string) (all []netip.Prefix) {
	for _, text := range list {
		if p, err := netip.ParsePrefix(text); err == nil {
			all = append(all, p)
		} else if a, err := netip.ParseAddr(text); err == nil {
			all = append(all, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return all
}

// trusts says whether the peer of a connection is one of them.
func trusts(trusted []netip.Prefix, peer string) bool {
	address, err := netip.ParseAddrPort(peer)
	if err != nil {
		return false
	}
	for _, p := range trusted {
		if p.Contains(address.Addr().Unmap()) {
			return true
		}
	}
	return false
}
