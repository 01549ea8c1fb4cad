package perimeter

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Landlock by raw system calls: the library for it applies rules to every thread of a process through psx or
// AllThreadsSyscall, and here exactly one thread must carry them through execveat.

// landlockABI asks which version the kernel offers.
func landlockABI() (int, error) {
	v, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0, errno
	}
	return int(v), nil
}

// landlockDenied is everything that version abi can deny, and the names of it for the form.
func landlockDenied(abi int) (unix.LandlockRulesetAttr, []string) {
	attr := unix.LandlockRulesetAttr{Handled_access_fs: unix.LANDLOCK_ACCESS_FS_MAKE_SYM<<1 - 1}
	names := []string{LandlockFS}
	if abi >= 2 {
		attr.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if abi >= 3 {
		attr.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if abi >= 4 {
		attr.Handled_access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
		names = append(names, LandlockTCP)
	}
	if abi >= 5 {
		attr.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	if abi >= 6 {
		attr.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
		names = append(names, LandlockAbstractSocket, LandlockSignal)
	}
	return attr, names
}

// restrictByLandlock denies everything, then allows reading this process's own part of /proc.
func restrictByLandlock(c stageConfig, done *stageDone) error {
	attr, names := landlockDenied(c.ABI)
	// Fields that this kernel doesn't know are zero, which it accepts.
	ruleset, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET,
		uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return errno
	}
	defer unix.Close(int(ruleset))
	if err := allowReading(ruleset, landlockPath(c.Name)); err != nil {
		return err
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0, 0); errno != 0 {
		return errno
	}
	done.Landlock = names
	return nil
}

// landlockPath is what may be read. In the empty root, /proc holds nothing but the enclave's own entry. Without an
// own root the rule stands on the entry itself, which is the working directory.
func landlockPath(n Name) string {
	if n == NoUserNS {
		return "."
	}
	return "/proc"
}

func allowReading(ruleset uintptr, path string) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	rule := unix.LandlockPathBeneathAttr{
		Allowed_access: unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR,
		Parent_fd:      int32(fd),
	}
	_, _, errno := unix.RawSyscall6(unix.SYS_LANDLOCK_ADD_RULE, ruleset, unix.LANDLOCK_RULE_PATH_BENEATH,
		uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
