//go:build !linux

package machine

import (
	"context"
	"net"
	"os"

	"github.com/cordon-exchange/cordon/statement"
)

// FindTools is not offered here.
func FindTools(context.Context) (*Tools, error) { return nil, ErrUnsupported }

func inMemory(string, []byte) (*os.File, error) { return nil, ErrUnsupported }

// Enclave can't be started here.
type Enclave struct{}

// Start is not offered here.
func Start(context.Context, Options) (*Enclave, error) { return nil, ErrUnsupported }

// Conn of nothing.
func (*Enclave) Conn() net.Conn { return nil }

// Bulk of no enclave is nil.
func (*Enclave) Bulk() net.Conn { return nil }

// Build of nothing.
func (*Enclave) Build() statement.Digest { return "" }

// Kind of nothing.
func (*Enclave) Kind() string { return "" }

// Form of nothing.
func (*Enclave) Form() statement.Perimeter { return statement.Perimeter{} }

// Kill does nothing.
func (*Enclave) Kill() {}

// Wait returns at once.
func (*Enclave) Wait() string { return "" }
