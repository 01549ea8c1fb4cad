package fault

import "errors"

// Code is an exit code, one per stage that a script may want to tell apart.
type Code int

// The exit codes of cordon.
const (
	Internal     Code = 1 // a bug of ours
	Usage        Code = 2 // unknown command or flag, missing argument
	Input        Code = 3 // a file, SQL, policy or statement is malformed
	Untrusted    Code = 4 // authentication failed, something was tampered with
	NoKey        Code = 5 // a key is missing or a passphrase is wrong
	Refused      Code = 6 // a policy or an owner refused
	Unavailable  Code = 7 // exchange, broker or host did not answer in time
	LocalStorage Code = 8 // disk full or not writable
)

// Error is an error with a hint and an exit code.
type Error struct {
	Code   Code
	Msg    string
	Advice string
	Cause  error
}

// New makes an Error. msg says what failed, hint what to do about it; cause may be nil.
func New(code Code, msg, hint string, cause error) *Error {
	return &Error{Code: code, Msg: msg, Advice: hint, Cause: cause}
}

func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Msg
	}
	return e.Msg + ": " + e.Cause.Error()
}

func (e *Error) Unwrap() error { return e.Cause }

// Hint says what to do next.
func (e *Error) Hint() string { return e.Advice }

// ExitCode is the process's exit code.
func (e *Error) ExitCode() int { return int(e.Code) }

// ExitCode of any error: its own, that of what it wraps, or Internal.
func ExitCode(err error) int {
	var c interface{ ExitCode() int }
	if err == nil {
		return 0
	}
	if errors.As(err, &c) {
		return c.ExitCode()
	}
	return int(Internal)
}

// Hint of any error, or "".
func Hint(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}
