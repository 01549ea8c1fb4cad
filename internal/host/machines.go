package host

import (
	"context"

	"github.com/cordon-exchange/cordon/evidence/hosted"
	"github.com/cordon-exchange/cordon/internal/host/machine"
	"github.com/cordon-exchange/cordon/statement"
)

// Machines is a Perimeter of virtual machines on this machine, one for each job.
type Machines struct {
	image *machine.Image
	tools *machine.Tools
}

// NewMachines measures the image that a folder holds and checks that this machine has what starts it. The error names what is missing,
// and the cure.
func NewMachines(ctx context.Context, folder string) (*Machines, error) {
	tools, err := machine.FindTools(ctx)
	if err != nil {
		return nil, err
	}
	image, err := machine.LoadImage(folder)
	if err != nil {
		return nil, err
	}
	return &Machines{image: image, tools: tools}, nil
}

// Form is the name of the form in force, as contracts and policies list it.
func (*Machines) Form() string { return machine.Form }

// Build is what contracts and policies list for the program that every machine runs.
func (m *Machines) Build() statement.Digest { return m.image.Build() }

// Kind of evidence: a TPM that this host runs.
func (*Machines) Kind() string { return hosted.TPMSoftware }

// Close gives the image's memory back.
func (m *Machines) Close() error { return m.image.Close() }

// systemMemory is what kernel and program take of a machine's memory, beside what the class gives the enclave.
const systemMemory = 256 << 20

// Start starts one machine.
func (m *Machines) Start(ctx context.Context, c Class) (Enclave, error) {
	return machine.Start(ctx, machine.Options{
		Image: m.image, Tools: m.tools, MemoryBytes: c.MemoryBytes + systemMemory, Processors: c.Threads,
	})
}
