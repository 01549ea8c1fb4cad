package perimeter

import "errors"

// MissingError says what the machine lacks for the perimeter that was asked for, and the cure.
type MissingError struct {
	// What is missing, such as "user namespaces".
	What string
	// Cure is what the operator can do about it.
	Cure string
	// Err is the kernel's answer, where there was one.
	Err error
}

func (e *MissingError) Error() string {
	if e.Err != nil {
		return "perimeter: missing " + e.What + ": " + e.Err.Error()
	}
	return "perimeter: missing " + e.What
}

// Hint says what to do next.
func (e *MissingError) Hint() string { return e.Cure }

func (e *MissingError) Unwrap() error { return e.Err }

// Errors a caller may tell apart.
var (
	// ErrUnsupported is returned by everything on systems other than Linux.
	ErrUnsupported = errors.New("perimeter: the process perimeter needs linux")
	// ErrImage says that a file can't serve as an enclave: not a statically linked program for this machine.
	ErrImage = errors.New("perimeter: not a statically linked enclave program")
	// ErrStage says that the first stage ended in a way it never should.
	ErrStage = errors.New("perimeter: first stage failed")
)
