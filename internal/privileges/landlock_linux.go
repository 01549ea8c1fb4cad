package privileges

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// LandlockABI asks which version the kernel offers.
func LandlockABI() (int, error) {
	v, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0, errno
	}
	return int(v), nil
}

// Allowed is what stays possible below a path.
type Allowed struct {
	Path   string
	Access uint64
}

// Landlock denies everything that is denied, but for what is allowed. Fields that the kernel doesn't know must be zero, which it accepts.
func Landlock(denied unix.LandlockRulesetAttr, allowed ...Allowed) error {
	ruleset, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&denied)), unsafe.Sizeof(denied), 0)
	if errno != 0 {
		return errno
	}
	defer unix.Close(int(ruleset))
	for _, a := range allowed {
		if err := a.add(ruleset); err != nil {
			return err
		}
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

func (a Allowed) add(ruleset uintptr) error {
	flags := unix.O_PATH | unix.O_CLOEXEC
	if a.Access&unix.LANDLOCK_ACCESS_FS_READ_DIR != 0 {
		flags |= unix.O_DIRECTORY
	}
	fd, err := unix.Open(a.Path, flags, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	rule := unix.LandlockPathBeneathAttr{Allowed_access: a.Access, Parent_fd: int32(fd)}
	_, _, errno := unix.RawSyscall6(unix.SYS_LANDLOCK_ADD_RULE, ruleset, unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
