package platformtest

import (
	"fmt"
	"os"
	"strings"
)

// MostResident returns the peak memory of a process so far, in KiB: Linux's VmHWM,
// which gopsutil does not read. It is 0 on other systems.
func MostResident(pid int) (kibibytes int) {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	_, _ = fmt.Sscan(rest, &kibibytes)
	return kibibytes
}
