package lockdown

import (
	"errors"
	"net"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// descriptors: the null device three times, the channel with its second stream, what vouches for a machine, and what the Go runtime makes for itself.
func descriptors(c claim, _ *Observed) error {
	for fd := range ChannelFD {
		if !isNull(fd) {
			return failed("standard descriptors")
		}
	}
	if !c.isChannel() {
		return failed("channel")
	}
	if c.bulk > 0 && !isStream(BulkFD, unix.AF_UNIX) {
		return failed("second stream")
	}
	last := ChannelFD + c.bulk + c.attester
	for fd := AttesterFD; fd < AttesterFD+c.attester; fd++ {
		if !c.isAttester(fd) {
			return failed("attester")
		}
	}
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return failed("descriptors")
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return failed("descriptors")
	}
	for _, n := range names {
		fd, err := strconv.Atoi(n)
		if err != nil || fd > last && fd != int(dir.Fd()) && !ofRuntime(n) {
			return failed("descriptors")
		}
	}
	return nil
}

func isNull(fd int) bool {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return false
	}
	return st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == unix.Mkdev(1, 3)
}

// isChannel: a process has a socket of its host's, a machine a port, on Nitro a socket to the instance that it is part of.
func (c claim) isChannel() bool {
	switch {
	case c.text == claimNitro:
		return isStream(ChannelFD, unix.AF_VSOCK)
	case c.machine:
		return isDevice(ChannelFD)
	}
	return isStream(ChannelFD, unix.AF_UNIX)
}

// isAttester: the machine's device, or a file of configfs. An entry has no file for what its kind of machine doesn't give; the null
// device stands for it.
func (c claim) isAttester(fd int) bool {
	if c.attester == 1 {
		return isDevice(fd)
	}
	var st unix.Statfs_t
	return unix.Fstatfs(fd, &st) == nil && st.Type == configfsMagic || isNull(fd)
}

// configfsMagic is the kernel's number of that file system (fs/configfs/mount.c).
const configfsMagic = 0x62656570

// isDevice: a character device other than the null device.
func isDevice(fd int) bool {
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFCHR && !isNull(fd)
}

func isStream(fd, family int) bool {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil || domain != family {
		return false
	}
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil || kind != unix.SOCK_STREAM {
		return false
	}
	_, err = unix.Getpeername(fd)
	return err == nil
}

// ofRuntime recognises the poller and its wake-up.
func ofRuntime(fd string) bool {
	target, err := os.Readlink("/proc/self/fd/" + fd)
	return err == nil && (target == "anon_inode:[eventpoll]" || target == "anon_inode:[eventfd]")
}

// rootDenied: an ordinary process may list its root. That this one may not is Landlock's doing.
func rootDenied(_ claim, o *Observed) error {
	f, err := os.Open("/")
	if err == nil {
		f.Close()
	}
	if !errors.Is(err, unix.EACCES) {
		return failed("file system denied")
	}
	o.RootDenied = true
	return nil
}

// userNamespace: one of its own maps single ids, not all of them.
func userNamespace(c claim, o *Observed) error {
	if !c.namespaces {
		return nil
	}
	text, err := os.ReadFile("/proc/self/uid_map")
	if err != nil || len(text) == 0 {
		return failed("own user namespace")
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) != 3 || f[2] != "1" {
			return failed("own user namespace")
		}
	}
	o.UserNamespace = true
	return nil
}

// pidNamespace: in one of its own the enclave is the first process, and the only one.
func pidNamespace(c claim, o *Observed) error {
	if !c.ownPID {
		return nil
	}
	if os.Getpid() != 1 {
		return failed("own pid namespace")
	}
	o.PIDNamespace = true
	return nil
}

// rootInodes is the most that an empty root holds: itself, proc, and under a shared pid namespace proc/self. A machine's has the program
// too, and the empty folders and two device nodes that a kernel starts with.
const (
	rootInodes        = 3
	machineRootInodes = 8
)

// emptyRoot: the root can't be listed (see rootDenied), but what it holds can be counted.
func emptyRoot(c claim, o *Observed) error {
	inodes := uint64(rootInodes)
	switch {
	case c.machine:
		inodes = machineRootInodes
	case !c.namespaces:
		return nil
	}
	var st unix.Statfs_t
	if err := unix.Statfs("/", &st); err != nil {
		return failed("empty root")
	}
	if st.Type != unix.TMPFS_MAGIC || st.Flags&unix.ST_RDONLY == 0 || st.Files-st.Ffree > inodes {
		return failed("empty root")
	}
	o.EmptyRoot = true
	return nil
}

// network: at most a loopback interface, and that one is down.
func network(c claim, o *Observed) error {
	if !c.namespaces && !c.machine {
		return nil
	}
	all, err := net.Interfaces()
	if err != nil {
		return failed("own network namespace")
	}
	for _, i := range all {
		if i.Flags&net.FlagLoopback == 0 || i.Flags&net.FlagUp != 0 {
			return failed("own network namespace")
		}
	}
	o.NetworkNamespace = true
	return nil
}
