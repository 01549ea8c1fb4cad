package machine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// folders are where the state of TPMs lies while their machines run, below the system's folder for such files.
const (
	folders  = "cordon-vm-*"
	lockName = "lock"
)

// folder is one machine's. Whoever runs the machine holds its lock, which a kill releases.
type folder struct {
	path string
	lock *os.File
}

func newFolder() (*folder, error) {
	path, err := os.MkdirTemp("", folders)
	if err != nil {
		return nil, fmt.Errorf("machine: folder for the TPM's state: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("machine: folder for the TPM's state: %w", err), os.RemoveAll(path))
	}
	return &folder{path: path, lock: lock}, nil
}

func (f *folder) remove() error { return errors.Join(os.RemoveAll(f.path), f.lock.Close()) }

// Sweep removes what machines left behind whose host was killed.
func Sweep() error {
	all, err := filepath.Glob(filepath.Join(os.TempDir(), folders))
	if err != nil {
		return err
	}
	for _, path := range all {
		err = errors.Join(err, sweep(path))
	}
	return err
}

// sweep leaves alone what is somebody's who runs: a folder that is locked, of another user, or so new that it has no lock yet.
func sweep(path string) error {
	lock, err := os.OpenFile(filepath.Join(path, lockName), os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	if unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return nil
	}
	return os.RemoveAll(path)
}
