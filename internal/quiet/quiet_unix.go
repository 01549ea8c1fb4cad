//go:build unix

package quiet

import (
	"os"

	"golang.org/x/sys/unix"
)

// Begin keeps secrets out of core dumps, and gives back standard output under another number: what a library prints must
// not get between the replies.
func Begin() (*os.File, error) {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return nil, err
	}
	if err := undumpable(); err != nil {
		return nil, err
	}
	fd, err := unix.Dup(1)
	if err != nil {
		return nil, err
	}
	unix.CloseOnExec(fd)
	if err := replace(2, 1); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "replies"), nil
}
