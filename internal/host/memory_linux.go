package host

import (
	"math"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// MachineMemory is how many bytes of memory this machine has, or the container that the host runs in may use.
func MachineMemory() (int64, error) {
	var s unix.Sysinfo_t
	if err := unix.Sysinfo(&s); err != nil {
		return 0, os.NewSyscallError("sysinfo", err)
	}
	total := uint64(s.Totalram) * uint64(s.Unit)
	// Without a limit the file says "max", and with an older kind of control groups it is not there.
	if b, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		if limit, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 63); err == nil {
			total = min(total, limit)
		}
	}
	return int64(min(total, math.MaxInt64)), nil
}
