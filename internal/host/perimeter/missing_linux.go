package perimeter

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

func missingNoSwap() error {
	return &MissingError{
		What: "a machine without swap (clear data could reach a disk)",
		Cure: "turn swap off with 'swapoff -a', or accept it by name: ask for the perimeter with '+swap', which every receipt then shows",
	}
}

func missingSwapKnowledge(err error) error {
	return &MissingError{
		What: "the table of swap devices",
		Cure: "mount /proc, or accept swap by name: ask for the perimeter with '+swap'",
		Err:  err,
	}
}

func missingSeccomp(err error) error {
	return &MissingError{
		What: "system call filters with TSYNC and KILL_PROCESS",
		Cure: "use a kernel of 4.14 or later built with CONFIG_SECCOMP_FILTER",
		Err:  err,
	}
}

func missingLandlock(err error) error {
	return &MissingError{
		What: "Landlock",
		Cure: "use a kernel of 5.13 or later with 'landlock' in its lsm= list; in a container, allow the landlock_* system calls",
		Err:  err,
	}
}

func missingMemfdExec(err error) error {
	return &MissingError{
		What: "executable memory files",
		Cure: "set 'sysctl vm.memfd_noexec=0'",
		Err:  err,
	}
}

func missingUserNS(err error) error {
	return &MissingError{
		What: "user namespaces",
		Cure: "set 'sysctl user.max_user_namespaces=10000' (Debian also kernel.unprivileged_userns_clone=1, Ubuntu also " +
			"kernel.apparmor_restrict_unprivileged_userns=0); in a container, '--security-opt seccomp=unconfined'; " +
			"or ask for the weaker perimeter '" + string(NoUserNS) + "'",
		Err: err,
	}
}

func missingOwnProc(err error) error {
	return &MissingError{
		What: "a /proc that can be mounted anew (parts of it are masked here, as in containers)",
		Cure: "in a container, '--security-opt systempaths=unconfined'; or ask for the weaker perimeter '" + string(SharedPID) + "'",
		Err:  err,
	}
}

// startError explains why the first stage could not be started at all.
func startError(r Request, err error) error {
	for _, denied := range []error{unix.EPERM, unix.EACCES, unix.ENOSPC, unix.EINVAL, unix.ENOSYS, unix.EUSERS} {
		if r.Name != NoUserNS && errors.Is(err, denied) && !errors.Is(err, os.ErrNotExist) {
			return missingUserNS(err)
		}
	}
	return fmt.Errorf("%w: start: %w", ErrStage, err)
}

// stageError explains what the first stage reported.
func stageError(f stageFailure) error {
	errno := unix.Errno(f.Errno)
	switch f.Step {
	case stepProc:
		return missingOwnProc(errno)
	case stepPrivate, stepRoot:
		// Creating the namespace worked, acting in it did not: a security module restricts it.
		return missingUserNS(errno)
	case stepLandlock:
		return missingLandlock(errno)
	case stepExec:
		if errno == unix.EACCES {
			return missingMemfdExec(errno)
		}
	}
	return fmt.Errorf("%w: %s: %w", ErrStage, f.Step, errno)
}
