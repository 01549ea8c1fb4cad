package child

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// Pair returns two connected stream sockets, which no child gets unless it is given one. The caller closes both.
func Pair() (a, b *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(fds[0]), "socket"), os.NewFile(uintptr(fds[1]), "socket"), nil
}

// bulkBuffer is how much may lie in a socket of bulk: with less, sender and receiver wake each other for every piece. The kernel gives
// what it is allowed to.
const bulkBuffer = 1 << 20

// Bulk is Channel for a stream that carries much.
func Bulk() (net.Conn, *os.File, error) {
	conn, theirs, err := Channel()
	if err != nil {
		return nil, nil, err
	}
	if u, ok := conn.(*net.UnixConn); ok {
		_ = u.SetWriteBuffer(bulkBuffer)
	}
	return conn, theirs, nil
}

// Channel returns a connection and its other end, for a child to be given. The caller closes both.
func Channel() (net.Conn, *os.File, error) {
	ours, theirs, err := Pair()
	if err != nil {
		return nil, nil, err
	}
	conn, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return conn, theirs, nil
}
