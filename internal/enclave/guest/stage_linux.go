package guest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordon-exchange/cordon/evidence/tpm/measured"
	"github.com/cordon-exchange/cordon/internal/enclave/lockdown"
	"github.com/cordon-exchange/cordon/internal/enclave/tpm"
	"github.com/cordon-exchange/cordon/internal/privileges"
)

// program is what the kernel starts, and what the stage measures and executes again.
const program = "/init"

// Booted reports whether this process is one that a kernel started as a machine's first, for a perimeter that is a machine.
func Booted(args []string) bool {
	return os.Getpid() == 1 && len(args) == 2 && args[0] == program && lockdown.IsMachine(args[1])
}

// errStage says which step failed: for tests, since a machine has nobody to tell.
var errStage = errors.New("guest: the machine is not as it must be")

// Stage does the steps of docs/spec/perimeter-vm.md, section 3, in that order, and becomes the enclave. It returns only on failure; the
// caller exits, and the kernel, whose first process is gone, stops the machine.
func Stage(args []string) error {
	// Landlock, capabilities and no_new_privs belong to a thread. This thread takes them through execve; all others end there.
	runtime.LockOSThread()
	again := os.Getenv(againName) != ""
	os.Clearenv()
	m, err := machineOf(args[1])
	if err != nil {
		return err
	}
	if err := reserve(); err != nil { // 3.1
		if !again {
			return unix.Exec(program, args, []string{againName + "=1"})
		}
		return fmt.Errorf("%w: %w", errStage, err)
	}
	for _, s := range []struct {
		name string
		do   func() error
	}{
		{"mounts", mounts},             // 3.2
		{"modules", modules},           // 3.3
		{"attester", m.attester},       // 3.4
		{"channel", m.channel},         // 3.5
		{"root", closeRoot},            // 3.6
		{"limits", limits},             // 3.7
		{"privileges", drop},           // 3.8
		{"landlock", landlock},         // 3.9
		{"descriptors", m.descriptors}, // 3.10
	} {
		if err := s.do(); err != nil {
			return fmt.Errorf("%w: %s: %w", errStage, s.name, err)
		}
	}
	return fmt.Errorf("%w: exec: %w", errStage, unix.Exec(program, []string{"cordon-enclave", args[1]}, nil)) // 3.11
}

// againName marks the second attempt at the start: the runtime may have made its poller, which takes descriptors, before anything of ours
// ran. It hardly does so twice.
const againName = "CORDON_AGAIN"

// mountFlags of everything that is mounted.
const mountFlags = unix.MS_NOSUID | unix.MS_NOEXEC

// mounts gives the stage its devices and its own entry of /proc; the rest of /proc is never there.
func mounts() error {
	if err := unix.Mount("devtmpfs", "/dev", "devtmpfs", mountFlags, ""); err != nil {
		return err
	}
	return unix.Mount("proc", "/proc", "proc", mountFlags|unix.MS_NODEV|unix.MS_RDONLY, "subset=pid")
}

// measure extends the register with the digest of the program that runs. The register must then hold that and nothing else.
func measure() error {
	sum, err := ownDigest()
	if err != nil {
		return err
	}
	fd, err := open(tpm.Path)
	if err != nil {
		return err
	}
	d := tpm.New(tpm.FD(fd))
	if err := d.Extend(measured.Register, sum); err != nil {
		return err
	}
	got, err := d.Read(measured.Register)
	if err != nil {
		return err
	}
	if got != measured.Value(sum) {
		return errors.New("the register holds more than the program")
	}
	return place(fd, lockdown.AttesterFD)
}

func ownDigest() (sum [sha256.Size]byte, err error) {
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return sum, err
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

// channelPath is the first port of the first virtio-serial device, behind the one that the standard keeps for a console.
const channelPath = "/dev/vport0p1"

// Times for the host and the kernel to bring up what a machine starts with.
const (
	deviceTime = 30 * time.Second
	devicePoll = 5 * time.Millisecond
)

// serial opens the port and waits until the host's end of it is open: before, it reads as if the host had hung up.
func serial() error {
	fd, err := open(channelPath)
	if err != nil {
		return err
	}
	for until := time.Now().Add(deviceTime); ; time.Sleep(devicePoll) {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		if _, err := unix.Poll(p, 0); err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		if p[0].Revents&unix.POLLOUT != 0 && p[0].Revents&unix.POLLHUP == 0 {
			return place(fd, lockdown.ChannelFD)
		}
		if time.Now().After(until) {
			return unix.ETIMEDOUT
		}
	}
}

// open opens a device as soon as the kernel has made it.
func open(path string) (int, error) {
	for until := time.Now().Add(deviceTime); ; time.Sleep(devicePoll) {
		fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err == nil || !(errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENODEV)) || time.Now().After(until) {
			return fd, err
		}
	}
}

// last descriptor that any machine's enclave is given.
const last = lockdown.AttesterFD + lockdown.TSMEntries*lockdown.TSMFiles - 1

// reserve takes the numbers that the enclave's descriptors will have, before the runtime takes one for its poller: to put something else
// in the poller's place would end the process, at some time or other.
func reserve() error {
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	for number := lockdown.ChannelFD; number <= last; number++ {
		if _, err := unix.FcntlInt(uintptr(number), unix.F_GETFD, 0); number != null && !errors.Is(err, unix.EBADF) {
			return fmt.Errorf("descriptor %d is taken: %w", number, unix.EBUSY)
		}
		if number != null {
			if err := unix.Dup3(null, number, unix.O_CLOEXEC); err != nil {
				return err
			}
		}
	}
	return nil
}

// place gives a descriptor its number.
func place(fd, number int) error {
	if err := unix.Dup3(fd, number, unix.O_CLOEXEC); err != nil {
		return err
	}
	return unix.Close(fd)
}

// descriptors leaves the enclave its standard descriptors, on the null device, the channel and what vouches for it, and nothing else.
func (m machine) descriptors() error {
	if err := unix.CloseRange(lockdown.ChannelFD, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return err
	}
	for number := lockdown.ChannelFD; number < lockdown.AttesterFD+m.devices; number++ {
		if _, err := unix.FcntlInt(uintptr(number), unix.F_SETFD, 0); err != nil {
			return err
		}
	}
	return nil
}

// closeRoot puts the null device in place of whatever the kernel gave the first process, and leaves a root without devices to which
// nothing can be written.
func closeRoot() error {
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	for fd := range 3 {
		if err := unix.Dup3(null, fd, 0); err != nil {
			return err
		}
	}
	if err := unix.Unmount("/dev", unix.MNT_DETACH); err != nil {
		return err
	}
	if err := unix.Unmount("/sys", unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return err // EINVAL and ENOENT: it was not mounted
	}
	if err := unix.Sethostname([]byte("enclave")); err != nil {
		return err
	}
	return unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, "")
}

// Limits of the enclave beside the machine's own memory, which bounds everything. Address space as in the process perimeter.
const (
	files        = 1024
	threads      = 256
	addressSpace = 5 << 29
	addressOfCPU = 128 << 20
)

// limits sets hard and soft limits alike.
func limits() error {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return err
	}
	memory := info.Totalram * uint64(info.Unit)
	for _, l := range []struct {
		what int
		max  uint64
	}{
		{unix.RLIMIT_CORE, 0},
		{unix.RLIMIT_AS, memory + addressSpace + addressOfCPU*uint64(runtime.NumCPU())},
		{unix.RLIMIT_DATA, memory},
		{unix.RLIMIT_FSIZE, memory},
		{unix.RLIMIT_NOFILE, files},
		{unix.RLIMIT_NPROC, threads},
		{unix.RLIMIT_MSGQUEUE, 0},
		{unix.RLIMIT_RTPRIO, 0},
		{unix.RLIMIT_NICE, 0},
	} {
		if err := privileges.SetLimit(l.what, l.max); err != nil {
			return err
		}
	}
	return nil
}
