package tpm

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Path of the TPM's device that gives every opener keys of its own.
const Path = "/dev/tpmrm0"

// FD is an open device. It blocks: a TPM takes milliseconds, and the runtime's poller would have commands run behind its back.
type FD int

// Open opens the device.
func Open(path string) (FD, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	return FD(fd), err
}

func (f FD) Read(b []byte) (int, error) {
	for {
		n, err := unix.Read(int(f), b)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		return max(n, 0), err
	}
}

func (f FD) Write(b []byte) (int, error) {
	for {
		n, err := unix.Write(int(f), b)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		return max(n, 0), err
	}
}

// Close closes the device; its keys are gone.
func (f FD) Close() error { return unix.Close(int(f)) }
