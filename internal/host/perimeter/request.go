package perimeter

import (
	"errors"
	"fmt"
	"strings"
)

// Name says which form of the process perimeter is meant. The zero value names none and is refused.
type Name string

// The forms, strongest first. There is no form without a sandbox.
const (
	// Process has every protection: own user, pid, network, mount, ipc and uts namespaces, an empty root.
	Process Name = "process"
	// SharedPID lacks an own pid namespace: for containers that mask parts of /proc, where a new /proc cannot be
	// mounted. The enclave still sees no other process, because only its own /proc entry is there.
	SharedPID Name = "process-shared-pid"
	// NoUserNS has no namespaces at all: Landlock, system call filter, limits and no capabilities alone.
	NoUserNS Name = "process-no-userns"
)

// Names lists the forms, strongest first.
func Names() []Name { return []Name{Process, SharedPID, NoUserNS} }

// Request is what a host asks for by name. The zero value asks for nothing and is refused.
type Request struct {
	Name Name
	// AllowSwap accepts a machine with swap on, where clear data may reach a disk. It is a weakening of its own
	// and stands in the Form.
	AllowSwap bool
}

// swapSuffix marks a request that accepts swap.
const swapSuffix = "+swap"

// errRequest is deliberately silent about what was asked: the caller knows.
var errRequest = errors.New("unknown perimeter")

// ParseRequest reads the text form, such as "process" or "process-shared-pid+swap".
func ParseRequest(text string) (Request, error) {
	name, swap := strings.CutSuffix(text, swapSuffix)
	r := Request{Name: Name(name), AllowSwap: swap}
	if err := r.valid(); err != nil {
		return Request{}, err
	}
	return r, nil
}

// String is the text form that ParseRequest reads.
func (r Request) String() string {
	if r.AllowSwap {
		return string(r.Name) + swapSuffix
	}
	return string(r.Name)
}

func (r Request) valid() error {
	for _, n := range Names() {
		if r.Name == n {
			return nil
		}
	}
	return fmt.Errorf("%w: want one of %v, with %q where swap is accepted", errRequest, Names(), swapSuffix)
}
