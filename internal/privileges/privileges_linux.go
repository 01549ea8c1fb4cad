package privileges

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Nobody is the user and group that owns no files.
const Nobody = 65534

// lockedSecurebits: being user 0 gives nothing, capabilities are never kept or raised, and none of this can be undone.
const lockedSecurebits = 1<<0 | 1<<1 | // NOROOT
	1<<2 | 1<<3 | // NO_SETUID_FIXUP
	1<<5 | // KEEP_CAPS locked (off)
	1<<6 | 1<<7 // NO_CAP_AMBIENT_RAISE

// DropBounding empties the bounding and ambient sets and locks the securebits. Capability numbers are dense: the kernel ends the loop
// with EINVAL after its last one.
func DropBounding() error {
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

// BecomeNobody gives up groups, group and user.
func BecomeNobody() error {
	for _, call := range [][4]uintptr{
		{unix.SYS_SETGROUPS, 0, 0, 0},
		{unix.SYS_SETRESGID, Nobody, Nobody, Nobody},
		{unix.SYS_SETRESUID, Nobody, Nobody, Nobody},
	} {
		if _, _, e := unix.RawSyscall(call[0], call[1], call[2], call[3]); e != 0 {
			return e
		}
	}
	return nil
}

// ClearCapabilities empties the sets that are in effect.
func ClearCapabilities() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	return unix.Capset(&header, &none[0])
}

// SetLimit sets a hard and soft limit alike.
func SetLimit(what int, limit uint64) error {
	both := unix.Rlimit{Cur: limit, Max: limit}
	_, _, errno := unix.RawSyscall6(unix.SYS_PRLIMIT64, 0, uintptr(what), uintptr(unsafe.Pointer(&both)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
