package store

import "errors"

// Sentinel errors, one per reason.
var (
	ErrNotFound    = errors.New("store: not there")
	ErrExists      = errors.New("store: there already, and not the same")
	ErrChanged     = errors.New("store: changed since it was read")
	ErrNameTaken   = errors.New("store: another party has this name")
	ErrNameFixed   = errors.New("store: this party has another name")
	ErrOutdated    = errors.New("store: a newer statement of this party is there")
	ErrLeaseLost   = errors.New("store: lease has ended")
	ErrAskAnew     = errors.New("store: a lease of this operator ended since it asked")
	ErrStale       = errors.New("store: attempt is over")
	ErrTooMany     = errors.New("store: more than one party may have")
	ErrNoCredit    = errors.New("store: less credit than that")
	ErrOver        = errors.New("store: the order has ended")
	ErrFull        = errors.New("store: disk is full")
	ErrInUse       = errors.New("store: in use by another process")
	ErrNewerSchema = errors.New("store: written by a newer version of cordon")
	ErrOlderSchema = errors.New("store: written by an older version of cordon")
	ErrDamaged     = errors.New("store: damaged")
	ErrUnavailable = errors.New("store: database does not answer")
	ErrClosed      = errors.New("store: closed")
)
