package lockdown

import (
	"encoding/binary"
	"os"
	"sort"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// What a filter can answer.
const (
	allow   = uint32(unix.SECCOMP_RET_ALLOW)
	killed  = uint32(unix.SECCOMP_RET_KILL_PROCESS)
	nothing = uint32(unix.SECCOMP_RET_ERRNO)
	eperm   = uint32(unix.SECCOMP_RET_ERRNO) | uint32(unix.EPERM)
	enosys  = uint32(unix.SECCOMP_RET_ERRNO) | uint32(unix.ENOSYS)
)

// run asks the assembled filter about one call, in a simulated machine.
func run(t testing.TB, arch, nr uint32, args ...uint64) uint32 {
	t.Helper()
	return runFor(t, "", arch, nr, args...)
}

// runFor asks the filter of a claim.
func runFor(t testing.TB, claim string, arch, nr uint32, args ...uint64) uint32 {
	t.Helper()
	raw, err := assemble(attesterAllowed(claim)...)
	if err != nil {
		t.Fatal(err)
	}
	prog, ok := bpf.Disassemble(raw)
	if !ok {
		t.Fatal("the filter does not disassemble")
	}
	vm, err := bpf.NewVM(prog)
	if err != nil {
		t.Fatal(err)
	}
	// The simulated machine reads big-endian words; seccomp_data has them in native order, each half in its place.
	data := make([]byte, 64)
	binary.BigEndian.PutUint32(data[offNr:], nr)
	binary.BigEndian.PutUint32(data[offArch:], arch)
	for i, a := range args {
		binary.BigEndian.PutUint32(data[offArgs+8*i:], uint32(a))
		binary.BigEndian.PutUint32(data[offArgs+8*i+4:], uint32(a>>32))
	}
	got, err := vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(got)
}

func TestConditions(t *testing.T) {
	t.Parallel()
	const high = 1 << 40 // the kernel ignores upper halves of these arguments
	tests := []struct {
		name string
		nr   uint32
		args []uint64
		want uint32
	}{
		{"mmap for writing", unix.SYS_MMAP, []uint64{0, 4096, 3}, allow},
		{"mmap of nothing", unix.SYS_MMAP, []uint64{0, 4096, 0}, allow},
		{"mmap executable", unix.SYS_MMAP, []uint64{0, 4096, 4}, eperm},
		{"mmap all", unix.SYS_MMAP, []uint64{0, 4096, 7}, eperm},
		{"mmap all, high bits", unix.SYS_MMAP, []uint64{0, 4096, 7 | high}, eperm},
		{"mprotect for writing", unix.SYS_MPROTECT, []uint64{0, 4096, 3}, allow},
		{"mprotect executable", unix.SYS_MPROTECT, []uint64{0, 4096, 5}, eperm},
		{"mprotect all", unix.SYS_MPROTECT, []uint64{0, 4096, 7}, eperm},
		{"open for reading", unix.SYS_OPENAT, []uint64{0, 0, 0}, allow},
		{"open for reading, as Go does", unix.SYS_OPENAT, []uint64{0, 0, unix.O_CLOEXEC | unix.O_NONBLOCK}, allow},
		{"open for writing", unix.SYS_OPENAT, []uint64{0, 0, unix.O_WRONLY}, eperm},
		{"open for both", unix.SYS_OPENAT, []uint64{0, 0, unix.O_RDWR | high}, eperm},
		{"create", unix.SYS_OPENAT, []uint64{0, 0, unix.O_CREAT}, eperm},
		{"truncate", unix.SYS_OPENAT, []uint64{0, 0, unix.O_TRUNC}, eperm},
		{"open by path", unix.SYS_OPENAT, []uint64{0, 0, unix.O_PATH}, eperm},
		{"open a directory", unix.SYS_OPENAT, []uint64{0, 0, unix.O_DIRECTORY}, eperm},
		{"memory file", unix.SYS_MEMFD_CREATE, []uint64{0, unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING}, allow},
		{"executable memory file", unix.SYS_MEMFD_CREATE, []uint64{0, unix.MFD_EXEC}, eperm},
		{"huge memory file", unix.SYS_MEMFD_CREATE, []uint64{0, unix.MFD_HUGETLB}, eperm},
		{"thread", unix.SYS_CLONE, []uint64{threadFlags}, allow},
		{"fork", unix.SYS_CLONE, []uint64{uint64(unix.SIGCHLD)}, killed},
		{"clone of nothing", unix.SYS_CLONE, []uint64{0}, killed},
		{"thread without CLONE_THREAD", unix.SYS_CLONE, []uint64{threadFlags &^ unix.CLONE_THREAD}, killed},
		{"thread in a new namespace", unix.SYS_CLONE, []uint64{threadFlags | unix.CLONE_NEWNET}, killed},
		{"signal to itself", unix.SYS_TGKILL, []uint64{1, 1, 23}, eperm},
		{"add seals", unix.SYS_FCNTL, []uint64{5, unix.F_ADD_SEALS}, allow},
		{"get seals", unix.SYS_FCNTL, []uint64{5, unix.F_GET_SEALS}, eperm},
		{"get flags", unix.SYS_FCNTL, []uint64{5, unix.F_GETFL}, eperm},
		{"set flags", unix.SYS_FCNTL, []uint64{5, unix.F_SETFL}, eperm},
		{"duplicate", unix.SYS_FCNTL, []uint64{5, unix.F_DUPFD_CLOEXEC}, eperm},
		{"duplicate, number 0", unix.SYS_FCNTL, []uint64{5, unix.F_DUPFD}, eperm},
		{"wait", unix.SYS_FUTEX, []uint64{0, 128}, allow},
		{"wait until, by the wall clock", unix.SYS_FUTEX, []uint64{0, 9 | 128 | 256}, allow},
		{"wake", unix.SYS_FUTEX, []uint64{0, 1}, allow},
		{"requeue", unix.SYS_FUTEX, []uint64{0, 3 | 128}, eperm},
		{"wake and compute", unix.SYS_FUTEX, []uint64{0, 5 | 128}, eperm},
		{"lock with inheritance of priority", unix.SYS_FUTEX, []uint64{0, 6 | 128}, eperm},
		{"requeue to inheritance of priority", unix.SYS_FUTEX, []uint64{0, 12}, eperm},
		{"give memory back", unix.SYS_MADVISE, []uint64{0, 4096, unix.MADV_DONTNEED}, allow},
		{"populate", unix.SYS_MADVISE, []uint64{0, 4096, unix.MADV_POPULATE_WRITE}, eperm},
		{"into dumps", unix.SYS_MADVISE, []uint64{0, 4096, unix.MADV_DODUMP}, eperm},
		{"merge with equal pages of others", unix.SYS_MADVISE, []uint64{0, 4096, unix.MADV_MERGEABLE}, eperm},
		{"punch a hole", unix.SYS_MADVISE, []uint64{0, 4096, unix.MADV_REMOVE}, eperm},
		{"poison", unix.SYS_MADVISE, []uint64{0, 4096, unix.MADV_HWPOISON}, eperm},
		{"page out", unix.SYS_MADVISE, []uint64{0, 4096, unix.MADV_PAGEOUT}, eperm},
		{"memory that grows down", unix.SYS_MPROTECT, []uint64{0, 4096, unix.PROT_GROWSDOWN}, eperm},
		{"register a restartable sequence", unix.SYS_RSEQ, []uint64{4096, 32, 0}, allow},
		{"unregister it", unix.SYS_RSEQ, []uint64{4096, 32, 1}, eperm},
		{"random bytes", unix.SYS_GETRANDOM, []uint64{4096, 32, 0}, allow},
		{"random bytes before there are", unix.SYS_GETRANDOM, []uint64{4096, 32, unix.GRND_INSECURE}, eperm},
		{"heap", unix.SYS_BRK, []uint64{0}, nothing},
		{"heap, longer", unix.SYS_BRK, []uint64{1 << 30}, nothing},
		{"clone3", unix.SYS_CLONE3, nil, enosys},
		{"a number nobody has", 0x3fffffff, nil, eperm},
		{"x32 read", x32Bit | unix.SYS_READ, nil, killed},
		{"minus one", ^uint32(0), nil, killed},
	}
	for _, tt := range tests {
		if got := run(t, auditArch, tt.nr, tt.args...); got != tt.want {
			t.Errorf("%s: %#x, want %#x", tt.name, got, tt.want)
		}
	}
}

// TestOtherArchitecture: the same numbers in another call table end the process.
func TestOtherArchitecture(t *testing.T) {
	t.Parallel()
	for _, arch := range []uint32{unix.AUDIT_ARCH_I386, unix.AUDIT_ARCH_ARM, unix.AUDIT_ARCH_PPC64LE, 0} {
		for nr := range uint32(600) {
			if got := run(t, arch, nr); got != killed {
				t.Fatalf("call %d of architecture %#x: %#x", nr, arch, got)
			}
		}
	}
}

// TestEveryNumber: a call without a rule is refused, whatever its arguments; in particular none passes because an
// argument of one call looks like the number of another.
func TestEveryNumber(t *testing.T) {
	t.Parallel()
	rules := map[uint32]rule{}
	for _, r := range allowed() {
		rules[r.nr] = r
	}
	pretends := map[uint32]bool{}
	for _, r := range pretended() {
		pretends[r.nr] = true
	}
	ends := map[uint32]bool{}
	for _, c := range deadly() {
		ends[c.nr] = true
	}
	for nr := range uint32(700) {
		for _, arg := range []uint64{0, 1, 7, 9, 0xffffffff, ^uint64(0)} {
			got := run(t, auditArch, nr, arg, arg, arg, arg, arg, arg)
			r, ok := rules[nr]
			switch {
			case ok && len(r.anyOf) == 0:
				if got != allow {
					t.Errorf("%s: %#x", r.name, got)
				}
			case ok:
				if want := expect(r, uint32(arg)); got != want {
					t.Errorf("%s with %#x: %#x, want %#x", r.name, arg, got, want)
				}
			case pretends[nr]:
				if got != nothing {
					t.Errorf("call %d: %#x, want the answer 0", nr, got)
				}
			case ends[nr]:
				if got != killed {
					t.Errorf("call %d: %#x, want to be killed", nr, got)
				}
			case nr == unix.SYS_CLONE3:
			default:
				if got != eperm {
					t.Errorf("call %d: %#x, want EPERM", nr, got)
				}
			}
		}
	}
}

// expect says in Go what a rule means, when all arguments are arg.
func expect(r rule, arg uint32) uint32 {
	for _, c := range r.anyOf {
		if arg&c.mask == c.want {
			return allow
		}
	}
	if r.otherwise == kill {
		return killed
	}
	return eperm
}

// TestTable holds the promises of the list as such.
func TestTable(t *testing.T) {
	t.Parallel()
	seen := map[uint32]string{}
	count := 0
	for _, r := range allowed() {
		count++
		if r.reason == "" {
			t.Errorf("%s: no reason", r.name)
		}
		if other, twice := seen[r.nr]; twice {
			t.Errorf("%s and %s are the same call", r.name, other)
		}
		seen[r.nr] = r.name
	}
	for _, r := range pretended() {
		if other, twice := seen[r.nr]; twice || r.reason == "" || len(r.anyOf) > 0 {
			t.Errorf("%s: listed also as %q, without a reason, or on a condition", r.name, other)
		}
		seen[r.nr] = r.name
	}
	for _, c := range deadly() {
		if other, twice := seen[c.nr]; twice {
			t.Errorf("%s is listed also as %s", c.name, other)
		}
		seen[c.nr] = c.name
	}
	if count == 0 || count > 30 {
		t.Errorf("%d calls allowed, want 1 to 30", count)
	}
	for _, never := range []string{
		"socket", "connect", "bind", "listen", "accept", "accept4", "execve", "execveat", "ptrace", "ioctl",
		"open_by_handle_at", "sendmsg", "recvmsg", "kill", "tkill", "tgkill", "prctl", "dup", "dup2", "dup3", "open",
		"mlock", "epoll_ctl", "access", "faccessat", "brk",
	} {
		for _, name := range allowedNames() {
			if name == never {
				t.Errorf("%s is allowed", name)
			}
		}
	}
	if !sort.StringsAreSorted(allowedNames()) {
		t.Error("names are not sorted")
	}
}

// TestFilterHash holds the filter still: a change is a new line here, for reviewers and for owners who pin it.
func TestFilterHash(t *testing.T) {
	t.Parallel()
	if auditArch != unix.AUDIT_ARCH_X86_64 {
		t.Skip("the vector is for x86-64")
	}
	got, err := FilterHash()
	const want = "57c16002655b40d78cf98cc9d63c936227015fc2ec272ac73ad5c82f5a2511fa"
	if err != nil || got != want {
		t.Errorf("hash %s, want %s (%v)", got, want, err)
	}
	// The size is in the specification.
	raw, err := assemble()
	if err != nil {
		t.Fatal(err)
	}
	if len(raw) > 4096 || len(encode(raw)) != 8*len(raw) {
		t.Errorf("%d instructions", len(raw))
	}
}

// TestSpecAgrees: the page says what the code does.
func TestSpecAgrees(t *testing.T) {
	t.Parallel()
	if auditArch != unix.AUDIT_ARCH_X86_64 {
		t.Skip("the page lists x86-64")
	}
	page, err := os.ReadFile("../../../docs/spec/perimeter-process.md")
	if err != nil {
		t.Fatal(err)
	}
	hash, err := FilterHash()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), hash) {
		t.Error("the page has another filter hash")
	}
	words := strings.Join(strings.Fields(string(page)), " ")
	if !strings.Contains(words, "`"+strings.Join(allowedNames(), " ")+"`") {
		t.Error("the page has another list of calls")
	}
}

func FuzzFilter(f *testing.F) {
	f.Add(uint32(unix.SYS_MMAP), uint64(0), uint64(4096), uint64(7))
	byNr := map[uint32]rule{}
	for _, r := range allowed() {
		byNr[r.nr] = r
	}
	f.Fuzz(func(t *testing.T, nr uint32, a, b, c uint64) {
		got := run(t, auditArch, nr, a, b, c)
		if got != allow {
			return
		}
		r, ok := byNr[nr]
		if !ok {
			t.Fatalf("call %d is allowed", nr)
		}
		if (nr == unix.SYS_MMAP || nr == unix.SYS_MPROTECT) && c&unix.PROT_EXEC != 0 {
			t.Errorf("executable memory by %s", r.name)
		}
	})
}

// TestNitrosFilter: one request to a device, on Nitro alone, and its filter has another hash.
func TestNitrosFilter(t *testing.T) {
	for _, claim := range []string{"", claimProcess, claimVM, claimSNP, claimTDX} {
		if got := runFor(t, claim, auditArch, unix.SYS_IOCTL, AttesterFD, nsmRequest); got != eperm {
			t.Errorf("%q: %#x", claim, got)
		}
		base, err := FilterHash()
		if err != nil {
			t.Fatal(err)
		}
		if h, err := filterHashOf(claim); err != nil || h != base {
			t.Errorf("%q has a filter of its own", claim)
		}
	}
	if got := runFor(t, claimNitro, auditArch, unix.SYS_IOCTL, AttesterFD, nsmRequest); got != allow {
		t.Errorf("nitro: %#x", got)
	}
	if got := runFor(t, claimNitro, auditArch, unix.SYS_IOCTL, AttesterFD, unix.TIOCSTI); got != eperm {
		t.Errorf("nitro, another request: %#x", got)
	}
	base, _ := FilterHash()
	if h, err := filterHashOf(claimNitro); err != nil || h == base {
		t.Errorf("nitro: the same hash (%v)", err)
	}
}
