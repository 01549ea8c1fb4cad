//go:build !linux

package hardware

import (
	"context"
	"net"

	"github.com/cordon-exchange/cordon/statement"
)

// Perimeter is not offered here.
type Perimeter struct{}

// New refuses.
func New(string, string, statement.Digest, Machine) (*Perimeter, error) { return nil, ErrUnsupported }

// Form of none is empty.
func (*Perimeter) Form() string { return "" }

// Build of none is empty.
func (*Perimeter) Build() statement.Digest { return "" }

// Kind of none is empty.
func (*Perimeter) Kind() string { return "" }

// Close does nothing.
func (*Perimeter) Close() error { return nil }

// Start refuses.
func (*Perimeter) Start(context.Context, Size) (*Enclave, error) { return nil, ErrUnsupported }

// Enclave is not offered here.
type Enclave struct{}

// Conn of none is nil.
func (*Enclave) Conn() net.Conn { return nil }

// Bulk of no enclave is nil.
func (*Enclave) Bulk() net.Conn { return nil }

// Build of none is empty.
func (*Enclave) Build() statement.Digest { return "" }

// Kind of none is empty.
func (*Enclave) Kind() string { return "" }

// Form of none is empty.
func (*Enclave) Form() statement.Perimeter { return statement.Perimeter{} }

// Kill does nothing.
func (*Enclave) Kill() {}

// Wait returns at once.
func (*Enclave) Wait() string { return "" }
