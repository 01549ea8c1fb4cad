package client

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// unacknowledged bounds how long sent bytes may stay unacknowledged: keep-alives are not sent while some are.
func unacknowledged(_, _ string, c syscall.RawConn) error {
	var set error
	err := c.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(deadTime.Milliseconds()))
	})
	if err != nil {
		return err
	}
	return set
}
