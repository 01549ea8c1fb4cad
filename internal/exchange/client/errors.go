package client

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/fault"
)

var (
	// ErrUnavailable is returned when the exchange did not answer in time.
	ErrUnavailable = errors.New("exchange did not answer")
	// ErrNoJob is returned by Claim when no job came while it waited.
	ErrNoJob = errors.New("no job to claim")
)

// Error is the exchange's refusal of a call.
type Error struct {
	Status  int    // HTTP status
	Code    string // wire.Code…: stable
	Message string
	Advice  string
	After   time.Duration // when the exchange says that the same call may go; 0: it does not say
}

func (e *Error) Error() string { return fmt.Sprintf("exchange: %s (%s)", e.Message, e.Code) }

// Hint says what to do next.
func (e *Error) Hint() string { return e.Advice }

// ExitCode is the process's exit code for this error.
func (e *Error) ExitCode() int {
	switch {
	case e.Status == http.StatusUnauthorized || e.Code == wire.CodeSignature:
		return int(fault.Untrusted)
	case e.Status == http.StatusForbidden, e.Code == wire.CodeNoCredit, e.Code == wire.CodeNoProvider, e.Code == wire.CodePaymentRefused, e.Code == wire.CodeNotSold:
		return int(fault.Refused)
	case e.Status >= 500:
		return int(fault.Unavailable)
	}
	return int(fault.Input)
}

// HasCode reports whether err is the exchange's refusal with this code.
func HasCode(err error, code string) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}

// Revoked is err, but nil where the exchange says that the caller revoked the same thing before: what it asked for holds.
func Revoked(err error) error {
	if HasCode(err, wire.CodeAlreadyRevoked) {
		return nil
	}
	return err
}

func unavailable(cause error) error {
	return fault.New(fault.Unavailable, "exchange can't be reached",
		"check that cordon exchange serve runs and that the URL is right; then try again",
		fmt.Errorf("%w: %w", ErrUnavailable, cause))
}

func untrusted(msg string) error {
	return fault.New(fault.Untrusted, msg, "this exchange should not be used; ask its operator", nil)
}
