package child

import (
	"fmt"
	"syscall"
	"time"
)

// State says how a process ended.
type State struct {
	// Code is the exit code, or -1 when a signal ended it.
	Code int
	// Signal that ended it, or 0. SIGSYS means that it tried a system call that kills.
	Signal syscall.Signal
	// CPU time used, and the largest resident memory in bytes.
	CPU    time.Duration
	MaxRSS int64
}

// Clean reports whether the process ended by itself with code 0.
func (s State) Clean() bool { return s.Code == 0 && s.Signal == 0 }

func (s State) String() string {
	if s.Signal != 0 {
		return "signal " + s.Signal.String()
	}
	return fmt.Sprintf("exit code %d", s.Code)
}
