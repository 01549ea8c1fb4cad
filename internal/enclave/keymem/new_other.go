//go:build !linux

package keymem

// New makes memory of the Go heap.
func New() *Memory { return &Memory{form: None, pages: make([]byte, size)} }
