package perimeter

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cordon-exchange/cordon/internal/need"
)

// TestRefused: each attempt from inside answers with an error, and the enclave lives on.
func TestRefused(t *testing.T) {
	t.Parallel()
	nowhere := []unix.Errno{unix.ENOENT} // an empty root has no such file
	tests := []struct {
		name   string
		errnos []unix.Errno // in an empty root
		host   []unix.Errno // in the host's root, where Landlock answers; nil means the same
	}{
		{name: "read /etc/passwd", errnos: nowhere, host: []unix.Errno{unix.EACCES}},
		{name: "read /../etc/passwd", errnos: nowhere, host: []unix.Errno{unix.EACCES}},
		{name: "read /", errnos: []unix.Errno{unix.EACCES}},
		{name: "read another's memory", errnos: nowhere, host: []unix.Errno{unix.EACCES}},
		{name: "read another's environment", errnos: nowhere, host: []unix.Errno{unix.EACCES}},
		{name: "read another's command line", errnos: nowhere, host: []unix.Errno{unix.EACCES}},
		{name: "read kernel settings", errnos: nowhere, host: []unix.Errno{unix.EACCES}},
		{name: "write own memory", errnos: []unix.Errno{unix.EPERM}},
		{name: "create in /tmp", errnos: []unix.Errno{unix.EPERM}},
		{name: "unnamed file in /tmp", errnos: []unix.Errno{unix.EPERM}},
		{name: "open a directory to walk", errnos: []unix.Errno{unix.EPERM}},
		{name: "open by path only", errnos: []unix.Errno{unix.EPERM}},
		{name: "mkdir", errnos: []unix.Errno{unix.EPERM}},
		{name: "unlink", errnos: []unix.Errno{unix.EPERM}},
		{name: "rename", errnos: []unix.Errno{unix.EPERM}},
		{name: "openat2", errnos: []unix.Errno{unix.EPERM}},
		{name: "duplicate a descriptor", errnos: []unix.Errno{unix.EPERM}},
		{name: "ask for signals on the input", errnos: []unix.Errno{unix.EPERM}},
		{name: "mmap executable", errnos: []unix.Errno{unix.EPERM}},
		{name: "mmap writable executable", errnos: []unix.Errno{unix.EPERM}},
		{name: "mprotect executable", errnos: []unix.Errno{unix.EPERM}},
		{name: "pkey_mprotect executable", errnos: []unix.Errno{unix.EPERM}},
		{name: "mmap memory file executable", errnos: []unix.Errno{unix.EPERM}},
		{name: "executable memory file", errnos: []unix.Errno{unix.EPERM}},
		{name: "huge memory file", errnos: []unix.Errno{unix.EPERM}},
		{name: "setuid", errnos: []unix.Errno{unix.EPERM}},
		{name: "setresuid", errnos: []unix.Errno{unix.EPERM}},
		{name: "setgroups", errnos: []unix.Errno{unix.EPERM}},
		{name: "capset", errnos: []unix.Errno{unix.EPERM}},
		{name: "raise the memory limit", errnos: []unix.Errno{unix.EPERM}},
		{name: "raise the core limit", errnos: []unix.Errno{unix.EPERM}},
		{name: "become dumpable", errnos: []unix.Errno{unix.EPERM}},
		{name: "let others trace", errnos: []unix.Errno{unix.EPERM}},
		{name: "handle a signal", errnos: []unix.Errno{unix.EPERM}},
		{name: "ioctl on the null device", errnos: []unix.Errno{unix.EPERM}},
		{name: "ioctl on the channel", errnos: []unix.Errno{unix.EPERM}},
		{name: "landlock", errnos: []unix.Errno{unix.EPERM}},
		{name: "sethostname", errnos: []unix.Errno{unix.EPERM}},
		{name: "clone3", errnos: []unix.Errno{unix.ENOSYS}},
		{name: "own process id", errnos: []unix.Errno{unix.EPERM}},
		{name: "signal to itself", errnos: []unix.Errno{unix.EPERM}},
		{name: "tgkill another", errnos: []unix.Errno{unix.EPERM}},
		{name: "lock a page", errnos: []unix.Errno{unix.EPERM}},
		{name: "watch a descriptor", errnos: []unix.Errno{unix.EPERM}},
		{name: "robust list", errnos: []unix.Errno{unix.EPERM}},
		{name: "sleep in C++", errnos: []unix.Errno{unix.EPERM}},
		{name: "file status by descriptor", errnos: []unix.Errno{unix.EPERM}},
		{name: "seals of a memory file", errnos: []unix.Errno{unix.EPERM}},
		{name: "flags of a descriptor", errnos: []unix.Errno{unix.EPERM}},
		{name: "priority inheritance", errnos: []unix.Errno{unix.EPERM}},
		{name: "requeue", errnos: []unix.Errno{unix.EPERM}},
		{name: "merge equal pages", errnos: []unix.Errno{unix.EPERM}},
		{name: "pages into dumps", errnos: []unix.Errno{unix.EPERM}},
	}
	victim := startVictim(t)
	eachForm(t, func(t *testing.T, r Request) {
		s, _ := begin(t, Options{Request: r})
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				want := tt.errnos
				if s.Form().Root == RootHost && tt.host != nil {
					want = tt.host
				}
				o, err := s.try(t, tt.name, victim)
				if err != nil {
					t.Fatalf("%v: %v", err, s.Wait())
				}
				for _, w := range want {
					if unix.Errno(o.Errno) == w {
						return
					}
				}
				t.Errorf("got errno %v (%s), want one of %v", unix.Errno(o.Errno), o.Text, want)
			})
		}
	})
}

// TestKilled: each attempt from inside ends the enclave at once, by the filter.
func TestKilled(t *testing.T) {
	t.Parallel()
	names := []string{
		"socket inet", "socket unix", "socket netlink", "socketpair", "connect", "bind", "listen", "accept",
		"sendto", "sendmsg", "recvmsg",
		"execve", "execveat memory", "fork by clone", "thread in new net", "ptrace", "process_vm_readv",
		"kill another", "kill everybody", "pidfd_open", "unshare", "setns",
		"name a file by handle", "open a file by handle", "shared memory", "personality", "another filter",
		"io_uring_setup", "bpf", "perf_event_open", "userfaultfd", "mount", "umount", "pivot_root", "chroot",
		"kexec_load", "init_module", "add_key", "reboot", "swapon", "other abi",
	}
	victim := startVictim(t)
	eachForm(t, func(t *testing.T, r Request) {
		for _, name := range names {
			t.Run(name, func(t *testing.T) {
				s, _ := begin(t, Options{Request: r})
				o, err := s.try(t, name, victim)
				if !errors.Is(err, errEnded) {
					t.Fatalf("the enclave survived: errno %v, %s", unix.Errno(o.Errno), o.Text)
				}
				if st := s.Wait(); st.Signal != syscall.SIGSYS || st.Clean() {
					t.Errorf("ended by %v, want SIGSYS", st)
				}
			})
		}
	})
}

// startVictim is a process outside the perimeter that attempts aim at.
func startVictim(t *testing.T) int {
	t.Helper()
	sleep, err := exec.LookPath("sleep")
	need.That(t, err == nil, "no sleep program to aim at")
	cmd := exec.Command(sleep, "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState != nil {
			t.Error("the victim has ended")
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd.Process.Pid
}

// TestOwnView: what the enclave can read about itself shows the perimeter in force.
func TestOwnView(t *testing.T) {
	t.Parallel()
	eachForm(t, func(t *testing.T, r Request) {
		s, _ := begin(t, Options{Request: r})
		status := s.read(t, "read own status")
		for _, want := range []string{"NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000",
			"CapPrm:\t0000000000000000", "CapInh:\t0000000000000000", "CapAmb:\t0000000000000000"} {
			if !strings.Contains(status, want) {
				t.Errorf("status lacks %q", want)
			}
		}
		if r.Name != NoUserNS && !strings.Contains(status, "CapBnd:\t0000000000000000") {
			t.Error("the bounding set is not empty")
		}
		checkEnvironment(t, s)
		if limits := s.read(t, "read own limits"); !coreIsZero(limits) {
			t.Errorf("core limit in %q", limits)
		}
		if r.Name == NoUserNS {
			return // the host's counters are there to read; the weaker form says so
		}
		if dev := s.read(t, "read own network devices"); countDevices(dev) > 1 {
			t.Errorf("sees network devices: %q", dev)
		}
	})
}

// checkEnvironment: empty, and where the enclave is nobody, not even its own to read, since it is not dumpable.
func checkEnvironment(t *testing.T, s *session) {
	t.Helper()
	o, err := s.try(t, "read own environment", 0)
	if err != nil || o.Text != "" || (o.Errno != 0 && o.Errno != int(unix.EACCES)) {
		t.Errorf("own environment from within: %v %v", err, o)
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", s.Pid()))
	if err == nil && len(text) > 0 {
		t.Errorf("environment from outside: %q", text)
	}
}

func (s *session) read(t *testing.T, name string) string {
	t.Helper()
	o, err := s.try(t, name, 0)
	if err != nil || o.Errno != 0 {
		t.Fatalf("%s: %v %v", name, err, o)
	}
	return o.Text
}

func coreIsZero(limits string) bool {
	for line := range strings.Lines(limits) {
		if strings.HasPrefix(line, "Max core file size") {
			f := strings.Fields(line)
			return f[4] == "0" && f[5] == "0"
		}
	}
	return false
}

// countDevices counts lines after the two of the heading.
func countDevices(dev string) int { return strings.Count(dev, "\n") - 2 }
