package perimeter

import (
	"golang.org/x/sys/unix"

	"github.com/cordon-exchange/cordon/internal/privileges"
)

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
	reading := privileges.Allowed{Path: landlockPath(c.Name), Access: unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR}
	if err := privileges.Landlock(attr, reading); err != nil {
		return err
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
