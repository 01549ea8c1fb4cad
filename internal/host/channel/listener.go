package channel

import (
	"errors"
	"net"
	"sync"
)

// errHungUp ends the server when its one connection has closed.
var errHungUp = errors.New("channel: the enclave hung up")

// onceListener accepts the one connection that exists, then waits for its end.
type onceListener struct {
	conn   *notifyingConn
	accept chan net.Conn
}

func newOnceListener(c net.Conn) *onceListener {
	l := &onceListener{conn: &notifyingConn{Conn: c, closed: make(chan struct{})}, accept: make(chan net.Conn, 1)}
	l.accept <- l.conn
	return l
}

func (l *onceListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.accept:
		return c, nil
	default:
	}
	<-l.conn.closed
	return nil, errHungUp
}

func (l *onceListener) Close() error   { return l.conn.Close() }
func (l *onceListener) Addr() net.Addr { return l.conn.LocalAddr() }

type notifyingConn struct {
	net.Conn
	once   sync.Once
	closed chan struct{}
}

func (c *notifyingConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { close(c.closed) })
	return err
}

// bulkListener is a onceListener of a connection that files are sent over.
type bulkListener struct{ *onceListener }

func newBulkListener(c net.Conn) bulkListener { return bulkListener{newOnceListener(c)} }

func (l bulkListener) Accept() (net.Conn, error) {
	c, err := l.onceListener.Accept()
	if err != nil {
		return nil, err
	}
	return sendingFiles(c, l.conn.Conn), nil
}
