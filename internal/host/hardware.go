package host

import (
	"context"

	"github.com/cordon-exchange/cordon/internal/host/hardware"
	"github.com/cordon-exchange/cordon/statement"
)

// Hardware is a Perimeter on confidential hardware. It has never run there.
type Hardware struct{ *hardware.Perimeter }

// NewHardware checks that this machine offers a form and that a folder holds its image. The error names all that is missing, and the cure.
func NewHardware(form, folder string, build statement.Digest) (*Hardware, error) {
	p, err := hardware.New(form, folder, build, hardware.This())
	if err != nil {
		return nil, err
	}
	return &Hardware{p}, nil
}

// Start starts one enclave.
func (h *Hardware) Start(ctx context.Context, c Class) (Enclave, error) {
	e, err := h.Perimeter.Start(ctx, hardware.Size{MemoryBytes: c.MemoryBytes, Processors: c.Threads})
	if err != nil {
		return nil, err
	}
	return e, nil
}
