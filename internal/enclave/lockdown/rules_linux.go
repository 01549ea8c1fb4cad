package lockdown

import (
	"sort"

	"golang.org/x/sys/unix"
)

// rule allows one system call, on condition where one is given.
type rule struct {
	name   string
	nr     uint32
	reason string
	// anyOf allows the call if one of these holds; empty allows it always.
	anyOf []condition
	// otherwise happens when none holds: refused by EPERM (the zero value) or kill.
	otherwise outcome
}

// outcome of a system call that is not allowed.
type outcome int

const (
	// The zero value answers EPERM: libraries try such calls in good faith.
	_ outcome = iota
	// kill ends the process: nothing in the enclave has a reason to try it.
	kill
)

// condition compares the low 32 bits of one argument: (value & mask) == want. Every argument tested here is an int,
// or a flag word whose upper half the kernel ignores.
type condition struct {
	arg        uint32
	mask, want uint32
}

// threadFlags are exactly what glibc's pthread_create passes to clone, so that clone can make threads and nothing
// else: no process, no namespace.
const threadFlags = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_THREAD |
	unix.CLONE_SYSVSEM | unix.CLONE_SETTLS | unix.CLONE_PARENT_SETTID | unix.CLONE_CHILD_CLEARTID

// largeFile is O_LARGEFILE as the kernel sees it; it has no meaning on 64 bits and package unix has it as 0 there.
const largeFile = 0o100000

// only says that no bit outside of allowed may be set.
func only(arg, allowed uint32) condition { return condition{arg: arg, mask: ^allowed} }

// equal says that the argument is exactly want.
func equal(arg, want uint32) condition { return condition{arg: arg, mask: ^uint32(0), want: want} }

// masked compares the argument without the bits of ignore.
func masked(arg, ignore, want uint32) condition {
	return condition{arg: arg, mask: ^ignore, want: want}
}

// Operations of futex, as the kernel numbers them; package unix has no names for them.
const (
	futexWait       = 0
	futexWake       = 1
	futexWaitBitset = 9
	futexFlags      = 128 | 256 // PRIVATE, CLOCK_REALTIME
)

// allowed is the whole list, the frequent ones first.
func allowed() []rule {
	return append([]rule{
		{name: "futex", nr: unix.SYS_FUTEX, reason: "locks of Go, glibc and DuckDB: waiting and waking, no inheritance of priorities, no requeueing",
			anyOf: []condition{masked(1, futexFlags, futexWait), masked(1, futexFlags, futexWake), masked(1, futexFlags, futexWaitBitset)}},
		{name: "read", nr: unix.SYS_READ, reason: "the channel"},
		{name: "write", nr: unix.SYS_WRITE, reason: "the channel; waking Go's poller"},
		{name: "pread64", nr: unix.SYS_PREAD64, reason: "DuckDB reads what is not a served file"},
		{name: "fstat", nr: unix.SYS_FSTAT, reason: "size of a served file, and whether a descriptor is one"},
		{name: "nanosleep", nr: unix.SYS_NANOSLEEP, reason: "Go's scheduler"},
		{name: "clock_gettime", nr: unix.SYS_CLOCK_GETTIME, reason: "time, on machines whose clock the vDSO can't read"},
		{name: "epoll_pwait", nr: unix.SYS_EPOLL_PWAIT, reason: "Go's network poller waits for the channel"},
		{name: "sched_yield", nr: unix.SYS_SCHED_YIELD, reason: "spinning locks of Go and of DuckDB's allocator"},
		{name: "madvise", nr: unix.SYS_MADVISE, reason: "allocators give memory back; huge pages for ciphertext; keys stay out of dumps",
			anyOf: []condition{
				equal(2, unix.MADV_DONTNEED), equal(2, unix.MADV_FREE), equal(2, unix.MADV_HUGEPAGE), equal(2, unix.MADV_NOHUGEPAGE),
				equal(2, unix.MADV_COLLAPSE), equal(2, unix.MADV_DONTDUMP),
			}},
		{name: "mmap", nr: unix.SYS_MMAP, reason: "memory, never executable",
			anyOf: []condition{only(2, unix.PROT_READ|unix.PROT_WRITE)}},
		{name: "mprotect", nr: unix.SYS_MPROTECT, reason: "stacks of threads and arenas grow, never executable",
			anyOf: []condition{only(2, unix.PROT_READ|unix.PROT_WRITE)}},
		{name: "munmap", nr: unix.SYS_MUNMAP, reason: "memory"},
		{name: "openat", nr: unix.SYS_OPENAT, reason: "DuckDB opens /proc/self/fd/N, the receipt needs /proc/self/status; reading only, and Landlock says where",
			anyOf: []condition{only(2, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|largeFile)}},
		{name: "close", nr: unix.SYS_CLOSE, reason: "descriptors"},
		{name: "ftruncate", nr: unix.SYS_FTRUNCATE, reason: "size of a served file"},
		{name: "memfd_create", nr: unix.SYS_MEMFD_CREATE, reason: "served files: names for opened columns, without memory",
			anyOf: []condition{only(1, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_NOEXEC_SEAL)}},
		{name: "fcntl", nr: unix.SYS_FCNTL, reason: "seals of served files, nothing else",
			anyOf: []condition{equal(1, unix.F_ADD_SEALS)}},
		{name: "clone", nr: unix.SYS_CLONE, reason: "threads, nothing else",
			anyOf: []condition{equal(0, threadFlags)}, otherwise: kill},
		{name: "rseq", nr: unix.SYS_RSEQ, reason: "start of a thread: glibc gives up the process without it",
			anyOf: []condition{equal(2, 0)}},
		{name: "sigaltstack", nr: unix.SYS_SIGALTSTACK, reason: "start of a Go thread"},
		{name: "rt_sigprocmask", nr: unix.SYS_RT_SIGPROCMASK, reason: "start of a thread"},
		{name: "sched_getaffinity", nr: unix.SYS_SCHED_GETAFFINITY, reason: "the first time that a thread of DuckDB calls Go: glibc asks, where Go asks it for the bounds of the stack"},
		{name: "gettid", nr: unix.SYS_GETTID, reason: "start of a Go thread"},
		{name: "rt_sigreturn", nr: unix.SYS_RT_SIGRETURN, reason: "return from a signal: a channel that the host closed, a host that asks to end"},
		{name: "getrandom", nr: unix.SYS_GETRANDOM, reason: "keys and nonces; hash seeds; where the vDSO draws from",
			anyOf: []condition{only(2, unix.GRND_NONBLOCK)}},
		{name: "restart_syscall", nr: unix.SYS_RESTART_SYSCALL, reason: "a wait interrupted by stop and continue, as when a machine is paused: glibc gives up the process without it"},
		{name: "exit", nr: unix.SYS_EXIT, reason: "end of a thread"},
		{name: "exit_group", nr: unix.SYS_EXIT_GROUP, reason: "end of the process"},
	}, archAllowed()...)
}

// pretended are calls that answer 0 and do nothing: the kernel does not see them. What callers make of a 0 is the reason.
func pretended() []rule {
	return append([]rule{
		{name: "brk", nr: unix.SYS_BRK, reason: "malloc: the heap did not grow, so take memory from mmap. EPERM would look like an address"},
	}, archPretended()...)
}

// Asked for in good faith and refused, beside all that nobody asks for: getpid and tgkill, so that Go's signal to preempt a
// goroutine goes nowhere, which would put its registers, and keys in them, into memory (goroutines are preempted where
// they call functions); set_robust_list (no lock here is robust);
// epoll_ctl (the channel is in the poller before the filter is); readlink and fstatat of files that are not there.

// deadly are calls that end the process: the enclave never makes them, so whoever does has taken it over. Everything
// that is neither here nor allowed answers EPERM, and clone3 answers ENOSYS, so that glibc turns to clone, whose
// flags a filter can see.
func deadly() []call {
	return append([]call{
		{"socket", unix.SYS_SOCKET}, {"socketpair", unix.SYS_SOCKETPAIR}, {"connect", unix.SYS_CONNECT},
		{"bind", unix.SYS_BIND}, {"listen", unix.SYS_LISTEN}, {"accept", unix.SYS_ACCEPT}, {"accept4", unix.SYS_ACCEPT4},
		{"sendto", unix.SYS_SENDTO}, {"sendmsg", unix.SYS_SENDMSG}, {"sendmmsg", unix.SYS_SENDMMSG},
		{"recvmsg", unix.SYS_RECVMSG}, {"recvmmsg", unix.SYS_RECVMMSG},
		{"execve", unix.SYS_EXECVE}, {"execveat", unix.SYS_EXECVEAT},
		{"ptrace", unix.SYS_PTRACE}, {"process_vm_readv", unix.SYS_PROCESS_VM_READV},
		{"process_vm_writev", unix.SYS_PROCESS_VM_WRITEV}, {"process_madvise", unix.SYS_PROCESS_MADVISE},
		{"kcmp", unix.SYS_KCMP}, {"pidfd_open", unix.SYS_PIDFD_OPEN}, {"pidfd_getfd", unix.SYS_PIDFD_GETFD},
		{"pidfd_send_signal", unix.SYS_PIDFD_SEND_SIGNAL}, {"kill", unix.SYS_KILL}, {"tkill", unix.SYS_TKILL},
		{"rt_sigqueueinfo", unix.SYS_RT_SIGQUEUEINFO}, {"rt_tgsigqueueinfo", unix.SYS_RT_TGSIGQUEUEINFO},
		{"mount", unix.SYS_MOUNT}, {"umount2", unix.SYS_UMOUNT2}, {"pivot_root", unix.SYS_PIVOT_ROOT},
		{"chroot", unix.SYS_CHROOT}, {"move_mount", unix.SYS_MOVE_MOUNT}, {"open_tree", unix.SYS_OPEN_TREE},
		{"fsopen", unix.SYS_FSOPEN}, {"fsmount", unix.SYS_FSMOUNT}, {"fsconfig", unix.SYS_FSCONFIG},
		{"fspick", unix.SYS_FSPICK}, {"mount_setattr", unix.SYS_MOUNT_SETATTR},
		{"unshare", unix.SYS_UNSHARE}, {"setns", unix.SYS_SETNS},
		{"name_to_handle_at", unix.SYS_NAME_TO_HANDLE_AT}, {"open_by_handle_at", unix.SYS_OPEN_BY_HANDLE_AT},
		{"bpf", unix.SYS_BPF}, {"perf_event_open", unix.SYS_PERF_EVENT_OPEN}, {"userfaultfd", unix.SYS_USERFAULTFD},
		{"io_uring_setup", unix.SYS_IO_URING_SETUP}, {"io_uring_enter", unix.SYS_IO_URING_ENTER},
		{"io_uring_register", unix.SYS_IO_URING_REGISTER},
		{"kexec_load", unix.SYS_KEXEC_LOAD}, {"init_module", unix.SYS_INIT_MODULE},
		{"finit_module", unix.SYS_FINIT_MODULE}, {"delete_module", unix.SYS_DELETE_MODULE},
		{"add_key", unix.SYS_ADD_KEY}, {"request_key", unix.SYS_REQUEST_KEY}, {"keyctl", unix.SYS_KEYCTL},
		{"personality", unix.SYS_PERSONALITY}, {"seccomp", unix.SYS_SECCOMP},
		{"swapon", unix.SYS_SWAPON}, {"swapoff", unix.SYS_SWAPOFF}, {"reboot", unix.SYS_REBOOT},
		{"shmget", unix.SYS_SHMGET}, {"shmat", unix.SYS_SHMAT}, {"mq_open", unix.SYS_MQ_OPEN},
		{"fanotify_init", unix.SYS_FANOTIFY_INIT},
	}, archDeadly()...)
}

// call is a system call by name and number.
type call struct {
	name string
	nr   uint32
}

// allowedNames lists what may be called, sorted.
func allowedNames() []string {
	var names []string
	for _, r := range allowed() {
		names = append(names, r.name)
	}
	sort.Strings(names)
	return names
}
