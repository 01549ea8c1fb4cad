package perimeter

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/cordon-exchange/cordon/internal/host/child"
)

// StageCommand is the hidden first argument under which the cordon binary calls StageMain.
const StageCommand = "__stage"

// Options for Start and Check.
type Options struct {
	// Image is the measured enclave program. Required by Start, not used by Check.
	Image *Image
	// Request names the perimeter. Required.
	Request Request
	// Limits of the enclave; Limits.MemoryBytes is required.
	Limits Limits
	// StageExe is the program that calls StageMain when its first argument is StageCommand.
	// Default: the running program, /proc/self/exe.
	StageExe string

	// facts about the machine, replaced in tests; nil means the real ones.
	facts *facts
}

// valid checks what does not depend on the machine and fills in the defaults, in a copy.
func (o Options) valid() (Options, error) {
	if err := o.Request.valid(); err != nil {
		return Options{}, err
	}
	if o.Limits.MemoryBytes < MinMemoryBytes || o.Limits.MemoryBytes > MaxMemoryBytes {
		return Options{}, fmt.Errorf("perimeter: memory limit must lie between %d and %d bytes",
			uint64(MinMemoryBytes), uint64(MaxMemoryBytes))
	}
	if o.Limits.AddressBytes == 0 {
		o.Limits.AddressBytes = o.Limits.MemoryBytes + reservedBytes + reservedPerCPU*uint64(runtime.NumCPU())
	}
	if o.Limits.AddressBytes < o.Limits.MemoryBytes {
		return Options{}, errors.New("perimeter: less address space than memory")
	}
	if o.Limits.Files == 0 {
		o.Limits.Files = DefaultFiles
	}
	if o.Limits.Threads == 0 {
		o.Limits.Threads = DefaultThreads
	}
	if o.Request.Name == NoUserNS {
		o.Limits.Threads = 0
	}
	if o.StageExe == "" {
		o.StageExe = "/proc/self/exe"
	}
	if o.facts == nil {
		o.facts = realFacts()
	}
	return o, nil
}

// ExitState says how an enclave ended.
type ExitState = child.State
