package main

import (
	"runtime"

	resources "github.com/shirou/gopsutil/v4/process"

	"guildhall/platform/platformtest"
)

// memory returns the resident memory of a running guildhall in KiB: now, and the peak,
// which is 0 if the system does not count it.
func (p *process) memory() (now, most int) {
	p.t.Helper()
	info, err := p.resources().MemoryInfo()
	if err != nil {
		p.t.Fatal(err)
	}
	return int(info.RSS >> 10), platformtest.MostResident(p.cmd.Process.Pid) //nolint:gosec // no process is that large
}

// descriptors returns the number of open files and sockets.
func (p *process) descriptors() int {
	p.t.Helper()
	n, err := p.resources().NumFDs()
	switch {
	case err != nil && runtime.GOOS == "linux":
		p.t.Fatal(err)
	case err != nil:
		p.t.Skipf("NOT TESTED FOR DESCRIPTORS: %v", err)
	}
	return int(n)
}

func (p *process) resources() *resources.Process {
	p.t.Helper()
	running, err := resources.NewProcess(int32(p.cmd.Process.Pid)) //nolint:gosec // ids of processes are small
	if err != nil {
		p.t.Fatal(err)
	}
	return running
}
