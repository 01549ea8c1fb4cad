package perimeter

import (
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// nobody is the user and group that an enclave runs as when the host may choose. It owns no files.
const nobody = 65534

// lockedSecurebits: being user 0 gives nothing, capabilities are never kept or raised, and none of this can be undone.
const lockedSecurebits = 1<<0 | 1<<1 | // NOROOT
	1<<2 | 1<<3 | // NO_SETUID_FIXUP
	1<<5 | // KEEP_CAPS locked (off)
	1<<6 | 1<<7 // NO_CAP_AMBIENT_RAISE

// dropPrivileges gives up every capability, for good, and the user id where the host may choose one.
//
// Raw system calls throughout: the wrappers in package syscall would apply them to every thread, and only this
// thread lives on.
func dropPrivileges(c stageConfig, done *stageDone) error {
	caps, err := hasCap(unix.CAP_SETPCAP)
	if err != nil {
		return err
	}
	// Without user namespaces an ordinary user has no capability to drop; no_new_privs keeps it so.
	if caps || c.Name != NoUserNS {
		if err := dropBounding(); err != nil {
			return err
		}
	}
	done.User = UserCaller
	if c.DropUser {
		done.User = UserUnprivileged
		if err := becomeNobody(); err != nil {
			return err
		}
	}
	return clearCaps()
}

// dropBounding empties the bounding and ambient sets and locks the securebits. Capability numbers are dense: the
// kernel ends the loop with EINVAL after its last one.
func dropBounding() error {
	for n := uintptr(0); ; n++ {
		err := unix.Prctl(unix.PR_CAPBSET_DROP, n, 0, 0, 0)
		if errors.Is(err, unix.EINVAL) && n > unix.CAP_SETPCAP {
			break
		}
		if err != nil {
			return err
		}
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_SECUREBITS, lockedSecurebits, 0, 0, 0)
}

func becomeNobody() error {
	if _, _, e := unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0); e != 0 {
		return e
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESGID, nobody, nobody, nobody); e != 0 {
		return e
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody); e != 0 {
		return e
	}
	return nil
}

func clearCaps() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	return unix.Capset(&header, &none[0])
}

// hasCap reports whether this thread has a capability in effect.
func hasCap(n uint) (bool, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false, err
	}
	return data[n/32].Effective&(1<<(n%32)) != 0, nil
}

// noNewPrivs also makes the stage itself unreadable; the enclave does the latter again, since execution resets it.
func noNewPrivs(stageConfig, *stageDone) error {
	if err := prctl(unix.PR_SET_NO_NEW_PRIVS, 1); err != nil {
		return err
	}
	return prctl(unix.PR_SET_DUMPABLE, 0)
}

// setLimits sets hard and soft limits alike.
func setLimits(c stageConfig, _ *stageDone) error {
	limits := []struct {
		what int
		max  uint64
		skip bool
	}{
		{what: unix.RLIMIT_CORE, max: 0},
		{what: unix.RLIMIT_AS, max: c.Limits.AddressBytes},
		{what: unix.RLIMIT_DATA, max: c.Limits.MemoryBytes},
		{what: unix.RLIMIT_FSIZE, max: c.Limits.MemoryBytes},
		{what: unix.RLIMIT_NOFILE, max: c.Limits.Files},
		{what: unix.RLIMIT_MSGQUEUE, max: 0},
		{what: unix.RLIMIT_RTPRIO, max: 0},
		{what: unix.RLIMIT_NICE, max: 0},
		{what: unix.RLIMIT_NPROC, max: c.Limits.Threads, skip: c.Limits.Threads == 0},
		{what: unix.RLIMIT_CPU, max: c.Limits.CPUSeconds, skip: c.Limits.CPUSeconds == 0},
	}
	for _, l := range limits {
		if l.skip {
			continue
		}
		if err := setLimit(l.what, l.max); err != nil {
			return err
		}
	}
	return nil
}

// sacrifice makes the enclave the first to go when the machine runs out of memory: limits hold for each memory file,
// not for their sum.
func sacrifice(stageConfig, *stageDone) error {
	return os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0)
}

// setLimit bypasses package syscall, which would restore the descriptor limit that it found at start.
func setLimit(what int, limit uint64) error {
	both := unix.Rlimit{Cur: limit, Max: limit}
	_, _, errno := unix.RawSyscall6(unix.SYS_PRLIMIT64, 0, uintptr(what), uintptr(unsafe.Pointer(&both)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
