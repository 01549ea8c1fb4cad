package lockdown

import (
	"os"

	"golang.org/x/sys/unix"
)

// Prepare makes the process unreadable and checks the perimeter from within, against what the host claims: the
// process's only argument. It is the first thing that main does, before any thread, descriptor or library of its own.
func Prepare(claimed string) (Observed, error) {
	c, err := parseClaim(claimed)
	if err != nil {
		return Observed{}, err
	}
	o := Observed{Claim: c.text}
	for _, check := range []func(claim, *Observed) error{
		notDumpable, noCore, noNewPrivs, noCapabilities, memoryLimit,
		noEnvironment, descriptors, swap, rootDenied,
		userNamespace, pidNamespace, emptyRoot, network,
	} {
		if err := check(c, &o); err != nil {
			return Observed{}, err
		}
	}
	return o, nil
}

// notDumpable also hands this process's /proc entry to root: not even the same user may attach or read its memory.
func notDumpable(_ claim, o *Observed) error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return failed("not dumpable")
	}
	got, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil || got != 0 {
		return failed("not dumpable")
	}
	o.NotDumpable = true
	return nil
}

func noCore(_ claim, o *Observed) error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return failed("no core dump")
	}
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &l); err != nil || l.Cur != 0 || l.Max != 0 {
		return failed("no core dump")
	}
	o.NoCore = true
	return nil
}

func noNewPrivs(_ claim, o *Observed) error {
	got, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	if err != nil || got != 1 {
		return failed("no new privileges")
	}
	o.NoNewPrivs = true
	return nil
}

func noCapabilities(c claim, o *Observed) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil || data != [2]unix.CapUserData{} {
		return failed("no capabilities")
	}
	// Without a user namespace an ordinary user can't empty its bounding set; no_new_privs makes it moot.
	if (c.namespaces || c.machine) && !boundingEmpty() {
		return failed("no capabilities")
	}
	o.NoCapabilities = true
	return nil
}

func boundingEmpty() bool {
	for n := uintptr(0); n < 64; n++ {
		has, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, n, 0, 0, 0)
		if err != nil {
			return n > unix.CAP_SETPCAP // the kernel has no more
		}
		if has != 0 {
			return false
		}
	}
	return true
}

func memoryLimit(_ claim, o *Observed) error {
	for _, what := range []int{unix.RLIMIT_AS, unix.RLIMIT_DATA, unix.RLIMIT_FSIZE} {
		var l unix.Rlimit
		if err := unix.Getrlimit(what, &l); err != nil || l.Max == unix.RLIM_INFINITY || l.Cur != l.Max {
			return failed("memory limit")
		}
		if what == unix.RLIMIT_DATA {
			o.MemoryBytes = l.Max
		}
	}
	return nil
}

func noEnvironment(claim, *Observed) error {
	if len(os.Environ()) != 0 {
		return failed("empty environment")
	}
	return nil
}

// swap reads the machine's total: the table of devices is not visible from here.
func swap(c claim, o *Observed) error {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return failed("no swap")
	}
	o.SwapBytes = uint64(info.Totalswap) * uint64(info.Unit)
	if !c.accepts(o.SwapBytes) {
		return failed("no swap")
	}
	return nil
}

// accepts says whether the claim admits a machine with so much swap.
func (c claim) accepts(swapBytes uint64) bool { return swapBytes == 0 || c.swap }
