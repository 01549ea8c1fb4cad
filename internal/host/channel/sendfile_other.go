//go:build !linux

package channel

import "net"

func sendingFiles(outer, _ net.Conn) net.Conn { return outer }
