package perimeter

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/cordon-exchange/cordon/internal/privileges"
)

// facts are the questions asked of the machine before anything is started. Tests replace single answers.
type facts struct {
	swapOn      func() (bool, error)
	landlockABI func() (int, error)
	seccomp     func() error
	start       func(*exec.Cmd) error
}

func realFacts() *facts {
	return &facts{
		swapOn:      func() (bool, error) { return swapOn("/proc/swaps") },
		landlockABI: privileges.LandlockABI,
		seccomp:     seccompOffered,
		start:       (*exec.Cmd).Start,
	}
}

// check refuses what the machine can't do, before a process is started.
func (f *facts) check(r Request) (abi int, err error) {
	if err := f.checkSwap(r); err != nil {
		return 0, err
	}
	if err := f.seccomp(); err != nil {
		return 0, missingSeccomp(err)
	}
	abi, err = f.landlockABI()
	if err != nil {
		return 0, missingLandlock(err)
	}
	if abi < 1 {
		return 0, missingLandlock(nil)
	}
	return abi, nil
}

func (f *facts) checkSwap(r Request) error {
	if r.AllowSwap {
		return nil
	}
	on, err := f.swapOn()
	if err != nil {
		return missingSwapKnowledge(err)
	}
	if on {
		return missingNoSwap()
	}
	return nil
}

// swapOn reads the table of swap devices: one heading, then a line for each. An unreadable or empty table is an
// error, never "no swap".
func swapOn(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "Filename") {
		return false, fmt.Errorf("not a table of swap devices")
	}
	on := lines.Scan()
	return on, lines.Err()
}

// seccompOffered asks for the two features that the enclave's filter needs. The null filter makes the kernel check
// the flags and then fail with EFAULT, so nothing is installed.
func seccompOffered() error {
	_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, 0)
	if errno != unix.EFAULT {
		return errno
	}
	return killOffered()
}

// killOffered asks whether the kernel can end a whole process from a filter.
func killOffered() error {
	action := uint32(unix.SECCOMP_RET_KILL_PROCESS)
	_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&action)))
	if errno != 0 {
		return errno
	}
	return nil
}
