//go:build linux

package main

/*
static int by_int80(void) {
	int r;
	__asm__ volatile("int $0x80" : "=a"(r) : "a"(20) : "memory"); // getpid of the 32-bit interface
	return r;
}
*/
import "C"

import "fmt"

// otherABI makes an allowed call through the 32-bit interface, where numbers mean other calls.
func otherABI(int) (string, error) { return fmt.Sprint(C.by_int80()), nil }
