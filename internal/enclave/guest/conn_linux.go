package guest

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// Channel makes a connection of the channel's descriptor, which in a machine is a device and no socket.
func Channel(fd int) (net.Conn, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, err
	}
	return port{os.NewFile(uintptr(fd), "channel")}, nil
}

// port is a file with the names that a connection has.
type port struct{ *os.File }

// LocalAddr of a port is its name.
func (port) LocalAddr() net.Addr { return address{} }

// RemoteAddr of a port is its name too: there is one thing at its other end.
func (port) RemoteAddr() net.Addr { return address{} }

type address struct{}

func (address) Network() string { return "virtio-serial" }
func (address) String() string  { return "channel" }
