package main

import (
	"errors"
	"io/fs"
	"log/slog"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// ofLimit is the part of a container's memory that Go may use before it collects
// garbage more often. The rest is for what Go does not count: SQLite's memory and the
// program's own pages.
const ofLimit = 0.75

// leastLimit is what Go needs to run at all: below it, Go would only collect garbage.
const leastLimit = 32 << 20

// heedMemoryLimit tells Go the memory limit of a container or a unit (a cgroup's
// memory.max). The kernel enforces it by killing the process. GOMEMLIMIT takes
// precedence.
func heedMemoryLimit(log *slog.Logger) {
	_, err := memlimit.Set(memlimit.WithRatio(ofLimit), memlimit.WithMin(leastLimit))
	if err != nil && !errors.Is(err, memlimit.ErrNoCgroup) && !errors.Is(err, memlimit.ErrCgroupsNotSupported) && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("the limit of memory can't be found out: set GOMEMLIMIT", "cause", err)
	}
}
