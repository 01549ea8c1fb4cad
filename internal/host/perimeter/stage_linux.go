package perimeter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Descriptors that the first stage starts with. 0 to 2 are the null device.
const (
	channelFD = 3
	bulkFD    = 4
	reportFD  = 5
	imageFD   = 6
)

// stepError names the step of the first stage that failed.
type stepError struct {
	step string
	err  error
}

func (e *stepError) Error() string { return e.step + ": " + e.err.Error() }
func (e *stepError) Unwrap() error { return e.err }

// StageMain is the first stage: cordon's main calls it when its first argument is StageCommand, with the arguments
// after that, before anything else. It returns an exit code when something failed or it was only asked to probe;
// otherwise it never returns, because the process has become the enclave.
func StageMain(args []string) int {
	// Landlock, capabilities and no_new_privs belong to a thread. This thread takes them through execveat; all
	// other threads end there.
	runtime.LockOSThread()
	report := os.NewFile(reportFD, "report")
	if err := runStage(args, report); err != nil {
		reportFailure(report, err)
		return 1
	}
	return 0
}

// reportFailure is best effort: a host that hears nothing takes it for a failure too.
func reportFailure(report io.Writer, err error) {
	failed := stageFailure{Step: stepConfig, Errno: int(unix.EINVAL)}
	var s *stepError
	if errors.As(err, &s) {
		failed.Step = s.step
	}
	var errno unix.Errno
	if errors.As(err, &errno) {
		failed.Errno = int(errno)
	}
	_ = json.NewEncoder(report).Encode(stageReport{Failed: &failed})
}

// runStage does the steps of docs/spec/perimeter-process.md, section 4, in that order.
func runStage(args []string, report io.Writer) error {
	c, err := parseStageArgs(args)
	if err != nil {
		return &stepError{stepConfig, err}
	}
	done := stageDone{}
	steps := []struct {
		name string
		do   func(stageConfig, *stageDone) error
	}{
		{stepNamespaces, checkNamespaces},  // 4.1
		{stepLimits, sacrifice},            // 4.2
		{stepRoot, buildRoot},              // 4.3, names its other steps
		{stepLimits, setLimits},            // 4.4
		{stepUser, dropPrivileges},         // 4.5
		{stepPrivs, noNewPrivs},            // 4.6
		{stepLandlock, restrictByLandlock}, // 4.7
		{stepParent, dieWithHost},          // 4.8
	}
	for _, s := range steps {
		if err := s.do(c, &done); err != nil {
			return named(s.name, err)
		}
	}
	// 4.9: a host that died before the tie above took effect has closed its end, and the write fails.
	if err := json.NewEncoder(report).Encode(stageReport{Done: &done}); err != nil {
		return &stepError{stepReport, err}
	}
	if c.Probe {
		return nil
	}
	return becomeEnclave(c) // 4.10
}

func named(step string, err error) error {
	var s *stepError
	if errors.As(err, &s) {
		return err
	}
	return &stepError{step, err}
}

func parseStageArgs(args []string) (stageConfig, error) {
	var c stageConfig
	if len(args) != 1 {
		return c, errors.New("want one argument")
	}
	dec := json.NewDecoder(bytes.NewReader([]byte(args[0])))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		return stageConfig{}, err
	}
	return c, Request{Name: c.Name}.valid()
}

// namespaceKinds are the kinds in the order of their names, with the flag that makes a new one.
func namespaceKinds() []namespaceKind {
	return []namespaceKind{
		{"cgroup", unix.CLONE_NEWCGROUP},
		{"ipc", unix.CLONE_NEWIPC},
		{"mnt", unix.CLONE_NEWNS},
		{"net", unix.CLONE_NEWNET},
		{"pid", unix.CLONE_NEWPID},
		{"user", unix.CLONE_NEWUSER},
		{"uts", unix.CLONE_NEWUTS},
	}
}

type namespaceKind struct {
	kind string
	flag uintptr
}

// wanted says whether a form has a namespace of this kind for itself.
func (k namespaceKind) wanted(n Name) bool {
	switch n {
	case Process:
		return true
	case SharedPID:
		return k.flag != unix.CLONE_NEWPID
	default:
		return false
	}
}

// currentNamespaces reads which namespaces this process is in.
func currentNamespaces() (map[string]string, error) {
	ns := make(map[string]string)
	for _, k := range namespaceKinds() {
		target, err := os.Readlink("/proc/self/ns/" + k.kind)
		if err != nil {
			return nil, err
		}
		ns[k.kind] = target
	}
	return ns, nil
}

// checkNamespaces compares what this process is in with what the host is in: the form reports what was found, not
// what was asked of clone.
func checkNamespaces(c stageConfig, done *stageDone) error {
	now, err := currentNamespaces()
	if err != nil {
		return err
	}
	done.Namespaces = []string{}
	for _, k := range namespaceKinds() {
		outer, known := c.Outer[k.kind]
		own := known && now[k.kind] != outer
		if own != k.wanted(c.Name) {
			return unix.EXDEV
		}
		if own {
			done.Namespaces = append(done.Namespaces, k.kind)
		}
	}
	return nil
}

// dieWithHost asks for SIGKILL when the host's thread that started us ends; the host keeps that thread for as long
// as the enclave lives. Changing user has cleared the setting that was made at fork.
func dieWithHost(stageConfig, *stageDone) error {
	return prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL))
}

// becomeEnclave closes all descriptors but 0 to 4 at the moment of execution and runs the measured bytes through
// their descriptor: no path is looked up. The environment is empty.
func becomeEnclave(c stageConfig) error {
	err := unix.CloseRange(bulkFD+1, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC)
	if err != nil {
		return &stepError{stepDescriptor, err}
	}
	argv, err := syscall.SlicePtrFromStrings([]string{"cordon-enclave", c.Claim})
	if err != nil {
		return &stepError{stepExec, err}
	}
	return &stepError{stepExec, execFD(imageFD, argv)}
}

// execFD runs the program that a descriptor refers to. It returns only on failure.
func execFD(fd uintptr, argv []*byte) error {
	var empty byte
	envv := []*byte{nil}
	_, _, errno := unix.RawSyscall6(unix.SYS_EXECVEAT, fd, uintptr(unsafe.Pointer(&empty)),
		uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&envv[0])), unix.AT_EMPTY_PATH, 0)
	return errno
}

// prctl sets one attribute of this thread.
func prctl(option int, arg uintptr) error {
	if err := unix.Prctl(option, arg, 0, 0, 0); err != nil {
		return fmt.Errorf("prctl: %w", err)
	}
	return nil
}
