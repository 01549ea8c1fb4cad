package home

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/cordon-exchange/cordon/internal/fault"
)

var errLocked = errors.New("locked by another process")

// Lock makes this process the only one that serves the home. Release ends it;
// so does the end of the process, however it comes.
func (d Dir) Lock() (release func(), err error) {
	return lockFile(filepath.Join(d.path, "agent.lock"), "another agent serves this home")
}

// LockFile takes an exclusive lock that ends with the process. msg is the error for people if it is taken.
func LockFile(path, msg string) (release func(), err error) { return lockFile(path, msg) }

func lockFile(path, msg string) (func(), error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, Storage("can't make the lock file", err)
	}
	if err := lock(f); err != nil {
		f.Close()
		if errors.Is(err, errLocked) {
			return nil, fault.New(fault.Usage, msg, "stop the other process first", nil)
		}
		return nil, Storage("can't lock", err)
	}
	return func() {
		unlock(f)
		f.Close()
	}, nil
}

// BreakLock lets another agent serve the home though one that hangs has the lock: for a ledger that was taken over, which alone keeps
// the two apart from then on.
func (d Dir) BreakLock() error {
	if err := os.Remove(filepath.Join(d.path, "agent.lock")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return Storage("can't remove agent.lock", err)
	}
	return nil
}
