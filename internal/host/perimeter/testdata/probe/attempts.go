//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

type try func(arg int) (string, error)

func outcomeOf(name string, do try, arg int) outcome {
	text, err := do(arg)
	o := outcome{Name: name, Text: text}
	var errno unix.Errno
	switch {
	case errors.As(err, &errno):
		o.Errno = int(errno)
	case err != nil:
		o.Errno, o.Text = -1, err.Error()
	}
	return o
}

// raw makes a system call with nothing in between.
func raw(nr uintptr, args ...uintptr) try {
	return func(int) (string, error) {
		var a [6]uintptr
		copy(a[:], args)
		r, _, errno := unix.RawSyscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5])
		if errno != 0 {
			return "", errno
		}
		return fmt.Sprint(r), nil
	}
}

func open(path string, flags int) try {
	return func(arg int) (string, error) {
		fd, err := unix.Open(strings.ReplaceAll(path, "PID", fmt.Sprint(arg)), flags, 0o600)
		if err != nil {
			return "", err
		}
		return "opened", unix.Close(fd)
	}
}

func read(path string) try {
	return func(int) (string, error) {
		text, err := os.ReadFile(path)
		return string(text), err
	}
}

func cstring(s string) uintptr {
	p, _ := unix.BytePtrFromString(s)
	return uintptr(unsafe.Pointer(p))
}

const page = 4096

// attempts are grouped as in the test's table.
func attempts(c *client) map[string]try {
	all := map[string]try{}
	for _, group := range []map[string]try{files(), memory(), self(), network(), processes(), kernel(), work(c)} {
		for name, do := range group {
			all[name] = do
		}
	}
	return all
}

func files() map[string]try {
	return map[string]try{
		"read /etc/passwd":             open("/etc/passwd", unix.O_RDONLY),
		"read /../etc/passwd":          open("/../etc/passwd", unix.O_RDONLY),
		"read /":                       open("/", unix.O_RDONLY),
		"read another's memory":        open("/proc/PID/mem", unix.O_RDONLY),
		"read another's environment":   open("/proc/PID/environ", unix.O_RDONLY),
		"read another's command line":  open("/proc/PID/cmdline", unix.O_RDONLY),
		"read kernel settings":         open("/proc/sys/kernel/core_pattern", unix.O_RDONLY),
		"write own memory":             open("/proc/self/mem", unix.O_RDWR),
		"create in /tmp":               open("/tmp/cordon-probe", unix.O_RDWR|unix.O_CREAT),
		"unnamed file in /tmp":         open("/tmp", unix.O_RDWR|unix.O_TMPFILE),
		"open a directory to walk":     open("/proc", unix.O_RDONLY|unix.O_DIRECTORY),
		"open by path only":            open("/proc", unix.O_PATH),
		"mkdir":                        raw(unix.SYS_MKDIRAT, ^uintptr(99), cstring("/tmp/cordon-probe"), 0o700),
		"unlink":                       raw(unix.SYS_UNLINKAT, ^uintptr(99), cstring("/tmp/x"), 0),
		"rename":                       raw(unix.SYS_RENAMEAT2, ^uintptr(99), cstring("/a"), ^uintptr(99), cstring("/b"), 0),
		"openat2":                      raw(unix.SYS_OPENAT2, ^uintptr(99), cstring("/proc/self/status"), 0, 24),
		"file status by descriptor":    statAt,
		"is there such a file":         isThere,
		"name a file by handle":        raw(unix.SYS_NAME_TO_HANDLE_AT, ^uintptr(99), cstring("/"), 0, 0, 0),
		"open a file by handle":        raw(unix.SYS_OPEN_BY_HANDLE_AT, ^uintptr(99), 0, 0),
		"duplicate a descriptor":       raw(unix.SYS_FCNTL, 0, unix.F_DUPFD, 100),
		"ask for signals on the input": raw(unix.SYS_FCNTL, 0, unix.F_SETOWN, 1),
		"read own status":              read("/proc/self/status"),
		"read own limits":              read("/proc/self/limits"),
		"read own environment":         read("/proc/self/environ"),
		"read own network devices":     read("/proc/self/net/dev"),
	}
}

func memory() map[string]try {
	return map[string]try{
		"mmap executable":          raw(unix.SYS_MMAP, 0, page, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON, ^uintptr(0), 0),
		"mmap writable executable": raw(unix.SYS_MMAP, 0, page, 7, unix.MAP_PRIVATE|unix.MAP_ANON, ^uintptr(0), 0),
		"mprotect executable":      mprotectExec,
		"pkey_mprotect executable": raw(unix.SYS_PKEY_MPROTECT, 0, page, unix.PROT_EXEC, ^uintptr(0)),
		"mmap memory file executable": func(int) (string, error) {
			fd, err := unix.MemfdCreate("x", unix.MFD_CLOEXEC)
			if err != nil {
				return "", fmt.Errorf("memory file: %v", err)
			}
			defer unix.Close(fd)
			if err := unix.Ftruncate(fd, page); err != nil {
				return "", fmt.Errorf("memory file: %v", err)
			}
			_, err = unix.Mmap(fd, 0, page, unix.PROT_EXEC, unix.MAP_PRIVATE)
			return "", err
		},
		"executable memory file": func(int) (string, error) {
			_, err := unix.MemfdCreate("x", unix.MFD_EXEC)
			return "", err
		},
		"huge memory file": func(int) (string, error) {
			_, err := unix.MemfdCreate("x", unix.MFD_HUGETLB)
			return "", err
		},
		"shared memory": raw(unix.SYS_SHMGET, 0, page, 0o600),
	}
}

// isThere asks for a file that is not there in the way that is only pretended to.
func isThere(int) (string, error) {
	if err := access("/no/such/file"); err != nil {
		return "", err
	}
	return "yes", nil
}

func mprotectExec(int) (string, error) {
	b, err := unix.Mmap(-1, 0, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return "", fmt.Errorf("mmap: %v", err)
	}
	return "", unix.Mprotect(b, unix.PROT_READ|unix.PROT_EXEC)
}

func self() map[string]try {
	var zero, large [2]uint64
	large = [2]uint64{^uint64(0), ^uint64(0)}
	_ = zero
	return map[string]try{
		"setuid":                   raw(unix.SYS_SETUID, 0),
		"setresuid":                raw(unix.SYS_SETRESUID, 0, 0, 0),
		"setgroups":                raw(unix.SYS_SETGROUPS, 0, 0),
		"capset":                   raw(unix.SYS_CAPSET, 0, 0),
		"raise the memory limit":   raw(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_AS, uintptr(unsafe.Pointer(&large)), 0),
		"raise the core limit":     raw(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_CORE, uintptr(unsafe.Pointer(&large)), 0),
		"become dumpable":          raw(unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 1),
		"let others trace":         raw(unix.SYS_PRCTL, unix.PR_SET_PTRACER, ^uintptr(0)),
		"handle a signal":          raw(unix.SYS_RT_SIGACTION, uintptr(unix.SIGSYS), 0, 0, 8),
		"ioctl on the null device": raw(unix.SYS_IOCTL, 0, unix.TCGETS, uintptr(unsafe.Pointer(&zero))),
		"ioctl on the channel":     raw(unix.SYS_IOCTL, 3, unix.TIOCINQ, uintptr(unsafe.Pointer(&zero))),
		"personality":              raw(unix.SYS_PERSONALITY, 0x0400000),
		"another filter":           raw(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, 0),
		"landlock":                 raw(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, 1),
		"sethostname":              raw(unix.SYS_SETHOSTNAME, cstring("x"), 1),
		"clone3":                   raw(unix.SYS_CLONE3, 0, 0),
		"own process id":           raw(unix.SYS_GETPID),
		"signal to itself":         raw(unix.SYS_TGKILL, 1, 1, 0),
		"lock a page":              raw(unix.SYS_MLOCK, uintptr(unsafe.Pointer(&zero)), 8),
		"watch a descriptor":       raw(unix.SYS_EPOLL_CTL, 4, unix.EPOLL_CTL_DEL, 3, 0),
		"robust list":              raw(unix.SYS_SET_ROBUST_LIST, uintptr(unsafe.Pointer(&zero)), 24),
		"sleep in C++":             raw(unix.SYS_CLOCK_NANOSLEEP, 0, 0, uintptr(unsafe.Pointer(&zero)), 0),
		"seals of a memory file":   raw(unix.SYS_FCNTL, 0, unix.F_GET_SEALS),
		"flags of a descriptor":    raw(unix.SYS_FCNTL, 0, unix.F_GETFL),
		"priority inheritance":     raw(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&zero)), 6, 0, 0, 0, 0),
		"longer heap":              raw(unix.SYS_BRK, 1<<40),
		"requeue":                  raw(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&zero)), 3, 0, 0, 0, 0),
		"merge equal pages":        raw(unix.SYS_MADVISE, uintptr(unsafe.Pointer(&zero))&^(page-1), page, unix.MADV_MERGEABLE),
		"pages into dumps":         raw(unix.SYS_MADVISE, uintptr(unsafe.Pointer(&zero))&^(page-1), page, unix.MADV_DODUMP),
	}
}

func network() map[string]try {
	addr := make([]byte, 110)
	p := uintptr(unsafe.Pointer(&addr[0]))
	return map[string]try{
		"socket inet":    raw(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM, 0),
		"socket unix":    raw(unix.SYS_SOCKET, unix.AF_UNIX, unix.SOCK_STREAM, 0),
		"socket netlink": raw(unix.SYS_SOCKET, unix.AF_NETLINK, unix.SOCK_RAW, 0),
		"socketpair":     raw(unix.SYS_SOCKETPAIR, unix.AF_UNIX, unix.SOCK_STREAM, 0, p),
		"connect":        raw(unix.SYS_CONNECT, 3, p, 110),
		"bind":           raw(unix.SYS_BIND, 3, p, 110),
		"listen":         raw(unix.SYS_LISTEN, 3, 1),
		"accept":         raw(unix.SYS_ACCEPT4, 3, 0, 0, 0),
		"sendto":         raw(unix.SYS_SENDTO, 3, p, 1, 0, 0, 0),
		"sendmsg":        raw(unix.SYS_SENDMSG, 3, p, 0),
		"recvmsg":        raw(unix.SYS_RECVMSG, 3, p, 0),
	}
}

func processes() map[string]try {
	return map[string]try{
		"execve":            raw(unix.SYS_EXECVE, cstring("/proc/self/exe"), 0, 0),
		"execveat memory":   execMemory,
		"fork by clone":     raw(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0),
		"thread in new net": raw(unix.SYS_CLONE, 0x3d0f00|unix.CLONE_NEWNET, 0, 0, 0, 0),
		"ptrace":            raw(unix.SYS_PTRACE, unix.PTRACE_TRACEME, 0, 0, 0),
		"process_vm_readv":  withPid(func(pid uintptr) try { return raw(unix.SYS_PROCESS_VM_READV, pid, 0, 0, 0, 0, 0) }),
		"kill another":      withPid(func(pid uintptr) try { return raw(unix.SYS_KILL, pid, 0) }),
		"tgkill another":    withPid(func(pid uintptr) try { return raw(unix.SYS_TGKILL, pid, pid, 0) }),
		"kill everybody":    raw(unix.SYS_KILL, ^uintptr(0), 0),
		"pidfd_open":        withPid(func(pid uintptr) try { return raw(unix.SYS_PIDFD_OPEN, pid, 0) }),
		"unshare":           raw(unix.SYS_UNSHARE, unix.CLONE_NEWUSER),
		"setns":             raw(unix.SYS_SETNS, 0, 0),
	}
}

func withPid(f func(pid uintptr) try) try {
	return func(arg int) (string, error) { return f(uintptr(arg))(arg) }
}

// execMemory fills a memory file with this very program's first bytes and runs it.
func execMemory(int) (string, error) {
	fd, err := unix.MemfdCreate("x", unix.MFD_CLOEXEC)
	if err != nil {
		return "", fmt.Errorf("memory file: %v", err)
	}
	return raw(unix.SYS_EXECVEAT, uintptr(fd), cstring(""), 0, 0, unix.AT_EMPTY_PATH)(0)
}

func kernel() map[string]try {
	b := make([]byte, 256)
	p := uintptr(unsafe.Pointer(&b[0]))
	return map[string]try{
		"io_uring_setup":  raw(unix.SYS_IO_URING_SETUP, 8, p),
		"bpf":             raw(unix.SYS_BPF, 0, p, 256),
		"perf_event_open": raw(unix.SYS_PERF_EVENT_OPEN, p, 0, ^uintptr(0), ^uintptr(0), 0),
		"userfaultfd":     raw(unix.SYS_USERFAULTFD, 0),
		"mount":           raw(unix.SYS_MOUNT, cstring("x"), cstring("/proc"), cstring("tmpfs"), 0, 0),
		"umount":          raw(unix.SYS_UMOUNT2, cstring("/proc"), 0),
		"pivot_root":      raw(unix.SYS_PIVOT_ROOT, cstring("/"), cstring("/")),
		"chroot":          raw(unix.SYS_CHROOT, cstring("/")),
		"kexec_load":      raw(unix.SYS_KEXEC_LOAD, 0, 0, 0, 0),
		"init_module":     raw(unix.SYS_INIT_MODULE, p, 256, p),
		"add_key":         raw(unix.SYS_ADD_KEY, p, p, p, 1, 0),
		"reboot":          raw(unix.SYS_REBOOT, 0, 0, 0),
		"swapon":          raw(unix.SYS_SWAPON, cstring("/x"), 0),
		"other abi":       otherABI,
	}
}
