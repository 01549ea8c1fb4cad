package machine

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// FindTools finds what the perimeter needs on this machine. The error names what is missing, and the cure.
func FindTools(ctx context.Context) (*Tools, error) {
	if runtime.GOARCH != "amd64" {
		return nil, ErrUnsupported
	}
	t := &Tools{Accel: AccelTCG}
	for _, p := range []struct {
		path            *string
		program, source string
	}{{&t.QEMU, qemuProgram, qemuPackage}, {&t.TPM, swtpmProgram, swtpmPackage}} {
		path, err := exec.LookPath(p.program)
		if err != nil {
			return nil, &MissingError{What: p.program, Cure: "install it, on Debian: apt-get install " + p.source}
		}
		*p.path = path
	}
	out, err := exec.CommandContext(ctx, t.QEMU, "--version").Output()
	if err != nil {
		return nil, &MissingError{What: qemuProgram + " that runs", Cure: "see what '" + qemuProgram + " --version' says"}
	}
	if _, rest, ok := strings.Cut(string(out), "version "); ok {
		t.Version, _, _ = strings.Cut(strings.TrimSpace(strings.SplitN(rest, "\n", 2)[0]), " ")
	}
	if groups, ok := kvm(); ok {
		t.Accel, t.groups = AccelKVM, groups
	}
	return t, nil
}

// kvm says whether machines can use the processor's own, and in which group they must be for it.
func kvm() (groups []uint32, ok bool) {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil || !virtualises(string(info)) || unix.Access("/dev/kvm", unix.R_OK|unix.W_OK) != nil {
		return nil, false
	}
	if os.Geteuid() != 0 {
		return nil, true
	}
	var st unix.Stat_t
	if unix.Stat("/dev/kvm", &st) != nil {
		return nil, false
	}
	return groupFor(st.Mode, st.Gid)
}

// groupFor: what root may do doesn't count, since machines of a host that is root are run by nobody.
func groupFor(mode, gid uint32) (groups []uint32, ok bool) {
	const rw = 0o6
	switch {
	case mode&rw == rw:
		return nil, true
	case mode>>3&rw == rw && gid != 0:
		return []uint32{gid}, true
	}
	return nil, false
}

// inMemory is a file of these bytes that nobody can change, so that what starts is what was measured.
func inMemory(name string, b []byte) (*os.File, error) {
	f, err := memory(name)
	if err != nil {
		return nil, err
	}
	if _, err = f.Write(b); err == nil {
		_, err = unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_WRITE|unix.F_SEAL_GROW|unix.F_SEAL_SHRINK|unix.F_SEAL_SEAL)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("machine: memory for the image: %w", err)
	}
	return f, nil
}

// memory is an empty file that is nowhere on a disk.
func memory(name string) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("machine: memory file: %w", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}
