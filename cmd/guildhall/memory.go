package main

import (
	"errors"
	"io/fs"
	"log/slog"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// memoryRatio is the part of a container's memory limit that becomes Go's memory limit:
// near it, Go collects garbage more often. The rest is for memory that Go does not count:
// SQLite's and the program's own pages.
const memoryRatio = 0.75

// minMemoryLimit is the least that Go needs to run: below it, Go would only collect garbage.
const minMemoryLimit = 32 << 20

// applyMemoryLimit sets Go's memory limit from that of the container or unit (the cgroup's
// memory.max), which the kernel enforces by killing the process. GOMEMLIMIT takes
// precedence.
func applyMemoryLimit(log *slog.Logger) {
	_, err := memlimit.Set(memlimit.WithRatio(memoryRatio), memlimit.WithMin(minMemoryLimit))
	if err != nil && !errors.Is(err, memlimit.ErrNoCgroup) && !errors.Is(err, memlimit.ErrCgroupsNotSupported) && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("cannot read the memory limit of the container: set GOMEMLIMIT", "cause", err)
	}
}
