package main

import (
	"errors"
	"io/fs"
	"log/slog"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// ofLimit is how much of a container's memory Go may fill before it collects
// garbage without a pause for thought. The rest is SQLite's, the stacks' and the
// program's own, which Go does not count.
const ofLimit = 0.75

// leastLimit is what Go needs to run at all: with less it would do nothing but
// collect.
const leastLimit = 32 << 20

// heedMemoryLimit tells Go of the limit that a container or a unit sets (a cgroup's
// memory.max), which the kernel holds up by killing. GOMEMLIMIT goes before it.
func heedMemoryLimit(log *slog.Logger) {
	_, err := memlimit.Set(memlimit.WithRatio(ofLimit), memlimit.WithMin(leastLimit))
	if err != nil && !errors.Is(err, memlimit.ErrNoCgroup) && !errors.Is(err, memlimit.ErrCgroupsNotSupported) && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("the limit of memory can't be found out: set GOMEMLIMIT", "cause", err)
	}
}
