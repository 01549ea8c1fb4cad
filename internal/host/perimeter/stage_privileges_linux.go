package perimeter

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/cordon-exchange/cordon/internal/privileges"
)

// dropPrivileges gives up every capability, for good, and the user id where the host may choose one.
func dropPrivileges(c stageConfig, done *stageDone) error {
	caps, err := hasCap(unix.CAP_SETPCAP)
	if err != nil {
		return err
	}
	// Without user namespaces an ordinary user has no capability to drop; no_new_privs keeps it so.
	if caps || c.Name != NoUserNS {
		if err := privileges.DropBounding(); err != nil {
			return err
		}
	}
	done.User = UserCaller
	if c.DropUser {
		done.User = UserUnprivileged
		if err := privileges.BecomeNobody(); err != nil {
			return err
		}
	}
	return privileges.ClearCapabilities()
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
		if err := privileges.SetLimit(l.what, l.max); err != nil {
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
