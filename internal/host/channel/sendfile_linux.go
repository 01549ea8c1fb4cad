package channel

import (
	"cmp"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// fileConn is a Unix socket to which the kernel sends files from its page cache: net/http hands them to ReadFrom. Package net does
// that for TCP alone.
type fileConn struct {
	net.Conn
	raw syscall.RawConn
}

// sendingFiles returns outer with a ReadFrom that sends over inner, where inner is a Unix socket.
func sendingFiles(outer, inner net.Conn) net.Conn {
	u, ok := inner.(*net.UnixConn)
	if !ok {
		return outer
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return outer
	}
	return &fileConn{outer, raw}
}

// sendStep is how much one call sends at most.
const sendStep = 4 << 20

// ReadFrom implements io.ReaderFrom.
func (c *fileConn) ReadFrom(r io.Reader) (sent int64, err error) {
	l, limited := r.(*io.LimitedReader)
	if !limited {
		return io.Copy(c.Conn, r)
	}
	f, ok := l.R.(*os.File)
	if !ok {
		return io.CopyBuffer(struct{ io.Writer }{c.Conn}, r, make([]byte, copySize))
	}
	for l.N > 0 {
		n, err := c.send(f, int(min(l.N, sendStep)))
		sent, l.N = sent+n, l.N-n
		if err != nil || n == 0 {
			return sent, err
		}
	}
	return sent, nil
}

// send sends from where f stands. 0 bytes without an error are the end of f.
func (c *fileConn) send(f *os.File, most int) (int64, error) {
	from, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	var n int
	var told, broken error
	err = from.Control(func(in uintptr) {
		broken = c.raw.Write(func(out uintptr) bool {
			for {
				if n, told = unix.Sendfile(int(out), int(in), nil, most); told != unix.EINTR {
					return told != unix.EAGAIN // else it is called again when the socket has room
				}
			}
		})
	})
	return int64(max(n, 0)), cmp.Or(err, broken, os.NewSyscallError("sendfile", told))
}
