package perimeter

import (
	"os"

	"golang.org/x/sys/unix"
)

// mountFlags for everything in the new root.
const mountFlags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC

// scratch is where the new root is put together: a directory that surely exists, since the host found its own
// program through it.
const scratch = "/proc"

// buildRoot gives the enclave a root with nothing in it but its own entry of /proc, which DuckDB needs: it opens
// memory files as /proc/self/fd/N.
func buildRoot(c stageConfig, done *stageDone) error {
	if c.Name == NoUserNS {
		done.Root, done.Proc = RootHost, ProcOwnByLandlock
		// The working directory pins this entry, on which the Landlock rule will stand.
		return os.Chdir("/proc/self")
	}
	// Otherwise our mounts would appear outside.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return &stepError{stepPrivate, err}
	}
	// The way back to this process's own entry, once the new root covers /proc.
	if err := os.Chdir("/proc/self"); err != nil {
		return &stepError{stepRoot, err}
	}
	if err := unix.Mount("tmpfs", scratch, "tmpfs", mountFlags, "size=4k,nr_inodes=4,mode=0755"); err != nil {
		return &stepError{stepRoot, err}
	}
	if err := mountProc(c, done); err != nil {
		return &stepError{stepProc, err}
	}
	done.Root = RootEmpty
	if err := enterRoot(); err != nil {
		return &stepError{stepRoot, err}
	}
	// The host's name is no business of the enclave's.
	if err := unix.Sethostname([]byte("enclave")); err != nil {
		return &stepError{stepRoot, err}
	}
	return nil
}

// mountProc puts proc into the new root. In an own pid namespace that is a new one, reduced to processes
// (subset=pid): no /proc/sys, no /proc/kcore. Otherwise it is this process's own entry alone.
func mountProc(c stageConfig, done *stageDone) error {
	proc := scratch + "/proc"
	if err := os.Mkdir(proc, 0o555); err != nil {
		return err
	}
	if c.Name == Process {
		done.Proc = ProcOwnNamespace
		return unix.Mount("proc", proc, "proc", mountFlags|unix.MS_RDONLY, "subset=pid")
	}
	done.Proc = ProcOwnEntry
	entry := proc + "/self"
	if err := os.Mkdir(entry, 0o555); err != nil {
		return err
	}
	if err := unix.Mount(".", entry, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	return unix.Mount("", entry, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|mountFlags, "")
}

// enterRoot makes the new root the root, lets go of the old one, and makes everything read-only.
func enterRoot() error {
	if err := os.Chdir(scratch); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return err
	}
	// Both roots are now stacked on "."; the old one is on top.
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return err
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	return unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|mountFlags, "")
}
