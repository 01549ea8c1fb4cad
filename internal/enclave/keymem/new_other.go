//go:build !linux

package keymem

// New makes memory of the Go heap.
func New() *Memory { return over(None, make([]byte, size)) }
