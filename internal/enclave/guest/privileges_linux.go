package guest

import (
	"golang.org/x/sys/unix"

	"github.com/cordon-exchange/cordon/internal/privileges"
)

// drop gives up every capability, for good, and the user id.
func drop() error {
	for _, give := range []func() error{privileges.DropBounding, privileges.BecomeNobody, privileges.ClearCapabilities} {
		if err := give(); err != nil {
			return err
		}
	}
	return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}

// landlockABI is what kernel 6.12 has: the file system, TCP, devices, abstract sockets and signals.
const landlockABI = 6

// landlock denies everything that this kernel's version can deny, but for reading the enclave's own part of /proc, where DuckDB opens
// memory files, and executing the program once more.
func landlock() error {
	abi, err := privileges.LandlockABI()
	if err != nil {
		return err
	}
	// A kernel that the image was not built with could know less: then this fails.
	if abi < landlockABI {
		return unix.ENOSYS
	}
	return privileges.Landlock(unix.LandlockRulesetAttr{
		Handled_access_fs:  unix.LANDLOCK_ACCESS_FS_IOCTL_DEV<<1 - 1,
		Handled_access_net: unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP,
		Scoped:             unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL,
	},
		privileges.Allowed{Path: "/proc", Access: unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR},
		privileges.Allowed{Path: program, Access: unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_EXECUTE},
	)
}
