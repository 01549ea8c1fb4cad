package hardware

import (
	"errors"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// listenVsock takes one call on a port. stop ends the waiting.
func listenVsock(port uint32) (<-chan net.Conn, func(), error) {
	fd, err := unix.Socket(unix.AF_VSOCK, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrVM{CID: unix.VMADDR_CID_ANY, Port: port}), unix.Listen(fd, 1)); err != nil {
		unix.Close(fd)
		return nil, nil, err
	}
	calls := make(chan net.Conn, 1)
	var waiting sync.WaitGroup
	waiting.Go(func() {
		c, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
		if err == nil {
			calls <- call{os.NewFile(uintptr(c), "channel")}
		}
	})
	stop := func() {
		_ = unix.Shutdown(fd, unix.SHUT_RDWR) // wakes who waits
		waiting.Wait()
		unix.Close(fd)
	}
	return calls, stop, nil
}

// call is a file with the names that a connection has.
type call struct{ *os.File }

// LocalAddr of a call is its kind.
func (call) LocalAddr() net.Addr { return vsock{} }

// RemoteAddr of a call is its kind too: it is judged by its evidence, not by where it comes from.
func (call) RemoteAddr() net.Addr { return vsock{} }

type vsock struct{}

func (vsock) Network() string { return "vsock" }
func (vsock) String() string  { return "channel" }
