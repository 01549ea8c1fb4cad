package keymem

import "golang.org/x/sys/unix"

// New makes the strongest memory that the kernel has to give.
func New() *Memory { return strongest(secretPages, lockedPages) }

// strongest takes the first source that gives pages.
func strongest(secret, locked func(n int) ([]byte, error)) *Memory {
	if b, err := secret(size); err == nil {
		return over(Secret, b)
	}
	if b, err := locked(size); err == nil {
		return over(Locked, b)
	}
	return over(None, make([]byte, size))
}

// secretPages are shared with nobody: the descriptor is closed, and the mapping is left out of a fork.
func secretPages(n int) ([]byte, error) {
	fd, err := unix.MemfdSecret(0) // closed below; nothing is executed in between
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if err := unix.Ftruncate(fd, int64(n)); err != nil {
		return nil, err
	}
	b, err := unix.Mmap(fd, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return b, hide(b)
}

func lockedPages(n int) ([]byte, error) {
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, err
	}
	if err := unix.Mlock(b); err != nil {
		_ = unix.Munmap(b)
		return nil, err
	}
	return b, hide(b)
}

// hide keeps pages out of core dumps, which are off, and out of a fork, which the filter refuses.
func hide(b []byte) error {
	if err := unix.Madvise(b, unix.MADV_DONTDUMP); err != nil {
		_ = unix.Munmap(b)
		return err
	}
	if err := unix.Madvise(b, unix.MADV_DONTFORK); err != nil {
		_ = unix.Munmap(b)
		return err
	}
	return nil
}
