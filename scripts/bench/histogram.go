package main

import (
	"math/bits"
	"time"
)

// histogram counts latencies in buckets that are about 3 % wide.
type histogram [64 * 32]uint32

func (h *histogram) add(d time.Duration) {
	v := uint64(max(d, 0))
	shift := max(0, bits.Len64(v)-6)
	h[shift*32+int(v>>shift)]++ //nolint:gosec // below 64
}

func (h *histogram) merge(other *histogram) {
	for i, n := range other {
		h[i] += n
	}
}

func (h *histogram) count() (n int) {
	for _, c := range h {
		n += int(c)
	}
	return n
}

// percentile returns the middle of the percentile's bucket.
func (h *histogram) percentile(p float64) time.Duration {
	left := int(float64(h.count())*p/100 + 0.5)
	for i, n := range h {
		if left -= int(n); left <= 0 && n > 0 {
			shift := max(0, i/32-1)
			return time.Duration(i-shift*32)<<shift + time.Duration(1)<<shift/2
		}
	}
	return 0
}
