package attest

import (
	"errors"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// NSMRequest is the module's one request (linux/nsm.h: _IOWR(0x0A, 0x0, struct nsm_raw), which is two iovecs).
const NSMRequest = 0xc0200a00

// Ioctl is how the module is reached; tests put another in its place.
type Ioctl func(fd, request uintptr, arg unsafe.Pointer) error

// SystemIoctl asks the kernel.
func SystemIoctl(fd, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

var errRoom = errors.New("attest: an answer longer than there is room")

// NSMDevice sends requests to the module behind a descriptor.
func NSMDevice(fd uintptr, ioctl Ioctl) func(request []byte, room int) ([]byte, error) {
	return func(request []byte, room int) ([]byte, error) {
		answer := make([]byte, room)
		message := &[2]unix.Iovec{{Base: &request[0]}, {Base: &answer[0]}}
		message[0].SetLen(len(request))
		message[1].SetLen(len(answer))
		err := ioctl(fd, NSMRequest, unsafe.Pointer(message))
		runtime.KeepAlive(request)
		if err != nil {
			return nil, err
		}
		if message[1].Len > uint64(room) {
			return nil, errRoom
		}
		return answer[:message[1].Len], nil
	}
}
