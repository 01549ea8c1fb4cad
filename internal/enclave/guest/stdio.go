package guest

import (
	"errors"
	"net"
	"os"
)

// Stdio makes a connection of a program's standard input and output: under Gramine there is nothing else that comes from outside.
func Stdio(in, out *os.File) net.Conn { return stdio{File: out, in: in} }

type stdio struct {
	*os.File
	in *os.File
}

func (s stdio) Read(b []byte) (int, error) { return s.in.Read(b) }
func (s stdio) Close() error               { return errors.Join(s.in.Close(), s.File.Close()) }

// LocalAddr of the two is a name.
func (stdio) LocalAddr() net.Addr { return standard{} }

// RemoteAddr of the two is a name too.
func (stdio) RemoteAddr() net.Addr { return standard{} }

type standard struct{}

func (standard) Network() string { return "stdio" }
func (standard) String() string  { return "channel" }
