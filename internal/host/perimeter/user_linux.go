package perimeter

import (
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/cordon-exchange/cordon/internal/privileges"
)

// mapping says as whom the first stage starts and whether it can become nobody.
type mapping struct {
	uids, gids []syscall.SysProcIDMap
	drop       bool
}

// userMapping maps root inside to the caller, and nobody to nobody where the caller may do that.
func userMapping() (mapping, error) {
	m := mapping{
		uids: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		gids: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	drop, err := mayBecomeNobody()
	if err != nil {
		return mapping{}, fmt.Errorf("perimeter: read own rights: %w", err)
	}
	if drop {
		other := syscall.SysProcIDMap{ContainerID: privileges.Nobody, HostID: privileges.Nobody, Size: 1}
		m.uids, m.gids, m.drop = append(m.uids, other), append(m.gids, other), true
	}
	return m, nil
}

// mayBecomeNobody: the caller can change users, is not nobody already, and nobody exists in its user namespace.
func mayBecomeNobody() (bool, error) {
	for _, c := range []uint{unix.CAP_SETUID, unix.CAP_SETGID, unix.CAP_SETPCAP} {
		has, err := hasCap(c)
		if err != nil || !has {
			return false, err
		}
	}
	if os.Geteuid() == privileges.Nobody || os.Getegid() == privileges.Nobody {
		return false, nil
	}
	for _, path := range []string{"/proc/self/uid_map", "/proc/self/gid_map"} {
		text, err := os.ReadFile(path)
		if err != nil {
			return false, err
		}
		if !mapsID(string(text), privileges.Nobody) {
			return false, nil
		}
	}
	return true, nil
}

// mapsID reports whether an id exists in a namespace with this map: lines of first id inside, first outside, count.
func mapsID(text string, id uint64) bool {
	for line := range strings.Lines(text) {
		var inside, outside, count uint64
		if _, err := fmt.Sscan(line, &inside, &outside, &count); err != nil {
			return false
		}
		if id >= inside && id-inside < count {
			return true
		}
	}
	return false
}
