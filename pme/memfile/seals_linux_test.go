package memfile_test

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSeals: the kernel itself refuses every way of changing a finished file, also through a new descriptor.
func TestSeals(t *testing.T) {
	f := create(t, 8192)
	f.Bytes()[0] = 1
	if err := f.Finish(4096); err != nil {
		t.Fatal(err)
	}
	again, err := os.OpenFile(f.Path(), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	for name, try := range map[string]func() error{
		"write":  func() error { _, err := again.WriteAt([]byte{2}, 0); return err },
		"grow":   func() error { return again.Truncate(9000) },
		"shrink": func() error { return again.Truncate(10) },
		"append": func() error { _, err := again.WriteAt([]byte{2}, 5000); return err },
		"new seal": func() error {
			_, err := unix.FcntlInt(uintptr(f.Fd()), unix.F_ADD_SEALS, unix.F_SEAL_FUTURE_WRITE)
			return err
		},
		"map to write": func() error {
			_, err := unix.Mmap(int(again.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			return err
		},
	} {
		if try() == nil {
			t.Errorf("%s succeeds", name)
		}
	}
	b, err := os.ReadFile(f.Path())
	if err != nil || len(b) != 4096 || b[0] != 1 {
		t.Errorf("file changed: %v", err)
	}
}

// TestNotInherited: the descriptor does not survive an exec.
func TestNotInherited(t *testing.T) {
	f := create(t, 10)
	flags, err := unix.FcntlInt(uintptr(f.Fd()), unix.F_GETFD, 0)
	if err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("flags %x: %v", flags, err)
	}
}
