//go:build linux

package main

import "golang.org/x/sys/unix"

// otherABI has no counterpart here; a call that kills stands in.
func otherABI(arg int) (string, error) { return raw(unix.SYS_SOCKET, 1, 1, 0)(arg) }
