//go:build !windows

package cache

import (
	"os"

	"golang.org/x/sys/unix"
)

// lock takes a folder for this process, until it ends.
func lock(path string) (release func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, errTaken
	}
	return func() { _ = f.Close() }, nil
}
