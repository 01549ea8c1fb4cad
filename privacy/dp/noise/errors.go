package noise

import "errors"

// Errors of this package carry no data.
var (
	// ErrKeys says that the keys or offers are none, twice there, or unset.
	ErrKeys = errors.New("noise: keys and offers do not fit together")
	// ErrRelease says that the release digest is not one.
	ErrRelease = errors.New("noise: release digest is missing")
	// ErrRange says that an integer was asked for from an empty or too large range.
	ErrRange = errors.New("noise: range is empty or too large")
	// ErrExhausted says that one stream was asked for more than it gives. A sampler that gets it has no result: to stop
	// with what there is would change the distribution.
	ErrExhausted = errors.New("noise: stream is exhausted")
)
