//go:build !linux

package perimeter

import (
	"context"
	"net"
)

type facts struct{}

func realFacts() *facts { return nil }

// Image is a measured enclave program; only Linux can load one.
type Image struct{}

// LoadImage refuses with ErrUnsupported.
func LoadImage(string) (*Image, error) { return nil, ErrUnsupported }

// Measurement of no image is empty.
func (*Image) Measurement() string { return "" }

// Close does nothing.
func (*Image) Close() error { return nil }

// Enclave is a running enclave process; only Linux can start one.
type Enclave struct{}

// Start refuses with ErrUnsupported.
func Start(context.Context, Options) (*Enclave, error) { return nil, ErrUnsupported }

// Check refuses with ErrUnsupported.
func Check(context.Context, Options) (Form, error) { return Form{}, ErrUnsupported }

// Strongest refuses with ErrUnsupported.
func Strongest(context.Context) (Form, error) { return Form{}, ErrUnsupported }

// Conn of no enclave is nil.
func (*Enclave) Conn() net.Conn { return nil }

// Bulk of no enclave is nil.
func (*Enclave) Bulk() net.Conn { return nil }

// Wait returns at once.
func (*Enclave) Wait() ExitState { return ExitState{Code: -1} }

// Kill does nothing.
func (*Enclave) Kill() {}

// Measurement of no enclave is empty.
func (*Enclave) Measurement() string { return "" }

// Form of no enclave is the zero value.
func (*Enclave) Form() Form { return Form{} }

// Pid of no enclave is 0.
func (*Enclave) Pid() int { return 0 }

// StageMain fails.
func StageMain([]string) int { return 1 }
