//go:build !linux

package host

import "errors"

// MachineMemory is known on Linux alone, where enclaves are.
func MachineMemory() (int64, error) {
	return 0, errors.New("host: how much memory the machine has is not known")
}
